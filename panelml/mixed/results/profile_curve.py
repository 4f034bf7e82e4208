"""Curves of the profile likelihood of a mixed model, traced from the estimate outwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy import optimize

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.engine.progress import counted
from panelml.errors import ConvergenceError, UnknownNameError, suggest
from panelml.mixed.core.constrained import (
    Held,
    Line,
    hold_correlation,
    hold_deviation,
    hold_fixed,
    hold_residual,
)
from panelml.mixed.fit.refit import Refit, Refitter
from panelml.mixed.results.coefficients import RandomCoefficients

__all__ = ["ProfileCurve", "profile_curves"]

Solve: TypeAlias = Callable[[float, FloatArray | None], Held]

# Growth of zeta between two points of a curve, and the most points on a side.
STEP = 0.5
MOST_POINTS = 60


@checked_methods
@dataclass(frozen=True, slots=True)
class ProfileCurve:
    """The profile likelihood of one parameter.

    Attributes
    ----------
    name : str
    estimate : float
        Where the likelihood is highest.
    values : FloatArray, shape (points,)
        In increasing order.
    zeta : FloatArray, shape (points,)
        Signed root of the likelihood-ratio statistic of each value.
    limits : (float, float)
        Range of the parameter.
    deviance : float
        Least deviance.
    solve : callable
        Holds the parameter at a value, from a start or the estimate.
    states : tuple of FloatArray
        Where the other parameters were at each value.
    """

    name: str
    estimate: float
    values: FloatArray
    zeta: FloatArray
    limits: tuple[float, float]
    deviance: float
    solve: Solve
    states: tuple[FloatArray | None, ...]

    def endpoint(self, side: int, size: float) -> tuple[float, bool]:
        """Find where zeta is ``size`` from zero, below (-1) or above (+1) the estimate.

        Returns
        -------
        value : float
            The limit of the parameter's range where zeta stays nearer; NaN if neither was reached.
        boundary : bool
            Whether it is the limit.
        """
        away = side * (self.values - self.estimate)
        order = [int(i) for i in np.argsort(away, kind="stable") if away[i] >= 0]
        for inner, outer in pairwise(order):
            if abs(self.zeta[outer]) >= size:
                return self._root(inner, outer, size), False
        last = self.values[order[-1]]
        limit = self.limits[(side + 1) // 2]
        return (float(limit), True) if last == limit else (float("nan"), False)

    def _root(self, inner: int, outer: int, size: float) -> float:
        def excess(value: float) -> float:
            held = self.solve(value, self.states[outer])
            return float(np.sqrt(max(held.deviance - self.deviance, 0.0))) - size

        first, last = float(self.values[inner]), float(self.values[outer])
        if abs(abs(self.zeta[outer]) - size) < 1e-12:
            return last
        scale = abs(last - first)
        return float(optimize.brentq(excess, first, last, xtol=1e-10 * scale, rtol=1e-12))


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter to profile: a first step from its estimate, its range, and how to hold it."""

    name: str
    estimate: float
    step: float
    limits: tuple[float, float]
    solve: Solve


def profile_curves(
    refitter: Refitter,
    outcome: FloatArray,
    random: RandomCoefficients,
    names: list[str],
    chosen: list[str] | None,
    size: float,
) -> dict[str, ProfileCurve]:
    """Profile the likelihood of a model.

    Parameters
    ----------
    refitter : Refitter
        By maximum likelihood.
    outcome : FloatArray, shape (n,)
    random : RandomCoefficients
        Layout of the random coefficients.
    names : list of str
        Of the fixed effects.
    chosen : list of str, optional
        Parameters; all by default.
    size : float
        Absolute zeta up to which curves are traced.

    Raises
    ------
    UnknownNameError
        If there is no such parameter.
    ConvergenceError
        If a covariance becomes singular on the way.
    """
    best = refitter.fit(outcome)
    random = random.moved(best.relative, best.sigma2, best.loglik)
    components = _components(refitter, outcome, best, random)
    known = {each.name: each for each in (*components, *_fixed(refitter, outcome, best, names))}
    for name in chosen or ():
        if name not in known:
            raise UnknownNameError(f"No parameter {name!r} to profile.{suggest(name, list(known))}")
    wanted = [known[name] for name in (known if chosen is None else chosen)]
    try:
        return {
            wanted[place].name: _trace(wanted[place], -2 * best.loglik, size)
            for place in counted(len(wanted), "Profile")
        }
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(
            "The profile leads to singular covariances: rows are too few for so many parameters. "
            "Use a simpler model, or the bootstrap."
        ) from error


