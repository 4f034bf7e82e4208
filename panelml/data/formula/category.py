"""Categories in formulas: their levels, and how these are coded as variables."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from formulaic.transforms.contrasts import Contrasts, CustomContrasts, TreatmentContrasts

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.core.pair import pairwise_sum
from panelml.data.formula.expression import Expression
from panelml.data.panel.columns import as_objects
from panelml.data.source.chunk import Chunk, Reads
from panelml.data.source.rows import FitRows
from panelml.data.source.source import Source
from panelml.errors import ColumnTypeError, FormulaError, MissingValueError, listing, shown

__all__ = [
    "Category",
    "Coding",
    "Levels",
    "Presence",
    "fit_category",
    "fit_indicators",
    "level_codes",
    "level_reads",
    "level_texts",
    "present_levels",
    "refuse_number_texts",
]


@dataclass(frozen=True, slots=True)
class Coding:
    """Numbers that stand for levels.

    Attributes
    ----------
    matrix : FloatArray, shape (k, levels)
        Value of each variable at each level.
    names : tuple of str
        Names of the k variables.
    """

    matrix: FloatArray
    names: tuple[str, ...]

    def expand(self, level: IntArray, out: FloatArray) -> None:
        """Fill ``out``, shape (k, n), with the variables of rows with these levels."""
        np.take(self.matrix, level, axis=1, mode="clip", out=out)
        missing = level < 0
        if missing.any():
            out[:, missing] = np.nan


@dataclass(frozen=True, slots=True)
class Category:
    """A variable whose values are levels.

    Attributes
    ----------
    text : str
        As it stands in the formula.
    source : str or Expression
        A column, or what computes the values.
    levels : AnyArray, shape (levels,)
        Those that occur in the estimation sample, in order.
    declared : bool
        Whether the formula lists the levels; all others then count as missing.
    full, reduced : Coding
        With one variable for each level, and with one less, for use beside a constant.
    fixed : bool
        Whether the formula says which levels have a variable, whatever else it has; ``full`` is
        their coding then.
    """

    text: str
    source: str | Expression
    levels: AnyArray
    declared: bool
    full: Coding
    reduced: Coding
    fixed: bool = False

    @property
    def reads(self) -> Reads:
        """What it reads of a chunk."""
        return level_reads(self.source)

    def evaluate(self, chunk: Chunk) -> IntArray:
        """Return the level of each row, shape (n,), -1 where missing.

        Raises
        ------
        MissingValueError
            If a row of the sample has a level that was not there when the formula was fitted.
        """
        codes, labels = level_codes(self.source, chunk)
        place = np.append(pd.Index(self.levels).get_indexer(pd.Index(labels)), -1)
        level = place[codes]
        if not self.declared:
            unknown = (level < 0) & (codes >= 0)
            if chunk.keep is not None:
                unknown &= chunk.keep
            if unknown.any():
                self._refuse(codes, labels, np.flatnonzero(unknown), chunk)
        return level

    def _refuse(self, codes: IntArray, labels: AnyArray, rows: IntArray, chunk: Chunk) -> None:
        first = labels[codes[rows[0]]]
        same = rows[codes[rows] == codes[rows[0]]]
        users = sorted(chunk.position(int(i)) for i in same)
        raise MissingValueError(
            f"{self.text!r} has the level {first!s} (row {listing(users)}), which no row of the "
            f"estimation sample has, so that its effect is unknown. Known levels: "
            f"{listing(self.levels)}. Leave these rows out."
        )


def refuse_number_texts(name: str, source: Source) -> None:
    """Refuse numbers that were read as text, which would be a category with a level for each.

    Raises
    ------
    ColumnTypeError
        If a text is a number.
    """
    if source.is_declared(name):
        return
    labels = source.labels((name,))
    numeric = pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce").notna().to_numpy()
    if not numeric.any():
        return
    first = int(numeric.argmax())
    rows = np.flatnonzero(source.codes((name,)) == first)
    raise ColumnTypeError(
        f"Column {name!r} holds numbers written as text, such as {shown(labels[first])} (row "
        f"{listing(sorted(source.index.position(int(i)) for i in rows))}). Convert it with "
        f"pandas.to_numeric, or write C({name}) if these are names."
    )


def fit_category(
    text: str,
    source: str | Expression,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    rows: FitRows,
) -> Category:
    """Find the levels that occur, and their coding.

    Raises
    ------
    FormulaError
        If no level occurs, or the coding is not one for these levels.
    """
    unknown = set(options) - {"contrasts", "levels"}
    if len(arguments) > 1 or unknown:
        raise FormulaError(f"{text!r}: C takes a variable, contrasts= and levels=.")
    contrasts = _contrasts(text, arguments[0] if arguments else options.get("contrasts"))
    declared = options.get("levels")
    levels = present_levels(source, rows) if declared is None else _declared(text, declared)
    _require_levels(text, levels)
    if _base(contrasts) is not None:
        place = _place(text, _base(contrasts), levels)
        contrasts = type(contrasts)(base=levels[place])
    try:
        full, reduced = (_coding(text, contrasts, levels, reduced=r) for r in (False, True))
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise FormulaError(f"Cannot code the levels of {text!r}: {error}") from error
    return Category(text, source, levels, declared is not None, full, reduced)


def fit_indicators(
    text: str,
    source: str | Expression,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    rows: FitRows,
) -> Category:
    """Find the levels that occur, and give each an indicator but those named as references.

    Without a reference they are coded as those of ``C()``.

    Raises
    ------
    FormulaError
        If no level occurs, or a reference is none.
    """
    if arguments or set(options) - {"ref"}:
        raise FormulaError(f"{text!r}: i takes a variable, another to multiply with, and ref=.")
    levels = present_levels(source, rows)
    _require_levels(text, levels)
    name = source if isinstance(source, str) else source.text
    names = [f"{name}::{level}" for level in level_texts(levels)]
    every = np.ones(levels.size, dtype=bool)
    asked = options.get("ref")
    if asked is None:
        first = every & (np.arange(levels.size) > 0)
        full, reduced = (_indicators(names, use) for use in (every, first))
        return Category(text, source, levels, False, full, reduced)
    references = asked if isinstance(asked, list) else [asked]
    use = every.copy()
    for reference in references:
        use[_place(text, reference, levels)] = False
    coding = _indicators(names, use)
    return Category(text, source, levels, False, coding, coding, fixed=True)


def _indicators(names: list[str], use: BoolArray) -> Coding:
    chosen = np.flatnonzero(use)
    return Coding(np.eye(use.size)[chosen], tuple(names[j] for j in chosen))


def _place(formula: str, level: Any, levels: AnyArray) -> int:
    """Return the place of a level that a formula names: dates as texts, for want of others."""
    texts = level_texts(levels)
    places = [
        j
        for j, (known, text) in enumerate(zip(levels, texts, strict=True))
        if known == level or (text == level and not isinstance(known, Number))
    ]
    if not places:
        raise FormulaError(
            f"Cannot code the levels of {formula!r}: {shown(level)} is none of those of the "
            f"estimation sample, {listing(texts)}."
        )
    return places[0]


def _base(contrasts: Contrasts) -> Any:
    """Return the reference that contrasts name; None where they name none."""
    named = isinstance(contrasts, TreatmentContrasts)
    return contrasts.base if named and contrasts.base is not TreatmentContrasts.base else None


def level_texts(levels: AnyArray) -> list[str]:
    """Write levels as a user would."""
    return [str(level).removesuffix(" 00:00:00") for level in pd.Series(levels)]


def level_reads(source: str | Expression) -> Reads:
    """Say what is read of a chunk for a column, or an expression, whose values are levels."""
    return Reads(categories=(source,)) if isinstance(source, str) else source.reads


def level_codes(source: str | Expression, chunk: Chunk) -> tuple[IntArray, AnyArray]:
    """Return the code of each row, -1 where missing, and the level of each code."""
    if isinstance(source, str):
        return chunk.codes[source,], chunk.labels[source]
    return _factorized(source.values(chunk))


def _factorized(values: AnyArray) -> tuple[IntArray, AnyArray]:
    codes, labels = pd.factorize(pd.Series(values), sort=True)
    return codes.astype(np.int64), np.asarray(labels)


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels that occur in the kept rows.

    Attributes
    ----------
    values : AnyArray, shape (levels,)
        Of an expression; of the type that fits the values of all rows.
    """

    values: AnyArray

    def __add__(self, other: Levels) -> Levels:
        parts = [self.values, other.values]
        if any(part.dtype == object for part in parts):
            parts = [as_objects(part) for part in parts]
        return Levels(_factorized(np.concatenate(parts))[1])


