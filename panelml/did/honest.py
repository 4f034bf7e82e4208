"""Sensitivity of event studies to departures from parallel trends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.honest import (
    Restriction,
    fixed_length,
    relative_restrictions,
    shape_rows,
    smooth_restriction,
)
from panelml.core.moment_inequalities import Inequalities, is_small
from panelml.engine.fold import capped
from panelml.errors import SpecificationError, suggest
from panelml.inference.distributions import normal_quantile
from panelml.results.effects import EffectResults
from panelml.results.honest import Sensitivity

__all__ = ["honest_did"]

Method: TypeAlias = Literal["relative-magnitudes", "smoothness", "relative-smoothness"]
Bias: TypeAlias = Literal["positive", "negative"]
Trend: TypeAlias = Literal["increasing", "decreasing"]

GRID = 201
# Where the largest departure is looked for that leaves the conclusion standing.
MOST = 1024.0


@dataclass(frozen=True, slots=True)
class _EventStudy:
    """Coefficients around a reference period.

    Attributes
    ----------
    beta : FloatArray, shape (pre + post,)
    sigma : FloatArray, shape (pre + post, pre + post)
    pre : int
    weights : FloatArray, shape (post,)
        Of the effects in the parameter of interest.
    level : float
    seed : int
    """

    beta: FloatArray
    sigma: FloatArray
    pre: int
    weights: FloatArray
    level: float
    seed: int

    @property
    def post(self) -> int:
        return self.weights.size

    @property
    def estimate(self) -> float:
        return float(self.weights @ self.beta[self.pre :])

    @property
    def error(self) -> float:
        return float(np.sqrt(self.weights @ self.sigma[self.pre :, self.pre :] @ self.weights))

    def test(self, restriction: Restriction) -> Inequalities:
        """Set up the test of values of the parameter under a restriction."""
        # Restrictions on departures before adoption alone cost power and tell nothing of effects.
        told = np.abs(restriction.rows[:, self.pre :]).max(axis=1) > 0
        a, bounds = restriction.rows[told], restriction.bounds[told]
        after = a[:, self.pre :]
        unit = self.weights / (self.weights @ self.weights)
        _, _, vectors = np.linalg.svd(self.weights[None])
        return Inequalities.of(
            a @ self.beta - bounds, after @ unit, after @ vectors[1:].T,
            a @ self.sigma @ a.T, self.level, self.seed,
        )  # fmt: skip


@capped
def honest_did(
    result: EffectResults | None = None,
    *,
    method: Method = "relative-magnitudes",
    m: Sequence[float] | None = None,
    weights: Sequence[float] | None = None,
    bias: Bias | None = None,
    trend: Trend | None = None,
    level: float = 0.95,
    betahat: Sequence[float] | None = None,
    sigma: Sequence[Sequence[float]] | None = None,
    horizons: Sequence[int] | None = None,
    reference: int = -1,
    seed: int = 0,
) -> Sensitivity:
    """Ask how wrong parallel trends may be before a conclusion falls.

    Parameters
    ----------
    result : EffectResults, optional
        By horizon, with one reference period; or ``betahat``, ``sigma`` and ``horizons`` of any
        other event study.
    method : {"relative-magnitudes", "smoothness", "relative-smoothness"}
        After adoption, departures from parallel trends change from a period to the next by at
        most m times the largest change before; or their slope changes by at most m; or the
        slope changes by at most m times its largest change before.
    m : sequence of float, optional
        By default 0.5, 1, 1.5, 2; for ``"smoothness"`` multiples of the standard error.
    weights : sequence of float, optional
        Of the effects after the reference in the parameter of interest; the first alone by
        default.
    bias : {"positive", "negative"}, optional
        Sign of all departures after the reference.
    trend : {"increasing", "decreasing"}, optional
        Direction of all departures.
    level : float
    betahat, sigma, horizons : sequences, optional
        Estimates, their covariance and horizons, the reference left out.
    reference : int
        The horizon that is zero, where these are given.
    seed : int
        Of the simulated critical values.

    Returns
    -------
    Sensitivity

    Raises
    ------
    SpecificationError
        If horizons are not a row around one reference period.

    Notes
    -----
    Source: Rambachan and Roth (2023), *Review of Economic Studies* 90, 2555-2591. For smoothness
    alone, intervals of fixed length; otherwise sets by conditional and least favourable tests.
    """
    if method not in get_args(Method):
        raise SpecificationError(f"method is not {method!r}.{suggest(method, get_args(Method))}")
    if not 0 < level < 1:
        raise SpecificationError(f"level must lie between 0 and 1, as 0.95, not {level}.")
    study, notes = _read(result, betahat, sigma, horizons, reference, weights, level, seed)
    shape = shape_rows(
        study.pre, study.post, sign=_direction(bias, "positive", "negative", "bias"),
        monotone=_direction(trend, "increasing", "decreasing", "trend"),
    )  # fmt: skip
    sizes = _sizes(m, method, study)
    interval = _intervals(study, method, shape)
    found = [interval(size) for size in sizes]
    half = normal_quantile(0.5 + level / 2) * study.error
    original = (study.estimate - half, study.estimate + half)
    return Sensitivity.of(
        method, sizes, found, study.estimate, original, _breakdown(interval, original), level,
        notes,
    )  # fmt: skip


def _intervals(
    study: _EventStudy, method: Method, shape: FloatArray
) -> Callable[[float], tuple[float, float]]:
    """Return what gives the robust set for a size of departures."""
    if method == "smoothness" and not len(shape):
        return lambda size: fixed_length(
            study.beta, study.sigma, study.pre, study.weights, size, study.level
        )

    def by_tests(size: float) -> tuple[float, float]:
        if method == "smoothness":
            restrictions = [smooth_restriction(study.pre, study.post, size)]
        else:
            order = 1 if method == "relative-magnitudes" else 2
            restrictions = relative_restrictions(study.pre, study.post, size, order)
        tests = [study.test(r.and_(shape) if len(shape) else r) for r in restrictions]
        return _accepted(tests, study.estimate, study.error)

    return by_tests


def _accepted(tests: Sequence[Inequalities], centre: float, error: float) -> tuple[float, float]:
    """Return the ends of the values that some test accepts; infinite where there is none."""

    def accepts(theta: FloatArray) -> BoolArray:
        return np.asarray(np.any([test.accepts(theta) for test in tests], axis=0))

    reach = 8 * error
    for _ in range(16):
        grid = np.linspace(centre - reach, centre + reach, GRID)
        inside = accepts(grid)
        if not inside[0] and not inside[-1]:
            break
        reach *= 2
    if not inside.any():
        return float("nan"), float("nan")
    first, last = int(inside.argmax()), int(GRID - 1 - inside[::-1].argmax())
    low = _edge(accepts, grid, first, first - 1) if first > 0 else -np.inf
    high = _edge(accepts, grid, last, last + 1) if last < GRID - 1 else np.inf
    return low, high


def _edge(
    accepts: Callable[[FloatArray], BoolArray], grid: FloatArray, inside: int, outside: int
) -> float:
    """Narrow down where acceptance ends."""
    a, b = float(grid[inside]), float(grid[outside])
    for _ in range(4):
        points = np.linspace(a, b, 21)
        ok = accepts(points)
        stop = int(np.argmin(ok)) if not ok.all() else len(points) - 1
        a, b = float(points[max(stop - 1, 0)]), float(points[stop])
    return a


def _breakdown(
    interval: Callable[[float], tuple[float, float]], original: tuple[float, float]
) -> float:
    """Return the largest size of departures with which the set leaves out zero."""

    def excludes(size: float) -> bool:
        low, high = interval(size)
        return low > 0 or high < 0

    if original[0] <= 0 <= original[1] and not excludes(0.0):
        return float("nan")
    if not excludes(0.0):
        return 0.0
    low, high = 0.0, max(abs(original[0]), abs(original[1]))
    while excludes(high):
        low, high = high, 2 * high
        if high > MOST:
            return float("inf")
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if excludes(middle) else (low, middle)
    return low


def _sizes(m: Sequence[float] | None, method: Method, study: _EventStudy) -> tuple[float, ...]:
    if m is None:
        unit = study.error if method == "smoothness" else 1.0
        steps = (0.0, 0.25, 0.5, 1.0) if method == "smoothness" else (0.5, 1.0, 1.5, 2.0)
        return tuple(unit * step for step in steps)
    sizes = tuple(float(size) for size in np.atleast_1d(np.asarray(m, dtype=np.float64)))
    if not all(np.isfinite(size) and size >= 0 for size in sizes):
        raise SpecificationError(f"m must not be negative, but is {sizes}.")
    return sizes


def _direction(value: str | None, up: str, down: str, name: str) -> float:
    if value not in (None, up, down):
        raise SpecificationError(f"{name} is {up!r} or {down!r}, not {value!r}.")
    return 0.0 if value is None else 1.0 if value == up else -1.0


def _read(
    result: EffectResults | None, betahat: Sequence[float] | None,
    sigma: Sequence[Sequence[float]] | None, horizons: Sequence[int] | None, reference: int,
    weights: Sequence[float] | None, level: float, seed: int,
) -> tuple[_EventStudy, tuple[str, ...]]:  # fmt: skip
    if result is not None:
        frame = result.event_frame(band=False)
        if len(result.references) != 1:
            raise SpecificationError(
                f"{result.model} has no single reference period. Take an event study with one: "
                "EventStudy, SunAbraham, or CallawaySantAnna with base='universal'."
            )
        [reference] = result.references
        at, beta = frame["horizon"].to_numpy(np.int64), frame["estimate"].to_numpy(np.float64)
        cov = result.covariance.matrix
    elif betahat is None or sigma is None or horizons is None:
        raise SpecificationError("Give a result, or betahat, sigma and horizons.")
    else:
        at, beta = np.asarray(horizons, np.int64), np.asarray(betahat, np.float64)
        cov = np.asarray(sigma, np.float64)
        if cov.shape != (beta.size, beta.size) or at.shape != beta.shape:
            raise SpecificationError("betahat, sigma and horizons do not fit each other.")
    return _ordered(at - reference, beta, cov, weights, level, seed)


def _ordered(
    number: IntArray, beta: FloatArray, cov: FloatArray, weights: Sequence[float] | None,
    level: float, seed: int,
) -> tuple[_EventStudy, tuple[str, ...]]:  # fmt: skip
    order = np.argsort(number)
    number = number[order]
    pre, post = int((number < 0).sum()), int((number > 0).sum())
    if not pre or not post or (number != np.r_[-pre:0, 1 : post + 1]).any():
        raise SpecificationError(
            "Horizons must be a row without gaps around the reference, with at least one before "
            f"and one after it; from the reference they are {number.tolist()}."
        )
    chosen = np.eye(post)[0] if weights is None else np.asarray(weights, dtype=np.float64)
    if chosen.shape != (post,) or not chosen.any():
        raise SpecificationError(f"weights must be {post} numbers, not all zero.")
    last = int(np.flatnonzero(chosen)[-1]) + 1
    # Later periods say little of earlier effects, and cost most.
    used = post if is_small(post) else last
    keep = order[: pre + used]
    notes = () if used == post else (
        f"Horizons after the last one in the parameter of interest are left out ({post - used}).",
    )  # fmt: skip
    return _EventStudy(beta[keep], cov[np.ix_(keep, keep)], pre, chosen[:used], level, seed), notes
