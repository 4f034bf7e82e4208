"""From columns to regressors: a formula with the state it took from the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from panelml._typing import AnyArray, BoolArray, FloatArray
from panelml.data.formula.category import (
    Category,
    Coding,
    fit_category,
    fit_indicators,
    refuse_number_texts,
)
from panelml.data.formula.changes import AtLevel, Change, Changed, changed_expression
from panelml.data.formula.expression import Expression, parse_expression, read_call
from panelml.data.formula.formula import Formula
from panelml.data.formula.levels import LevelNumbers, fit_level_numbers
from panelml.data.formula.quoting import unquote
from panelml.data.formula.rank import full_rank
from panelml.data.formula.terms import Term, TermFactor, has_constant, read_terms
from panelml.data.source.chunk import Chunk, Reads
from panelml.data.source.rows import FitRows
from panelml.data.source.source import Source
from panelml.errors import FormulaError, UnknownNameError, suggest

__all__ = ["Design", "Terms", "fit_design", "fit_terms"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the variable."""
        return (self.name,)

    @property
    def reads(self) -> Reads:
        """What it reads of a chunk."""
        return Reads(numbers=(self.name,))

    def evaluate(self, chunk: Chunk) -> AnyArray:
        """Return the column on a chunk, shape (1, n)."""
        return chunk.values(self.name)[None]


Factor: TypeAlias = Column | Expression | Category | LevelNumbers | Changed | AtLevel


