"""The likelihood of a mixed model with one parameter held fixed.

A variance component is held by writing the covariance of the random coefficients as a Cholesky
product in an order that puts the component first: its standard deviation is then one entry, and a
correlation a fixed ratio of two. The rest is maximised by quasi-Newton steps on the likelihood with
the fixed effects profiled out. A fixed effect is held by taking it off the outcome, which changes
the products linearly; what is left is an ordinary mixed model.

Source: Bates and others (2015), *Journal of Statistical Software* 67(1), section 5.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy import optimize

from panelml._typing import BoolArray, FloatArray
from panelml.mixed.core.criterion import Criterion
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.crossed_state import CrossedCriterion
from panelml.mixed.core.optimum import (
    MixedOptimum,
    MixedProblem,
    MixedState,
    SingleFactor,
    StartedAt,
    maximise_mixed,
)

__all__ = ["Held", "Line", "hold_correlation", "hold_deviation", "hold_fixed", "hold_residual"]

Problem: TypeAlias = SingleFactor | CrossedModel

# Of the gradient, in deviance for a change of one natural unit: an error of about its square.
GRADIENT = 1e-5
# Variance added to a start, in natural units: at zero the likelihood is flat in the deviation.
INSIDE = 1e-4
# Deviation in natural units that counts as zero: at zero itself its correlations are lost.
LEAST = 1e-8
# One from which a search finds an optimum inside, where another may stay at zero.
WELL_INSIDE = 0.3


@dataclass(frozen=True, slots=True)
class Held:
    """The likelihood with one parameter held.

    Attributes
    ----------
    deviance : float
        Least value over the other parameters.
    state : FloatArray
        Where it is attained; start of the next one.
    """

    deviance: float
    state: FloatArray


@dataclass(frozen=True, slots=True)
class Line:
    """Factors of the covariance of the user's coefficients that are allowed.

    Attributes
    ----------
    base : FloatArray, shape (q, q)
    moves : FloatArray, shape (t, q, q)
        The factor is ``base + sum_k x_k moves_k``.
    order : tuple of int
        Of the coefficients in which the factor is triangular.
    natural : FloatArray, shape (q,)
        Standard deviations of the coefficients that count as one.
    log_sigma : float or None
        Logarithm of the residual standard deviation where it is held; else the last entry of x.
    deviations : tuple of int
        Entries of x that must have one sign: with two, the correlation held would be its opposite.
    """

    base: FloatArray
    moves: FloatArray
    order: tuple[int, ...]
    natural: FloatArray
    log_sigma: float | None = None
    deviations: tuple[int, ...] = ()

    def coordinates(self, cov: FloatArray, sigma: float) -> FloatArray:
        """Return an x near a covariance of the coefficients, shape (q, q), and inside its cone."""
        inside = cov + np.diag(INSIDE * self.natural**2)
        target = np.zeros_like(cov)
        place = np.ix_(self.order, self.order)
        target[place] = np.linalg.cholesky(inside[place])
        flat = self.moves.reshape(len(self.moves), cov.size)
        x = np.asarray(np.linalg.lstsq(flat.T, (target - self.base).ravel(), rcond=None)[0])
        return np.append(x, [] if self.log_sigma is not None else [np.log(sigma)])

    def hold(self, problem: Problem, back: FloatArray, start: FloatArray) -> Held:
        """Maximise the likelihood along the line.

        Parameters
        ----------
        problem : SingleFactor or CrossedModel
        back : FloatArray, shape (q, q)
            From the working to the user's coefficients.
        start : FloatArray
            A first x.
        """
        forward = np.asarray(np.linalg.inv(back), dtype=np.float64)

        def value(x: FloatArray) -> tuple[float, FloatArray]:
            # A search may look where covariances are infinite or singular.
            try:
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    found, slope = self._evaluate(problem, forward, x)
            except np.linalg.LinAlgError:
                return np.inf, np.zeros_like(x)
            return (found, slope) if np.isfinite(found) else (np.inf, np.zeros_like(x))

        if start.size == 0:
            return Held(value(start)[0], start)
        found = optimize.minimize(
            value, start, jac=True, method="BFGS", options={"gtol": GRADIENT, "maxiter": 500}
        )
        deviations = found.x[list(self.deviations)]
        if deviations.size and float(deviations.prod()) < INSIDE:
            starts = (self._positive(value, start, least) for least in (LEAST, WELL_INSIDE))
            return min(starts, key=lambda one: one.deviance)
        return Held(float(found.fun), np.asarray(found.x))

    def _positive(
        self,
        value: Callable[[FloatArray], tuple[float, FloatArray]],
        start: FloatArray,
        least: float,
    ) -> Held:
        """Maximise the likelihood over deviations that are not negative, from ones no smaller."""
        inside = start.copy()
        bounds: list[tuple[float | None, float | None]] = [(None, None)] * start.size
        for place in self.deviations:
            bounds[place], inside[place] = (LEAST, None), max(start[place], least)
        found = optimize.minimize(
            value,
            inside,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"gtol": GRADIENT, "ftol": 1e-15, "maxiter": 500},
        )
        return Held(float(found.fun), np.asarray(found.x))

    def _evaluate(
        self, problem: Problem, forward: FloatArray, x: FloatArray
    ) -> tuple[float, FloatArray]:
        """Deviance and its gradient in x."""
        free = self.log_sigma is None
        log_sigma = float(x[-1]) if self.log_sigma is None else self.log_sigma
        entries = x[:-1] if free else x
        sigma2 = np.exp(2 * log_sigma)
        factor = forward @ (self.base + np.einsum("k,kab->ab", entries, self.moves))
        factor = factor / np.exp(log_sigma)
        at = problem.evaluate(factor, restricted=False)
        ratio = at.sigma2 / sigma2
        deviance = at.deviance + at.df * (ratio - 1 - np.log(ratio))
        slope = at.gradient + _score_products(at) * (1 / at.sigma2 - 1 / sigma2)
        moved = 2 * forward.T @ slope @ factor / np.exp(log_sigma)
        gradient = np.einsum("kab,ab->k", self.moves, moved)
        if free:
            scale = 2 * at.df * (1 - ratio) - 2 * float(np.sum(slope * (factor @ factor.T)))
            gradient = np.append(gradient, scale)
        return float(deviance), gradient


def hold_deviation(place: int, structure: BoolArray, natural: FloatArray, value: float) -> Line:
    """Hold the standard deviation of a coefficient.

    Parameters
    ----------
    place : int
        Which coefficient.
    structure : BoolArray, shape (q, q)
        Which coefficients may be correlated.
    natural : FloatArray, shape (q,)
        Units of x: standard deviations of the coefficients in columns of size one.
    value : float
    """
    order, base = _order((place,), len(structure)), np.zeros(structure.shape)
    base[place, place] = value
    kept = [move for move in _moves(structure, natural, order) if move[place, place] == 0]
    return Line(base, _stack(kept, len(structure)), order, natural)


def hold_correlation(
    pair: tuple[int, int], structure: BoolArray, natural: FloatArray, value: float
) -> Line:
    """Hold the correlation of two coefficients; see ``hold_deviation``."""
    a, b = pair
    order = _order(pair, len(structure))
    kept = [move for move in _moves(structure, natural, order) if not move[b, [a, b]].any()]
    joint = np.zeros(structure.shape)
    joint[b, a], joint[b, b] = value * natural[b], np.sqrt(max(1 - value**2, 0.0)) * natural[b]
    moves = _stack([*kept, joint], len(structure))
    return Line(np.zeros(structure.shape), moves, order, natural, deviations=(0, len(kept)))


def hold_residual(structure: BoolArray, natural: FloatArray, value: float) -> Line:
    """Hold the residual standard deviation; see ``hold_deviation``."""
    order = _order((), len(structure))
    moves = _stack(_moves(structure, natural, order), len(structure))
    return Line(np.zeros(structure.shape), moves, order, natural, float(np.log(value)))


def hold_fixed(
    problem: Problem, direction: FloatArray, value: float, structure: BoolArray, start: FloatArray
) -> Held:
    """Hold a linear combination of the working fixed effects.

    Parameters
    ----------
    problem : SingleFactor or CrossedModel
    direction : FloatArray, shape (p,)
    value : float
    structure : BoolArray, shape (q, q)
    start : FloatArray
        A first factor, flat.
    """
    p = direction.size
    square = float(direction @ direction)
    change = np.zeros((p + 1, p))
    change[:p, : p - 1] = np.linalg.svd(direction[None])[2][1:].T
    change[:p, -1], change[p, -1] = -direction * value / square, 1.0
    changed: MixedProblem[MixedState] = _changed(problem, change)
    started = StartedAt(changed, start.reshape(structure.shape))
    optimum: MixedOptimum[MixedState] = maximise_mixed(started, structure, restricted=False)
    return Held(optimum.criterion.deviance, optimum.criterion.factor.ravel())


def _changed(problem: Problem, change: FloatArray) -> Problem:
    """Return the problem with [X, y] replaced by combinations of its columns."""
    if isinstance(problem, SingleFactor):
        moments = problem.moments
        c = np.einsum("akg,kl->alg", moments.c, change)
        return SingleFactor(replace(moments, c=c, within=change.T @ moments.within @ change))
    products = problem.products
    units = replace(
        products.units,
        c=np.einsum("akg,kl->alg", products.units.c, change),
        m=change.T @ products.units.m @ change,
    )
    return replace(problem, products=replace(products, units=units, right=products.right @ change))


def _order(first: tuple[int, ...], q: int) -> tuple[int, ...]:
    return (*first, *(a for a in range(q) if a not in first))


def _moves(structure: BoolArray, natural: FloatArray, order: tuple[int, ...]) -> list[FloatArray]:
    """Unit moves of a factor that is triangular in an order of the coefficients."""
    found = []
    for i, row in enumerate(order):
        for column in order[: i + 1]:
            if structure[row, column]:
                move = np.zeros(structure.shape)
                move[row, column] = natural[row]
                found.append(move)
    return found


def _stack(moves: list[FloatArray], q: int) -> FloatArray:
    return np.stack(moves) if moves else np.zeros((0, q, q))


def _score_products(at: Criterion | CrossedCriterion) -> FloatArray:
    """Sum over levels of h h', h = Z' Sigma^-1 r, within grouping factors, shape (q, q)."""
    if isinstance(at, Criterion):
        direction = np.append(-at.coef, 1.0)
        return np.asarray(np.einsum("k,akbl,l->ab", direction, at.curvature.hh, direction))
    total = np.zeros_like(at.factor)
    for random, score in zip(at.randoms, at.scores, strict=True):
        total[np.ix_(random, random)] = score @ score.T
    return total
