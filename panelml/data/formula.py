"""Reading a model formula: outcome, regressors and absorbed effects."""

from __future__ import annotations

import re
from dataclasses import dataclass

from formulaic import Formula as TermFormula
from formulaic.errors import FormulaicError
from formulaic.parser.types import Term

from panelml.errors import FormulaError

__all__ = ["Effect", "Formula", "parse_effect", "parse_formula", "plain_columns"]

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
    """

    text: str
    outcome: str
    regressors: str
    effects: tuple[Effect, ...] | None
    intercept: bool

    def terms(self) -> list[Term]:
        """Return the regressors' terms, without the constant, as formulaic reads them."""
        return [term for term in _read_terms(self.regressors, self.text) if str(term) != "1"]


def parse_formula(text: str) -> Formula:
    """Read ``outcome ~ regressors | effects``.

    Raises
    ------
    FormulaError
        If the text is not of that form.
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula is a text such as 'y ~ x1 + x2', not {text!r}.")
    sides = text.split("~")
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
    terms = _read_terms(regressors, text)
    return Formula(
        text.strip(), sides[0].strip(), regressors, effects, any(str(t) == "1" for t in terms)
    )


def parse_effect(text: str) -> Effect:
    """Read one absorbed effect: ``unit``, ``state^year``, ``unit[trend]``, ``unit[[trend]]``.

    Raises
    ------
    FormulaError
        If the text is none of these.
    """
    base, slopes, intercept = text.strip(), (), True
    match = _SLOPES.match(base)
    if match:
        if len(match["open"]) != len(match["close"]):
            raise FormulaError(f"The brackets of the effect {text!r} do not match.")
        base, intercept = match["base"], len(match["open"]) == 1
        slopes = tuple(name.strip() for name in match["slopes"].split(","))
    columns = tuple(name.strip().strip("`") for name in base.split("^"))
    if not all(columns) or any(c in base for c in "()[]*:"):
        raise FormulaError(
            f"Cannot read the absorbed effect {text.strip()!r}: write a column, 'state^year' for a "
            "combination, or 'unit[trend]' for slopes."
        )
    return Effect(columns, slopes, intercept)


def plain_columns(term: Term) -> tuple[str, ...] | None:
    """Return the columns of a term that is a product of plain names, None for any other."""
    if not all(factor.eval_method.value == "lookup" for factor in term.factors):
        return None
    return tuple(factor.expr for factor in term.factors)


def _parse_effects(text: str, formula: str) -> tuple[Effect, ...]:
    if text.strip() in ("", "0"):
        return ()
    parts = _split_top(text, "+")
    if not all(part.strip() for part in parts):
        raise FormulaError(f"An effect is missing around a '+' in {formula!r}.")
    effects = [parse_effect(part) for part in parts]
    return tuple(dict.fromkeys(effects))


def _read_terms(regressors: str, text: str) -> list[Term]:
    try:
        parsed = TermFormula(regressors)
    except (FormulaicError, SyntaxError, ValueError) as error:
        raise FormulaError(f"Cannot read the regressors of {text!r}: {error}") from error
    return [term for term in parsed if isinstance(term, Term)]


def _split_top(text: str, mark: str) -> list[str]:
    parts, depth, last = [], 0, 0
    for i, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == mark and depth == 0:
            parts.append(text[last:i])
            last = i + 1
    return [*parts, text[last:]]
