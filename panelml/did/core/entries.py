"""Who enters treatment in a period, and with whom this can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray

__all__ = ["Absorbing", "Switching", "Treatment"]


class Treatment(Protocol):
    """Tells units that enter treatment from clean comparisons."""

    def groups(self, time: int, horizon: int) -> tuple[BoolArray, BoolArray]:
        """Return who enters in a period, and the comparisons up to a horizon, shape (units,)."""
        ...


@dataclass(frozen=True, slots=True)
class Absorbing:
    """A treatment that stays.

    Attributes
    ----------
    start : IntArray, shape (units,)
        Number of the first treated period; T or more where never.
    """

    start: IntArray

    def groups(self, time: int, horizon: int) -> tuple[BoolArray, BoolArray]:
        """Compare with units that have not adopted by the horizon."""
        later = self.start > time + max(horizon, 0)
        return np.asarray(self.start == time), np.asarray(later)


@dataclass(frozen=True, slots=True)
class Switching:
    """A treatment that may end, and start again.

    Attributes
    ----------
    status : FloatArray, shape (units, T)
        0 or 1, missing where not observed.
    changes : IntArray, shape (units, T)
        How often treatment has changed up to each period; a period that is not observed counts
        as a change. Units are untreated before the first period.
    settled : int, or None
        Periods without a change after which units are compared again; None to look only at first
        entries, and at comparisons that have never been treated.
    """

    status: FloatArray
    changes: IntArray
    settled: int | None

    @classmethod
    def of(cls, status: FloatArray, settled: int | None) -> Switching:
        """Count the changes."""
        before = np.concatenate([np.zeros((len(status), 1)), status[:, :-1]], axis=1)
        return cls(status, np.cumsum(status != before, axis=1), settled)

    def groups(self, time: int, horizon: int) -> tuple[BoolArray, BoolArray]:
        """Compare units that enter and stay with units without a change.

        Notes
        -----
        Source: Dube, Girardi, Jordà and Taylor (2025), equations 12 and 13. For leads, units are
        also without a change since the period whose outcome is compared.
        """
        back = time + 1 if self.settled is None else max(self.settled, -horizon)
        until = self.changes[:, time + max(horizon, 0)]
        enters = (self.status[:, time - 1] == 0) & (self.status[:, time] == 1)
        enters &= self._up_to(time - 1) == self._up_to(time - back)
        enters &= until == self.changes[:, time]
        return np.asarray(enters), np.asarray(until == self._up_to(time - back - 1))

    def _up_to(self, time: int) -> IntArray:
        return self.changes[:, time] if time >= 0 else np.zeros_like(self.changes[:, 0])
