"""What every fit returns."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Estimates"]


@dataclass(frozen=True, slots=True)
class Estimates:
    """Coefficients and standard errors by name; for a test, its statistic and nothing else."""

    params: dict[str, float]
    std_errors: dict[str, float]
