"""From a specification and data to the estimation sample, saying what was left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.row_values import RowValues
from panelml.data.formula.design import Design, fit_design
from panelml.data.formula.formula import Formula
from panelml.data.panel.panel import Panel
from panelml.data.panel.weights import Weights
from panelml.data.sample import Sample, in_memory
from panelml.data.source.given import DataLike
from panelml.data.source.source import Source
from panelml.engine.fold import fold
from panelml.errors import (
    EmptyDataError,
    MissingValueError,
    SpecificationError,
    listing,
)

__all__ = ["make_sample", "normalised", "require_panel", "require_source"]

# Sizes of variables, and of their products, whose squares summed over rows float64 can hold.
LEAST, MOST = 1e-140, 1e140
_SHIFTED = re.compile(r"(?<![\w.])[LFD]\(")


@dataclass(frozen=True, slots=True)
class Completeness:
    """Which rows of the source can enter.

    Attributes
    ----------
    n : int
        Rows seen.
    incomplete : IntArray
        Rows with a missing value, or weight zero.
    missing : IntArray, shape (p,)
        Missing values of each variable; then of the weights, and of each key.
    infinite : tuple of (int, int)
        Variable and row of the first infinite values.
    negative : IntArray
        Rows with a negative weight.
    unweighted : int
        Rows with weight zero.
    squares : FloatArray, shape (p,)
        Sum of squares of each variable's finite values.
    """

    n: int
    incomplete: IntArray
    missing: IntArray
    infinite: tuple[tuple[int, int], ...]
    negative: IntArray
    unweighted: int
    squares: FloatArray

    @classmethod
    def of(cls, block: Block) -> Completeness:
        """Inspect one block of the whole source."""
        columns = [*block.z, *block.slopes.values()]
        if block.weights is not None:
            columns.append(block.weights)
        nothing = np.zeros(0, dtype=np.int64)
        absent = [codes < 0 for codes in block.keys.values()]
        dropped = np.zeros(block.n, dtype=bool)
        missing = []
        infinite: list[tuple[int, int]] = []
        with np.errstate(all="ignore"):
            squares = np.array([column @ column for column in columns])
        for j, column in enumerate(columns):
            # Where the squares have a sum, no value is missing or infinite.
            if np.isfinite(squares[j]):
                missing.append(0)
                continue
            finite = np.isfinite(column)
            with np.errstate(over="ignore"):
                squares[j] = column[finite] @ column[finite]
            nan = np.isnan(column)
            missing.append(int(nan.sum()))
            dropped |= nan
            infinite += [(j, int(i)) for i in np.flatnonzero(~finite & ~nan)[:3]]
        for gone in absent:
            missing.append(int(gone.sum()))
            dropped |= gone
        negative, unweighted = nothing, 0
        if block.weights is not None:
            negative = np.flatnonzero(block.weights < 0)
            unweighted = int((block.weights == 0).sum())
            dropped |= block.weights == 0
        rows = np.flatnonzero(dropped) if dropped.any() else nothing
        return cls(block.n, rows, np.array(missing), tuple(infinite), negative, unweighted, squares)

    def __add__(self, other: Completeness) -> Completeness:
        with np.errstate(over="ignore"):
            squares = self.squares + other.squares
        later = tuple((j, row + self.n) for j, row in other.infinite)
        return Completeness(
            self.n + other.n,
            np.concatenate([self.incomplete, other.incomplete + self.n]),
            self.missing + other.missing,
            (*self.infinite, *later)[:5],
            np.concatenate([self.negative, other.negative + self.n]),
            self.unweighted + other.unweighted,
            squares,
        )


def require_source(data: DataLike) -> Source:
    """Return the rows to fit, making a panel from a frame with a (unit, time) MultiIndex."""
    # The panel comes first: a protocol looks every one of its names up.
    return data if isinstance(data, Panel | Source) else Panel(data)


def require_panel(data: DataLike) -> Panel:
    """Return the panel to fit, making one from a (unit, time) MultiIndex.

    Raises
    ------
    DataError
        If the rows are not in memory.
    """
    return in_memory(require_source(data))


def make_sample(
    source: Source,
    formula: Formula,
    weights: Weights | None,
    keys: tuple[tuple[str, ...], ...] = (),
    slopes: tuple[str, ...] = (),
) -> tuple[Sample, tuple[str, ...]]:
    """Choose the complete rows.

    Returns
    -------
    sample : Sample
    notes : tuple of str
        What was dropped, and why.

    Raises
    ------
    EmptyDataError
        If no row is complete.
    MissingValueError
        If a value is infinite.
    SpecificationError
        If a weight is negative, or a frequency is not whole.
    """
    for name in slopes:
        source.require_numbers(name, "The slope")
    if weights:
        source.require_numbers(weights.column, "The weights")
    design = fit_design(formula, source)
    sample = Sample(source, design, design.names, keys, slopes, weights)
    found = fold(sample, Completeness.of)
    variables = _variables(design, slopes, weights)
    _refuse_infinite(found, variables, source)
    _refuse_range(_sizes(sample, found)[: len(variables)], variables, weighted=weights is not None)
    if found.negative.size:
        rows = sorted(source.index.position(int(row)) for row in found.negative)
        raise SpecificationError(
            f"The weights {weights and weights.column!r} are negative in {found.negative.size} "
            f"rows (row {listing(rows)})."
        )
    if found.incomplete.size == found.n:
        words = _missing_words(found, variables, keys)
        remedy = source.index.remedy if _SHIFTED.search(words) else ""
        raise EmptyDataError(
            f"No row is complete. Missing values: {words}. {remedy}".rstrip()
            if found.missing.any()
            else "Every row has weight zero."
        )
    notes: tuple[str, ...] = ()
    if found.incomplete.size:
        keep = np.ones(found.n, dtype=bool)
        keep[found.incomplete] = False
        if design.has_state:
            design = fit_design(formula, source, keep)
        sample = replace(sample, keep=keep, design=design, names=design.names)
        notes = _drop_notes(found, variables, keys, source, sample)
    return normalised(sample), notes


def _variables(design: Design, slopes: tuple[str, ...], weights: Weights | None) -> list[str]:
    outcome = design.outcome.names if design.outcome else ()
    return [*outcome, *design.names, *slopes, *([weights.column] if weights else [])]


def _refuse_infinite(found: Completeness, variables: list[str], source: Source) -> None:
    if not found.infinite:
        return
    column = found.infinite[0][0]
    rows = [source.index.position(row) for j, row in found.infinite if j == column]
    raise MissingValueError(
        f"{variables[column]!r} is infinite in row {listing(sorted(rows))}. Replace infinite "
        "values by missing ones, or drop these rows."
    )


def _sizes(sample: Sample, found: Completeness) -> FloatArray:
    """Root mean squares, or the largest absolute values where one is not a usual number."""
    size = np.sqrt(found.squares / found.n)
    if ((size >= LEAST) & (size <= MOST)).all():
        return size

    def largest(block: Block) -> RowValues:
        columns = np.abs([*block.z, *block.slopes.values(), block.row_weights])
        return RowValues(np.where(np.isfinite(columns), columns, 0.0).max(axis=1, keepdims=True))

    return np.asarray(fold(sample, largest).values.max(axis=1))


def _refuse_range(size: FloatArray, variables: list[str], *, weighted: bool) -> None:
    """Refuse variables whose squares, or products with the outcome, float64 cannot hold."""
    named = list(zip(variables, size.tolist(), strict=True))[: len(variables) - weighted]
    for name, own in named:
        if own and not LEAST <= own <= MOST:
            raise SpecificationError(
                f"The values of {name!r} are about {own:.0e}, and float64 cannot hold their "
                "squares. Measure it in other units: multiply it by a power of ten."
            )
    for (outcome, first), (name, own) in product(named[:1], named[1:]):
        if own and first and not LEAST <= own * first <= MOST:
            raise SpecificationError(
                f"The values of {outcome!r} are about {first:.0e} and those of {name!r} {own:.0e}: "
                "float64 cannot hold the squares of their products. Measure them in other units: "
                "multiply them by powers of ten."
            )


def _missing_words(
    found: Completeness, variables: list[str], keys: tuple[tuple[str, ...], ...]
) -> str:
    names = [*variables, *("^".join(key) for key in keys)]
    counts = [f"{name}: {count}" for name, count in zip(names, found.missing, strict=True) if count]
    # A variable may be a fixed and a random regressor.
    return ", ".join(dict.fromkeys(counts))


def _drop_notes(
    found: Completeness,
    variables: list[str],
    keys: tuple[tuple[str, ...], ...],
    source: Source,
    sample: Sample,
) -> tuple[str, ...]:
    notes = []
    lost = found.incomplete.size - found.unweighted
    if lost > 0:
        words = _missing_words(found, variables, keys)
        notes.append(f"Dropped {lost:,} of {found.n:,} rows with missing values ({words}).")
    if found.unweighted:
        notes.append(f"Dropped {found.unweighted:,} rows with weight zero.")
    gone = source.n_units - int((sample.unit_rows > 0).sum())
    if gone:
        notes.append(f"{gone:,} of {source.n_units:,} units have no row left.")
    return tuple(notes)


def normalised(sample: Sample) -> Sample:
    """Give analytic weights mean one over the rows of a sample.

    Raises
    ------
    SpecificationError
        If a frequency is not whole.
    """
    if sample.weights is None:
        return sample
    values = sample.column(sample.weights.column)
    if sample.weights.kind == "frequency":
        if not (values == np.rint(values)).all():
            raise SpecificationError(
                f"Frequency weights must be whole numbers; {sample.weights.column!r} is not."
            )
        return sample
    return replace(sample, scale=float(values.size / values.sum()))
