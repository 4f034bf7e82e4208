"""The regression form of the Hausman test: whether deviations from unit means add anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import demean
from panelml.core.linalg import Solution, solve_normal
from panelml.core.moments import Gram
from panelml.core.transforms import CentredTransform
from panelml.data.formula.formula import Effect
from panelml.diagnostics.estimable import canonical
from panelml.diagnostics.pairs import FitPair
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.inference.correction import Counts
from panelml.inference.covariance import Covariance, CovSpec, Estimate
from panelml.inference.influence import Influence
from panelml.results.facts import Facts

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
        x = block.regressors[self.positions]
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


def auxiliary_regression(pair: FitPair, cov: CovSpec) -> Auxiliary:
    """Add deviations from unit means to the efficient regression.

    Parameters
    ----------
    pair : FitPair
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
    influence = estimate.rows
    of_units = pair.first.facts.absorbed == (Effect((pair.first.predictor.unit,)),)
    if not of_units or not _is_centred(pair.second.facts):
        raise SpecificationError(
            "The auxiliary regression compares fixed effects of the units with random effects or "
            "pooled OLS. Use method='robust' for other pairs."
        )
    transform = cast(CentredTransform, influence.regression.transform)
    old = influence.sample
    place = {canonical(name): j for j, name in enumerate(old.names)}
    positions = np.array([place[canonical(name)] for name in pair.names])
    added = tuple(f"within({name})" for name in pair.names)
    sample = old.then((*old.names, *added), AppendWithin(positions))
    extended = transform.extended(len(added))
    gram = fold(sample, lambda block: Gram.of(extended(block)))
    solution = solve_normal(gram.products)
    counts = Counts(
        estimate.counts.nobs, solution.kept.size - transform.constant, transform.constant
    )
    equation = replace(
        influence.regression,
        transform=extended,
        coef=solution.coef,
        kept=solution.kept,
        bread=solution.bread,
    )
    own = Influence(sample, equation)
    sigma2 = solution.rss / counts.df_resid
    columns = (*(["Intercept"] if transform.constant else []), *sample.names)
    names = tuple(columns[j] for j in solution.kept)
    covariance = cov.estimate(Estimate(names, own, sigma2 * solution.bread, counts))
    first = int(transform.constant) + len(old.names)
    at = np.flatnonzero(solution.kept >= first)
    names = tuple(pair.names[j] for j in solution.kept[at] - first)
    notes = _left_out(pair, solution, first)
    if not names:
        raise IdentificationError(
            f"{listing(pair.names, most=8)} does not vary between units, or is collinear with what "
            "varies over time only: within and between effects cannot be told apart."
        )
    tested = covariance.matrix[np.ix_(at, at)]
    return Auxiliary(names, solution.coef[at], tested, covariance, (*notes, *covariance.notes))


def _is_centred(facts: Facts) -> bool:
    """Whether a fit runs on its rows less a share of their unit means, or none of it."""
    one_way = facts.kind in ("random", "mundlak", "hybrid") and len(facts.random) == 1
    return facts.kind == "pooled" or one_way


def _left_out(pair: FitPair, solution: Solution, first: int) -> tuple[str, ...]:
    """Say which deviations are not tested: those that other columns of the regression make up."""
    gone = {j - first: others for j, others in solution.dropped.items() if j >= first}
    constant = int(first > 0 and solution.kept[0] == 0)
    own = [j for j, others in gone.items() if len(others) <= 1 + constant]
    notes = []
    if own:
        words = listing((pair.names[j] for j in own), most=8)
        notes.append(f"Not tested, for want of variation between units: {words}.")
    if len(own) < len(gone):
        words = listing((pair.names[j] for j in gone if j not in own), most=8)
        notes.append(f"Not tested, for within units it is collinear with others: {words}.")
    return tuple(notes)
