"""Covariances that allow for the leverage of clusters and rows: CR2, CR3, HC2, HC3."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from panelml._typing import FloatArray
from panelml.core.absorb import DENSE_LEVELS, AbsorbSystem
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.absorbed_leverage import AbsorbedLeverage, is_diagonal
from panelml.core.block import Block
from panelml.core.equations import LeastSquaresEquation
from panelml.core.keyed import KeyedSums
from panelml.core.leverage import Adjusted, Power, adjust
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.clusters import (
    Columns,
    few_clusters,
    is_nested,
    require_whole_units,
)
from panelml.inference.estimate import Covariance, Estimate
from panelml.inference.influence import Influence, SerialProducts
from panelml.inference.likelihood import approximate_hotelling, term_df

__all__ = ["LeverageRule", "leverage_clusters", "leverage_rows"]

# What is left of a row beside its leverage, if that is one.
ALONE = 1e-10


@dataclass(frozen=True, slots=True)
class LeverageRule:
    """Degrees of freedom of a contrast by Satterthwaite; approximate Hotelling test of several.

    Attributes
    ----------
    adjusted : Adjusted
    bread : FloatArray, shape (m, m)
        Inverse cross-products of the regression.
    back : FloatArray, shape (k, m)
        From the regression's coefficients to the parameters.
    """

    adjusted: Adjusted
    bread: FloatArray
    back: FloatArray

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Return the F statistic, scaled, and its denominator degrees of freedom."""
        degrees = self.adjusted.degrees(self.bread, contrast @ self.back)
        return approximate_hotelling(statistic, len(contrast), degrees)


def leverage_clusters(fit: Estimate, columns: Columns, power: Power) -> Covariance:
    """Estimate CR2 or CR3.

    Raises
    ------
    SpecificationError
        If absorbed or random effects cut across the clusters, or residuals have a structure.
    IdentificationError
        With fewer than two clusters.
    """
    influence = _rows(fit, power)
    require_whole_units(influence, [columns])
    influence.require_complete(columns)
    if fit.leverage is not None:
        adjusted, total = fit.leverage.adjusted(influence, columns, power)
    elif fit.counts.normal:
        raise SpecificationError(
            f"{power} is for least squares and mixed models. Use 'cluster'; or, for random "
            "effects, fit y ~ x + (1 | unit) as a MixedModel."
        )
    else:
        adjusted, total = _plain_clusters(fit, columns, power)
    found = LeverageRule(adjusted, np.asarray(np.linalg.inv(total)), influence.bread @ total)
    clusters = len(found.adjusted.scores)
    if clusters < 2:
        raise IdentificationError(f"{power} needs at least two clusters.")
    psi = influence.bread @ found.adjusted.scores.T
    matrix = psi @ psi.T
    name = "^".join(columns)
    words = f"clustered by {name} ({clusters:,} clusters), {power}"
    counted = {name: clusters}
    if power == "CR3":
        return Covariance(matrix, clusters - 1.0, words, counted, few_clusters(counted))
    df = term_df(found, len(matrix))
    return Covariance(
        matrix,
        float(df.min()),
        f"{words}, Satterthwaite degrees of freedom",
        counted,
        rule=found,
        term_df=df,
    )


def _plain_clusters(fit: Estimate, columns: Columns, power: Power) -> tuple[Adjusted, FloatArray]:
    """Return adjusted scores, and the sum of ``X'X`` over clusters."""
    influence = fit.rows
    crossing = [e for e in fit.counts.effects if not is_nested(influence, e.columns, columns)]
    if crossing:
        names = ", ".join(effect.name for effect in crossing)
        raise SpecificationError(
            f"{power} needs the leverage of absorbed effects ({names}) that cut across the "
            f"clusters. Write them as regressors, as C({crossing[0].name}), instead."
        )
    grams, m = _cluster_grams(influence, columns), influence.regression.kept.size
    scores, square = grams.sums[:m].T, _unpacked(grams.sums[m:], m)
    total = square.sum(axis=0)
    return adjust(scores, square, np.linalg.inv(total), power), total


