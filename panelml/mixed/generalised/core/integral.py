"""Adaptive Gauss-Hermite quadrature: likelihoods of units, random effects integrated out.

The likelihood of a unit is ``int (2 pi)^(-q/2) exp F(v) dv`` with ``F(v) = sum_t l(eta_t) - v'v/2``
and ``eta_t = o_t + x_t'b + z_t'L v``. Nodes are moved to the mode of F and scaled by the Cholesky
factor C of its negative Hessian H there: ``v_q = mode + C^-T z_q`` (Liu and Pierce 1994,
*Biometrika* 81; Pinheiro and Bates 1995, *JCGS* 4). One node is Laplace's approximation. H is the
true second derivative, not its expectation. The gradient is that of the sum itself: it has the
moves of the nodes. docs/estimators/mixed_nonlinear.md derives it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.batched import cholesky, multiply, solve_lower, transposed_multiply
from panelml.core.family.family import NOTHING, Derivatives, Family
from panelml.core.groups import group_sums, spread
from panelml.core.quadrature import Nodes
from panelml.mixed.generalised.core.modes import Mode, conditional_mode
from panelml.mixed.generalised.core.parameters import ModelParameters, ParameterLayout
from panelml.mixed.generalised.core.rows import ModelRows

__all__ = ["UnitLikelihoods", "integrated"]

# Values of rows at nodes that are held at once.
HELD = 60_000


@dataclass(frozen=True, slots=True)
class UnitLikelihoods:
    """Log-likelihoods of units.

    Attributes
    ----------
    values : FloatArray, shape (g,)
    scores : FloatArray, shape (k, g)
        Their derivatives with respect to the parameters; k is zero where they were not asked for.
    modes : FloatArray, shape (q, g)
        Conditional modes of the standard normal effects v.
    spread : FloatArray, shape (q, q, g)
        Inverse of the negative Hessian of the integrand there.
    """

    values: FloatArray
    scores: FloatArray
    modes: FloatArray
    spread: FloatArray

    def __add__(self, other: UnitLikelihoods) -> UnitLikelihoods:
        return UnitLikelihoods(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.scores, other.scores], axis=1),
            np.concatenate([self.modes, other.modes], axis=1),
            np.concatenate([self.spread, other.spread], axis=2),
        )


@dataclass(frozen=True, slots=True)
class Integral:
    """Sums over the nodes, weighted by each node's share of the integral.

    Attributes
    ----------
    log_value : FloatArray, shape (g,)
        Logarithm of the integral.
    first : FloatArray, shape (1 + m, n)
        Average first derivatives of the rows.
    push : FloatArray, shape (q, g)
        Average of a, the derivative of F with respect to v.
    twist : FloatArray, shape (q, q, g)
        Average of a z'.
    pull : FloatArray, shape (q, q, g)
        Average of ``(sum_t l' z_t) v'``.
    """

    log_value: FloatArray
    first: FloatArray
    push: FloatArray
    twist: FloatArray
    pull: FloatArray


def integrated(
    family: Family,
    rows: ModelRows,
    parameters: ModelParameters,
    nodes: Nodes,
    start: FloatArray,
    layout: ParameterLayout | None,
) -> UnitLikelihoods:
    """Integrate the random effects of some units out of their likelihoods.

    Parameters
    ----------
    family : Family
    rows : ModelRows
    parameters : ModelParameters
    nodes : Nodes
    start : FloatArray, shape (q, g)
        Where the search for the modes starts.
    layout : ParameterLayout, or None
        In which order scores are stacked; None without scores.
    """
    index = rows.index(parameters.coef)
    mode = conditional_mode(family, rows, index, parameters, start, 2 if layout is None else 3)
    lower = cholesky(mode.curvature)
    eye = np.broadcast_to(np.eye(len(lower))[:, :, None], lower.shape)
    inverse = solve_lower(lower, eye)
    scaled = _Scaled(mode, inverse, parameters.root)
    if nodes.size == 1:
        integral = _at_mode(rows, scaled, layout is not None)
    else:
        integral = _over_nodes(family, rows, index, parameters, scaled, nodes, layout is not None)
    values = integral.log_value - np.log(np.einsum("aag->ag", lower)).sum(axis=0)
    spread_of = transposed_multiply(inverse, inverse)
    scores = np.zeros((0, values.size))
    if layout is not None:
        scores = _scores(rows, parameters, scaled, integral, spread_of, layout)
    if rows.unit_weights is not None:
        values, scores = values * rows.unit_weights, scores * rows.unit_weights
    return UnitLikelihoods(values, scores, mode.effects, spread_of)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """Modes with the inverse of C, shape (q, q, g), and the root, shape (q, q)."""

    mode: Mode
    inverse: FloatArray
    root: FloatArray


def _at_mode(rows: ModelRows, scaled: _Scaled, scores: bool) -> Integral:
    """Laplace's approximation: one node, at which F has no slope."""
    mode, (q, g) = scaled.mode, scaled.mode.effects.shape
    zero = np.zeros((q, q, g))
    if not scores:
        return Integral(mode.height, np.zeros((0, 0)), zero[0], zero, zero)
    sums = rows.random_sums(mode.derivatives.first[0])
    pull = sums[:, None] * mode.effects[None]
    return Integral(mode.height, mode.derivatives.first, np.zeros((q, g)), zero, pull)


def _over_nodes(
    family: Family,
    rows: ModelRows,
    index: FloatArray,
    parameters: ModelParameters,
    scaled: _Scaled,
    nodes: Nodes,
    scores: bool,
) -> Integral:
    """Sum over the nodes, some of them at a time; shares are relative to the height at the mode."""
    effects, height = scaled.mode.effects, scaled.mode.height
    q, g = effects.shape
    mass = np.zeros(g)
    first = np.zeros((1 + parameters.auxiliary.size, rows.n if scores else 0))
    push, twist, pull = np.zeros((q, g)), np.zeros((q, q, g)), np.zeros((q, q, g))
    step = max(1, HELD // rows.n)
    for low in range(0, nodes.size, step):
        z = nodes.points[:, low : low + step]
        moves = np.einsum("bag,bs->asg", scaled.inverse, z)
        v = effects[:, None] + moves
        u = np.einsum("ab,bsg->asg", parameters.root, v)
        value = rows.random_index(u)
        value += index
        row = _first(family, rows, value, parameters.auxiliary, scores)
        top = group_sums(row.value, rows.starts) - (v * v).sum(axis=0) / 2 - height
        share = np.exp(top + nodes.log_weights[low : low + step, None])
        mass += share.sum(axis=0)
        if not scores:
            continue
        by_row = spread(share, rows.unit)
        first += np.einsum("sn,jsn->jn", by_row, row.first)
        sums = rows.random_sums(row.first[0])
        slope = np.einsum("ba,bsg->asg", parameters.root, sums) - v
        slope *= share
        push += slope.sum(axis=1)
        twist += np.einsum("asg,bs->abg", slope, z)
        pull += np.einsum("asg,bsg->abg", sums * share, v)
    first /= spread(mass, rows.unit) if scores else 1.0
    return Integral(height + np.log(mass), first, push / mass, twist / mass, pull / mass)


def _first(
    family: Family, rows: ModelRows, index: FloatArray, auxiliary: FloatArray, scores: bool
) -> Derivatives:
    if scores:
        return family.derivatives(rows.response, index, auxiliary, order=1)
    return Derivatives(family.loglik(rows.response, index, auxiliary), NOTHING, NOTHING, NOTHING)


def _scores(
    rows: ModelRows,
    parameters: ModelParameters,
    scaled: _Scaled,
    integral: Integral,
    spread_of: FloatArray,
    layout: ParameterLayout,
) -> FloatArray:
    """Derivatives of the log-likelihoods, shape (k, g), the moves of the nodes included.

    ``d log L = average dF + tr(R dH) + gamma' d mode``, where R is ``-C^-T P C^-1 / 2`` and P the
    symmetric matrix with the lower triangle of ``twist' C^-T + I``.
    """
    mode, inverse, root = scaled.mode, scaled.inverse, parameters.root
    row, q = mode.derivatives, len(root)
    turned = np.einsum("bag,cbg->acg", integral.twist, inverse)
    lower = np.tril(np.ones((q, q)), -1)[:, :, None] * turned
    weight = lower + lower.swapaxes(0, 1)
    weight[range(q), range(q)] = turned[range(q), range(q)] + 1
    adjoint = -multiply(transposed_multiply(inverse, weight), inverse) / 2
    outer = np.einsum("ab,bcg,dc->adg", root, adjoint, root)
    tau = rows.quadratic(outer)
    bent = rows.random_sums(tau * row.third[0])
    gamma = integral.push - np.einsum("ba,bg->ag", root, bent)
    kappa = multiply(spread_of, gamma[:, None])[:, 0]
    moved = np.einsum("ab,bg->ag", root, kappa)
    along = rows.random_index(moved)
    by_index = integral.first[0] - tau * row.third[0] + along * row.second[0, 0]
    coef = group_sums(rows.fixed * by_index, rows.starts)
    auxiliary = integral.first[1:] - tau * row.third[1:] + along * row.second[0, 1:]
    weights = mode.weights
    sloped = multiply(weights, moved[:, None])[:, 0]
    by_root = integral.pull + 2 * multiply(np.einsum("abg,bc->acg", weights, root), adjoint)
    by_root -= (bent + sloped)[:, None] * mode.effects[None]
    by_root += rows.random_sums(row.first[0])[:, None] * kappa[None]
    return layout.stacked(coef, by_root, group_sums(auxiliary, rows.starts))
