"""Power of a planned design, by simulating it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked, moved
from panelml.core.linalg import covariance_root
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.errors import (
    SpecificationError,
    UnknownNameError,
    shown,
    suggest,
)
from panelml.inference.distributions import normal_quantile
from panelml.mixed.core.working_rows import Truth
from panelml.mixed.fit.refit import Refitter
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.power_table import power_table
from panelml.mixed.results.refitting import independent_refitter, truth_of

__all__ = ["power"]


class _Model(Protocol):
    @property
    def formula(self) -> str: ...

    def fit(self, data: DataLike) -> MixedResults: ...


@dataclass(frozen=True, slots=True)
class _Plan:
    """A design laid out: what refits it, what outcomes come from, and which effect is tested."""

    refitter: Refitter
    truth: Truth
    null: Truth
    place: int


@checked
@moved(
    {
        "params": "truth={...}",
        "variance": "truth={...}",
        "sizes": "design={...}, a dict from size to design",
        "alpha": "critical=...",
        "df": "critical=...",
    }
)
@capped
def power(
    model: _Model,
    design: Any,
    *,
    truth: Mapping[str, float],
    term: str,
    reps: int = 500,
    seed: int,
    critical: float | None = None,
) -> Any:
    """Power analysis by simulation: how often a planned design finds an effect.

    Parameters
    ----------
    model : MixedModel
    design : data frame, or dict from size to data frame
        Rows that are planned, with all columns of the formula but the outcome; or several such
        plans, by their sizes.
    truth : dict of str to float
        Parameters that outcomes are drawn from, by the names that ``bootstrap`` gives them: fixed
        effects, zero where they are left out; ``sd(Intercept | id)``, ``sd(residual)`` and all
        other standard deviations; and correlations, ``corr(Intercept, time | id)``, that are not
        zero.
    term : str
        Fixed effect that is tested, two-sided.
    reps : int
        Simulated outcomes of each design.
    seed : int
    critical : float, optional
        Absolute t statistic beyond which the effect counts as found. By default the normal
        distribution's of a test at 5 per cent, 1.96; of t with ten degrees of freedom it is
        ``scipy.stats.t.ppf(0.975, 10)``.

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

    Examples
    --------
    >>> import panelml as pm
    >>> design = pm.simulate.multilevel(12, 6, seed=1)
    >>> model = pm.MixedModel("y ~ x + (1 | school)")
    >>> truth = {"x": 0.3, "sd(Intercept | school)": 0.3, "sd(residual)": 1.0}
    >>> table = pm.power(model, design, truth=truth, term="x", reps=20, seed=1)
    >>> print(table["power"].round(2).tolist())
    [0.95]
    """
    if not hasattr(model, "formula"):
        raise SpecificationError(
            f"model is a specification, as MixedModel('y ~ x + (1 | id)'), not {shown(model)}."
        )
    if critical is not None and not critical > 0:
        raise SpecificationError(f"critical is a t statistic above zero, not {shown(critical)}.")
    least = normal_quantile(0.975) if critical is None else critical
    rows = {}
    for size, frame in _designs(design).items():
        plan = _lay_out(model, frame, truth, term, seed)
        rows[size] = _row(plan, reps, seed, least)
    return power_table(rows)


def _designs(design: Any) -> Mapping[Any, Any]:
    """Return data frames by their sizes."""
    designs = design if isinstance(design, Mapping) else {None: design}
    for frame in designs.values():
        if callable(frame):
            raise SpecificationError(
                "design is a data frame, or a dict from size to data frame: call the function, as "
                "{n: design(n) for n in (40, 80)}."
            )
        if not hasattr(frame, "assign"):
            raise SpecificationError(
                f"design is a pandas data frame, or a dict from size to one, not {shown(frame)}."
            )
    return design if isinstance(design, Mapping) else {len(design): design}


def _row(plan: _Plan, reps: int, seed: int, critical: float) -> dict[str, float]:
    rejected: list[bool] = []
    null: list[bool] = []
    estimates, errors, failed = [], [], 0
    for rep in counted(2 * reps, "Power"):
        truth = plan.truth if rep < reps else plan.null
        refit = plan.refitter.fit(plan.refitter.draw(truth, seed, rep))
        if not refit.converged:
            failed += 1
            continue
        estimate, error = refit.params[plan.place], refit.cov[plan.place, plan.place] ** 0.5
        (rejected if rep < reps else null).append(bool(abs(estimate) > critical * error))
        if rep < reps:
            estimates.append(estimate)
            errors.append(error)
    share, rate = _wilson(rejected), _wilson(null)
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


def _lay_out(model: _Model, frame: Any, truth: Mapping[str, float], term: str, seed: int) -> _Plan:
    outcome = model.formula.split("~")[0].strip()
    fit = model.fit(frame.assign(**{outcome: _any_outcome(frame, seed)}))
    random, names = fit.random.coefficients, [str(name) for name in fit.params.index]
    if term not in names:
        raise UnknownNameError(f"No fixed effect {term!r}.{suggest(term, names)}")
    known = [*names, *random.extras()]
    for name in truth:
        if name not in known:
            raise UnknownNameError(f"truth has no parameter {name!r}.{suggest(name, known)}")
    values = np.array([truth.get(name, 0.0) for name in names])
    place = names.index(term)
    none = np.where(np.arange(values.size) == place, 0.0, values)
    cov, sigma = _covariance(random, truth)
    columns = random.columns
    forward = np.linalg.inv(columns.random_back)
    relative = forward @ cov @ forward.T / sigma**2
    start = covariance_root(relative) + 0.05 * np.eye(len(relative))
    roots = tuple(
        covariance_root(relative[np.ix_(part.random, part.random)]) for part in random.parts
    )
    planned = replace(truth_of(fit.refits), roots=roots, sigma=sigma)
    return _Plan(
        replace(independent_refitter(fit.refits), factor=start),
        replace(planned, coef=columns.to_working(values)),
        replace(planned, coef=columns.to_working(none)),
        place,
    )


def _any_outcome(frame: Any, seed: int) -> FloatArray:
    """Draw an outcome that varies, to lay the design out; nothing else depends on it."""
    return np.random.default_rng([seed, 0, 0]).standard_normal(len(frame))


def _covariance(random: RandomCoefficients, truth: Mapping[str, float]) -> tuple[FloatArray, float]:
    """Return the covariance of the user's coefficients, (q, q), and the residual deviation."""
    total = np.zeros_like(random.relative)
    for part in random.parts:
        sds = np.array([_deviation(truth, f"sd({label} | {part.name})") for label in part.labels])
        correlation = np.eye(len(sds))
        for a, b in part.correlations():
            name = f"corr({part.labels[a]}, {part.labels[b]} | {part.name})"
            correlation[a, b] = correlation[b, a] = truth.get(name, 0.0)
        if np.linalg.eigvalsh(correlation)[0] < -1e-12:
            raise SpecificationError(f"The correlations of {part.name} are not possible together.")
        total[np.ix_(part.random, part.random)] = correlation * np.outer(sds, sds)
    sigma = _deviation(truth, "sd(residual)")
    if sigma == 0:
        raise SpecificationError("sd(residual) must be positive.")
    return total, sigma


def _deviation(truth: Mapping[str, float], name: str) -> float:
    if name not in truth:
        raise SpecificationError(f"truth lacks {name!r}.")
    if not truth[name] >= 0:
        raise SpecificationError(f"{name} must not be negative, but is {shown(truth[name])}.")
    return float(truth[name])