def _components(
    refitter: Refitter, outcome: FloatArray, best: Refit, random: RandomCoefficients
) -> Iterator[_Parameter]:
    """Standard deviations, and correlations where these are not zero."""
    problem, columns = refitter.problem(outcome), refitter.columns
    back, structure = columns.random_back, columns.structure
    cov = best.sigma2 * back @ best.relative @ back.T
    sigma = float(np.sqrt(best.sigma2))
    natural = sigma * np.sqrt((back**2).sum(axis=1))

    def solver(line: Callable[[float], Line]) -> Solve:
        def solve(value: float, start: FloatArray | None) -> Held:
            held = line(value)
            return held.hold(
                problem, back, held.coordinates(cov, sigma) if start is None else start
            )

        return solve

    for part in random.parts:
        for a, deviation in enumerate(part.deviations.tolist()):
            place = int(part.random[a])
            step = 0.1 * max(deviation, 0.1 * float(natural[place]))
            hold = solver(partial(hold_deviation, place, structure, natural))
            name = f"sd({part.labels[a]} | {part.name})"
            yield _Parameter(name, deviation, step, (0.0, np.inf), hold)
        for (a, b), correlation in part.correlations().items():
            if np.isfinite(correlation):
                pair = (int(part.random[a]), int(part.random[b]))
                hold = solver(partial(hold_correlation, pair, structure, natural))
                name = f"corr({part.labels[a]}, {part.labels[b]} | {part.name})"
                clipped = min(max(correlation, -1.0), 1.0)
                yield _Parameter(name, clipped, 0.05, (-1.0, 1.0), hold)
    step = 0.3 * sigma / np.sqrt(outcome.size)
    hold = solver(partial(hold_residual, structure, natural))
    yield _Parameter("sd(residual)", sigma, step, (0.0, np.inf), hold)


def _fixed(
    refitter: Refitter, outcome: FloatArray, best: Refit, names: list[str]
) -> Iterator[_Parameter]:
    problem, columns = refitter.problem(outcome), refitter.columns
    for j, name in enumerate(names):

        def solve(value: float, start: FloatArray | None, j: int = j) -> Held:
            return hold_fixed(
                problem,
                columns.fixed_back[j],
                value - columns.offset[j],
                columns.structure,
                refitter.factor.ravel() if start is None else start,
            )

        error = float(np.sqrt(best.cov[j, j]))
        yield _Parameter(name, float(best.params[j]), STEP * error, (-np.inf, np.inf), solve)


def _trace(parameter: _Parameter, deviance: float, size: float) -> ProfileCurve:
    sides = []
    for side in (-1, 1):
        sides.append(list(_side(parameter, deviance, size, side)))
    points = [*reversed(sides[0]), (parameter.estimate, 0.0, None), *sides[1]]
    values, zeta, states = zip(*points, strict=True)
    return ProfileCurve(
        parameter.name,
        parameter.estimate,
        np.array(values),
        np.array(zeta),
        parameter.limits,
        deviance,
        parameter.solve,
        states,
    )


def _side(
    parameter: _Parameter, deviance: float, size: float, side: int
) -> Iterator[tuple[float, float, FloatArray | None]]:
    """Step away from the estimate until zeta is large enough, or the range ends."""
    low, high = parameter.limits
    value, zeta, step = parameter.estimate, 0.0, parameter.step
    state: FloatArray | None = None
    for _ in range(MOST_POINTS):
        if zeta >= size or value == (low if side < 0 else high):
            return
        ahead = min(max(value + side * step, low), high)
        if ahead == 0.0 and parameter.name == "sd(residual)":
            ahead = value / 2
        held = parameter.solve(ahead, state)
        grown = float(np.sqrt(max(held.deviance - deviance, 0.0)))
        step *= min(max(STEP / max(grown - zeta, 1e-3), 0.3), 3.0)
        value, zeta, state = ahead, grown, held.state
        yield value, side * zeta, state
