"""Which effects of cohorts and periods there are, and with whom each is compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, IntArray
from panelml.data.formula.formula import Formula, parse_formula
from panelml.data.sample import Sample
from panelml.did.core.adoption import NEVER, Adoption, last_adoption
from panelml.did.estimators.base import sample_start
from panelml.did.results.averages import label_text
from panelml.errors import IdentificationError, SpecificationError, listing

__all__ = [
    "Cell",
    "comparable",
    "compared_formula",
    "complete_units",
    "planned_cells",
    "single_units",
]


@dataclass(frozen=True, slots=True)
class Cell:
    """One effect to be estimated.

    Attributes
    ----------
    cohort : int
        Step of adoption.
    time, base : int
        Numbers of the period of the effect, and of the one that it is compared with.
    after : int
        Units adopting after this step are not treated yet, as far as this effect goes.
    """

    cohort: int
    time: int
    base: int
    after: int

    @property
    def earlier(self) -> int:
        """The earlier of both periods, whose covariates are used."""
        return min(self.time, self.base)

    def controls(self, start: IntArray, control: str) -> BoolArray:
        """Units of the comparison group, given their steps of adoption."""
        if control == "never":
            return np.asarray(start == NEVER)
        return np.asarray((start > self.after) & (start != self.cohort))


def compared_formula(text: str) -> Formula:
    """Read the formula of an estimator that compares units; a constant stands for all trends.

    Raises
    ------
    SpecificationError
        If it absorbs effects.
    """
    formula = parse_formula(text)
    if formula.effects is not None:
        raise SpecificationError("Units and periods are compared, not absorbed: leave out '|'.")
    return replace(formula, intercept=True)


def planned_cells(
    cohorts: IntArray, steps: IntArray, *, base: str, anticipation: int
) -> tuple[list[Cell], list[int]]:
    """List the effects, and the cohorts that have no period before.

    Parameters
    ----------
    cohorts : IntArray, shape (c,)
    steps : IntArray, shape (T,)
    base : {"varying", "universal"}
        Before adoption: the period before, or the last one before adoption.
    anticipation : int
    """
    cells, without = [], []
    for g in cohorts.tolist():
        before = np.flatnonzero(steps + anticipation < g)
        if not before.size:
            without.append(g)
            continue
        last = int(before[-1])
        after = last_adoption(g, steps, base=base, anticipation=anticipation)
        for t in range(steps.size):
            varying = base == "varying" and steps[t] < g
            reference = t - 1 if varying else last
            if reference >= 0 and reference != t:
                cells.append(Cell(g, t, reference, int(after[t])))
    return cells, without


def comparable(
    sample: Sample,
    adoption: Adoption,
    control: str,
    anticipation: int,
    *,
    remedy: str = "Compare with units not treated yet: control='not-yet'.",
) -> tuple[Sample, Adoption, tuple[str, ...]]:
    """Leave out units that are always treated and, without others, periods that all are treated.

    Parameters
    ----------
    sample : Sample
    adoption : Adoption
    control : {"never", "not-yet"}
    anticipation : int
    remedy : str
        What can be done where no unit is never treated and ``control`` asks for them.

    Raises
    ------
    IdentificationError
        If there is no comparison group, or no cohort is left.
    """
    adoption.require_cohorts()
    source, notes = sample.source, []
    start = adoption.start[sample.codes((source.unit,))]
    always = start <= adoption.steps[0]
    if always.any():
        gone = int(np.unique(sample.codes((source.unit,))[always]).size)
        notes.append(
            f"Left out {gone:,} units that are treated in the first period already: nothing is "
            "known of them before."
        )
        sample = sample.only(~always)
    start = sample_start(adoption, sample)
    if not start.size or not (start < NEVER).any():
        raise IdentificationError("No unit adopts after the first period: there is no effect.")
    if (start == NEVER).any():
        return sample, adoption, tuple(notes)
    if control == "never":
        raise IdentificationError(
            " ".join(["No unit is never treated.", *_early_words(adoption), remedy])
        )
    last = int(start.max())
    step = source.index.steps[sample.codes((source.time,))]
    sample = sample.only(step < last - anticipation)
    adoption = replace(adoption, start=np.where(adoption.start == last, NEVER, adoption.start))
    notes.append(
        f"No unit is never treated: the last cohort ({label_text(adoption.label(last))}) is the "
        "comparison group, and periods from its adoption on are left out."
    )
    if not (sample_start(adoption, sample) < NEVER).any():
        raise IdentificationError("All units adopt in the same period: nothing is left to compare.")
    return sample, adoption, tuple(notes)


def _early_words(adoption: Adoption) -> tuple[str, ...]:
    """Say which cohorts were read as always treated, should they be codes."""
    if not adoption.dated or not adoption.always.any():
        return ()
    cohorts = np.unique(adoption.start[adoption.always])
    names = listing(label_text(adoption.label(g)) for g in cohorts)
    return (
        f"{int(adoption.always.sum()):,} units count as treated from the first period on (cohort "
        f"{names}): where that stands for never treated, make it missing.",
    )


def complete_units(sample: Sample, remedy: str = "") -> tuple[Sample, tuple[str, ...]]:
    """Keep the units observed in every period of the sample.

    Parameters
    ----------
    sample : Sample
    remedy : str
        What else can be done with the others.

    Raises
    ------
    IdentificationError
        If there is none.
    """
    source = sample.source
    periods = int((sample.level_rows((source.time,)) > 0).sum())
    rows = sample.unit_rows
    whole = rows == periods
    if not whole.any():
        raise IdentificationError(
            f"No {source.unit} is observed in all {periods} periods. Leave out the periods that "
            f"most of them miss.{remedy}"
        )
    short = (rows > 0) & ~whole
    if not short.any():
        return sample, ()
    kept = sample.only(whole[sample.codes((source.unit,))])
    names = listing(source.index.units[short], most=3)
    return kept, (
        f"Left out {int(short.sum()):,} units that are not observed in all {periods} periods "
        f"({source.unit} {names}).{remedy}",
    )


def single_units(start: IntArray, adoption: Adoption) -> tuple[str, ...]:
    """Warn of cohorts of which a single unit is left, given units' steps of adoption."""
    cohorts, counts = np.unique(start[start < NEVER], return_counts=True)
    if not (counts == 1).any():
        return ()
    names = listing(label_text(adoption.label(g)) for g in cohorts[counts == 1])
    return (
        f"Cohorts of a single unit ({names}): their standard errors do not see how far this unit "
        "is from others by chance, and are too small.",
    )