def leverage_rows(fit: Estimate, power: Power, notes: tuple[str, ...] = ()) -> Covariance:
    """Estimate HC2 or HC3.

    Raises
    ------
    SpecificationError
        With very many levels of several absorbed effects, where the fit is no least-squares
        regression, or where a row alone determines a coefficient.
    """
    name = "HC2" if power == "CR2" else "HC3"
    if fit.counts.normal:
        instead = "'cluster'" if fit.leverage is None else "'CR2' or 'cluster'"
        raise SpecificationError(
            f"{name} is for least squares, whose rows are independent. Use {instead}."
        )
    influence = _rows(fit, name)
    regression = influence.regression
    gram = fold(influence.sample, lambda b: SerialProducts(_gram(regression, b)[None])).products[0]
    inverse = np.linalg.inv(gram)
    absorbed = None
    if regression.absorbed is not None:
        absorbed = _absorbed_leverage(influence.sample, regression.absorbed, name)

    def products(block: Block) -> SerialProducts:
        fitted = regression.fitted_rows(block)
        x, w = fitted.x, fitted.weights
        own = w * np.einsum("in,ij,jn->n", x, inverse, x)
        left = 1 - own if absorbed is None else 1 - own - absorbed(block)
        alone = left < ALONE
        if (own[alone] > ALONE).any():
            raise SpecificationError(
                f"{name} is not defined: some rows alone determine a coefficient, and have the "
                "leverage one. Use 'HC1'."
            )
        # Rows that an effect takes up have nothing to say of the coefficients.
        left[alone] = 1.0
        scores = fitted.scores.values / left ** (0.5 if power == "CR2" else 1.0)
        return SerialProducts((scores @ scores.T)[None])

    middle = fold(influence.sample, products).products[0]
    matrix = influence.bread @ middle @ influence.bread.T
    words = f"{name}: robust to heteroskedasticity, leverage allowed for"
    return Covariance((matrix + matrix.T) / 2, float(fit.counts.df_resid), words, {}, notes)


def _rows(fit: Estimate, name: str) -> Influence:
    influence = fit.rows
    if influence.frequency:
        raise SpecificationError(f"{name} is not defined for frequency weights: repeat the rows.")
    return influence


def _gram(regression: LeastSquaresEquation, block: Block) -> FloatArray:
    fitted = regression.fitted_rows(block)
    return (fitted.x * fitted.weights) @ fitted.x.T


def _cluster_grams(influence: Influence, columns: Columns) -> KeyedSums:
    """Sum scores and the lower triangles of cross-products by cluster."""
    regression = influence.regression
    low = np.tril_indices(regression.kept.size)
    unit = columns == (influence.sample.source.unit,)

    def sums(block: Block) -> KeyedSums:
        fitted = regression.fitted_rows(block)
        x, scores = fitted.x, fitted.scores
        values = np.concatenate([scores.values, x[low[0]] * x[low[1]] * fitted.weights])
        if unit:
            units, total = scores.unit_sums(values)
            return KeyedSums(units + block.first_unit, total)
        return KeyedSums.of(values, scores.labels(block.keys["^".join(columns)]))

    if unit:
        return fold(influence.sample, sums)
    return fold(influence.sample.with_keys(columns), sums)


def _unpacked(packed: FloatArray, m: int) -> FloatArray:
    low = np.tril_indices(m)
    square = np.zeros((packed.shape[1], m, m))
    square[:, low[0], low[1]] = packed.T
    square[:, low[1], low[0]] = packed.T
    return square


def _absorbed_leverage(sample: Sample, plan: AbsorbPlan, name: str) -> AbsorbedLeverage:
    """Prepare the leverage of all absorbed effects."""
    if not plan.factors:
        return AbsorbedLeverage.of(plan, None)
    if plan.levels > DENSE_LEVELS and not is_diagonal(plan):
        raise SpecificationError(
            f"{name} needs the leverage of the absorbed effects, which is at hand for up to "
            f"{DENSE_LEVELS:,} levels beside the units; there are {plan.levels:,}. Use 'HC1'."
        )
    return AbsorbedLeverage.of(plan, fold(sample, partial(AbsorbSystem.of, plan=plan)))
