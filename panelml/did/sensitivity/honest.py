"""Sensitivity of event studies to departures from parallel trends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from panelml._typing import BoolArray, FloatArray
from panelml.arguments import checked, into, moved
from panelml.did.core.around_reference import AroundReference
from panelml.did.core.fixed_length import fixed_length
from panelml.did.core.honest import (
    Restriction,
    orthogonal,
    relative_restrictions,
    shape_rows,
    smooth_restriction,
)
from panelml.did.core.moment_inequalities import Inequalities
from panelml.did.results.effects import EffectResults
from panelml.did.results.honest import Sensitivity, interval_table
from panelml.did.sensitivity.around_reference import EventStudyEstimates, around_reference, numbers
from panelml.engine.fold import capped
from panelml.errors import SpecificationError, listing, shown
from panelml.inference.distributions import normal_critical

__all__ = ["honest_did"]

Method: TypeAlias = Literal["relative-magnitudes", "smoothness", "relative-smoothness"]
Bias: TypeAlias = Literal["positive", "negative"]
Trend: TypeAlias = Literal["increasing", "decreasing"]

GRID = 801
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
    """

    beta: FloatArray
    sigma: FloatArray
    pre: int
    weights: FloatArray
    level: float

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
        return Inequalities.of(
            a @ self.beta - bounds,
            after @ unit,
            after @ orthogonal(self.weights),
            a @ self.sigma @ a.T,
            self.level,
        )


@checked
@moved(
    into("study", EventStudyEstimates)
    | {"result": "study=fit"}
    | {"horizon": "effect=2, a horizon", "weights": "effect=[...], weights of effects"}
)
@capped
def honest_did(
    study: EffectResults | EventStudyEstimates,
    *,
    method: Method = "relative-magnitudes",
    m: ArrayLike | None = None,
    effect: int | Sequence[float] = 0,
    bias: Bias | None = None,
    trend: Trend | None = None,
    level: float = 0.95,
) -> Sensitivity:
    """Sensitivity analysis: how wrong parallel trends may be before a conclusion falls.

    Parameters
    ----------
    study : EffectResults or EventStudyEstimates
        Effects by horizon, with one reference period: a fit, or an event study made elsewhere.
    method : {"relative-magnitudes", "smoothness", "relative-smoothness"}
        After adoption, departures from parallel trends change from a period to the next by at
        most m times the largest change before; or their slope changes by at most m; or the
        slope changes by at most m times its largest change before.
    m : sequence of float, optional
        By default 0.5, 1, 1.5, 2; for ``"smoothness"`` multiples of the standard error.
    effect : int or sequence of float
        Horizon of the effect of interest: 0 is the period of adoption. Or the weights of the
        effects from adoption on, of which the effect of interest is the sum.
    bias : {"positive", "negative"}, optional
        Sign of all departures after the reference.
    trend : {"increasing", "decreasing"}, optional
        Direction of all departures.
    level : float

    Returns
    -------
    Sensitivity

    Raises
    ------
    SpecificationError
        If horizons are not a row around one reference period before adoption, the covariance is
        none, there is no effect at the horizon, or restrictions on so many periods cannot be
        listed.
    IdentificationError
        If the covariance is singular, as with fewer clusters than effects: tests would rely on
        combinations of effects that seem to have no variance.

    Notes
    -----
    Effects between an earlier reference and adoption may be those of its anticipation: they are
    not taken for departures.

    Source: Rambachan and Roth (2023), *Review of Economic Studies* 90, 2555-2591. For smoothness
    alone, intervals of fixed length; otherwise sets by conditional and least favourable tests.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> event = pm.SunAbraham("y ~ 1", cohort="cohort").fit(panel).aggregate("horizon")
    >>> print(round(pm.honest_did(event, m=[0.5, 1.0]).breakdown, 2))
    0.34
    """
    around = around_reference(study)
    weights, words = _parameter(around, effect)
    coefficients = _coefficients(around, weights, method, level)
    shape = shape_rows(
        around.pre,
        around.post,
        sign=_direction(bias, "positive", "negative", "bias"),
        monotone=_direction(trend, "increasing", "decreasing", "trend"),
    )
    sizes = _sizes(m, method, coefficients)
    sets = _Sets(coefficients, method, shape)
    estimate, half = coefficients.estimate, normal_critical(level) * coefficients.error
    original = (estimate - half, estimate + half)
    return Sensitivity(
        method,
        interval_table(sizes, [sets.interval(size) for size in sizes]),
        estimate,
        original,
        _breakdown(sets, original),
        level,
        words,
    )


