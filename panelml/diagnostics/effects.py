"""Tests of whether there are effects: F after fixed effects, Lagrange multipliers after pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.block import Block
from panelml.core.groups import group_sums
from panelml.core.keyed import KeyedSums
from panelml.data.formula.formula import parse_formula
from panelml.data.source.given import DataLike
from panelml.diagnostics.estimable import canonical, directions_of
from panelml.diagnostics.pairs import make_pair
from panelml.diagnostics.periods import require_periods
from panelml.diagnostics.pooled import PooledFit, fit_pooled, pooled_least_squares
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.distributions import chi2_tail
from panelml.inference.testing import TestResult, chi2_test, f_test, normal_test
from panelml.results.base import Results

__all__ = ["breusch_pagan", "effects_test", "gourieroux_holly_monfort", "honda", "king_wu"]

Effect: TypeAlias = Literal["unit", "time", "twoway"]


@checked
def effects_test(fit: Results, restricted: Results | None = None) -> TestResult:
    """F test that the absorbed effects are zero.

    Parameters
    ----------
    fit : Results
        Fixed effects, of any kind and number.
    restricted : Results, optional
        Fixed effects with fewer of them; by default pooled least squares of the regressors that
        vary within the effects, whichever of them were dropped as collinear there.

    Raises
    ------
    SpecificationError
        If the first fit is not linear or absorbs nothing, or the second is not a restriction of it.

    Notes
    -----
    Errors are taken as independent and of equal variance, whatever the covariance of the fit.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union + married").fit(panel)
    >>> print(pm.effects_test(fit))
    F test of effects
      H0: the effects of nr are zero
      F(544, 3813) = 7.9689, p < 0.0001
      Rejected at the 5 % level: the effects belong in the model.
      Assumes independent errors of equal variance.
    """
    fit.facts.require_linear("effects_test")
    if not fit.facts.absorbed:
        raise SpecificationError(
            f"{fit.model} absorbs no effects. For effects after pooled OLS use breusch_pagan."
        )
    if restricted is None:
        effects = parse_formula(fit.formula).effects
        constant = effects is None or any(effect.intercept for effect in effects)
        sample = fit.attached.estimate.rows.sample
        found = directions_of(fit)
        varying = [name for name in found.names if name not in found.lost]
        pooled = pooled_least_squares(sample, varying, constant=constant)
        rss, df = pooled.rss, fit.nobs - pooled.rank
        null = f"the effects of {fit.effects_absorbed} are zero"
    else:
        _require_restriction(fit, restricted)
        rss, df = restricted.rss, restricted.df_resid
        null = f"the effects of {fit.effects_absorbed} add nothing to those of " + (
            restricted.effects_absorbed or "a constant"
        )
    extra = df - fit.df_resid
    if extra <= 0:
        raise IdentificationError("The effects have no coefficient to test.")
    own = fit.rss
    statistic = (rss - own) / extra / (own / fit.df_resid)
    test = f_test("F test of effects", null, statistic, (extra, fit.df_resid))
    return _advised(
        test,
        "the effects belong in the model.",
        "the smaller model may do.",
        ("Assumes independent errors of equal variance.",),
    )


@checked
def breusch_pagan(
    model: Results | str, data: DataLike | None = None, *, effect: Effect = "unit"
) -> TestResult:
    """Breusch-Pagan Lagrange multiplier test for random effects of units, periods or both.

    Parameters
    ----------
    model : Results or str
        Any fit, whose outcome and regressors are fitted by pooled least squares; or a formula.
    data : Panel, optional
        For a formula.
    effect : {"unit", "time", "twoway"}

    Notes
    -----
    Source: Breusch and Pagan (1980), *Review of Economic Studies* 47, 239-253; Baltagi and Li
    (1990), *Econometric Reviews* 9, 257-273, for unbalanced panels. The alternative is
    two-sided, though a variance cannot be negative: see ``honda``.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> pooled = pm.PooledOLS("lwage ~ union + married").fit(panel)
    >>> print(round(pm.breusch_pagan(pooled).statistic, 1))
    3252.7
    """
    unit, time = _multipliers(model, data, effect)
    parts = {"unit": [unit], "time": [time], "twoway": [unit, time]}[effect]
    statistic = sum(part.lm**2 for part in parts)
    found = chi2_test(f"Breusch-Pagan test, {effect}", _null(effect), statistic, len(parts))
    return _effects_advice(found)


@checked
def honda(
    model: Results | str, data: DataLike | None = None, *, effect: Effect = "unit"
) -> TestResult:
    """Honda test: one-sided Lagrange multiplier test for random effects.

    Parameters
    ----------
    model, data, effect
        As in ``breusch_pagan``.

    Notes
    -----
    Source: Honda (1985), *Review of Economic Studies* 52, 681-690.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> pooled = pm.PooledOLS("lwage ~ union + married").fit(panel)
    >>> print(round(pm.honda(pooled).statistic, 1))
    57.0
    """
    unit, time = _multipliers(model, data, effect)
    statistic = {"unit": unit.lm, "time": time.lm, "twoway": (unit.lm + time.lm) / np.sqrt(2)}
    return _effects_advice(
        normal_test(f"Honda test, {effect}", _null(effect), float(statistic[effect]))
    )


@checked
def king_wu(model: Results | str, data: DataLike | None = None) -> TestResult:
    """King-Wu test: the locally most powerful one-sided test for unit and time effects.

    Parameters
    ----------
    model, data
        As in ``breusch_pagan``.

    Notes
    -----
    Source: King and Wu (1997), *Econometric Reviews* 16, 131-156. For one kind of effects it is
    Honda's test.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> pooled = pm.PooledOLS("lwage ~ union + married").fit(panel)
    >>> print(round(pm.king_wu(pooled).statistic, 1))
    60.4
    """
    unit, time = _multipliers(model, data, "twoway")
    statistic = np.sqrt(unit.pairs) * unit.lm + np.sqrt(time.pairs) * time.lm
    statistic /= np.sqrt(unit.pairs + time.pairs)
    return _effects_advice(normal_test("King-Wu test, twoway", _null("twoway"), float(statistic)))


@checked
def gourieroux_holly_monfort(model: Results | str, data: DataLike | None = None) -> TestResult:
    """Lagrange multiplier test for unit and time effects whose variances cannot be negative.

    Parameters
    ----------
    model, data
        As in ``breusch_pagan``.

    Notes
    -----
    Source: Gourieroux, Holly and Monfort (1982), *Econometrica* 50, 63-80. The distribution is
    a mixture of chi-squared with 0, 1 and 2 degrees of freedom, weights 1/4, 1/2 and 1/4.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> pooled = pm.PooledOLS("lwage ~ union + married").fit(panel)
    >>> print(round(pm.gourieroux_holly_monfort(pooled).statistic, 1))
    6205.7
    """
    parts = _multipliers(model, data, "twoway")
    statistic = float(sum(max(part.lm, 0.0) ** 2 for part in parts))
    pvalue = chi2_tail(statistic, 1) / 2 + chi2_tail(statistic, 2) / 4
    found = TestResult(
        "Gourieroux-Holly-Monfort test, twoway",
        _null("twoway"),
        statistic,
        pvalue if statistic > 0 else 1.0,
        "chi-bar-squared(0, 1, 2)",
        (0, 1, 2),
    )
    return _effects_advice(found)


@dataclass(frozen=True, slots=True)
class ErrorSums:
    """What the multipliers read off the residuals.

    Attributes
    ----------
    rows : int
    squares : float
        Sum of squared residuals.
    unit_squares : float
        Sum over units of the squared sum of their residuals.
    unit_rows : float
        Sum over units of their squared number of rows.
    periods : KeyedSums
        Sums of residuals and of ones by period.
    """

    rows: int
    squares: float
    unit_squares: float
    unit_rows: float
    periods: KeyedSums

    @classmethod
    def of(cls, error: FloatArray, block: Block) -> ErrorSums:
        """Sum over one block."""
        by_unit = group_sums(error, block.starts)
        periods = KeyedSums.of(np.stack([error, np.ones_like(error)]), block.time)
        return cls(
            block.n,
            float(error @ error),
            float(by_unit @ by_unit),
            float((block.sizes.astype(np.float64) ** 2).sum()),
            periods,
        )

    def __add__(self, other: ErrorSums) -> ErrorSums:
        return ErrorSums(
            self.rows + other.rows,
            self.squares + other.squares,
            self.unit_squares + other.unit_squares,
            self.unit_rows + other.unit_rows,
            self.periods + other.periods,
        )


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A standardised Lagrange multiplier.

    Attributes
    ----------
    lm : float
        Standard normal under the null hypothesis.
    pairs : float
        Ordered pairs of different rows that share an effect.
    """

    lm: float
    pairs: float


