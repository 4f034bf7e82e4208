"""Small-sample rules as values, with presets that reproduce each package.

"fixest" is the rule of fixest 0.14 and pyfixest 0.60, "fixest-0.12" that of fixest up to 0.12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from panelml.data.formula.formula import Effect
from panelml.errors import UnknownNameError, suggest

__all__ = ["PRESETS", "Counts", "SmallSample", "parse_small_sample"]


@dataclass(frozen=True, slots=True)
class Counts:
    """What the small-sample rules count.

    Attributes
    ----------
    nobs : int
        Observations.
    slopes : int
        Estimated coefficients, without the constant.
    constant : bool
        Whether a constant was estimated.
    effects : tuple of Effect
        The absorbed effects.
    absorbed : int
        Rank of all that was absorbed, the implied constant included.
    effects_rank : int, or None
        Rank of the absorbed effects alone, where it is known.
    normal : bool
        Whether the model's own inference is asymptotic, by the normal distribution.
    rule : str
        Preset of small-sample rules where a covariance names none.
    """

    nobs: int
    slopes: int
    constant: bool
    effects: tuple[Effect, ...] = ()
    absorbed: int = 0
    effects_rank: int | None = None
    normal: bool = False
    rule: str = "fixest"

    @property
    def df_resid(self) -> int:
        """Observations less all coefficients, the absorbed ones included."""
        return self.nobs - self.slopes - self.constant - self.absorbed


@dataclass(frozen=True, slots=True)
class SmallSample:
    """A rule for small-sample factors and degrees of freedom.

    Attributes
    ----------
    scale : {"none", "n", "n-1"}
        Factor 1, N / (N - K) or (N - 1) / (N - K).
    effects : {"nested", "single", "none", "all"}
        Absorbed effects that count in K: those not nested in any cluster dimension; all but a
        single effect that is nested in every one; none; all.
    implied_constant : bool
        Whether the constant that absorbed effects imply counts where they do not.
    groups : bool
        Factor G / (G - 1) for G clusters, or periods.
    multiway : {"min", "each"}
        G of several cluster dimensions: the smallest, or each term's own.
    df : {"clusters", "residual", "normal"}
        Degrees of freedom of t: G - 1, N - K with all effects, or infinitely many.
    robust : bool
        Whether HC1 takes N / (N - K) with all effects counted, not only the slopes.
    serial : {"all", "effects"}
        Absorbed effects that count in K of Newey-West and Driscoll-Kraay: all, or as ``effects``
        says, with units and periods for clusters.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> rule = pm.cov.SmallSample(df="groups")
    >>> print(fit.with_cov(pm.cov.Clustered(small_sample=rule)).std_errors.round(4).to_dict())
    {'union': 0.0266}
    """

    scale: Literal["none", "n", "n-1"] = "n-1"
    effects: Literal["nested", "single", "none", "all"] = "nested"
    implied_constant: bool = True
    groups: bool = True
    multiway: Literal["min", "each"] = "min"
    df: Literal["clusters", "residual", "normal"] = "clusters"
    robust: bool = True
    serial: Literal["all", "effects"] = "all"

    def degrees(self, groups: int, counts: Counts) -> float:
        """Degrees of freedom of t for so many clusters or periods."""
        if self.df == "normal":
            return float("inf")
        return float(groups - 1 if self.df == "clusters" else counts.df_resid)

    def exempt(self, nesting: Mapping[Effect, tuple[bool, ...]]) -> tuple[Effect, ...]:
        """Choose the effects that do not count, given in which dimensions each is nested."""
        inside = all if self.effects == "single" else any
        if self.effects == "all" or (self.effects == "single" and len(nesting) > 1):
            return ()
        return tuple(effect for effect, where in nesting.items() if inside(where))

    def parameters(self, counts: Counts, nested_rank: int) -> int:
        """Count K, given the joint rank of the effects that are exempt, zero without such.

        Exempt effects still imply a constant, which is one parameter.
        """
        k = counts.slopes + counts.constant
        if not counts.effects:
            return k
        if self.effects == "none":
            return k + self.implied_constant
        left = counts.absorbed - nested_rank + (nested_rank > 0)
        return k + (left if self.implied_constant or left > 1 else 0)

    def over_time(self) -> SmallSample:
        """Return the rule for dependence over time."""
        return replace(self, effects="all") if self.serial == "all" else self

    def scaling(self, nobs: int, k: int) -> float:
        """Return the factor for N observations and K parameters."""
        if self.scale == "none":
            return 1.0
        return (nobs - (self.scale == "n-1")) / max(nobs - k, 1)


PRESETS: dict[str, SmallSample] = {
    "fixest": SmallSample(),
    "fixest-0.12": SmallSample(serial="effects"),
    "stata": SmallSample(serial="effects"),
    "plm": SmallSample(
        scale="n-1",
        effects="none",
        implied_constant=False,
        multiway="each",
        df="residual",
        robust=False,
        serial="effects",
    ),
    "linearmodels": SmallSample(
        scale="n",
        effects="single",
        implied_constant=False,
        groups=False,
        multiway="each",
        df="residual",
    ),
    "none": SmallSample(scale="none", groups=False, multiway="each", robust=False),
    "CR0": SmallSample(scale="none", groups=False, multiway="each", robust=False),
    "CR1": SmallSample(scale="none", groups=True, multiway="each", robust=False),
    "asymptotic": SmallSample(
        scale="none", groups=False, multiway="each", df="normal", robust=False
    ),
}


def parse_small_sample(rule: str | SmallSample | None, counts: Counts) -> SmallSample:
    """Read a preset's name; None stands for that of the fit.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    """
    if isinstance(rule, SmallSample):
        return rule
    rule = counts.rule if rule is None else rule
    if not isinstance(rule, str) or rule not in PRESETS:
        raise UnknownNameError(f"No small-sample rule {rule!r}.{suggest(str(rule), PRESETS)}")
    return PRESETS[rule]
