"""Codings of time, of adoption and of covariates that are something else than they seem."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.block import Block
from panelml.data.formula.formula import parse_formula
from panelml.did.core.adoption import Adoption, numbered_within_years
from panelml.did.estimators.base import sample_start
from panelml.did.results.averages import label_text
from panelml.did.results.timing import Timing
from panelml.engine.fold import fold
from panelml.engine.sampling import make_sample
from panelml.errors import SpecificationError, listing

__all__ = ["coding_words", "refuse_dates_as_numbers", "refuse_policy_as_covariate"]

YEARS = (1000, 2999)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Least and largest values of regressors in untreated rows.

    Attributes
    ----------
    low, high : FloatArray, shape (k,)
    moved : BoolArray, shape (k,)
        Whether some unit has another value in a treated row than in its first, untreated one.
    """

    low: FloatArray
    high: FloatArray
    moved: BoolArray

    @classmethod
    def of(cls, block: Block, start: IntArray) -> Ranges:
        """Take the rows of one block, given the step at which each unit adopts."""
        x = block.regressors
        treated = block.step >= start[block.units][block.unit]
        first = block.starts[:-1][block.unit]
        after = treated & ~treated[first]
        return cls(
            x[:, ~treated].min(axis=1, initial=np.inf),
            x[:, ~treated].max(axis=1, initial=-np.inf),
            (x != x[:, first])[:, after].any(axis=1),
        )

    def __add__(self, other: Ranges) -> Ranges:
        return Ranges(
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.moved | other.moved,
        )


def refuse_policy_as_covariate(formula: str, timing: Timing) -> None:
    """Refuse covariates that are the same in all untreated rows, but not in treated ones.

    Raises
    ------
    SpecificationError
        Naming them.
    """
    parsed = replace(parse_formula(formula), effects=None, intercept=True)
    sample, _ = make_sample(timing.panel, parsed, None)
    if not sample.names:
        return
    start = sample_start(timing.adoption, sample)
    found = fold(sample, lambda block: Ranges.of(block, start))
    same = (found.low == found.high) & found.moved
    names = [name for name, wrong in zip(sample.names, same, strict=True) if wrong]
    if names:
        raise SpecificationError(
            f"The covariate {listing(map(repr, names))} is the same in all untreated rows, and "
            "another in treated ones: it is the policy, or a part of it. Leave it out of the "
            "formula."
        )


def refuse_dates_as_numbers(timing: Timing) -> None:
    """Refuse periods written as year and quarter, month or day in one number, and not read so.

    Raises
    ------
    SpecificationError
        With what to write instead.
    """
    index = timing.panel.index
    if index.period.written and not numbered_within_years(index):
        return
    times = np.asarray(index.times.tolist())
    numbers = np.issubdtype(times.dtype, np.number)
    if not numbers or (times != np.round(times)).any():
        return
    whole = times.astype(np.int64)
    for words, parts in (
        ("quarter", (10, 4)),
        ("quarter or month", (100, 12)),
        ("month and day", (10000, 0)),
    ):
        base, most = parts
        year, rest = whole // base, whole % base
        within = (rest >= 1) & (rest <= most) if most else _are_days(rest)
        known = (year >= YEARS[0]) & (year <= YEARS[1])
        if (known & within).all() and np.unique(year).size > 1:
            turn = int(np.flatnonzero(np.diff(year))[0])
            gap = int(index.steps[turn + 1] - index.steps[turn])
            raise SpecificationError(
                f"{timing.panel.time!r} writes year and {words} as one number: {whole[turn]} and "
                f"{whole[turn + 1]} count as {gap:,} periods apart. Give dates, or number the "
                "periods from 1, in the cohort as well."
            )


def _are_days(rest: IntArray) -> BoolArray:
    month, day = rest // 100, rest % 100
    return np.asarray((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31))


def coding_words(timing: Timing) -> tuple[str, ...]:
    """Say how numbers that write dates are read, and how units treated from the start count."""
    return (*_date_words(timing), *_always_words(timing.adoption, timing.panel.index.times[0]))


def _date_words(timing: Timing) -> tuple[str, ...]:
    index = timing.panel.index
    period = index.period
    if not period.written:
        return ()
    length = period.name.partition(" (")[0]
    return (
        f"Numbers in {timing.panel.time!r} are read as dates written as {period.written}, in "
        f"periods of {length}, from {label_text(index.times[0])} to "
        f"{label_text(index.times[-1])}: {index.steps[-1] + 1:,} periods.",
    )


def _always_words(adoption: Adoption, first: object) -> tuple[str, ...]:
    always = int(adoption.always.sum())
    if not always:
        return ()
    early = np.unique(adoption.start[adoption.start < adoption.steps[0]])
    words = (
        f"{always:,} units are treated in the first period already: they are always treated, not "
        "adopters, and nothing is known of them before."
    )
    if not early.size:
        return (words,)
    labels = listing(label_text(adoption.label(step)) for step in early)
    return (
        f"{words} Among them are cohorts before the first period, {label_text(first)}: {labels}. "
        "If such a number is a code of units that are never treated, write them as missing.",
    )