@dataclass(frozen=True, slots=True)
class Presence:
    """Which levels of a column occur in the kept rows, shape (levels,)."""

    present: BoolArray

    def __add__(self, other: Presence) -> Presence:
        return Presence(self.present | other.present)


def present_levels(source: str | Expression, rows: FitRows) -> AnyArray:
    """Return the levels that occur in some rows, in order."""
    chunks = rows.each(level_reads(source))
    if isinstance(source, str):
        seen = pairwise_sum(
            Presence(_occur(chunk, *level_codes(source, chunk))) for chunk in chunks
        )
        return rows.source.labels((source,))[seen.present]
    return pairwise_sum(_found(source, chunk) for chunk in chunks).values


def _found(source: Expression, chunk: Chunk) -> Levels:
    codes, labels = level_codes(source, chunk)
    return Levels(labels[_occur(chunk, codes, labels)])


def _occur(chunk: Chunk, codes: IntArray, labels: AnyArray) -> BoolArray:
    """Tell which labels occur in the kept rows of a chunk, shape (levels,)."""
    use: BoolArray = codes >= 0
    if chunk.keep is not None:
        use &= chunk.keep
    return np.bincount(codes[use], minlength=labels.size) > 0


def _require_levels(text: str, levels: AnyArray) -> None:
    if levels.size == 0:
        raise FormulaError(f"{text!r} is missing in every complete row.")


