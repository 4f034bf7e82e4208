"""Profile likelihoods of a mixed model, and the intervals they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from panelml.arguments import checked_methods
from panelml.errors import SpecificationError, UnknownNameError, shown, suggest
from panelml.inference.distributions import normal_critical
from panelml.mixed.results.plot_profile import plot_zeta
from panelml.mixed.results.profile_curve import ProfileCurve

if TYPE_CHECKING:
    from panelml.mixed.results.plot_profile import Axes

__all__ = ["Profile"]


@checked_methods
@dataclass(frozen=True, slots=True)
class Profile:
    """Profile likelihoods of a mixed model's parameters.

    Attributes
    ----------
    curves : dict of str to ProfileCurve
    level : float
        Of the widest intervals that the curves reach.
    """

    curves: dict[str, ProfileCurve]
    level: float

    @property
    def table(self) -> pd.DataFrame:
        """Points of all curves: ``parameter``, ``value`` and ``zeta``."""
        parts = [
            pd.DataFrame({"parameter": c.name, "value": c.values, "zeta": c.zeta})
            for c in self.curves.values()
        ]
        return pd.concat(parts, ignore_index=True)

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Intervals of the values that a likelihood-ratio test does not reject.

        Endpoints are solved for, not interpolated.

        Parameters
        ----------
        level : float
            No more than the level of the profile.

        Returns
        -------
        DataFrame
            By parameter: the estimate by maximum likelihood, ``conf_low``, ``conf_high`` and
            ``boundary``, ``"low"``, ``"high"`` or ``"both"`` where the interval reaches the end
            of the parameter's range: a standard deviation of 0, a correlation of -1 or 1.
        """
        if not 0 < level <= self.level:
            raise SpecificationError(
                f"This profile serves levels up to {self.level:g}, not {shown(level)}: call "
                "profile(level=...) with a higher one."
            )
        size = normal_critical(level)
        rows = {}
        for name, curve in self.curves.items():
            low, at_low = curve.endpoint(-1, size)
            high, at_high = curve.endpoint(1, size)
            words = {(0, 0): "", (1, 0): "low", (0, 1): "high", (1, 1): "both"}
            rows[name] = (curve.estimate, low, high, words[at_low, at_high])
        columns = ["estimate", "conf_low", "conf_high", "boundary"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def plot(self, parameters: list[str] | None = None) -> list[Axes]:
        """Plot zeta over each parameter; a straight line is a normal likelihood.

        Vertical lines are the ends of 50, 80, 90, 95 and 99 per cent intervals.

        Parameters
        ----------
        parameters : list of str, optional

        Raises
        ------
        UnknownNameError
            If there is no such parameter.
        MissingDependencyError
            If matplotlib is not installed.
        """
        names = list(self.curves) if parameters is None else parameters
        for name in names:
            if name not in self.curves:
                raise UnknownNameError(
                    f"No parameter {name!r} was profiled.{suggest(name, list(self.curves))}"
                )
        shown = [self.curves[name] for name in names]
        return plot_zeta([(curve.name, curve.values, curve.zeta) for curve in shown], self.level)
