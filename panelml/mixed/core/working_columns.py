"""Working columns of a mixed model, and the way back to the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.core.moments import CrossProducts
from panelml.errors import IdentificationError
from panelml.mixed.core.unit_products import MixedBasis

__all__ = ["RandomBlock", "WorkingColumns", "working_columns"]


@dataclass(frozen=True, slots=True)
class RandomBlock:
    """Regressors that are made orthonormal together: of one random term, or the fixed ones.

    Beside a ``GroupingFactor``, which may have several, it knows the variables of a block.

    Attributes
    ----------
    intercept : bool
    columns : IntArray
        Positions of the others among the block's variables, the outcome being 0.
    """

    intercept: bool
    columns: IntArray

    @property
    def size(self) -> int:
        """Number of random regressors."""
        return int(self.intercept) + self.columns.size


@dataclass(frozen=True, slots=True)
class WorkingColumns:
    """Well-conditioned columns with the linear maps back.

    Attributes
    ----------
    basis : MixedBasis
    structure : BoolArray, shape (q, q)
        Which random coefficients may be correlated.
    fixed_back : FloatArray, shape (p, p)
        From working to the user's fixed effects, but for the offset.
    offset : FloatArray, shape (p,)
        Least squares coefficients in the user's terms: the working outcome is their residual.
    random_back : FloatArray, shape (q, q)
        From working to the user's random coefficients.
    log_scale : float
        Logarithm of the determinant that the restricted likelihood sees.
    """

    basis: MixedBasis
    structure: BoolArray
    fixed_back: FloatArray
    offset: FloatArray
    random_back: FloatArray
    log_scale: float

    def to_working(self, params: FloatArray) -> FloatArray:
        """Return the working fixed effects of the user's, shape (p,)."""
        return np.asarray(np.linalg.solve(self.fixed_back, params - self.offset))


def working_columns(
    overall: CrossProducts, constant: bool, fixed: IntArray, blocks: tuple[RandomBlock, ...]
) -> WorkingColumns:
    """Make regressors orthonormal, fixed and in each random block, and take their fit off y.

    Parameters
    ----------
    overall : CrossProducts
        Of the block's variables, outcome first.
    constant : bool
        Whether there is a fixed constant.
    fixed : IntArray
        Positions of the independent fixed regressors among the variables.
    blocks : tuple of RandomBlock
        Shifts are taken out only where a block has its own intercept; elsewhere the model itself
        depends on the origin.
    """
    v = overall.mean.size
    centre = overall.mean if constant else np.zeros(v)
    x, fixed_back = _orthonormal(overall, centre, RandomBlock(constant, fixed))
    made = [_orthonormal(overall, centre, block) for block in blocks]
    z, back = [rows for rows, _ in made], [map_back for _, map_back in made]
    sizes = [block.size for block in blocks]
    trend = x @ _second_moments(overall, centre)[1]
    outcome = np.eye(1, v + 1, 1) - trend @ x
    return WorkingColumns(
        MixedBasis(np.concatenate([x, outcome, *z]), centre, sum(sizes)),
        _blocks_of([np.ones((m, m), dtype=bool) for m in sizes]).astype(bool),
        fixed_back,
        fixed_back @ trend + np.where(np.arange(len(x)) < constant, centre[0], 0.0),
        _blocks_of(back),
        -float(np.log(np.diag(fixed_back)).sum()),
    )


def _blocks_of(blocks: Sequence[AnyArray]) -> FloatArray:
    if not blocks:
        return np.zeros((0, 0))
    return np.asarray(linalg.block_diag(*blocks), dtype=np.float64)


def _sizes(overall: CrossProducts, *, centred: bool) -> FloatArray:
    square = np.diag(overall.centred) / overall.weight
    if not centred:
        square = square + overall.mean**2
    return np.sqrt(np.where(square > 0, square, 1.0))


def _second_moments(overall: CrossProducts, centre: FloatArray) -> FloatArray:
    """Mean products of [1, variables - centre]."""
    shift = np.append(1.0, overall.mean - centre)
    moments = np.outer(shift, shift)
    moments[1:, 1:] += overall.centred / overall.weight
    return moments


def _orthonormal(
    overall: CrossProducts, centre: FloatArray, block: RandomBlock
) -> tuple[FloatArray, FloatArray]:
    """Rows of the working columns on [1, variables - centre], and the map back, both (q, .)."""
    v = overall.mean.size
    columns = block.columns
    size = _sizes(overall, centred=block.intercept)[columns]
    shift = overall.mean[columns] if block.intercept else np.zeros(columns.size)
    lead = int(block.intercept)
    rows = np.zeros((block.size, v + 1))
    rows[:lead, 0] = 1.0
    rows[lead + np.arange(columns.size), 1 + columns] = 1 / size
    rows[lead:, 0] = (centre[columns] - shift) / size
    to_scaled = np.eye(block.size)
    to_scaled[lead:, lead:] = np.diag(1 / size)
    to_scaled[lead:, :lead] = (-shift / size)[:, None]
    moments = np.eye(block.size)
    second = overall.centred[np.ix_(columns, columns)] / overall.weight
    if not block.intercept:
        second = second + np.outer(overall.mean[columns], overall.mean[columns])
    moments[lead:, lead:] = second / np.outer(size, size)
    try:
        root = linalg.cholesky(moments, lower=True)
    except linalg.LinAlgError as error:
        raise IdentificationError(
            "The random regressors of a term are collinear: drop one of them."
        ) from error
    inverse = linalg.solve_triangular(root, np.eye(block.size), lower=True)
    return inverse @ rows, (inverse @ to_scaled).T
