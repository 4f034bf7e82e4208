"""Synthetic differences in differences and synthetic control, for any number of cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.aggregation import Cells
from panelml.core.synthetic import Kind, Penalties, Weighted, noise_level, weigh
from panelml.data.adoption import NEVER, Adoption, read_adoption
from panelml.data.formula import parse_formula
from panelml.data.sample import Sample
from panelml.did.base import assemble_effects, cell_labels, sample_start
from panelml.did.comparisons import comparable, complete_units
from panelml.did.untreated import first_stage, untreated_rows, with_effects
from panelml.engine.collect import collect
from panelml.engine.fold import capped
from panelml.engine.sampling import make_sample, require_panel
from panelml.errors import IdentificationError, SpecificationError, suggest
from panelml.inference.correction import Counts
from panelml.inference.replications import Replicates, Replications
from panelml.results.averages import label_text
from panelml.results.synthetic import SyntheticResults

__all__ = ["SyntheticControl", "SyntheticDiD"]

Inference: TypeAlias = Literal["placebo", "bootstrap", "jackknife"]


@dataclass(frozen=True, slots=True)
class SyntheticDiD:
    """Compare with units and periods that are weighted to follow the treated before adoption.

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
    """

    formula: str
    cohort: str | None = None
    treatment: str | None = None
    inference: Inference = "placebo"
    reps: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.inference, self.reps)

    @capped
    def fit(self, data: Any) -> SyntheticResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            Without units never treated, or with too few for the inference.
        """
        return _fit(self, data, "Synthetic differences in differences", "sdid")


@dataclass(frozen=True, slots=True)
class SyntheticControl:
    """Compare with a weighted average of units that follows the treated before adoption.

    Weights fit the outcomes of all periods before adoption.

    Parameters
    ----------
    formula : str
        As for ``SyntheticDiD``.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    inference : {"placebo", "bootstrap", "jackknife"}
    reps, seed : int

    Notes
    -----
    Source: Abadie, Diamond and Hainmueller (2010), *Journal of the American Statistical
    Association* 105, 493-505, with outcomes as the only predictors.
    """

    formula: str
    cohort: str | None = None
    treatment: str | None = None
    inference: Inference = "placebo"
    reps: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.inference, self.reps)

    @capped
    def fit(self, data: Any) -> SyntheticResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            Without units never treated, or with too few for the inference.
        """
        return _fit(self, data, "Synthetic control", "sc")


Spec: TypeAlias = SyntheticDiD | SyntheticControl


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """A balanced table of outcomes.

    Attributes
    ----------
    y : FloatArray, shape (units, T)
    start : IntArray, shape (units,)
        Number of the first treated period, T where never.
    """

    y: FloatArray
    start: IntArray

    @property
    def cohorts(self) -> IntArray:
        return np.unique(self.start[self.start < self.y.shape[1]])

    def of(self, units: IntArray, start: IntArray | None = None) -> _Outcomes:
        return _Outcomes(self.y[units], self.start[units] if start is None else start)


Weights: TypeAlias = dict[int, tuple[FloatArray, FloatArray]]


def _compare(
    data: _Outcomes, kind: Kind, penalties: dict[int, Penalties], fixed: Weights | None = None
) -> tuple[list[Weighted], FloatArray]:
    """Weight each cohort's comparison; return these and all effects, cohort after cohort."""
    never = data.start == data.y.shape[1]
    others = data.y[never]
    found = [
        weigh(others, data.y[data.start == g].mean(axis=0), int(g), kind, penalties[int(g)],
              fixed[int(g)] if fixed else None)
        for g in data.cohorts
    ]  # fmt: skip
    return found, np.concatenate([w.effects for w in found])


def _fit(spec: Spec, data: Any, model: str, kind: Kind) -> SyntheticResults:
    sample, adoption, steps, outcomes, notes = _read(spec, data)
    never = outcomes.start == steps.size
    penalties = {}
    for g in outcomes.cohorts.tolist():
        count = int((outcomes.start == g).sum())
        noise = noise_level(outcomes.y[never][:, :g])
        penalties[g] = Penalties.of(kind, noise, count, steps.size - g)
    found, effects = _compare(outcomes, kind, penalties)
    draws = _repeated(spec, outcomes, kind, penalties, found)
    cohort = np.repeat(outcomes.cohorts, steps.size - outcomes.cohorts)
    time = np.concatenate([np.arange(g, steps.size) for g in outcomes.cohorts])
    size = np.array([(outcomes.start == g).sum() for g in cohort], dtype=np.float64)
    cells = Cells(steps[cohort], steps[time], size)
    base = assemble_effects(
        model=model, spec=spec, sample=sample, labels=cell_labels(adoption, cells), params=effects,
        influence=Replicates.of(sample, draws, jackknife=spec.inference == "jackknife"),
        counts=Counts(sample.nobs, effects.size, False, normal=True, rule="asymptotic"),
        cov=Replications(spec.inference), cells=cells, notes=notes,
    )  # fmt: skip
    labels = sample.panel.index
    present = np.flatnonzero(sample.level_rows((sample.panel.time,)) > 0)
    return SyntheticResults.of(
        base, [adoption.label(steps[g]) for g in outcomes.cohorts], found,
        list(sample.unit_labels[never]), list(labels.times[present]),
        [outcomes.y[outcomes.start == g].mean(axis=0) for g in outcomes.cohorts],
    )  # fmt: skip


