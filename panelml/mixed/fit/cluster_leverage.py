"""Scores of clusters of a mixed model that allow for their leverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.leverage import Adjusted, DependentRows, Power, adjust_dependent
from panelml.core.linalg import covariance_root
from panelml.core.row_values import RowValues
from panelml.engine.fold import fold
from panelml.errors import SpecificationError
from panelml.inference.clusters import Columns, is_nested
from panelml.inference.influence import Influence
from panelml.mixed.core.blup import CrossedPrediction, UnitPrediction
from panelml.mixed.core.crossed_moments import by_level
from panelml.mixed.core.unit_products import MixedBasis

__all__ = ["MixedLeverage"]

# Numbers held at once for the matrices of clusters.
ROOM = 2**22
# A matrix of more rows than this takes minutes.
MOST_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class MixedLeverage:
    """Cluster leverage of a mixed model.

    Attributes
    ----------
    prediction : UnitPrediction or CrossedPrediction
        What the fit did to rows.
    """

    prediction: UnitPrediction | CrossedPrediction

    def adjusted(
        self, influence: Influence, columns: Columns, power: Power
    ) -> tuple[Adjusted, FloatArray]:
        """Adjust the scores of clusters; see ``panelml.inference.estimate.ClusterLeverage``.

        Raises
        ------
        SpecificationError
            If a grouping factor cuts across the clusters, or a cluster has too many rows for a
            matrix of them.
        """
        return _adjusted(influence, self.prediction, columns, power)


def _adjusted(
    influence: Influence,
    prediction: UnitPrediction | CrossedPrediction,
    columns: Columns,
    power: Power,
) -> tuple[Adjusted, FloatArray]:
    """Adjust the scores of the clusters of a mixed model."""
    factors = _factors(influence, prediction, columns, power)
    regression = influence.regression
    p, q = regression.kept.size, prediction.basis.n_random
    basis = prediction.basis.plain
    rows = fold(influence.sample, lambda block: _rows_of(block, basis)).values
    regressors, outcome, random, noise = np.split(rows, [p, p + 1, p + 1 + q])
    error = outcome[0] - regression.coef @ regressors
    laid = [
        (level, _rooted(random[places], prediction.relative, places)) for level, places in factors
    ]
    covariance = _noise(influence, prediction, noise[0])
    batches = []
    for at in _clusters(influence.sample.codes(columns), len(rows), power):
        z = [np.zeros((*at.shape, 0)), *(by_level(level[at], z[:, at])[0] for level, z in laid)]
        x = regressors[:, at].transpose(1, 2, 0)
        batch = DependentRows(error[at], x, np.concatenate(z, axis=2), covariance(at))
        batches.append(batch.reduced())
    total = np.sum([batch.information() for batch in batches], axis=0)
    bread = np.linalg.inv(total)
    found = [adjust_dependent(batch, bread, power) for batch in batches]
    return Adjusted(
        np.concatenate([part.scores for part in found]),
        np.concatenate([part.squares for part in found]),
        np.concatenate([part.cross for part in found]),
    ), total


def _rows_of(block: Block, basis: MixedBasis) -> RowValues:
    """Regressors, outcome and random regressors, and the variance of the residual."""
    columns = basis.columns(block).values
    weights = block.row_weights
    return RowValues(np.concatenate([columns / np.sqrt(weights), 1 / weights[None]]))


def _noise(
    influence: Influence, prediction: UnitPrediction | CrossedPrediction, variance: FloatArray
) -> Callable[[IntArray], FloatArray]:
    """Give the variances of the residuals of clusters' rows (c, n), or their covariance."""
    whitening, sample = prediction.basis.whitening, influence.sample
    if whitening is None:
        return lambda at: variance[at]
    patterns = fold(sample, whitening.facts.of)
    sizes = sample.unit_rows
    starts = np.concatenate([[0], np.cumsum(sizes[sizes > 0])])
    root = sparse.diags_array(np.sqrt(variance)) @ whitening.roots(starts, patterns)
    found = sparse.csr_array(root @ root.T)
    local: IntArray = np.zeros(variance.size, dtype=np.int64)

    def covariance(at: IntArray) -> FloatArray:
        local[at] = np.arange(at.shape[1])
        own = sparse.coo_array(found[at.ravel()])
        row, column = own.coords
        cluster, place = np.divmod(row, at.shape[1])
        table = np.zeros((*at.shape, at.shape[1]))
        table[cluster, place, local[column]] = own.data
        return table

    return covariance


def _factors(
    influence: Influence,
    prediction: UnitPrediction | CrossedPrediction,
    columns: Columns,
    power: Power,
) -> list[tuple[IntArray, IntArray]]:
    """Level of each row, and positions of the random regressors, of each grouping factor."""
    unit: Columns = (influence.sample.source.unit,)
    if isinstance(prediction, UnitPrediction):
        places = {unit: np.arange(prediction.basis.n_random)}
    else:
        places = {unit: prediction.factors.first.random}
        places |= {other.group: other.random for other in prediction.factors.others}
    for group in places:
        if not is_nested(influence, group, columns):
            raise SpecificationError(
                f"{power} needs clusters that are independent, but random effects of "
                f"{':'.join(group)!r} cut across those of {'^'.join(columns)!r}. Cluster by a "
                "level that holds whole groups, or use 'cluster'."
            )
    return [
        (influence.sample.codes(group), random) for group, random in places.items() if random.size
    ]


def _rooted(z: FloatArray, relative: FloatArray, random: IntArray) -> FloatArray:
    """Multiply random regressors, shape (q, n), by a root of their coefficients' covariance."""
    return np.asarray(covariance_root(relative[np.ix_(random, random)]) @ z)


def _clusters(codes: IntArray, width: int, power: Power) -> Iterator[IntArray]:
    """Rows of clusters with as many of them each, shape (c, n), a few clusters at a time."""
    order = np.argsort(codes, kind="stable")
    first = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sizes = np.diff(np.append(first, codes.size))
    if sizes.max() > MOST_ROWS:
        raise SpecificationError(
            f"{power} takes a matrix of the rows of each cluster; the largest has "
            f"{int(sizes.max()):,} rows, more than {MOST_ROWS:,}. Use 'cluster'."
        )
    for size in np.unique(sizes):
        starts = first[sizes == size]
        step = max(1, ROOM // int(size * max(size, width)))
        for at in range(0, starts.size, step):
            yield order[starts[at : at + step, None] + np.arange(size)]
