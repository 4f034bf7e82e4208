"""The terms of one side of a formula: sums of products of columns and expressions."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from formulaic import Formula as TermFormula
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor as ParsedFactor
from formulaic.parser.types import Term as ParsedTerm

from panelml.data.formula.elementwise import SCALARS
from panelml.data.formula.evaluation import dotted, evaluate, parse, reason
from panelml.data.formula.quoting import RANGE, Masked, mask, quote, unquote
from panelml.errors import FormulaError

__all__ = ["Term", "TermFactor", "has_constant", "is_top", "read_terms"]

_POWER = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?:\*\*|\^)\s*(?P<power>\d+)")
_DOT = re.compile(r"(?<![\w.)\]])\.(?![\w.(])")
# A guard against slips of the pen: no formula has so many terms.
MOST_PERIODS = 1000
_OPPOSITE = {"L": "F", "F": "L", "D": "D"}


@dataclass(frozen=True, slots=True)
class TermFactor:
    """A column, or an expression of columns.

    Attributes
    ----------
    text : str
        As it stands in the formula; a column's name in backticks where it needs them.
    is_column : bool
    """

    text: str
    is_column: bool

    @property
    def column(self) -> str:
        """Name of the column."""
        return unquote(self.text)

    def __str__(self) -> str:
        return self.column if self.is_column else self.text


Product: TypeAlias = tuple[TermFactor, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A product of factors; that of none is the constant."""

    factors: tuple[TermFactor, ...]

    def __str__(self) -> str:
        return ":".join(str(factor) for factor in self.factors) or "1"


def has_constant(terms: list[Term]) -> bool:
    """Whether a constant is among the terms."""
    return any(not term.factors for term in terms)


def read_terms(text: str) -> list[Term]:
    """Read the terms of one side of a formula, the constant included.

    A call with several lags, ``L(x, 1:3)``, stands for the sum of the calls with one each, and
    ``i(t, x, ref=2000)`` for the product of ``i(t, ref=2000)`` and ``x``.

    Raises
    ------
    FormulaError
        If it cannot be read, or means something else than it seems to.
    """
    masked = mask(text)
    code = masked.code
    if any(is_top(code, dot.start()) for dot in _DOT.finditer(code)):
        raise FormulaError("'.' does not stand for all other columns here: name the regressors.")
    _refuse_powers(masked)
    try:
        parsed = [term for term in TermFormula(code) if isinstance(term, ParsedTerm)]
    except (FormulaicError, SyntaxError, ValueError, AttributeError, RecursionError) as error:
        words = masked.restore(reason(error, text))
        raise FormulaError(f"Cannot read {text.strip()!r}: {words}") from error
    terms = [
        Term(tuple(dict.fromkeys(factor for factors in combination for factor in factors)))
        for term in parsed
        for combination in product(*(_expanded(factor, masked, text) for factor in term.factors))
    ]
    return list(dict.fromkeys(terms))


def is_top(text: str, place: int) -> bool:
    """Whether a place lies outside brackets and quotes."""
    depth, quotation = 0, ""
    for char in text[:place]:
        if quotation:
            quotation = "" if char == quotation else quotation
        elif char in "`'\"":
            quotation = char
        else:
            depth += (char in "([{") - (char in ")]}")
    return depth == 0 and not quotation


def _refuse_powers(masked: Masked) -> None:
    found = (p for p in _POWER.finditer(masked.code) if is_top(masked.code, p.start()))
    power = next(found, None)
    if power:
        name = masked.restore(power["name"])
        raise FormulaError(
            f"{masked.restore(power[0])!r} in a formula crosses a variable with itself, which "
            f"gives nothing new. Write I({name}**{power['power']}) for a power."
        )


def _expanded(factor: ParsedFactor, masked: Masked, text: str) -> list[Product]:
    """Return the sum of products that a factor stands for."""
    method, code = factor.eval_method.value, factor.expr
    if method == "lookup":
        return [(TermFactor(quote(unquote(masked.restore(code))), is_column=True),)]
    if method == "python":
        return _products(parse(code, masked.restore(code)), masked)
    if code == "1":
        return [()]
    raise FormulaError(
        f"{text.strip()!r} has the number {code} as a factor. Write I(2 * x) for arithmetic."
    )


def _products(node: ast.expr, masked: Masked) -> list[Product]:
    name = dotted(node.func) if isinstance(node, ast.Call) else None
    if isinstance(node, ast.Call) and name in _OPPOSITE:
        return _shifted(name, node, masked)
    if isinstance(node, ast.Call) and name == "i" and len(node.args) > 1:
        return _interacted(node, masked)
    text = masked.restore(ast.unparse(node))
    is_column = isinstance(node, ast.Name)
    return [(TermFactor(quote(unquote(text)) if is_column else text, is_column),)]


def _shifted(function: str, node: ast.Call, masked: Masked) -> list[Product]:
    """Write a call with several lags out; no lag at all gives the variable itself."""
    whole = masked.restore(ast.unparse(node))
    periods = _periods(node, masked, whole)
    if periods is None:
        return [(TermFactor(whole, is_column=False),)]
    if not periods or (function == "D" and 0 in periods):
        raise FormulaError(f"{whole!r} needs numbers of periods{' other than 0' * bool(periods)}.")
    found: list[Product] = []
    for k in dict.fromkeys(periods):
        if k == 0:
            found += _products(node.args[0], masked)
            continue
        turned = function != "D" and isinstance(k, int) and k < 0
        name, count = (_OPPOSITE[function], -k) if turned else (function, k)
        text = f"{name}({masked.restore(ast.unparse(node.args[0]))}, {count})"
        found.append((TermFactor(text, is_column=False),))
    return found


def _periods(node: ast.Call, masked: Masked, text: str) -> list[Any] | None:
    """Return the periods of a call that has several, ``L(x, 0:2)`` or ``L(x, [1, 3])``."""
    others = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
    if len(others) != 1 or not node.args:
        return None
    if isinstance(others[0], ast.List | ast.Tuple):
        return list(evaluate(ast.unparse(others[0]), {}, SCALARS, text))
    between = RANGE.fullmatch(masked.restore(ast.unparse(others[0])))
    if between is None:
        return None
    first, last = int(between[1]), int(between[2])
    if abs(last - first) >= MOST_PERIODS:
        raise FormulaError(f"{text!r} names more than {MOST_PERIODS} periods.")
    step = 1 if last >= first else -1
    return list(range(first, last + step, step))


def _interacted(node: ast.Call, masked: Masked) -> list[Product]:
    """Split ``i(t, x, ref=2000)`` into its indicators and the variable beside them."""
    reference = [ast.keyword("ref", ref) for ref in node.args[2:3]] + node.keywords
    indicators = ast.Call(node.func, [node.args[0], *node.args[3:]], reference)
    text = masked.restore(ast.unparse(indicators))
    first = TermFactor(text, is_column=False)
    return [(first, *others) for others in _products(node.args[1], masked)]