@dataclass(frozen=True, slots=True)
class _Sets:
    """Robust sets by the size of departures.

    Attributes
    ----------
    study : _EventStudy
    method : str
    shape : FloatArray, shape (r, pre + post)
        Rows that give departures a sign or a direction.
    """

    study: _EventStudy
    method: Method
    shape: FloatArray

    @property
    def linear(self) -> bool:
        """Whether intervals are of fixed length around a linear estimate."""
        return self.method == "smoothness" and not len(self.shape)

    def interval(self, size: float) -> tuple[float, float]:
        """Return the ends of the set."""
        study = self.study
        if self.linear:
            return fixed_length(
                study.beta, study.sigma, study.pre, study.weights, size, study.level
            ).ends
        tests = [test.hybrid() for test in self._tests(size)]
        return _accepted(tests, study.estimate, study.error)

    def excludes_zero(self, size: float) -> bool:
        """Whether zero is rejected."""
        if self.linear:
            low, high = self.interval(size)
            return low > 0 or high < 0
        zero = np.zeros(1)
        # The first stage only rejects more, so it is left out where the second rejects.
        return not any(
            test.accepts(zero)[0] and test.hybrid().accepts(zero)[0] for test in self._tests(size)
        )

    def _tests(self, size: float) -> Iterator[Inequalities]:
        study = self.study
        if self.method == "smoothness":
            restrictions = [smooth_restriction(study.pre, study.post, size)]
        else:
            order = 1 if self.method == "relative-magnitudes" else 2
            restrictions = relative_restrictions(study.pre, study.post, size, order)
        return (study.test(r.and_(self.shape)) for r in restrictions)


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
        points = np.linspace(a, b, 33)
        ok = accepts(points)
        stop = int(np.argmin(ok)) if not ok.all() else len(points) - 1
        a, b = float(points[max(stop - 1, 0)]), float(points[stop])
    return a


def _breakdown(sets: _Sets, original: tuple[float, float]) -> float:
    """Return the largest size of departures with which the set leaves out zero."""
    if not sets.excludes_zero(0.0):
        return float("nan") if original[0] <= 0 <= original[1] else 0.0
    start = sets.study.error if sets.method == "smoothness" else 1.0
    low, high = 0.0, start
    while sets.excludes_zero(high):
        low, high = high, 2 * high
        if high > MOST * start:
            return float("inf")
    while high - low > 1e-5 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if sets.excludes_zero(middle) else (low, middle)
    return low


def _sizes(m: ArrayLike | None, method: Method, study: _EventStudy) -> tuple[float, ...]:
    if m is None:
        unit = study.error if method == "smoothness" else 1.0
        steps = (0.0, 0.25, 0.5, 1.0) if method == "smoothness" else (0.5, 1.0, 1.5, 2.0)
        return tuple(unit * step for step in steps)
    sizes = numbers(m, "m")
    if sizes.ndim != 1 or not sizes.size or not (np.isfinite(sizes) & (sizes >= 0)).all():
        raise SpecificationError(f"m is a list of sizes that must not be negative, not {shown(m)}.")
    return tuple(sizes.tolist())


def _direction(value: str | None, up: str, down: str, name: str) -> float:
    if value not in (None, up, down):
        raise SpecificationError(f"{name} is {shown(up)} or {shown(down)}, not {shown(value)}.")
    return 0.0 if value is None else 1.0 if value == up else -1.0


def _parameter(around: AroundReference, effect: int | Sequence[float]) -> tuple[FloatArray, str]:
    """Weights of the effects after the reference in the parameter of interest, and its name."""
    after = around.horizons[around.pre :]
    if isinstance(effect, Integral):
        if effect not in after:
            raise SpecificationError(
                f"No effect is at horizon {effect}. After the reference {around.reference} there "
                f"are horizons {listing(after, most=20)}."
            )
        return np.where(after == effect, 1.0, 0.0), f"at horizon {effect}"
    from_adoption = after >= 0
    count = int(from_adoption.sum())
    chosen = numbers(effect, "effect")
    if chosen.shape != (count,) or not np.isfinite(chosen).all() or not chosen.any():
        raise SpecificationError(
            f"effect is a horizon, or {count} weights of horizons {listing(after[from_adoption])}, "
            "not all zero."
        )
    used = after[from_adoption][chosen != 0]
    padded = np.zeros(after.size)
    padded[from_adoption] = chosen
    return padded, f"of horizons {listing(used)}, weighted"


def _coefficients(
    around: AroundReference, weights: FloatArray, method: Method, level: float
) -> _EventStudy:
    around.require_regular(len(around.beta), f"{len(around.beta)} effects by horizon")
    if method == "relative-smoothness" and around.pre < 2:
        raise SpecificationError(
            "method='relative-smoothness' takes the change of slope before adoption for measure: "
            "two effects before the reference are needed, and there is one. Take "
            "'relative-magnitudes', or more horizons."
        )
    return _EventStudy(around.beta, around.sigma, around.pre, weights, level)
