"""What every fit returns, and what an event study is read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Estimates", "EventStudy", "event_study"]


@dataclass(frozen=True, slots=True)
class Estimates:
    """Coefficients and standard errors by name; for a test, its statistic and nothing else."""

    params: dict[str, float]
    std_errors: dict[str, float]


@dataclass(frozen=True, slots=True)
class EventStudy:
    """Effects by horizon, their covariance, and the sizes of departures that are asked for."""

    horizons: NDArray[np.int64]
    beta: NDArray[np.float64]
    sigma: NDArray[np.float64]
    sizes: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)


def event_study(frame: pd.DataFrame) -> EventStudy:
    """Read an event study off its frame, whose columns come in any order."""
    frame = frame.sort_values("horizon")
    columns = [f"sigma{j}" for j in range(len(frame))]
    values = frame[["beta", *columns]].to_numpy(np.float64)
    return EventStudy(frame["horizon"].to_numpy(np.int64), values[:, 0], values[:, 1:])
