"""Synthetic differences in differences and synthetic control, for any number of cohorts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.data.source.given import DataLike
from panelml.did.core.aggregation import Cells
from panelml.did.core.synthetic import Kind, Penalties, Weighted
from panelml.did.estimators.base import (
    EffectFit,
    assemble_effects,
    asymptotic_estimate,
    cell_labels,
    policy_fit,
)
from panelml.did.estimators.synthetic_data import (
    Outcomes,
    Reading,
    compare,
    penalties_of,
    read_outcomes,
)
from panelml.did.results.synthetic import Balance, SyntheticResults
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.errors import IdentificationError, SpecificationError, check_count, shown
from panelml.inference.replications import Replicates, Replications
from panelml.results.facts import Facts

__all__ = ["SyntheticControl", "SyntheticDiD", "prepared"]

Inference: TypeAlias = Literal["placebo", "bootstrap", "jackknife"]
Importance: TypeAlias = Literal["search", "equal"] | Mapping[str, float]


@checked
@dataclass(frozen=True, slots=True)
class SyntheticDiD:
    """Synthetic differences in differences: units and periods weighted to follow the treated.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``; covariates are taken off by a regression on untreated rows.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``. Several
        cohorts are each compared with the units never treated.
    inference : {"placebo", "bootstrap", "jackknife"}
        Repeat the estimate with never-treated units as if treated; with units drawn again; or
        without each unit, weights kept.
    reps : int
        Number of placebos or bootstrap draws; with a single treated unit each placebo is taken
        once.
    seed : int

    Notes
    -----
    Source: Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), *American Economic Review*
    111, 4088-4118; for several cohorts Clarke, Pailañir, Athey and Imbens (2023), IZA DP 15907.

    Examples
    --------
    >>> import panelml as pm
    >>> rows = pm.simulate.staggered(30, 7, {5: 0.2}, seed=1)
    >>> panel = pm.Panel(rows, unit="unit", time="time")
    >>> fit = pm.SyntheticDiD("y ~ 1", cohort="cohort", reps=9).fit(panel)
    >>> print(fit.aggregate().params.round(2).to_dict())
    {'att': 1.2}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    inference: Inference = "placebo"
    reps: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("reps", self.reps, least=2)

    @capped
    def fit(self, data: DataLike) -> SyntheticResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            Without units never treated, or with too few for the inference.
        """
        return _fit(self, data, "Synthetic differences in differences", "sdid")


@checked
@dataclass(frozen=True, slots=True)
class SyntheticControl:
    """Synthetic control: a weighted average of units that follows the treated before adoption.

    Weights fit the outcomes of all periods before adoption, or predictors.

    Parameters
    ----------
    formula : str
        As for ``SyntheticDiD``.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    predictors : mapping of str to periods, optional
        What the weights are to match instead of all outcomes: means of columns or expressions
        over periods. ``{"price": (1980, 1988), "log(income)": None, "sales": [1975, 1988]}``
        takes a window with both ends, all periods before adoption, and two single periods, each
        a predictor of its own. Periods in which a unit is not observed are left out of its mean.
    importance : {"search", "equal"} or mapping of str to float
        How much each predictor counts: so that the mix follows the treated's outcomes before
        adoption best; all the same, each over its standard deviation; or as given.
    inference : {"placebo", "bootstrap", "jackknife"}
        With predictors, repetitions keep the importance that was found.
    reps, seed : int

    Notes
    -----
    Source: Abadie, Diamond and Hainmueller (2010), *Journal of the American Statistical
    Association* 105, 493-505; without ``predictors`` every outcome before adoption is one, and
    all count the same.

    Examples
    --------
    >>> import panelml as pm
    >>> rows = pm.simulate.staggered(30, 7, {5: 0.2}, seed=1)
    >>> panel = pm.Panel(rows, unit="unit", time="time")
    >>> fit = pm.SyntheticControl("y ~ 1", cohort="cohort", reps=9).fit(panel)
    >>> print(fit.aggregate().params.round(2).to_dict())
    {'att': 1.33}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    predictors: Mapping[str, Any] | None = None
    importance: Importance = "search"
    inference: Inference = "placebo"
    reps: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("reps", self.reps, least=2)
        if self.predictors is not None and not isinstance(self.predictors, Mapping):
            raise SpecificationError(
                "predictors maps columns to periods: {'price': None} takes all before adoption."
            )
        if self.predictors is None and self.importance != "search":
            raise SpecificationError("importance is that of predictors, and there are none.")

    @capped
    def fit(self, data: DataLike) -> SyntheticResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            Without units never treated, or with too few for the inference.
        """
        return _fit(self, data, "Synthetic control", "sc")


Spec: TypeAlias = SyntheticDiD | SyntheticControl


def prepared(spec: Spec, data: DataLike) -> Reading:
    """Read the data of a specification off a panel."""
    if isinstance(spec, SyntheticDiD):
        return read_outcomes(spec, data)
    read = read_outcomes(spec, data, spec.predictors)
    return replace(read, outcomes=_with_importance(read.outcomes, spec.importance))


def _fit(spec: Spec, data: DataLike, model: str, kind: Kind) -> SyntheticResults:
    read = prepared(spec, data)
    outcomes, sample, steps = read.outcomes, read.sample, read.steps
    penalties = penalties_of(outcomes, kind)
    found, effects = compare(outcomes, kind, penalties)
    cohorts = outcomes.cohorts.tolist()
    known = {
        g: w.importance for g, w in zip(cohorts, found, strict=True) if w.importance is not None
    }
    outcomes = replace(outcomes, importance=known)
    draws = _repeated(spec, outcomes, kind, penalties, found)
    cohort = np.repeat(outcomes.cohorts, steps.size - outcomes.cohorts)
    time = np.concatenate([np.arange(g, steps.size) for g in cohorts])
    size = np.array([(outcomes.start == g).sum() for g in cohort], dtype=np.float64)
    cells = Cells(steps[cohort], steps[time], size)
    labels = cell_labels(read.adoption, cells)
    replicates = Replicates.of(sample, draws, jackknife=spec.inference == "jackknife")
    estimate = asymptotic_estimate(labels.index, replicates)
    fit = policy_fit(spec, Facts("policy", model), estimate, effects, read.notes)
    base = assemble_effects(EffectFit(fit, labels, cells), Replications(spec.inference))
    names = [read.cohort(g) for g in cohorts]
    result = SyntheticResults.of(
        base,
        names,
        found,
        read.comparison,
        read.times,
        [outcomes.y[outcomes.start == g].mean(axis=0) for g in cohorts],
    )
    return result.with_predictors(names, found, _balances(outcomes)) if known else result


def _with_importance(data: Outcomes, wanted: Importance) -> Outcomes:
    """Set how much predictors count, unless it is to be searched for."""
    if data.table is None or wanted == "search":
        return data
    names = [p.name for p in data.table.predictors]
    if wanted == "equal":
        values = np.ones(len(names))
    elif isinstance(wanted, str):
        raise SpecificationError(
            f"importance is 'search', 'equal' or a mapping from predictors, not {shown(wanted)}."
        )
    else:
        if set(wanted) != set(names):
            raise SpecificationError(f"importance needs a number for each of: {', '.join(names)}.")
        values = np.array([wanted[name] for name in names], dtype=np.float64)
        if not (values >= 0).all() or not values.sum() > 0 or not np.isfinite(values).all():
            raise SpecificationError("importance takes numbers from 0, not all of them 0.")
    values = values / values.sum()
    return replace(data, importance=dict.fromkeys(data.cohorts.tolist(), values))


def _balances(data: Outcomes) -> list[Balance]:
    """Predictors of each cohort and of the units never treated."""
    if data.table is None:
        return []
    found: list[Balance] = []
    for g in data.cohorts.tolist():
        values = data.table.matrix(g)
        names = [p.name for p in data.table.known(g)]
        found.append((names, values[:, data.start == g].mean(axis=1), values[:, data.never]))
    return found


def _repeated(
    spec: Spec,
    data: Outcomes,
    kind: Kind,
    penalties: dict[int, Penalties],
    found: list[Weighted],
) -> FloatArray:
    """Estimate again and again, shape (reps, effects)."""
    if spec.inference == "jackknife":
        return _without_each(data, kind, penalties, found)
    samples = _placebos(spec, data) if spec.inference == "placebo" else _resampled(spec, data)
    return np.stack([compare(sample, kind, penalties)[1] for sample in samples])


def _placebos(spec: Spec, data: Outcomes) -> Iterator[Outcomes]:
    """Let units never treated stand for the treated ones, in random order or each for a single one.

    Raises
    ------
    IdentificationError
        Unless there are more of them than treated ones.
    """
    periods = data.y.shape[1]
    never, treated = (np.flatnonzero(m) for m in (data.start == periods, data.start < periods))
    if never.size <= treated.size:
        raise IdentificationError(
            f"Placebos need more units never treated ({never.size}) than treated ones "
            f"({treated.size}): choose inference='bootstrap' or 'jackknife'."
        )
    start = np.full(never.size, periods)
    if treated.size == 1:
        start[-1] = data.start[treated[0]]
        for i in counted(never.size, "Placebos"):
            yield data.of(np.r_[np.delete(never, i), never[i]], start)
        return
    start[: treated.size] = data.start[treated]
    rng = np.random.default_rng(spec.seed)
    for _ in counted(spec.reps, "Draws"):
        yield data.of(rng.permutation(never), start)


def _resampled(spec: Spec, data: Outcomes) -> Iterator[Outcomes]:
    """Draw units with replacement, until each cohort and the units never treated are among them.

    Raises
    ------
    IdentificationError
        If a single unit is treated.
    """
    periods, units = data.y.shape[1], data.start.size
    if int((data.start < periods).sum()) < 2:
        raise IdentificationError("The bootstrap needs two treated units: take 'placebo'.")
    rng = np.random.default_rng(spec.seed)
    for _ in counted(spec.reps, "Draws"):
        sample = data.of(np.sort(rng.integers(0, units, units)))
        while not (
            np.array_equal(sample.cohorts, data.cohorts) and (sample.start == periods).any()
        ):
            sample = data.of(np.sort(rng.integers(0, units, units)))
        yield sample


def _without_each(
    data: Outcomes,
    kind: Kind,
    penalties: dict[int, Penalties],
    found: list[Weighted],
) -> FloatArray:
    counts = [int((data.start == g).sum()) for g in data.cohorts]
    if min(counts) < 2:
        raise IdentificationError(
            "The jackknife needs two treated units in each cohort: take 'placebo'."
        )
    if int(data.never.sum()) < 2:
        raise IdentificationError("The jackknife needs two units never treated: there is one.")
    never = np.flatnonzero(data.start == data.y.shape[1])
    draws = []
    for i in counted(data.start.size, "Jackknife"):
        keep = np.delete(np.arange(data.start.size), i)
        left = never != i
        fixed = {}
        for g, w in zip(data.cohorts.tolist(), found, strict=True):
            units = w.units[left]
            total = units.sum()
            fixed[g] = (
                units / total if total > 0 else np.full(units.size, 1 / units.size),
                w.periods,
            )
        draws.append(compare(data.of(keep), kind, penalties, fixed)[1])
    return np.stack(draws)
