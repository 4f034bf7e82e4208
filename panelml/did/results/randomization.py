"""How an effect stands among those of dates of adoption that were dealt out anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.arguments import checked_methods
from panelml.data.describe.show import Listed, Listing, number
from panelml.errors import SpecificationError
from panelml.results.plot.intervals import new_axes

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["RandomizationTest", "Shifted"]

# What is left of a square where an effect is linear, relative to it.
LINEAR = 1e-6
# Steps in a standard error when the end of an interval is looked for, and how far it is.
STEPS = 20
FARTHEST = 20


@checked_methods
@dataclass(frozen=True, slots=True)
class Shifted:
    """Effects of the dates as they were, first, and of others, when one is taken from outcomes.

    Estimators that are linear in the outcome have effects linear in it, and squared standard
    errors quadratic.

    Attributes
    ----------
    effect : FloatArray, shape (1 + draws, powers)
        Coefficients of the powers 0, 1, 2 of the effect taken, or of the power 0 alone.
    square : FloatArray, shape (1 + draws, powers)
        The same of what the effect is divided by, squared.
    linear : bool
        Whether the effects are linear, up to rounding.
    """

    effect: FloatArray
    square: FloatArray
    linear: bool

    @classmethod
    def of(cls, steps: FloatArray, found: FloatArray, studentized: bool) -> Shifted:
        """Fit polynomials to effects and standard errors, found (1 + draws, steps, 2)."""
        scale = max(float(np.abs(steps).max()), np.finfo(float).tiny)
        powers = (steps / scale)[:, None] ** np.arange(steps.size)
        units = scale ** np.arange(steps.size)
        effect, square = (
            np.linalg.solve(powers, values.T).T for values in (found[:, :, 0], found[:, :, 1] ** 2)
        )
        bend = np.abs(effect[:, 2:]).max(initial=0.0)
        if not studentized:
            square = np.eye(1, steps.size).repeat(len(found), axis=0)
        linear = bool(steps.size > 1 and bend <= LINEAR * np.abs(effect).max())
        return cls(effect / units, square / units, linear)

    def only(self, known: BoolArray) -> Shifted:
        """Keep some draws."""
        return Shifted(self.effect[known], self.square[known], self.linear)

    def at(self, effect: float) -> FloatArray:
        """Statistics when ``effect`` is taken from the outcomes of the treated, (1 + draws,)."""
        powers = effect ** np.arange(self.effect.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.effect @ powers) / np.sqrt(self.square @ powers))


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class RandomizationTest(Listed):
    """Test of no effect on any unit, by the assignment of dates of adoption.

    Attributes
    ----------
    model : str
        Name of the estimator.
    estimate : float
        Average effect on the treated, as the dates were.
    shifted : Shifted
        The statistic as the dates were and for dates dealt out anew, and how both follow when an
        effect is taken from the outcomes of the treated.
    failed : int
        Number of draws for which nothing could be estimated; they are not among ``draws``.
    studentized : bool
    among : str
        What the dates were dealt out among.
    """

    model: str
    estimate: float
    shifted: Shifted
    failed: int
    studentized: bool
    among: str

    @property
    def statistic(self) -> float:
        """The estimate, or the estimate over its standard error."""
        return float(self.shifted.at(0.0)[0])

    @property
    def draws(self) -> FloatArray:
        """The statistic for dates dealt out anew, shape (draws,)."""
        return self.shifted.at(0.0)[1:]

    @property
    def pvalue(self) -> float:
        """Two-sided: share of draws, the true one included, at least as far from zero."""
        return self.pvalue_of(0.0)

    def pvalue_of(self, effect: float) -> float:
        """Return the p-value of an effect that is the same for all units from adoption on.

        Raises
        ------
        SpecificationError
            If the effect is not zero, and ``intervals=True`` was not asked for.
        """
        if effect and not self.shifted.linear:
            raise SpecificationError(
                "Only no effect was tested: ask for randomization_test(..., intervals=True)."
            )
        own, *others = self.shifted.at(effect).tolist()
        # Equal statistics of equal assignments differ in the last digits; where one has no spread
        # any more it counts as reached.
        reached = ~(np.abs(np.array(others)) < abs(own) * (1 - 1e-9))
        return float((1 + reached.sum()) / (1 + reached.size))

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Return the ends of the effects that the test does not reject.

        The effects are the same for all units from adoption on. Infinite where too few
        assignments differ for any effect to be rejected.

        Raises
        ------
        SpecificationError
            If the level is not between 0 and 1, or ``intervals=True`` was not asked for.
        """
        self.pvalue_of(self.estimate)
        # A p-value of exactly 1 - level rejects, whatever its last digit.
        low, high = (self._end(side, 1 - level + 1e-9) for side in (-1.0, 1.0))
        return low, high

    def _end(self, side: float, size: float) -> float:
        """Look outwards in small steps, then halve the last one."""
        step = max(abs(self.estimate / max(abs(self.statistic), 1e-3)), 1e-12) / STEPS
        if not self.studentized:
            step = float(np.std(self.draws)) / STEPS
        inside = outside = np.nan
        for place in self.estimate + side * step * np.arange(FARTHEST * STEPS):
            if self.pvalue_of(place) > size:
                inside, outside = place, np.nan
            elif np.isnan(outside):
                outside = place
        if np.isnan(outside):
            return side * np.inf
        while abs(outside - inside) > 1e-9 * step:
            middle = (inside + outside) / 2
            if self.pvalue_of(middle) > size:
                inside = middle
            else:
                outside = middle
        return float(inside)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the distribution of the statistic, with the true one as a line.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        axes = new_axes(6, 3.5) if ax is None else ax
        axes.hist(self.draws, bins=40, color="0.75")
        axes.axvline(self.statistic, color="C3", label=f"as adopted, p = {self.pvalue:.4f}")
        axes.set_xlabel("t-statistic" if self.studentized else "average effect")
        axes.set_ylabel("draws")
        axes.legend(frameon=False)
        return axes

    @property
    def _title(self) -> str:
        return f"Randomisation test: {self.model}, dates dealt out among {self.among}"

    @property
    def _listing(self) -> Listing:
        heads = ["Effect", "t" if self.studentized else "Statistic", "Draws", "P"]
        row = [
            number(self.estimate),
            number(self.statistic),
            f"{self.draws.size:,}",
            f"{self.pvalue:.4f}",
        ]
        if self.shifted.linear:
            heads += ["95% low", "95% high"]
            row += [number(end) for end in self.conf_int()]
        return Listing(tuple(heads), (tuple(row),), frozenset())

    @property
    def _remarks(self) -> Sequence[str]:
        words = [
            "The p-value is exact for no effect on any unit, if every assignment of these dates "
            "was equally likely."
        ]
        if self.shifted.linear:
            words.append(
                "The interval holds the effects that are not rejected, the same for all units from "
                "adoption on."
            )
        if self.failed:
            words.append(f"{self.failed:,} further draws could not be estimated and do not count.")
        return words