def _read(spec: Spec, data: Any) -> tuple[Sample, Adoption, IntArray, _Outcomes, tuple[str, ...]]:
    panel = require_panel(data)
    adoption = read_adoption(panel, spec.cohort, spec.treatment)
    formula = with_effects(parse_formula(spec.formula), panel.unit, panel.time, panel.columns)
    if formula.effects and len(formula.effects) > 2:
        raise SpecificationError("Effects beside units and periods are not taken off here.")
    sample, notes = make_sample(panel, formula, None, ((panel.time,),))
    sample, adoption, more = comparable(sample, adoption, "never", 0)
    sample, dropped = complete_units(sample)
    y = collect(sample).z[0]
    taken: tuple[str, ...] = ()
    if sample.names:
        free = sample.only(untreated_rows(sample, adoption, 0))
        first = first_stage(free, formula.effects or ())
        y = y - first.slopes @ collect(sample).z[1:]
        taken = first.notes
    start = sample_start(adoption, sample)
    present = np.flatnonzero(sample.level_rows((panel.time,)) > 0)
    steps = adoption.steps[present]
    number = np.where(start == NEVER, steps.size, np.searchsorted(steps, start))
    _require_periods(number, steps, adoption)
    outcomes = _Outcomes(y.reshape(start.size, steps.size), number)
    return sample, adoption, steps, outcomes, (*adoption.notes, *notes, *more, *dropped, *taken)


def _require_periods(start: IntArray, steps: IntArray, adoption: Adoption) -> None:
    early = start < 2
    if early.any():
        names = {label_text(adoption.label(steps[g])) for g in start[early]}
        raise IdentificationError(
            f"Cohorts with fewer than two periods before adoption ({', '.join(sorted(names))}) "
            "cannot be matched: leave them out."
        )


def _repeated(
    spec: Spec, data: _Outcomes, kind: Kind, penalties: dict[int, Penalties],
    found: list[Weighted],
) -> FloatArray:  # fmt: skip
    """Estimate again and again, shape (reps, effects)."""
    periods = data.y.shape[1]
    never, treated = (np.flatnonzero(m) for m in (data.start == periods, data.start < periods))
    if spec.inference == "jackknife":
        return _without_each(data, kind, penalties, found, treated)
    rng = np.random.default_rng(spec.seed)
    if spec.inference == "placebo":
        if never.size <= treated.size:
            raise IdentificationError(
                f"Placebos need more units never treated ({never.size}) than treated ones "
                f"({treated.size}): choose inference='bootstrap' or 'jackknife'."
            )

        if treated.size == 1:
            # Each unit once: nothing is left to chance.
            each = [data.of(np.r_[np.delete(never, i), never[i]], _moved(data, never, treated))
                    for i in range(never.size)]  # fmt: skip
            return np.stack([_compare(d, kind, penalties)[1] for d in each])

        def draw() -> _Outcomes:
            order = rng.permutation(never)
            start = np.full(never.size, periods)
            start[: treated.size] = data.start[treated]
            return data.of(order, start)
    else:
        if treated.size < 2:
            raise IdentificationError("The bootstrap needs two treated units: take 'placebo'.")

        def draw() -> _Outcomes:
            while True:
                drawn = data.of(np.sort(rng.integers(0, data.start.size, data.start.size)))
                whole = np.array_equal(drawn.cohorts, data.cohorts)
                if whole and (drawn.start == periods).any():
                    return drawn

    return np.stack([_compare(draw(), kind, penalties)[1] for _ in range(spec.reps)])


def _moved(data: _Outcomes, never: IntArray, treated: IntArray) -> IntArray:
    """Adoption of units never treated, the last of which stands for the treated one."""
    start = data.start[never].copy()
    start[-1] = data.start[treated[0]]
    return start


def _without_each(
    data: _Outcomes, kind: Kind, penalties: dict[int, Penalties], found: list[Weighted],
    treated: IntArray,
) -> FloatArray:  # fmt: skip
    counts = [int((data.start == g).sum()) for g in data.cohorts]
    if min(counts) < 2:
        raise IdentificationError(
            "The jackknife needs two treated units in each cohort: take 'placebo'."
        )
    never = np.flatnonzero(data.start == data.y.shape[1])
    draws = []
    for i in range(data.start.size):
        keep = np.delete(np.arange(data.start.size), i)
        left = never != i
        fixed = {}
        for g, w in zip(data.cohorts.tolist(), found, strict=True):
            units = w.units[left]
            total = units.sum()
            fixed[g] = (units / total if total > 0 else np.full(units.size, 1 / units.size),
                        w.periods)  # fmt: skip
        draws.append(_compare(data.of(keep), kind, penalties, fixed)[1])
    return np.stack(draws)


def _check(inference: str, reps: int) -> None:
    if inference not in get_args(Inference):
        raise SpecificationError(
            f"inference is not {inference!r}.{suggest(inference, get_args(Inference))}"
        )
    if reps < 2:
        raise SpecificationError(f"reps must be at least 2, not {reps!r}.")