@dataclass(frozen=True, slots=True)
class Part:
    """A product of factors.

    Attributes
    ----------
    factors : tuple of (str, Coding or None)
        Text of each factor; a category with its coding.
    names : tuple of str
        The variables that it gives, those of the first factor changing fastest.
    """

    factors: tuple[tuple[str, Coding | None], ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one side of a formula, ready to be evaluated on any rows.

    Attributes
    ----------
    factors : dict of str to Factor
        What is evaluated, by its text.
    parts : tuple of Part
        Products of factors, in order.
    """

    factors: dict[str, Factor]
    parts: tuple[Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each variable."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def components(self) -> tuple[tuple[str, ...], ...]:
        """The factors' variables whose product each variable is."""
        found: list[tuple[str, ...]] = []
        for part in self.parts:
            names = [_variables(self.factors[text], coding) for text, coding in part.factors]
            found += [tuple(reversed(combo)) for combo in product(*reversed(names))]
        return tuple(found)

    @property
    def has_state(self) -> bool:
        """Whether levels, centres or knots come from the rows of the estimation sample."""
        return any(
            isinstance(factor, Category | LevelNumbers)
            or (isinstance(factor, Expression) and factor.has_state)
            for factor in self.factors.values()
        )

    @property
    def has_functions(self) -> bool:
        """Whether a factor, or the values of a category, are computed from columns."""
        return any(
            isinstance(factor.source if isinstance(factor, Category) else factor, Expression)
            for factor in self.factors.values()
        )

    @property
    def reads(self) -> Reads:
        """What its factors read of a chunk."""
        return Reads.joined(factor.reads for factor in self.factors.values())

    def changed(self, changes: Mapping[str, Change], levels: Mapping[str, int]) -> Terms:
        """Return the terms on rows with other values.

        Parameters
        ----------
        changes : mapping of str to Change
            By column of numbers.
        levels : mapping of str to int
            By category, as it stands in the formula: the level that all rows have.
        """
        factors = {
            text: _changed(factor, text, changes, levels) for text, factor in self.factors.items()
        }
        return replace(self, factors=factors)

    def evaluate(self, chunk: Chunk, out: FloatArray) -> None:
        """Fill ``out``, shape (k, m), with the variables of the m kept rows of a chunk."""
        keep = slice(None) if chunk.keep is None else chunk.keep
        values = {text: factor.evaluate(chunk)[..., keep] for text, factor in self.factors.items()}
        first = 0
        for part in self.parts:
            rows = out[first : first + len(part.names)]
            first += len(part.names)
            if len(part.factors) == 1:
                _expand(part.factors[0], values, rows)
                continue
            result = np.ones((1, out.shape[1]))
            for text, coding in part.factors:
                width = values[text].shape[0] if coding is None else len(coding.names)
                array = np.empty((width, out.shape[1]))
                _expand((text, coding), values, array)
                result = (array[:, None] * result[None]).reshape(-1, out.shape[1])
            rows[:] = result


@dataclass(frozen=True, slots=True)
class Design:
    """A formula fitted to a panel: turns chunks into variables.

    Attributes
    ----------
    formula : Formula
    outcome : Terms, or None
        None for rows whose outcome is not known.
    regressors : Terms
    random : tuple of Terms
        The regressors of each random term.
    offset : Terms, or None
        The variable whose coefficient is one.
    """

    formula: Formula
    outcome: Terms | None
    regressors: Terms
    random: tuple[Terms, ...] = ()
    offset: Terms | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regressors, without the constant: fixed, of each term, and the offset."""
        return tuple(name for terms in self.right for name in terms.names)

    @property
    def right(self) -> tuple[Terms, ...]:
        """The regressors, those of each random term, and the offset if there is one."""
        return (self.regressors, *self.random, *([self.offset] if self.offset else []))

    @property
    def sides(self) -> tuple[Terms, ...]:
        """The outcome if there is one, and what is on the right of it."""
        return (*([self.outcome] if self.outcome else []), *self.right)

    @property
    def has_state(self) -> bool:
        """Whether it must be fitted again once the estimation sample is known."""
        return any(terms.has_state for terms in self.sides)

    @property
    def has_functions(self) -> bool:
        """Whether more is done than reading columns."""
        return any(terms.has_functions for terms in self.sides)

    @property
    def reads(self) -> Reads:
        """What it reads of a chunk."""
        return Reads.joined(terms.reads for terms in self.sides)

    def evaluate(self, chunk: Chunk) -> FloatArray:
        """Return outcome (row 0) and regressors of the kept rows of a chunk, shape (1 + k, m)."""
        rows = chunk.n if chunk.keep is None else int(chunk.keep.sum())
        z = np.empty((1 + len(self.names), rows))
        if self.outcome is None:
            z[0] = 0.0
        else:
            self.outcome.evaluate(chunk, z[:1])
        first = 1
        for terms in self.right:
            terms.evaluate(chunk, z[first : first + len(terms.names)])
            first += len(terms.names)
        return z

    def without_outcome(self) -> Design:
        """Return the design for rows whose outcome is not known."""
        return replace(self, outcome=None)


def fit_design(formula: Formula, source: Source, keep: BoolArray | None = None) -> Design:
    """Take from the data what a formula needs: levels of categories, means of centred terms.

    Parameters
    ----------
    formula : Formula
    source : Source
    keep : BoolArray, shape (rows of the source,), optional
        Sorted rows that are used; by default, for each factor, those where it is complete.

    Raises
    ------
    UnknownNameError
        If a name is neither a column nor a function.
    ColumnTypeError
        If a numeric term reads text or dates.
    FormulaError
        If a term cannot be evaluated.
    """
    outcome = _fit_outcome(formula, source, keep)
    regressors = fit_terms(formula.regressors, source, keep, constant=formula.intercept)
    if outcome.names[0] in regressors.names:
        raise FormulaError(f"The outcome {outcome.names[0]!r} is also a regressor.")
    random = tuple(
        fit_terms(term.regressors, source, keep, constant=has_constant(read_terms(term.regressors)))
        for term in formula.random
    )
    offset = fit_terms(formula.offset, source, keep) if formula.offset else None
    for role, text, terms in (
        ("outcome", formula.outcome, outcome),
        ("offset", formula.offset, offset),
    ):
        if terms and len(terms.names) != 1:
            raise FormulaError(
                f"The {role} {text!r} must be one variable; it gives {len(terms.names)}."
            )
    return Design(formula, outcome, regressors, random, offset)


def _fit_outcome(formula: Formula, source: Source, keep: BoolArray | None) -> Terms:
    name = unquote(formula.outcome)
    if name not in source.columns:
        return fit_terms(formula.outcome, source, keep)
    if formula.outcome_levels and source.kind(name) == "category":
        ordered = formula.outcome_levels == "ordered"
        numbers = fit_level_numbers(name, FitRows(source, keep), ordered=ordered)
        return Terms({name: numbers}, (Part(((name, None),), (name,)),))
    source.require_numbers(name, "The outcome")
    return fit_terms(formula.outcome, source, keep)


def fit_terms(
    text: str, source: Source, keep: BoolArray | None = None, *, constant: bool = True
) -> Terms:
    """Fit one side of a formula; the constant itself is left out.

    Parameters
    ----------
    constant : bool
        Whether a constant, or effects that add up to one, stand beside the terms, so that a
        category needs one variable less than it has levels.
    """
    rows = FitRows(source, keep)
    terms = [term for term in read_terms(text) if term.factors]
    factors: dict[str, Factor] = {}
    for factor in (factor for term in terms for factor in term.factors):
        if factor.text not in factors:
            factors[factor.text] = _fit_factor(factor, rows)
    kinds = [_split(term, factors) for term in terms]
    codings = full_rank(kinds, constant=constant)
    parts = [
        _part(term, factors, coding)
        for term, parts in zip(terms, codings, strict=True)
        for coding in parts
    ]
    return Terms(factors, tuple(part for part in parts if part.names))


def _fit_factor(factor: TermFactor, rows: FitRows) -> Factor:
    text, source = factor.text, rows.source
    if factor.is_column:
        return _fit_column(factor.column, rows)
    for function, fit in (("C", fit_category), ("i", fit_indicators)):
        call = read_call(text, function)
        if call is not None:
            inner, arguments, options = call
            name = unquote(inner)
            values = name if name in source.columns else parse_expression(inner, source).fit(rows)
            return fit(text, values, arguments, options, rows)
    return parse_expression(text, source).fit(rows)


def _fit_column(name: str, rows: FitRows) -> Factor:
    source = rows.source
    if name not in source.columns:
        raise UnknownNameError(
            f"The formula names {name!r}, which is no column.{suggest(name, source.columns)}"
        )
    if source.kind(name) == "category":
        refuse_number_texts(name, source)
        return fit_category(name, name, (), {}, rows)
    source.require_numbers(name)
    return Column(name)


def _variables(factor: Factor, coding: Coding | None) -> tuple[str, ...]:
    """Return the names of a factor's variables, those of a category by its coding."""
    if isinstance(factor, Category):
        return coding.names if coding else ()
    return factor.names


def _expand(factor: tuple[str, Coding | None], values: dict[str, Any], out: FloatArray) -> None:
    """Write a factor's variables, those of a category by its coding."""
    text, coding = factor
    if coding is None:
        out[:] = values[text]
    else:
        coding.expand(values[text], out)


def _split(term: Term, factors: dict[str, Factor]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return a term's numeric factors, and its categories."""
    texts = [factor.text for factor in term.factors]
    categories = tuple(text for text in texts if _is_coded(factors[text]))
    return frozenset(texts) - frozenset(categories), categories


def _changed(
    factor: Factor, text: str, changes: Mapping[str, Change], levels: Mapping[str, int]
) -> Factor:
    """Return a factor on rows with other values; see ``Terms.changed``."""
    if text in levels and isinstance(factor, Category):
        return AtLevel((), factor.reads, levels[text])
    if isinstance(factor, Column) and factor.name in changes:
        change = (factor.name, factor.name, changes[factor.name])
        return Changed(factor, factor.reads, (change,))
    if isinstance(factor, Expression) and set(factor.columns.values()) & set(changes):
        return changed_expression(factor, changes)
    return factor


def _is_coded(factor: Factor) -> bool:
    """Whether the coding of a factor depends on the other terms."""
    return isinstance(factor, Category) and not factor.fixed


def _part(term: Term, factors: dict[str, Factor], reduced: dict[str, bool]) -> Part:
    pieces: list[tuple[str, Coding | None]] = []
    names: list[tuple[str, ...]] = []
    for text in (factor.text for factor in term.factors):
        factor = factors[text]
        if not isinstance(factor, Category):
            pieces.append((text, None))
            names.append(factor.names)
        elif factor.fixed or text in reduced:
            coding = factor.reduced if reduced.get(text) else factor.full
            pieces.append((text, coding))
            names.append(coding.names)
    combined = tuple(":".join(reversed(combo)) for combo in product(*reversed(names)))
    return Part(tuple(pieces), combined)
