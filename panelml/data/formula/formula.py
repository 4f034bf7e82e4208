"""Reading a model formula: outcome, regressors and absorbed effects."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias

from panelml.data.formula.quoting import Masked, mask, unquote
from panelml.data.formula.random_terms import RandomTerm, split_random
from panelml.data.formula.terms import Term, has_constant, is_top, read_terms
from panelml.errors import FormulaError

__all__ = ["Effect", "Formula", "OutcomeLevels", "parse_effect", "parse_formula", "read_terms"]

OutcomeLevels: TypeAlias = Literal["", "any", "ordered"]

_SLOPES = re.compile(r"^(?P<base>[^\[\]]+?)\s*(?P<open>\[\[?)(?P<slopes>[^\[\]]+)(?P<close>\]\]?)$")


@dataclass(frozen=True, slots=True)
class Effect:
    """An absorbed effect: one level for each value of a column or combination of columns.

    Attributes
    ----------
    columns : tuple of str
        The columns whose combinations are the levels, as in ``state^year``.
    slopes : tuple of str
        Variables with a coefficient of their own in each level, as in ``unit[trend]``.
    intercept : bool
        Whether each level has an intercept; not so for ``unit[[trend]]``.
    """

    columns: tuple[str, ...]
    slopes: tuple[str, ...] = ()
    intercept: bool = True

    @property
    def name(self) -> str:
        """The combination of columns, as in ``state^year``."""
        return "^".join(self.columns)

    def __str__(self) -> str:
        if not self.slopes:
            return self.name
        inner = ", ".join(self.slopes)
        return f"{self.name}[{inner}]" if self.intercept else f"{self.name}[[{inner}]]"


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula.

    Attributes
    ----------
    text : str
        As the user wrote it.
    outcome, regressors : str
        Both sides of ``~``, without the effects.
    effects : tuple of Effect, or None
        What stands after ``|``; None without ``|``.
    intercept : bool
        Whether there is a constant.
    random : tuple of RandomTerm
        Random terms, as ``(1 + t | id)``.
    offset : str
        What enters the index with the coefficient one; empty without.
    outcome_levels : {"", "any", "ordered"}
        Whether an outcome that is a category counts by the numbers of its levels, and whether
        their order matters.
    """

    text: str
    outcome: str
    regressors: str
    effects: tuple[Effect, ...] | None
    intercept: bool
    random: tuple[RandomTerm, ...] = ()
    offset: str = ""
    outcome_levels: OutcomeLevels = ""

    def terms(self) -> list[Term]:
        """Return the regressors' terms, without the constant."""
        return [term for term in read_terms(self.regressors) if term.factors]


def parse_formula(text: str, *, mixed: bool = False) -> Formula:
    """Read ``outcome ~ regressors | effects``, or ``outcome ~ regressors + (1 + t | id)``.

    Parameters
    ----------
    text : str
    mixed : bool
        Whether random terms are allowed.

    Raises
    ------
    FormulaError
        If the text is not of that form.
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula is a text such as 'y ~ x1 + x2', not {text!r}.")
    masked = mask(text)
    fixed, random = split_random(masked)
    if random and not mixed:
        raise FormulaError(f"{text!r} has random terms, which MixedModel fits.")
    sides = _split_top(fixed, "~")
    if len(sides) != 2 or not sides[0].strip() or not sides[1].strip():
        raise FormulaError(f"Write 'outcome ~ regressors': {text!r} has no two sides of one '~'.")
    parts = _split_top(sides[1], "|")
    if len(parts) > 2:
        raise FormulaError(
            f"{text!r} has more than one '|'. Absorbed effects stand after a single '|', joined "
            "by '+'."
        )
    outcome, regressors = (masked.restore(part.strip()) for part in (sides[0], parts[0]))
    effects = None if len(parts) == 1 else _parse_effects(parts[1], masked, text)
    _check_outcome(sides[0], outcome)
    terms = read_terms(regressors or "1")
    return Formula(text.strip(), outcome, regressors or "1", effects, has_constant(terms), random)


def parse_effect(text: str) -> Effect:
    """Read one absorbed effect: ``unit``, ``state^year``, ``unit[trend]``, ``unit[[trend]]``.

    Raises
    ------
    FormulaError
        If the text is none of these.
    """
    return _read_effect(text.strip(), mask(text))


def _read_effect(text: str, masked: Masked) -> Effect:
    base, intercept = masked.code.strip(), True
    slopes: tuple[str, ...] = ()
    match = _SLOPES.match(base)
    if match:
        if len(match["open"]) != len(match["close"]):
            raise FormulaError(f"The brackets of the effect {text!r} do not match.")
        base, intercept = match["base"], len(match["open"]) == 1
        slopes = tuple(unquote(masked.restore(name)) for name in match["slopes"].split(","))
    columns = tuple(unquote(masked.restore(name)) for name in base.split("^"))
    if not all(columns) or any(c in base for c in "()[]*:"):
        raise FormulaError(
            f"Cannot read the absorbed effect {text!r}: write a column, 'state^year' for a "
            "combination, or 'unit[trend]' for slopes."
        )
    return Effect(columns, slopes, intercept)


def _check_outcome(code: str, text: str) -> None:
    if any(len(_split_top(code, mark)) > 1 for mark in "+-*/:^|"):
        raise FormulaError(
            f"The outcome {text!r} must be one variable. Write I(...) around arithmetic, as in "
            "I(y1 - y0) ~ x."
        )


def _parse_effects(code: str, masked: Masked, formula: str) -> tuple[Effect, ...]:
    if code.strip() in ("", "0"):
        return ()
    parts = [part.strip() for part in _split_top(code, "+")]
    if not all(parts):
        raise FormulaError(f"An effect is missing around a '+' in {formula!r}.")
    effects = [_read_effect(masked.restore(part), replace(masked, code=part)) for part in parts]
    by_name = {effect.name: effect.columns for effect in effects}
    for effect in effects:
        if by_name[effect.name] != effect.columns:
            raise FormulaError(
                f"{formula!r} absorbs the column {effect.name!r} and a combination of the same "
                "name. Rename the column."
            )
    return tuple(dict.fromkeys(effects))


def _split_top(text: str, mark: str) -> list[str]:
    """Split at a mark outside brackets and quotes."""
    places = [i for i, char in enumerate(text) if char == mark and is_top(text, i)]
    edges = [-1, *places, len(text)]
    return [text[first + 1 : stop] for first, stop in pairwise(edges)]
