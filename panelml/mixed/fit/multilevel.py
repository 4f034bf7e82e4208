"""Fitting the random side of a mixed model to a sample: a fold or two, then small matrices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from panelml._typing import FloatArray
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.progress import evaluations
from panelml.errors import SpecificationError
from panelml.mixed.core.blup import CrossedPrediction, UnitPrediction
from panelml.mixed.core.collapse import collapse
from panelml.mixed.core.criterion import evaluate
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.crossed_information import MOST_COEFFICIENTS, crossed_information
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.fill import dense_core
from panelml.mixed.core.information import (
    CovarianceSensitivity,
    VarianceInformation,
    variance_information,
)
from panelml.mixed.core.optimum import (
    FittedState,
    MixedOptimum,
    SingleFactor,
    Watched,
    free_entries,
    maximise_mixed,
)
from panelml.mixed.core.sparse_crossed import SparseCrossedModel
from panelml.mixed.core.unit_products import MixedMoments, UnitProducts, residual_products
from panelml.mixed.core.working_columns import WorkingColumns

__all__ = [
    "LevelCurvature",
    "LevelsFit",
    "crossed_model",
    "fit_levels",
    "fitted_model",
    "require_dense",
    "single_moments",
]

# Coefficients of the factors beside the first whose system can be held densely.
MOST_DENSE = 15_000
# From so many on it is held sparsely, if eliminating them leaves a dense core no larger than this.
LEAST_SPARSE = 5_000
MOST_CORE = 2_500


@dataclass(frozen=True, slots=True)
class LevelsFit:
    """A maximised likelihood.

    Attributes
    ----------
    optimum : MixedOptimum
    prediction : UnitPrediction or CrossedPrediction
        Of the random coefficients.
    nobs : int
    """

    optimum: MixedOptimum[FittedState]
    prediction: UnitPrediction | CrossedPrediction
    nobs: int

    @property
    def relative(self) -> FloatArray:
        """Covariance of the working random coefficients over the residual variance, (q, q)."""
        factor = self.optimum.criterion.factor
        return np.asarray(factor @ factor.T)


@dataclass(frozen=True, slots=True)
class LevelCurvature:
    """Curvature of the likelihood, computed on request.

    Attributes
    ----------
    sample : Sample
    columns : WorkingColumns
    factors : tuple of GroupingFactor
    factor : FloatArray, shape (q, q)
        At the optimum.
    restricted : bool
    """

    sample: Sample
    columns: WorkingColumns
    factors: tuple[GroupingFactor, ...]
    factor: FloatArray
    restricted: bool

    @property
    def back(self) -> FloatArray:
        """From the working fixed effects to the parameters, shape (k, p)."""
        return self.columns.fixed_back

    def information(self) -> VarianceInformation:
        """Compute the information, in a pass over the data.

        Raises
        ------
        SpecificationError
            If several grouping factors have too many coefficients for a dense system of them.
        """
        if len(self.factors) > 1:
            return self._crossed()
        moments = collapse(single_moments(self.sample, self.columns))
        at = evaluate(moments, self.factor, restricted=self.restricted)
        free = free_entries(self.columns.structure)
        return variance_information(moments, at, free, restricted=self.restricted)

    def sensitivity(self) -> CovarianceSensitivity:
        """Compute what degrees of freedom by Satterthwaite take; as ``information``."""
        return self.information().sensitivity()

    def _crossed(self) -> VarianceInformation:
        if not self.known:
            raise SpecificationError(
                f"The curvature of the likelihood takes a dense system of all random coefficients; "
                f"here are {self.coefficients:,}, more than {MOST_COEFFICIENTS:,}. Use 'iid', "
                "'cluster' or the bootstrap."
            )
        model = crossed_model(self.sample, self.columns, self.factors)
        at = model.evaluate(self.factor, restricted=self.restricted)
        return crossed_information(model, at, restricted=self.restricted)

    @property
    def known(self) -> bool:
        """Whether the information can be computed: always with one grouping factor."""
        return len(self.factors) == 1 or self.coefficients <= MOST_COEFFICIENTS

    @property
    def coefficients(self) -> int:
        """Number of random coefficients, of all levels."""
        return sum(factor.size for factor in self.factors)


def fit_levels(
    sample: Sample,
    columns: WorkingColumns,
    factors: tuple[GroupingFactor, ...],
    *,
    restricted: bool,
) -> LevelsFit:
    """Maximise the (restricted) likelihood.

    Parameters
    ----------
    sample : Sample
        Laid out by the first factor.
    columns : WorkingColumns
    factors : tuple of GroupingFactor
    restricted : bool
    """
    if len(factors) == 1:
        moments = collapse(single_moments(sample, columns))
        single = maximise_mixed(SingleFactor(moments), columns.structure, restricted=restricted)
        relative = single.criterion.factor @ single.criterion.factor.T
        prediction = UnitPrediction(columns.basis, single.criterion.coef, relative)
        return LevelsFit(single, prediction, moments.n)
    crossed = crossed_model(sample, columns, factors)
    model = fitted_model(crossed)
    with evaluations("Mixed model") as evaluated:
        optimum = maximise_mixed(
            Watched(model, evaluated), columns.structure, restricted=restricted
        )
    at = optimum.criterion
    joint = CrossedPrediction(
        columns.basis, crossed.factors, at.coefficients(), at.factor @ at.factor.T
    )
    return LevelsFit(optimum, joint, crossed.products.units.n)


def single_moments(sample: Sample, columns: WorkingColumns) -> MixedMoments:
    """Fold the rows once, and again where groups explain all but the last digits."""
    moments = fold(sample, lambda block: UnitProducts.of(block, columns.basis)).reduce()
    if moments.imprecise:
        exact = fold(sample, lambda block: residual_products(block, columns.basis))
        moments = replace(moments, within=exact.products, imprecise=False)
    return moments


def fitted_model(model: CrossedModel) -> CrossedModel | SparseCrossedModel:
    """Choose how the system of the factors beside the first is held.

    Raises
    ------
    SpecificationError
        If it would have to be dense, and is too large for that.
    """
    size = model.factors.columns
    slopes = any(random.size > 1 for random in model.factors.randoms)
    if size > LEAST_SPARSE and not slopes:
        cross = model.products.cross[0]
        if dense_core(sparse.csr_array(model.products.own + cross.T @ cross)) <= MOST_CORE:
            return SparseCrossedModel(model)
    if size <= MOST_DENSE:
        return model
    why = (
        "Random slopes of several grouping factors take"
        if slopes
        else "These grouping factors are so interwoven that they take"
    )
    raise SpecificationError(
        f"{why} a dense system of the coefficients of all but the largest; here are {size:,}, "
        f"more than {MOST_DENSE:,}. Absorb some of the factors as fixed effects (FixedEffects with "
        f"{' | '.join(other.key for other in model.factors.others)} after the bar)"
        + (", or use random intercepts." if slopes else ".")
    )


def require_dense(factors: CrossedFactors, what: str) -> None:
    """Refuse what takes a dense system of the factors beside the first, where it is too large.

    Raises
    ------
    SpecificationError
        Saying how large it is.
    """
    size = factors.columns
    if size > MOST_DENSE:
        raise SpecificationError(
            f"{what} takes a dense system of the coefficients of all grouping factors but the "
            f"largest; here are {size:,}, more than {MOST_DENSE:,}."
        )


def crossed_model(
    sample: Sample, columns: WorkingColumns, factors: tuple[GroupingFactor, ...]
) -> CrossedModel:
    """Fold the rows of a model with several grouping factors."""
    crossed = CrossedFactors.of(factors[0], factors[1:])
    products = fold(sample, lambda block: CrossedProducts.of(block, columns.basis, crossed))
    return CrossedModel(products, crossed, free_entries(columns.structure))
