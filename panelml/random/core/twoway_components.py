"""Variance components of y = xb + u_i + l_t + e_it, from the two-way moments.

Each moment estimator equates three quadratic forms of residuals with their expectations: off
unit and period means, over unit means (P_u), and over period means (P_t). With weights, sums,
means and numbers of rows are weighted, as if a row stood for that many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, VarianceMethod
from panelml.core.groups import ROUNDING
from panelml.core.levels import solve_dense
from panelml.core.linalg import RANK_TOLERANCE, Solution, solve_normal
from panelml.core.moments import PanelMoments
from panelml.errors import IdentificationError
from panelml.random.core.twoway import TwoWayMoments
from panelml.random.core.twoway_likelihood import maximise_two_way

__all__ = ["TwoWayComponents", "estimate_two_way"]

# Residuals whose share of the outcome's sum of squares is rounding.
EXACT = 1e-14


@dataclass(frozen=True, slots=True)
class TwoWayComponents:
    """Estimated variances.

    Attributes
    ----------
    sigma2_e, sigma2_u, sigma2_t : float
        Of the idiosyncratic error, the unit effect and the period effect.
    raw_u, raw_t : float
        The estimates of the last two before a negative one is set to zero.
    loglik : float, or None
        Maximum of the (restricted) log-likelihood; None for the other methods.
    """

    sigma2_e: float
    sigma2_u: float
    sigma2_t: float
    raw_u: float
    raw_t: float
    loglik: float | None = None

    @property
    def ratio_u(self) -> float:
        """Return sigma2_u / sigma2_e."""
        return self.sigma2_u / self.sigma2_e

    @property
    def ratio_t(self) -> float:
        """Return sigma2_t / sigma2_e."""
        return self.sigma2_t / self.sigma2_e


@dataclass(frozen=True, slots=True)
class Projection:
    """A projection P of the rows, seen from z = [y, 1, x] and the dummies D_u, D_t.

    Attributes
    ----------
    rank : int
    products : FloatArray, shape (1 + k, 1 + k)
        z'Pz.
    traces : tuple of float
        tr(D'PD) for units and periods.
    cross : tuple of FloatArray, shape (1 + k, 1 + k)
        z'PDD'z.
    inner : tuple of FloatArray, shape (1 + k, 1 + k)
        z'PDD'Pz.
    """

    rank: int
    products: FloatArray
    traces: tuple[float, float]
    cross: tuple[FloatArray, FloatArray]
    inner: tuple[FloatArray, FloatArray]

    def residual_form(self, coef: FloatArray) -> float:
        """Return v'Pv for v = y - xb."""
        direction = np.concatenate([[1.0], -coef])
        return float(direction @ self.products @ direction)


@dataclass(frozen=True, slots=True)
class TwoWayDesign:
    """The three projections and the regressions on them.

    Attributes
    ----------
    n : float
        Sum of the weights.
    within, units, times : Projection
        Off unit and period effects; on unit means; on period means.
    pooled : FloatArray, shape (1 + k, 1 + k)
        z'z.
    outer : tuple of FloatArray, shape (1 + k, 1 + k)
        z'DD'z for units and periods.
    squares : tuple of float
        Sums of squared weights of the units, and of the periods.
    total : FloatArray, shape (1 + k,)
        Column sums of z.
    solution : Solution
        Of the within regression.
    effects : tuple of float
        Weighted sums of squares of the estimated unit and period effects, about their means.
    """

    n: float
    within: Projection
    units: Projection
    times: Projection
    pooled: FloatArray
    outer: tuple[FloatArray, FloatArray]
    squares: tuple[float, float]
    total: FloatArray
    solution: Solution
    effects: tuple[float, float]

    @classmethod
    def of(cls, moments: TwoWayMoments) -> TwoWayDesign:
        """Read the projections off the moments of independent regressors.

        Raises
        ------
        IdentificationError
            If no row is left beside the effects and the regressors.
        """
        t = moments.periods
        between, squared = moments.products(moments.weight), moments.products(moments.weight**2)
        everything = moments.within + between
        period_weight = np.diag(everything)[:t]
        used = period_weight > 0
        sums = everything[:t, t:]
        mean = sums / np.where(used, period_weight, 1.0)[:, None]
        shared = squared[:t, :t]
        outer = squared[t:, t:], sums.T @ sums
        on_units = between[:t, t:]
        n = float(period_weight.sum())
        share = np.divide(np.diag(shared), period_weight, out=np.zeros(t), where=used)
        units = Projection(
            moments.units,
            between[t:, t:],
            (n, float(np.trace(between[:t, :t]))),
            (outer[0], on_units.T @ sums),
            (outer[0], on_units.T @ on_units),
        )
        times = Projection(
            int(used.sum()),
            sums.T @ mean,
            (float(share.sum()), n),
            (mean.T @ squared[:t, t:], outer[1]),
            (mean.T @ shared @ mean, outer[1]),
        )
        within, solution, effects = _within(moments, between, n)
        return cls(
            n,
            within,
            units,
            times,
            everything[t:, t:],
            outer,
            (float(shared.sum()), float(period_weight @ period_weight)),
            sums.sum(axis=0),
            solution,
            effects,
        )

    @property
    def balanced(self) -> bool:
        """Whether every unit has the same weight in every period."""
        # Both sums of squares are least, given their total, where all terms are equal.
        found = self.squares[0], self.units.traces[1]
        least = self.n**2 / self.units.rank, self.n / self.times.rank
        return bool(np.allclose(found, least, rtol=1e-11, atol=0.0))

    @property
    def within_variance(self) -> float:
        """Residual variance of the regression on unit and period effects."""
        return self.solution.rss / (self.within.rank - self.solution.kept.size)


def estimate_two_way(
    moments: TwoWayMoments, panel: PanelMoments, method: VarianceMethod, *, constant: bool
) -> TwoWayComponents:
    """Estimate the variance components.

    Parameters
    ----------
    moments : TwoWayMoments
    panel : PanelMoments
        Of the same rows.
    method : str
        Any but ``"baltagi-chang"``, which is ``"swamy-arora"`` here.
    constant : bool

    Raises
    ------
    IdentificationError
        If there are not two units and two periods, too few rows for the method, or no errors.

    Notes
    -----
    ``swamy-arora`` takes the residual sums of squares of the within regression and of those on
    unit and on period means; ``wallace-hussain`` the forms of the pooled residuals; ``amemiya``
    those of the within residuals; all with exact expectations, except that the last two divide by
    degrees of freedom on balanced panels, as in the original papers. ``nerlove`` takes the
    variances of the estimated effects. Sources: Baltagi (2021), *Econometric Analysis of Panel
    Data*, sections 3.3 and 9.4; Baltagi, Song and Jung (2002), *Econometrics Journal* 5, 478-493.
    """
    t = moments.periods
    everything = moments.within + moments.products(moments.weight)
    used = int((np.diag(everything)[:t] > 0).sum())
    if min(moments.units, used) < 2:
        raise IdentificationError(
            "Two-way random effects need at least two units and two periods; there are "
            f"{moments.units} and {used}."
        )
    floor = np.insert(panel.overall.rounding[1:], 0, 0.0) if constant else None
    kept = np.concatenate([[0], 1 + solve_normal(everything[t:, t:], floor).kept])
    independent = moments.select(kept)
    design = TwoWayDesign.of(independent)
    if design.solution.rss <= EXACT * panel.overall.centred[0, 0]:
        raise IdentificationError(
            "The regressors and the effects of units and periods explain the outcome exactly: "
            "there are no errors that have a variance."
        )
    if method in ("ml", "reml"):
        (e, u, time), loglik = maximise_two_way(
            independent, panel.means.weight, restricted=method == "reml"
        )
        return TwoWayComponents(e, u, time, u, time, loglik)
    rule = {
        "swamy-arora": _swamy_arora,
        "wallace-hussain": _wallace_hussain,
        "amemiya": _amemiya,
        "nerlove": _nerlove,
    }[method]
    e, u, time = (float(value) for value in rule(design))
    if e <= 0:
        raise IdentificationError(
            f"method={method!r} estimates the idiosyncratic variance as {e:.4g}, which is not "
            "positive. Use another method."
        )
    return TwoWayComponents(e, max(u, 0.0), max(time, 0.0), u, time)


def _swamy_arora(design: TwoWayDesign) -> FloatArray:
    rows, forms = [np.array([1.0, 0.0, 0.0])], [design.within_variance]
    floor = RANK_TOLERANCE * np.diag(design.pooled)[1:]
    for projection, levels in ((design.units, "units"), (design.times, "periods")):
        between = solve_normal(projection.products, floor)
        df = projection.rank - between.kept.size
        if df <= 0:
            raise IdentificationError(
                f"The variance between {levels} is not identified: {projection.rank} {levels} "
                f"for {between.kept.size} parameters of the regression on their means. Use "
                "method='nerlove' or 'ml', or fewer regressors."
            )
        kept = np.ix_(between.kept + 1, between.kept + 1)
        lost = [float((between.bread * inner[kept]).sum()) for inner in projection.inner]
        rows.append(np.array([df, *np.subtract(projection.traces, lost)]))
        forms.append(between.rss)
    return np.linalg.solve(np.stack(rows), np.array(forms))


def _wallace_hussain(design: TwoWayDesign) -> FloatArray:
    pooled = solve_normal(design.pooled)
    three = (design.within, design.units, design.times)
    forms = np.array([projection.residual_form(pooled.coef) for projection in three])
    if design.balanced:
        return _by_degrees_of_freedom(forms, design)
    return np.linalg.solve(
        np.stack([_pooled_expectation(p, pooled.bread, design) for p in three]), forms
    )


def _amemiya(design: TwoWayDesign) -> FloatArray:
    kept, bread = design.solution.kept, design.solution.bread
    coef = np.zeros(design.total.size - 1)
    coef[kept] = design.solution.coef
    overall = float(design.total[0] - coef @ design.total[1:]) ** 2 / design.n
    both = (design.units, design.times)
    forms = np.array(
        [design.solution.rss, *(projection.residual_form(coef) - overall for projection in both)]
    )
    if design.balanced:
        return _by_degrees_of_freedom(forms, design)
    chosen = np.ix_(kept + 1, kept + 1)
    constant = np.outer(design.total, design.total) / design.n
    rows = [np.array([design.within.rank - kept.size, 0.0, 0.0])]
    for projection in both:
        inflation = float((bread * (projection.products - constant)[chosen]).sum())
        traces = np.array(projection.traces) - np.array(design.squares) / design.n
        rows.append(np.array([projection.rank - 1 + inflation, *traces]))
    return np.linalg.solve(np.stack(rows), forms)


def _nerlove(design: TwoWayDesign) -> FloatArray:
    levels = np.array([design.units.rank, design.times.rank])
    variances = np.array(design.effects) / design.n * levels / (levels - 1)
    return np.array([design.solution.rss / design.n, *variances])


def _pooled_expectation(
    projection: Projection, bread: FloatArray, design: TwoWayDesign
) -> FloatArray:
    """Expectation of v'Pv for pooled residuals v, by variance (e, u, t)."""
    filtered = bread @ projection.products[1:, 1:]
    found = [projection.rank - float(np.trace(filtered))]
    for trace, cross, outer in zip(projection.traces, projection.cross, design.outer, strict=True):
        once = float((bread * cross[1:, 1:]).sum())
        twice = float((filtered @ bread * outer[1:, 1:]).sum())
        found.append(trace - 2 * once + twice)
    return np.array(found)


def _by_degrees_of_freedom(forms: FloatArray, design: TwoWayDesign) -> FloatArray:
    e = forms[0] / design.within.rank
    levels = np.array([design.units.rank, design.times.rank])
    return np.array([e, *((forms[1:] / levels - e) * levels / design.n)])


def _within(
    moments: TwoWayMoments, between: FloatArray, n: float
) -> tuple[Projection, Solution, tuple[float, float]]:
    """Absorb both effects: the projection, the regression, and the estimated effects."""
    t, table = moments.periods, moments.within
    before = np.diag(table + between)
    absorbed = solve_dense(table[:t, :t], before[:t], table[:t, t:])
    products = table[t:, t:] - table[t:, :t] @ absorbed.coef
    floor = RANK_TOLERANCE * np.diag(table) + ROUNDING**2 * before
    solution = solve_normal((products + products.T) / 2, floor[t + 1 :])
    rank = round(n) - moments.units - absorbed.rank
    if rank <= solution.kept.size:
        raise IdentificationError(
            f"The idiosyncratic variance is not identified: too few rows for {moments.units} "
            f"units, {absorbed.rank + 1} periods and {solution.kept.size} regressors that vary "
            "within both."
        )
    nothing = np.zeros_like(products)
    projection = Projection(rank, products, (0.0, 0.0), (nothing, nothing), (nothing, nothing))
    return projection, solution, _effect_squares(between, before[:t], absorbed.coef, solution, n)


def _effect_squares(
    between: FloatArray, weight: FloatArray, absorbed: FloatArray, solution: Solution, n: float
) -> tuple[float, float]:
    """Weighted sums of squares, about their means, of the estimated unit and period effects."""
    t = weight.size
    direction = np.zeros(len(between) - t)
    direction[0], direction[1 + solution.kept] = 1.0, -solution.coef
    periods = absorbed @ direction
    # A unit's effect is its mean of [D, y, 1, x] in this direction; its dummies' means sum to one.
    units = np.concatenate([-periods, direction])
    mean = float((between[:t] @ units).sum()) / n
    of_units = float(units @ between @ units) - n * mean**2
    return of_units, float(weight @ (periods - weight @ periods / n) ** 2)
