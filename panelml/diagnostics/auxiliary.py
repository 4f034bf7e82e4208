"""The regression form of the Hausman test: whether deviations from unit means add anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import demean
from panelml.core.linalg import solve_normal
from panelml.core.moments import Gram
from panelml.core.transforms import Level, QuasiDemean, Within
from panelml.diagnostics.pairs import Pair
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.inference.correction import Counts
from panelml.inference.covariance import Covariance, CovSpec, Estimate

__all__ = ["Auxiliary", "auxiliary_regression"]


@dataclass(frozen=True, slots=True)
class AppendWithin:
    """Append deviations from unit means to the regressors.

    Attributes
    ----------
    positions : IntArray, shape (k,)
    """

    positions: IntArray

    def __call__(self, block: Block) -> Block:
        """Extend the variables of one block."""
        x = block.z[1:][self.positions]
        deviations = demean(x, block.starts, block.unit, block.weights)
        return block.with_z(np.concatenate([block.z, deviations]))


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """Coefficients of the deviations in the auxiliary regression.

    Attributes
    ----------
    names : tuple of str
        The regressors whose deviations are tested.
    params : FloatArray, shape (k,)
    cov : FloatArray, shape (k, k)
    covariance : Covariance
        Of the whole regression.
    notes : tuple of str
    """

    names: tuple[str, ...]
    params: FloatArray
    cov: FloatArray
    covariance: Covariance
    notes: tuple[str, ...]


def auxiliary_regression(pair: Pair, cov: CovSpec) -> Auxiliary:
    """Add deviations from unit means to the efficient regression.

    Parameters
    ----------
    pair : Pair
        Fixed effects of the units, and random effects or pooled OLS.
    cov : CovSpec
        Covariance of the auxiliary regression.

    Raises
    ------
    SpecificationError
        If the pair is of another kind.
    IdentificationError
        If no deviation can be told from its regressor.

    Notes
    -----
    The deviations' coefficients are zero where within and between effects are equal: with x
    itself in the regression this is Mundlak's test of the unit means. Source: Hausman (1978),
    *Econometrica* 46, section 3; Wooldridge (2010), *Econometric Analysis of Cross Section and
    Panel Data*, section 10.7.3.
    """
    estimate = pair.second.attached.estimate
    influence, transform = estimate.rows, estimate.rows.transform
    within = isinstance(pair.first.attached.estimate.rows.transform, Within)
    if not within or not isinstance(transform, Level | QuasiDemean):
        raise SpecificationError(
            "The auxiliary regression compares fixed effects of the units with random effects or "
            "pooled OLS. Use method='robust' for other pairs."
        )
    old = influence.sample
    positions = np.array([old.names.index(name) for name in pair.names])
    added = tuple(f"within({name})" for name in pair.names)
    sample = old.then((*old.names, *added), AppendWithin(positions))
    extended = replace(transform, centre=np.append(transform.centre, np.zeros(len(added))))
    gram = fold(sample, lambda block: Gram.of(extended(block)))
    solution = solve_normal(gram.products)
    counts = Counts(
        estimate.counts.nobs, solution.kept.size - transform.constant, transform.constant
    )
    own = replace(
        influence, sample=sample, transform=extended, coef=solution.coef, kept=solution.kept,
        bread=solution.bread,
    )  # fmt: skip
    sigma2 = solution.rss / counts.df_resid
    columns = (*(["Intercept"] if transform.constant else []), *sample.names)
    names = tuple(columns[j] for j in solution.kept)
    covariance = cov.estimate(Estimate(names, own, sigma2 * solution.bread, counts))
    first = int(transform.constant) + len(old.names)
    at = np.flatnonzero(solution.kept >= first)
    return _tested(pair, solution.kept[at] - first, solution.coef[at], at, covariance)


def _tested(
    pair: Pair, kept: IntArray, params: FloatArray, at: IntArray, covariance: Covariance
) -> Auxiliary:
    names = tuple(pair.names[j] for j in kept)
    left = [name for name in pair.names if name not in names]
    if not names:
        raise IdentificationError(
            f"{listing(left)} does not vary between units: within and between effects cannot be "
            "told apart."
        )
    notes: tuple[str, ...] = ()
    if left:
        notes = (f"Not tested, for want of variation between units: {listing(left, most=8)}.",)
    cov = covariance.matrix[np.ix_(at, at)]
    return Auxiliary(names, params, cov, covariance, (*notes, *covariance.notes))
