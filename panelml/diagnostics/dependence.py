"""Tests for correlation of the errors between units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.arguments import checked
from panelml.core.block import Block
from panelml.core.groups import demean
from panelml.core.keyed import KeyedSums
from panelml.diagnostics.periods import lies_in_periods, require_periods
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.influence import Influence
from panelml.inference.testing import TestResult, chi2_test, normal_test
from panelml.results.base import Results

__all__ = ["pesaran_cd"]

Kind: TypeAlias = Literal["cd", "lm", "scaled-lm"]

# Units whose correlations with all others are held at a time.
UNITS_AT_ONCE = 500
# Of eigenvalues of scaled cross-products, and the share of a dummy outside the regressors' span.
RANK = 1e-10
SPANNED = 1e-6
# Share of the sum of squares below which what is left is rounding.
ROUNDING = 1e-12


@checked
def pesaran_cd(fit: Results, *, kind: Kind = "cd") -> TestResult:
    """Cross-sectional dependence: test of residuals of different units in the same period.

    Parameters
    ----------
    fit : Results
        Any unweighted fit with a row for each unit and period; the residuals are those of the
        regression it runs, for fixed effects the within residuals.
    kind : {"cd", "lm", "scaled-lm"}
        Pesaran's test, for many units and few periods too; Breusch and Pagan's multiplier, for
        few units and many periods; the same standardised.

    Raises
    ------
    SpecificationError
        For weights, a fit on unit means, or one that takes out the effects of periods, absorbed,
        random, or by dummies: its residuals add up to zero in each period, so that they are
        correlated between units by construction.
    IdentificationError
        If no two units share two periods.

    Notes
    -----
    Source: Pesaran (2004), *Cambridge Working Papers in Economics* 0435, its section 9 for
    unbalanced panels; Juodis and Reese (2022), *JBES* 40, 1191-1203, for absorbed periods. The
    residuals of all units are held in memory. CD of a balanced panel needs no pairs; otherwise
    the time is proportional to the squared number of units.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union + married").fit(panel)
    >>> print(round(pm.pesaran_cd(fit).statistic, 2))
    117.22
    """
    fit.facts.require_linear("pesaran_cd")
    influence = fit.attached.estimate.rows
    if influence.sample.weights is not None:
        raise SpecificationError("The test is not defined for weighted fits.")
    if influence.grain == "unit":
        raise SpecificationError("The means of units have no periods to be correlated in.")
    _refuse_period_effects(fit)
    table = _error_table(influence)
    found = _balanced(table) if kind == "cd" and table.seen.all() else _pairwise(table)
    if found.pairs == 0:
        raise IdentificationError("No two units vary over two periods that they share.")
    notes: tuple[str, ...] = ()
    g = table.values.shape[0]
    if found.pairs < g * (g - 1) // 2:
        left = g * (g - 1) // 2 - found.pairs
        notes = (f"{left:,} pairs of units without two varying periods in common are left out.",)
    return replace(_test(kind, found), notes=notes)


def _refuse_period_effects(fit: Results) -> None:
    """Refuse fits without periods, or with effects of them: absorbed, random, or by regressors."""
    influence = fit.attached.estimate.rows
    require_periods(influence.sample.source)
    time = influence.sample.source.time
    groups = fit.facts.intercepts
    own = any(lies_in_periods(influence.sample, columns) for columns in groups)
    if own or _spans_periods(influence):
        raise SpecificationError(
            f"Effects of {time} are taken out, so that the residuals of a period add up to zero, "
            "or nearly: they are correlated between units by construction, and without any "
            "dependence the statistic is not standard normal (Juodis and Reese 2022). Test the fit "
            "without effects of periods, or let standard errors allow for dependence: cluster by "
            "time too, or use 'DK'."
        )


@dataclass(frozen=True, slots=True)
class PeriodSums:
    """Cross-products of regressors, and their sums by period.

    Attributes
    ----------
    products : FloatArray, shape (k, k)
    periods : KeyedSums
        Of a one and the regressors, (1 + k, T).
    """

    products: FloatArray
    periods: KeyedSums

    @classmethod
    def of(cls, block: Block) -> PeriodSums:
        """Sum over one block."""
        x = np.concatenate([np.ones((1, block.n)), block.regressors])
        return cls(x @ x.T, KeyedSums.of(x, block.time))

    def __add__(self, other: PeriodSums) -> PeriodSums:
        return PeriodSums(self.products + other.products, self.periods + other.periods)


def _spans_periods(influence: Influence) -> bool:
    """Whether the dummies of all periods are combinations of a constant and the regressors."""
    found = fold(influence.sample, PeriodSums.of)
    rows, sums = found.periods.sums[0], found.periods.sums
    if not 1 < rows.size <= len(sums):
        return False
    length = np.sqrt(np.diag(found.products))
    length[length == 0] = 1.0
    scaled = sums / length[:, None]
    inverse = np.linalg.pinv(found.products / np.outer(length, length), rcond=RANK, hermitian=True)
    left = rows - np.einsum("kt,kl,lt->t", scaled, inverse, scaled)
    return bool((left <= SPANNED * rows).all())


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """Residuals by unit and period.

    Attributes
    ----------
    values : FloatArray, shape (g, T)
        Zero where not seen; each unit's mean is zero.
    seen : BoolArray, shape (g, T)
    """

    values: FloatArray
    seen: BoolArray


@dataclass(frozen=True, slots=True)
class ErrorRows:
    """Demeaned residuals with their unit and period.

    Attributes
    ----------
    errors : FloatArray, shape (n,)
    unit, time : IntArray, shape (n,)
    """

    errors: FloatArray
    unit: IntArray
    time: IntArray

    def __add__(self, other: ErrorRows) -> ErrorRows:
        return ErrorRows(
            np.concatenate([self.errors, other.errors]),
            np.concatenate([self.unit, other.unit]),
            np.concatenate([self.time, other.time]),
        )


@dataclass(frozen=True, slots=True)
class Correlations:
    """Sums over pairs of units.

    Attributes
    ----------
    pairs : int
    weighted : float
        Of correlation times the square root of the number of shared periods.
    squared : float
        Of squared correlation times the number of shared periods.
    """

    pairs: int
    weighted: float
    squared: float


def _error_table(influence: Influence) -> ErrorTable:
    regression = influence.regression

    def rows_of(block: Block) -> ErrorRows:
        fitted = regression.fitted_rows(block)
        rows, error = fitted.rows, fitted.error
        unit = rows.labels(block.unit)
        present, starts = np.unique(unit, return_index=True)
        place = np.repeat(np.arange(present.size), np.diff(np.append(starts, unit.size)))
        centred = demean(error, np.append(starts, unit.size), place)
        return ErrorRows(centred, unit + block.first_unit, rows.labels(block.time))

    rows = fold(influence.sample, rows_of)
    units, unit = np.unique(rows.unit, return_inverse=True)
    times, time = np.unique(rows.time, return_inverse=True)
    values = np.zeros((units.size, times.size))
    seen = np.zeros(values.shape, dtype=bool)
    values[unit, time] = rows.errors
    seen[unit, time] = True
    squares = (values**2).sum(axis=1)
    values[squares <= ROUNDING**2 * squares.mean()] = 0.0
    return ErrorTable(values, seen)


def _balanced(table: ErrorTable) -> Correlations:
    """Sum over pairs without forming them: standardised residuals summed over units."""
    g, periods = table.values.shape
    length = np.sqrt((table.values**2).sum(axis=1))
    varies = length > 0
    total = (table.values[varies] / length[varies, None]).sum(axis=0)
    g = int(varies.sum())
    weighted = np.sqrt(periods) * (float(total @ total) - g) / 2
    return Correlations(g * (g - 1) // 2 if periods > 1 else 0, weighted, float("nan"))


def _pairwise(table: ErrorTable) -> Correlations:
    g = table.values.shape[0]
    seen = table.seen.astype(np.float64)
    squares = table.values**2
    least = ROUNDING * squares.sum(axis=1)
    pairs, weighted, squared = 0, 0.0, 0.0
    for first in range(0, g, UNITS_AT_ONCE):
        here = slice(first, first + UNITS_AT_ONCE)
        shared = seen[here] @ seen.T
        sums, others = table.values[here] @ seen.T, seen[here] @ table.values.T
        periods = np.maximum(shared, 1.0)
        covariance = table.values[here] @ table.values.T - sums * others / periods
        own = squares[here] @ seen.T - sums**2 / periods
        other = seen[here] @ squares.T - others**2 / periods
        after = np.arange(g)[None] > np.arange(g)[here, None]
        varies = (own > least[here, None]) & (other > least[None])
        use = after & (shared > 1) & varies
        rho, shared = covariance[use] / np.sqrt(own[use] * other[use]), shared[use]
        pairs += int(use.sum())
        weighted += float(np.sqrt(shared) @ rho)
        squared += float(shared @ rho**2)
    return Correlations(pairs, weighted, squared)


def _test(kind: Kind, found: Correlations) -> TestResult:
    null = "the errors of different units are not correlated"
    pairs = found.pairs
    if kind == "cd":
        statistic = found.weighted / np.sqrt(pairs)
        test = normal_test("Pesaran CD test", null, float(statistic), two_sided=True)
    elif kind == "lm":
        test = chi2_test(
            "Breusch-Pagan test of cross-section dependence", null, found.squared, pairs
        )
    else:
        statistic = (found.squared - pairs) / np.sqrt(2 * pairs)
        name = "Scaled Breusch-Pagan test of cross-section dependence"
        test = normal_test(name, null, float(statistic), two_sided=True)
    advice = "Not rejected at the 5 % level."
    if test.pvalue < 0.05:
        advice = (
            "Rejected at the 5 % level: clusters by unit are not independent. Cluster by time "
            "too, use Driscoll-Kraay standard errors, or absorb the periods, after which this test "
            "is not defined."
        )
    return replace(test, advice=advice)