def _multipliers(
    model: Results | str, data: DataLike | None, effect: Effect
) -> tuple[Multiplier, Multiplier]:
    pooled: PooledFit = fit_pooled(model, data)
    if pooled.sample.weights is not None:
        raise SpecificationError("Lagrange multiplier tests are not defined for weighted fits.")
    if effect != "unit":
        require_periods(pooled.sample.source)
    sums = fold(pooled.sample, lambda block: ErrorSums.of(pooled.error(block), block))
    by_time, rows = sums.periods.sums
    wanted = {"unit", "time"} if effect == "twoway" else {effect}
    return (
        _multiplier(sums, sums.unit_squares, sums.unit_rows, needed="unit" in wanted),
        _multiplier(sums, float(by_time @ by_time), float(rows @ rows), needed="time" in wanted),
    )


def _multiplier(sums: ErrorSums, squares: float, rows: float, *, needed: bool) -> Multiplier:
    pairs = rows - sums.rows
    if pairs == 0:
        if needed:
            raise IdentificationError("No two rows share an effect: there is nothing to test.")
        return Multiplier(float("nan"), 0.0)
    return Multiplier(sums.rows / np.sqrt(2 * pairs) * (squares / sums.squares - 1), pairs)


def _require_restriction(fit: Results, restricted: Results) -> None:
    pair = make_pair(fit, restricted)
    regressors = [
        {canonical(name) for name in one.attached.estimate.rows.sample.names}
        for one in (fit, restricted)
    ]
    same = regressors[0] == regressors[1]
    nested = pair.relation == "efficient" and pair.first is fit and same
    if not nested or restricted.facts.kind not in ("fixed", "pooled") or not pair.same_rows:
        raise SpecificationError(
            "The second fit must have the same rows and regressors as the first, and some of its "
            f"effects ({fit.effects_absorbed}); it is {restricted.model} of "
            f"{restricted.formula!r}."
        )


def _null(effect: Effect) -> str:
    words = {"unit": "units", "time": "periods", "twoway": "units and periods"}
    return f"the effects of {words[effect]} have no variance"


def _effects_advice(found: TestResult) -> TestResult:
    return _advised(
        found,
        "pooled OLS is not efficient and its iid standard errors are wrong; use "
        "RandomEffects or FixedEffects, or cluster.",
        "pooled OLS may do.",
        (),
    )


def _advised(found: TestResult, yes: str, no: str, notes: tuple[str, ...]) -> TestResult:
    words = (
        f"Rejected at the 5 % level: {yes}"
        if found.pvalue < 0.05
        else (f"Not rejected at the 5 % level: {no}")
    )
    return TestResult(
        found.name,
        found.null,
        found.statistic,
        found.pvalue,
        found.distribution,
        found.df,
        words,
        notes,
    )
