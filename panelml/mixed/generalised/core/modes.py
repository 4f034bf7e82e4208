"""Conditional modes: the most likely random effects of units, given everything else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.batched import cholesky, solve_lower
from panelml.core.family.family import Derivatives, Family
from panelml.core.groups import group_sums
from panelml.mixed.generalised.core.parameters import ModelParameters
from panelml.mixed.generalised.core.rows import ModelRows

__all__ = ["Mode", "conditional_mode"]

# Newton steps are cut to this many standard deviations of an effect.
LONGEST = 2.0
# Steps after which the next one is below rounding, as convergence is quadratic.
CLOSE = 1e-6
LIMIT = 200


@dataclass(frozen=True, slots=True)
class Mode:
    """Where the integrand of each unit is highest.

    Attributes
    ----------
    effects : FloatArray, shape (q, g)
        Standard normal effects v.
    height : FloatArray, shape (g,)
        ``sum_t l(eta_t) - v'v / 2``.
    weights : FloatArray, shape (q, q, g)
        ``-sum_t l''(eta_t) z_t z_t'``.
    curvature : FloatArray, shape (q, q, g)
        Negative Hessian of the height with respect to v.
    derivatives : Derivatives
        Of the rows.
    """

    effects: FloatArray
    height: FloatArray
    weights: FloatArray
    curvature: FloatArray
    derivatives: Derivatives


def conditional_mode(
    family: Family,
    rows: ModelRows,
    index: FloatArray,
    parameters: ModelParameters,
    start: FloatArray,
    order: int,
) -> Mode:
    """Find the modes of all units at once by Newton's method.

    Parameters
    ----------
    family : Family
        Whose log-likelihood is concave in the index.
    rows : ModelRows
    index : FloatArray, shape (n,)
        Without the random effects.
    parameters : ModelParameters
    start : FloatArray, shape (q, g)
    order : int
        Of the derivatives of rows that are returned.

    Raises
    ------
    LinAlgError
        If the likelihood is not finite or a mode is not reached.
    """
    v, root = start, parameters.root
    before, longest = np.zeros_like(v), np.full(v.shape[1], LONGEST)
    for _ in range(LIMIT):
        row = family.derivatives(
            rows.response, index + rows.random_index(root @ v), parameters.auxiliary, order=2
        )
        _, curvature = _curvature(rows, row, root)
        slope = root.T @ rows.random_sums(row.first[0]) - v
        lower = cholesky(curvature)
        half = solve_lower(lower, slope[:, None])
        step = _solve_upper(lower, half[:, 0])
        size = np.abs(step).max(axis=0)
        if not np.isfinite(size).all():
            raise np.linalg.LinAlgError("The likelihood of a unit is not finite.")
        # A step back that is no shorter than the last one: the mode is between the two.
        back = (step * before).sum(axis=0) < 0
        longest = np.where(back, np.minimum(longest, np.abs(before).max(axis=0) / 2), longest)
        step *= np.minimum(longest / np.maximum(size, 1e-300), 1.0)
        v, before = v + step, step
        if size.max(initial=0.0) < CLOSE:
            break
    else:
        raise np.linalg.LinAlgError("The mode of a unit was not reached.")
    value = index + rows.random_index(root @ v)
    row = family.derivatives(rows.response, value, parameters.auxiliary, order=order)
    weights, curvature = _curvature(rows, row, root)
    height = group_sums(row.value, rows.starts) - (v * v).sum(axis=0) / 2
    return Mode(v, height, weights, curvature, row)


def _curvature(
    rows: ModelRows, row: Derivatives, root: FloatArray
) -> tuple[FloatArray, FloatArray]:
    weights = -rows.random_products(row.second[0, 0])
    curvature = np.einsum("ba,bcg,cd->adg", root, weights, root)
    curvature += np.eye(len(root))[:, :, None]
    return weights, curvature


def _solve_upper(lower: FloatArray, b: FloatArray) -> FloatArray:
    """Solve L' x = b for each unit: (q, q, g) and (q, g) to (q, g)."""
    x = np.empty_like(b)
    for i in reversed(range(len(b))):
        rest = b[i].copy()
        for k in range(i + 1, len(b)):
            rest -= lower[k, i] * x[k]
        x[i] = rest / lower[i, i]
    return x
