"""Power of a planned design, by simulating it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.linalg import covariance_root
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.errors import (
    SpecificationError,
    UnknownNameError,
    check_count,
    check_share,
    shown,
    suggest,
)
from panelml.inference.distributions import normal_quantile, t_quantile
from panelml.mixed.core.working_rows import Truth
from panelml.mixed.fit.refit import Refitter
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.power import power_table
from panelml.mixed.results.refitting import independent_refitter, truth_of

__all__ = ["power"]


class _Model(Protocol):
    @property
    def formula(self) -> str: ...

    def fit(self, data: Any) -> MixedResults: ...


@dataclass(frozen=True, slots=True)
class _Plan:
    """A design laid out: what refits it, what outcomes come from, and which effect is tested."""

    refitter: Refitter
    truth: Truth
    null: Truth
    place: int


@checked
@capped
def power(
    model: _Model,
    design: Any,
    *,
    params: Mapping[str, float],
    variance: Mapping[str, float],
    term: str,
    reps: int = 500,
    seed: int,
    sizes: Sequence[int] | None = None,
    alpha: float = 0.05,
    df: float = float("inf"),
) -> Any:
    """Simulate how often a planned design finds an effect.

    Parameters
    ----------
    model : MixedModel
    design : data frame, or callable
        Rows that are planned, with all columns of the formula but the outcome; or a function from
        a sample size to them, where ``sizes`` are given.
    params : dict of str to float
        Fixed effects; those left out are zero.
    variance : dict of str to float
        ``sd(Intercept | id)``, ``corr(Intercept, time | id)``, ``sd(residual)`` and so on, as in
        ``bootstrap``; all standard deviations, and correlations that are not zero.
    term : str
        Fixed effect that is tested, two-sided.
    reps : int
        Simulated outcomes of each design.
    seed : int
    sizes : sequence of int, optional
        Given to ``design`` in turn.
    alpha : float
        Level of the test.
    df : float
        Degrees of freedom of its t distribution; the normal one by default.

    Returns
    -------
    DataFrame
        By size, for a single design its number of rows: ``power`` with a 95 per cent Monte Carlo
        interval (Wilson 1927, *JASA* 22, 209-212), the same of ``type1``, the share of
        rejections when the effect is zero, the mean ``estimate`` and standard error, and the
        number of fits that did not converge.

    Raises
    ------
    SpecificationError
        If an option does not fit the others.
    UnknownNameError
        If the model has no such parameter.
    """
    _check(design, sizes, reps, alpha)
    frames: dict[Any, Any]
    if callable(design):
        frames = {size: design(size) for size in sizes or ()}
    else:
        frames = {len(design): design}
    critical = float(t_quantile(1 - alpha / 2, df))
    rows = {}
    for size, frame in frames.items():
        plan = _lay_out(model, frame, params, variance, term, seed)
        rows[size] = _row(plan, reps, seed, critical)
    return power_table(rows)


def _check(design: object, sizes: Sequence[int] | None, reps: int, alpha: float) -> None:
    if callable(design) != (sizes is not None):
        raise SpecificationError("sizes and a function from size to design go together.")
    check_count("reps", reps)
    check_share("alpha", alpha)


def _row(plan: _Plan, reps: int, seed: int, critical: float) -> dict[str, float]:
    found: list[bool] = []
    null: list[bool] = []
    estimates, errors, failed = [], [], 0
    for rep in counted(2 * reps, "Power"):
        truth = plan.truth if rep < reps else plan.null
        refit = plan.refitter.fit(plan.refitter.draw(truth, seed, rep))
        if not refit.converged:
            failed += 1
            continue
        estimate, error = refit.params[plan.place], refit.cov[plan.place, plan.place] ** 0.5
        (found if rep < reps else null).append(bool(abs(estimate) > critical * error))
        if rep < reps:
            estimates.append(estimate)
            errors.append(error)
    share, rate = _wilson(found), _wilson(null)
    return {
        "power": share[0],
        "low": share[1],
        "high": share[2],
        "type1": rate[0],
        "type1_low": rate[1],
        "type1_high": rate[2],
        "estimate": float(np.mean(estimates)),
        "std_error": float(np.mean(errors)),
        "failed": failed,
    }


def _wilson(hits: list[bool]) -> tuple[float, float, float]:
    """Share of hits with its interval."""
    n, z = len(hits), normal_quantile(0.975)
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    share = sum(hits) / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return share, float(centre - half), float(centre + half)


def _lay_out(
    model: _Model,
    frame: Any,
    params: Mapping[str, float],
    variance: Mapping[str, float],
    term: str,
    seed: int,
) -> _Plan:
    outcome = model.formula.split("~")[0].strip()
    fit = model.fit(frame.assign(**{outcome: _any_outcome(frame, seed)}))
    names = [str(name) for name in fit.params.index]
    for name in (*params, term):
        if name not in names:
            raise UnknownNameError(f"No fixed effect {name!r}.{suggest(name, names)}")
    values = np.array([params.get(name, 0.0) for name in names])
    place = names.index(term)
    none = np.where(np.arange(values.size) == place, 0.0, values)
    cov, sigma = _covariance(fit, variance)
    random = fit.random.coefficients
    columns = random.columns
    forward = np.linalg.inv(columns.random_back)
    relative = forward @ cov @ forward.T / sigma**2
    start = covariance_root(relative) + 0.05 * np.eye(len(relative))
    refitter = replace(independent_refitter(fit.refits), factor=start)
    roots = tuple(
        covariance_root(relative[np.ix_(part.random, part.random)]) for part in random.parts
    )
    truth = replace(truth_of(fit.refits), roots=roots, sigma=sigma)
    return _Plan(
        refitter,
        replace(truth, coef=columns.to_working(values)),
        replace(truth, coef=columns.to_working(none)),
        place,
    )


def _any_outcome(frame: Any, seed: int) -> FloatArray:
    """Draw an outcome that varies, to lay the design out; nothing else depends on it."""
    return np.random.default_rng([seed, 0, 0]).standard_normal(len(frame))


def _covariance(fit: MixedResults, variance: Mapping[str, float]) -> tuple[FloatArray, float]:
    """Return the covariance of the user's coefficients, (q, q), and the residual deviation."""
    known = set()
    total = np.zeros_like(fit.random.coefficients.relative)
    for part in fit.random.parts:
        sds = np.array([_need(variance, f"sd({label} | {part.name})") for label in part.labels])
        known |= {f"sd({label} | {part.name})" for label in part.labels}
        correlation = np.eye(len(sds))
        for a, b in part.correlations():
            name = f"corr({part.labels[a]}, {part.labels[b]} | {part.name})"
            known.add(name)
            correlation[a, b] = correlation[b, a] = variance.get(name, 0.0)
        if np.linalg.eigvalsh(correlation)[0] < -1e-12:
            raise SpecificationError(f"The correlations of {part.name} are not possible together.")
        total[np.ix_(part.random, part.random)] = correlation * np.outer(sds, sds)
    known.add("sd(residual)")
    for name in variance:
        if name not in known:
            raise UnknownNameError(f"No component {name!r}.{suggest(name, sorted(known))}")
    sigma = _need(variance, "sd(residual)")
    if sigma == 0:
        raise SpecificationError("sd(residual) must be positive.")
    return total, sigma


def _need(variance: Mapping[str, float], name: str) -> float:
    if name not in variance:
        raise SpecificationError(f"variance lacks {name!r}.")
    if not variance[name] >= 0:
        raise SpecificationError(f"{name} must not be negative, but is {shown(variance[name])}.")
    return float(variance[name])
