"""Variance components of the one-way model y = xb + u_i + e_it, from the panel moments.

Var(e_it) is sigma2_e over the row's weight. All methods see units through their means and the sum
w_i of their weights, which is T_i without weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray, VarianceMethod
from panelml.core.linalg import RANK_TOLERANCE, Solution, solve_normal
from panelml.core.moments import PanelMoments
from panelml.errors import IdentificationError
from panelml.random.core.likelihood import maximise

__all__ = ["Components", "MeanDesign", "estimate_components"]


# Below this share of the outcome's sum of squares, residuals are rounding.
EXACT = 1e-14


@dataclass(frozen=True, slots=True)
class Components:
    """Estimated variances.

    Attributes
    ----------
    sigma2_e, sigma2_u : float
        Of the idiosyncratic error and of the unit effect.
    raw_u : float
        The estimate of the second before a negative one is set to zero.
    loglik : float, or None
        Maximum of the (restricted) log-likelihood; None for the other methods.
    """

    sigma2_e: float
    sigma2_u: float
    raw_u: float
    loglik: float | None = None


@dataclass(frozen=True, slots=True)
class MeanDesign:
    """Means of the units with the constant, and what pooled and within regressions need.

    Attributes
    ----------
    mean : FloatArray, shape (1 + k, g)
        Outcome, constant (if any) and independent regressors, centred.
    weight : FloatArray, shape (g,)
    within : FloatArray, shape (1 + k, 1 + k)
        Cross-products of deviations from unit means; zero for the constant.
    within_solution : Solution
        Of the within regression.
    n : float
        Number of observations (sum of the weights).
    """

    mean: FloatArray
    weight: FloatArray
    within: FloatArray
    within_solution: Solution
    n: float

    @classmethod
    def of(cls, moments: PanelMoments, constant: bool) -> MeanDesign:
        """Choose independent regressors and centre them.

        Raises
        ------
        IdentificationError
            If there is one unit, or one row of each unit.
        """
        if moments.n_units < 2:
            raise IdentificationError("Random effects need at least two units.")
        centre = moments.overall.mean if constant else np.zeros_like(moments.overall.mean)
        total, floor = moments.overall.centred, moments.overall.rounding[1:]
        if not constant:
            mean = moments.overall.mean
            total, floor = total + moments.weight * np.outer(mean, mean), np.zeros_like(floor)
        kept = np.concatenate([[0], solve_normal(total, floor).kept + 1])
        means = (moments.means.mean - centre[:, None])[kept]
        within, floor = moments.within[np.ix_(kept, kept)], moments.rounding[kept]
        if constant:
            means = np.insert(means, 1, 1.0, axis=0)
            within = np.insert(np.insert(within, 1, 0.0, axis=0), 1, 0.0, axis=1)
            floor = np.insert(floor, 1, 0.0)
        solution = solve_normal(within, floor[1:])
        if moments.weight - moments.n_units - solution.kept.size <= 0:
            raise IdentificationError(
                "The variance within units is not identified: too few rows for "
                f"{moments.n_units} units and {solution.kept.size} regressors that vary in them."
            )
        return cls(means, moments.means.weight, within, solution, moments.weight)

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.weight.size

    def products(self, weights: FloatArray) -> FloatArray:
        """Weighted cross-products of the means, shape (1 + k, 1 + k)."""
        return (self.mean * weights) @ self.mean.T

    def quasi(self, ratio: float) -> FloatArray:
        """Cross-products of quasi-demeaned rows for sigma2_u / sigma2_e = ratio."""
        return self.within + self.products(self.weight / (1 + ratio * self.weight))

    def residual_form(self, coef: FloatArray, table: FloatArray) -> float:
        """Sum of squares of y - xb in a table of cross-products."""
        direction = np.concatenate([[1.0], -coef])
        return float(direction @ table @ direction)


def estimate_components(
    moments: PanelMoments, method: VarianceMethod, *, constant: bool = True
) -> Components:
    """Estimate the variance components.

    Raises
    ------
    IdentificationError
        If the variance within units is not identified, or estimated as none.

    Notes
    -----
    ``swamy-arora`` takes the residual variances of the within and the between regression, with
    the harmonic mean of T_i (Stata); ``baltagi-chang`` corrects the between sum of squares for
    unbalancedness (Baltagi and Chang 1994, *Journal of Econometrics* 62, equation 2.14; Stata's
    ``sa``). The others equate quadratic forms of residuals (pooled for ``wallace-hussain``,
    within for ``amemiya``) with their expectations, by degrees of freedom on balanced panels as
    in the original papers and exactly on unbalanced ones; ``nerlove`` takes the variance of the
    estimated effects.
    """
    design = MeanDesign.of(moments, constant)
    if design.within_solution.rss <= EXACT * moments.within[0, 0]:
        raise IdentificationError(
            "The regressors and the effects of units explain the outcome exactly: no variance "
            "within units is left to estimate."
        )
    if method in ("ml", "reml"):
        sigma2_e, sigma2_u, loglik = maximise(design, restricted=method == "reml")
        return Components(sigma2_e, sigma2_u, sigma2_u, loglik)
    rule = {
        "swamy-arora": _swamy_arora,
        "baltagi-chang": _baltagi_chang,
        "wallace-hussain": _wallace_hussain,
        "amemiya": _amemiya,
        "nerlove": _nerlove,
    }[method]
    try:
        sigma2_e, sigma2_u = rule(design)
    except np.linalg.LinAlgError:
        sigma2_e = sigma2_u = float("nan")
    if not sigma2_e > 0:
        raise IdentificationError(
            f"The moments of {method!r} give no positive variance within units: rows or units are "
            "too few. Take method='ml', or another."
        )
    return Components(sigma2_e, max(sigma2_u, 0.0), sigma2_u)


def _within_variance(design: MeanDesign) -> float:
    solution = design.within_solution
    return solution.rss / (design.n - design.n_units - solution.kept.size)


def _swamy_arora(design: MeanDesign) -> tuple[float, float]:
    sigma2_e = _within_variance(design)
    between = _between(design, np.ones(design.n_units))
    harmonic = design.n_units / float((1 / design.weight).sum())
    return sigma2_e, between.rss / _between_df(design, between) - sigma2_e / harmonic


def _baltagi_chang(design: MeanDesign) -> tuple[float, float]:
    sigma2_e = _within_variance(design)
    between = _between(design, design.weight)
    kept = between.kept + 1
    squared = design.products(design.weight**2)[np.ix_(kept, kept)]
    trace = float((between.bread * squared).sum())
    df = _between_df(design, between)
    return sigma2_e, (between.rss - df * sigma2_e) / (design.n - trace)


def _wallace_hussain(design: MeanDesign) -> tuple[float, float]:
    n, g = design.n, design.n_units
    within, between = design.within, design.products(design.weight)
    pooled = solve_normal(within + between)
    q_within = design.residual_form(pooled.coef, within)
    q_between = design.residual_form(pooled.coef, between)
    if _balanced(design):
        return _by_degrees_of_freedom(q_within, q_between, n, g)
    a, w, b = pooled.bread, within[1:, 1:], between[1:, 1:]
    z = design.products(design.weight**2)[1:, 1:]
    system = np.array(
        [
            [n - g - np.trace(a @ w), np.trace(a @ w @ a @ z)],
            [g - np.trace(a @ b), n - 2 * np.trace(a @ z) + np.trace(a @ b @ a @ z)],
        ]
    )
    sigma2_e, sigma2_u = np.linalg.solve(system, [q_within, q_between])
    return float(sigma2_e), float(sigma2_u)


def _amemiya(design: MeanDesign) -> tuple[float, float]:
    effects = _effects(design)
    kept = design.within_solution.kept + 1
    centred = effects - np.average(effects, weights=design.weight)
    q_between = float(design.weight @ centred**2)
    n, g = design.n, design.n_units
    if _balanced(design):
        return _by_degrees_of_freedom(design.within_solution.rss, q_between, n, g)
    sigma2_e = _within_variance(design)
    x = design.mean[kept]
    x = x - np.average(x, weights=design.weight, axis=1)[:, None]
    between = (x * design.weight) @ x.T
    inflation = g - 1 + float((design.within_solution.bread * between).sum())
    spread = n - float((design.weight**2).sum()) / n
    return sigma2_e, (q_between - inflation * sigma2_e) / spread


def _nerlove(design: MeanDesign) -> tuple[float, float]:
    effects = _effects(design)
    share = design.weight / design.n
    centred = effects - share @ effects
    g = design.n_units
    return design.within_solution.rss / design.n, float(share @ centred**2) * g / (g - 1)


def _effects(design: MeanDesign) -> FloatArray:
    solution = design.within_solution
    return np.asarray(design.mean[0] - solution.coef @ design.mean[solution.kept + 1])


def _by_degrees_of_freedom(
    q_within: float, q_between: float, n: float, g: int
) -> tuple[float, float]:
    sigma2_e = q_within / (n - g)
    return sigma2_e, (q_between / g - sigma2_e) * g / n


def _balanced(design: MeanDesign) -> bool:
    return bool((design.weight == design.weight[0]).all())


def _between(design: MeanDesign, weights: FloatArray) -> Solution:
    """Regress means on means; regressors without variation between units drop out."""
    products = design.products(weights)
    within = np.diag(design.within)[1:] * (weights.sum() / design.n)
    return solve_normal(products, RANK_TOLERANCE * (np.diag(products)[1:] + within))


def _between_df(design: MeanDesign, between: Solution) -> int:
    kept: IntArray = between.kept
    df = design.n_units - kept.size
    if df <= 0:
        raise IdentificationError(
            f"The variance between units is not identified: {design.n_units} units for "
            f"{kept.size} parameters of the between regression. Use method='nerlove' or 'ml', "
            "or fewer regressors."
        )
    return df