def _contrasts(text: str, asked: Any) -> Contrasts:
    """Return the contrasts that are asked for: by name, with arguments, or as a table."""
    if asked is None:
        return TreatmentContrasts()
    contrasts = asked() if callable(asked) else asked
    if isinstance(contrasts, Contrasts):
        return contrasts
    rows = list(contrasts.values()) if isinstance(contrasts, dict) else contrasts
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise FormulaError(
            f"{text!r}: {shown(asked)} names no contrasts. Write C(x, Treatment(level)) for a "
            "reference level, or Sum, Helmert, Poly, or a table with a list for each level."
        )
    return CustomContrasts(contrasts)


def _coding(text: str, contrasts: Contrasts, levels: AnyArray, *, reduced: bool) -> Coding:
    labels = list(levels)
    if reduced and len(labels) == 1:
        return Coding(np.empty((0, 1)), ())
    frame = contrasts.get_coding_matrix(labels, reduced_rank=reduced)
    form = contrasts.get_factor_format(labels, reduced_rank=reduced)
    names = [form.format(name=text, field=column) for column in frame.columns]
    # Of variables that depend on each other the last is dropped: the reference that was named.
    base = len(labels) if reduced or _base(contrasts) is None else labels.index(_base(contrasts))
    order = sorted(range(len(names)), key=lambda j: j == base)
    matrix = frame.to_numpy(np.float64).T[order]
    return Coding(np.ascontiguousarray(matrix), tuple(names[j] for j in order))


def _declared(text: str, levels: Any) -> AnyArray:
    if not isinstance(levels, list) or any(levels.count(level) > 1 for level in levels):
        raise FormulaError(f"{text!r}: levels is a list of levels, each once.")
    array = np.empty(len(levels), dtype=object)
    array[:] = levels
    return array
