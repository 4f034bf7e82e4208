"""Reading a model formula: outcome, regressors and absorbed effects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from formulaic import Formula as TermFormula
from formulaic.errors import FormulaicError
from formulaic.parser.types import Term

from panelml.data.random_terms import RandomTerm, split_random
from panelml.errors import FormulaError

__all__ = ["Effect", "Formula", "parse_effect", "parse_formula", "read_terms"]

_POWER = re.compile(r"(?P<name>[A-Za-z_]\w*|`[^`]+`)\s*(?:\*\*|\^)\s*(?P<power>\d+)")
_DOT = re.compile(r"(?<![\w.)\]])\.(?![\w.(])")
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
    """

    text: str
    outcome: str
    regressors: str
    effects: tuple[Effect, ...] | None
    intercept: bool
    random: tuple[RandomTerm, ...] = ()

    def terms(self) -> list[Term]:
        """Return the regressors' terms, without the constant, as formulaic reads them."""
        return [term for term in read_terms(self.regressors) if str(term) != "1"]


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
    fixed, random = split_random(text)
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
    regressors = parts[0].strip() or "1"
    effects = None if len(parts) == 1 else _parse_effects(parts[1], text)
    _check_outcome(sides[0])
    terms = read_terms(regressors)
    return Formula(text.strip(), sides[0].strip(), regressors, effects, has_constant(terms), random)


def has_constant(terms: list[Term]) -> bool:
    """Whether a constant is among the terms."""
    return any(str(term) == "1" for term in terms)


def parse_effect(text: str) -> Effect:
    """Read one absorbed effect: ``unit``, ``state^year``, ``unit[trend]``, ``unit[[trend]]``.

    Raises
    ------
    FormulaError
        If the text is none of these.
    """
    base, intercept = text.strip(), True
    slopes: tuple[str, ...] = ()
    match = _SLOPES.match(base)
    if match:
        if len(match["open"]) != len(match["close"]):
            raise FormulaError(f"The brackets of the effect {text.strip()!r} do not match.")
        base, intercept = match["base"], len(match["open"]) == 1
        slopes = tuple(name.strip() for name in match["slopes"].split(","))
    columns = tuple(name.strip().strip("`") for name in base.split("^"))
    if not all(columns) or any(c in base for c in "()[]*:"):
        raise FormulaError(
            f"Cannot read the absorbed effect {text.strip()!r}: write a column, 'state^year' for a "
            "combination, or 'unit[trend]' for slopes."
        )
    return Effect(columns, slopes, intercept)


def _check_outcome(text: str) -> None:
    if any(len(_split_top(text, mark)) > 1 for mark in "+-*/:^|"):
        raise FormulaError(
            f"The outcome {text.strip()!r} must be one variable. Write I(...) around arithmetic, "
            "as in I(y1 - y0) ~ x."
        )


def _parse_effects(text: str, formula: str) -> tuple[Effect, ...]:
    if text.strip() in ("", "0"):
        return ()
    parts = _split_top(text, "+")
    if not all(part.strip() for part in parts):
        raise FormulaError(f"An effect is missing around a '+' in {formula!r}.")
    effects = [parse_effect(part) for part in parts]
    return tuple(dict.fromkeys(effects))


def read_terms(text: str) -> list[Term]:
    """Read the terms of one side of a formula, the constant included.

    Raises
    ------
    FormulaError
        If it cannot be read, or means something else than it seems to.
    """
    if any(_is_top(text, dot.start()) for dot in _DOT.finditer(text)):
        raise FormulaError("'.' does not stand for all other columns here: name the regressors.")
    power = next((p for p in _POWER.finditer(text) if _is_top(text, p.start())), None)
    if power:
        raise FormulaError(
            f"{power[0]!r} in a formula crosses a variable with itself, which gives nothing new. "
            f"Write I({power['name']}**{power['power']}) for a power."
        )
    try:
        parsed = TermFormula(text)
        terms = [term for term in parsed if isinstance(term, Term)]
    except (FormulaicError, SyntaxError, ValueError, AttributeError) as error:
        words = str(error).partition("\n")[0]
        raise FormulaError(f"Cannot read {text.strip()!r}: {words}") from error
    for factor in (factor for term in terms for factor in term.factors):
        if factor.eval_method.value == "literal" and factor.expr != "1":
            raise FormulaError(
                f"{text.strip()!r} has the number {factor.expr} as a factor. Write I(2 * x) for "
                "arithmetic."
            )
    return terms


def _split_top(text: str, mark: str) -> list[str]:
    """Split at a mark outside brackets and quotes."""
    places = [i for i, char in enumerate(text) if char == mark and _is_top(text, i)]
    edges = [-1, *places, len(text)]
    return [text[first + 1 : stop] for first, stop in pairwise(edges)]


def _is_top(text: str, place: int) -> bool:
    """Whether a place lies outside brackets and quotes."""
    depth, quote = 0, ""
    for char in text[:place]:
        if quote:
            quote = "" if char == quote else quote
        elif char in "`'\"":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
    return depth == 0 and not quote
