"""Evaluating expressions: arithmetic, comparisons, logic and known functions, and nothing else.

Formulas come from command lines and configuration files too, so what they may reach is listed
here and in ``functions``, and everything else is refused by name.
"""

from __future__ import annotations

import ast
import keyword
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import BoolArray, FloatArray
from panelml.errors import FormulaError, PanelmlError, shown

__all__ = ["as_numbers", "compare", "dotted", "evaluate", "guard", "parse", "reason"]

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_LOGIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.BitAnd: np.logical_and,
    ast.BitOr: np.logical_or,
}
_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ALLOWED = (
    ast.Name,
    ast.Constant,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Call,
    ast.keyword,
    ast.Attribute,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.expr_context,
    ast.unaryop,
    ast.operator,
    ast.cmpop,
)
_REFUSED: dict[type[ast.AST], str] = {
    ast.BoolOp: "'and' and 'or'. Write (a > 0) & (b > 0) for both and (a > 0) | (b > 0) for either",
    ast.Not: "'not'. Write ~(a > 0)",
    ast.IfExp: "'if ... else'. Write np.where(a > 0, b, c)",
    ast.In: "'in'. Write np.isin(a, [1, 2])",
    ast.NotIn: "'not in'. Write ~np.isin(a, [1, 2])",
    ast.Is: "'is'. Write ==; rows with missing values drop out by themselves",
    ast.IsNot: "'is not'. Write !=; rows with missing values drop out by themselves",
    ast.MatMult: "'@', a product of matrices",
    ast.LShift: "'<<'",
    ast.RShift: "'>>'",
    ast.Subscript: "brackets after a value. What depends on the other units' rows is to be added "
    "to the data as a column",
    ast.Lambda: "a lambda. Add the variable to the data",
    ast.JoinedStr: "a text with values in it. Write the text out",
    ast.NamedExpr: "':=', an assignment. Add the variable to the data",
    ast.Starred: "'*' before an argument",
}


def parse(code: str, text: str) -> ast.expr:
    """Read code as an expression; ``text`` is what the user wrote.

    Raises
    ------
    FormulaError
        If it is none, or has what formulas do not have.
    """
    try:
        tree = ast.parse(code.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"Cannot read {text!r} in the formula: {reason(error, text)}") from error
    guard(tree, text)
    return tree


def reason(error: Exception, text: str) -> str:
    """Say why a text cannot be read, and what to do about names that are words of Python."""
    words = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
    own = [word for word in re.findall(r"\w+", text) if keyword.iskeyword(word)]
    if not own:
        return f"{words.rstrip('.')}."
    return (
        f"{words.rstrip('.')}. {own[0]!r} is a word of Python: a column of that name stands in "
        f"backticks inside calls, `{own[0]}`."
    )


def guard(tree: ast.AST, text: str) -> None:
    """Refuse an expression that has more than arithmetic, comparisons, logic and calls.

    Raises
    ------
    FormulaError
        Naming what it has.
    """
    for node in ast.walk(tree):
        if type(node) in _REFUSED or not isinstance(node, _ALLOWED):
            words = _REFUSED.get(type(node), f"a {type(node).__name__}")
            raise FormulaError(f"{text!r} has what no formula can have: {words}.")
        if isinstance(node, ast.keyword) and node.arg is None:
            raise FormulaError(f"{text!r} has what no formula can have: '**' before an argument.")
        if isinstance(node, ast.Constant) and not isinstance(node.value, _CONSTANTS):
            raise FormulaError(f"{text!r} has what no formula can have: {node.value!r}.")


_CONSTANTS = (bool, int, float, str, type(None))


def dotted(node: ast.expr) -> str | None:
    """Return a name or a chain of names, as ``np.log``; None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    return None


def evaluate(
    source: str, values: Mapping[str, Any], functions: Mapping[str, Any], text: str
) -> Any:
    """Evaluate code in which names stand for values, and dotted ones for functions as well.

    Numbers are taken in double precision, however they are stored, and truth values count as 0
    and 1 in arithmetic.

    Parameters
    ----------
    source : str
    values : mapping of str to array
    functions : mapping of str to callable or constant
    text : str
        What the user wrote.

    Raises
    ------
    FormulaError
        If it fails.
    """
    try:
        with np.errstate(all="ignore"):
            return _Evaluation(values, functions, text).visit(_parsed(source, text))
    except PanelmlError:
        raise
    except Exception as error:
        words = str(error).rstrip(".")
        raise FormulaError(f"Cannot evaluate {text!r}: {words}.") from error


@lru_cache(maxsize=512)
def _parsed(source: str, text: str) -> ast.expr:
    return parse(source, text)


class _Evaluation(ast.NodeVisitor):
    """The value of each kind of node; a kind without a method has none."""

    def __init__(self, values: Mapping[str, Any], functions: Mapping[str, Any], text: str) -> None:
        self.values = values
        self.functions = functions
        self.text = text

    def generic_visit(self, node: ast.AST) -> Any:
        raise FormulaError(f"{self.text!r} has what no formula can have: {ast.unparse(node)}.")

    def visit_Name(self, node: ast.Name) -> Any:
        return self._value(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        return self._value(node)

    def _value(self, node: ast.expr) -> Any:
        name = dotted(node) or ""
        return self.values[name] if name in self.values else self._function(node)

    def _function(self, node: ast.expr) -> Any:
        name = dotted(node) or ""
        if name not in self.functions:
            advice = " Write a list, as [1, 2]." if name == "c" else ""
            raise FormulaError(
                f"{self.text!r} names {ast.unparse(node)!r}, which is not known.{advice}"
            )
        return self.functions[name]

    def visit_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def visit_List(self, node: ast.List) -> list[Any]:
        return [self.visit(item) for item in node.elts]

    def visit_Tuple(self, node: ast.Tuple) -> list[Any]:
        return [self.visit(item) for item in node.elts]

    def visit_Dict(self, node: ast.Dict) -> dict[Any, Any]:
        keys = [self.visit(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(self.visit, node.values), strict=True))

    def visit_Call(self, node: ast.Call) -> Any:
        function = self._function(node.func)
        arguments = [self.visit(argument) for argument in node.args]
        options = {str(k.arg): self.visit(k.value) for k in node.keywords}
        try:
            return function(*arguments, **options)
        except TypeError as error:
            # The user knows the function by another name than the code does.
            inner = getattr(function, "__qualname__", "")
            raise ValueError(str(error).replace(inner, dotted(node.func) or "")) from error

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.visit(node.operand)
        if isinstance(node.op, ast.Invert):
            return np.logical_not(self._truth(value))
        if isinstance(node.op, ast.UAdd):
            return value
        # A negative number is a constant too, which options take as it stands.
        return -value if type(value) in (int, float) else -as_numbers(value)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.BitXor):
            return self._exclusive(node, left, right)
        if type(node.op) in _LOGIC:
            return _LOGIC[type(node.op)](self._truth(left), self._truth(right))
        return _OPERATORS[type(node.op)](*_alike(left, right))

    def visit_Compare(self, node: ast.Compare) -> Any:
        values = [self.visit(part) for part in (node.left, *node.comparators)]
        pairs = zip(node.ops, pairwise(values), strict=True)
        return np.logical_and.reduce(
            [compare(_SIGNS[type(op)], left, right) for op, (left, right) in pairs]
        )

    def _exclusive(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        sides = [np.asarray(as_numbers(side)) for side in (left, right)]
        if all(side.ndim and side.dtype.kind == "f" and _are_truths(side) for side in sides):
            return np.logical_xor(*(side == 1 for side in sides))
        power = ast.unparse(ast.BinOp(node.left, ast.Pow(), node.right))
        raise FormulaError(f"{self.text!r} has '^': write {power} for a power.")

    def _truth(self, value: Any) -> Any:
        array = np.asarray(as_numbers(value))
        if np.asarray(value).dtype == bool:
            return value
        if array.dtype.kind != "f" or array.ndim == 0 or not _are_truths(array):
            raise FormulaError(
                f"{self.text!r}: '&', '|' and '~' combine conditions, or columns of 0 and 1. Put "
                "each condition in parentheses, as (a > 0) & (b > 0)."
            )
        return array == 1


def _are_truths(array: FloatArray) -> bool:
    return bool(((array == 0) | (array == 1) | np.isnan(array)).all())


def as_numbers(value: Any) -> Any:
    """Return numbers and truth values in double precision, and everything else as it is.

    Raises
    ------
    ValueError
        If it is a list, or a whole number that double precision would round.
    """
    if isinstance(value, list | dict):
        raise ValueError("a list, or several variables at once, cannot be computed with")
    if value is None:
        raise ValueError("None cannot be computed with; rows with missing values drop out anyway")
    if isinstance(value, int) and int(float(value)) != value:
        raise ValueError(f"the number {value} has more digits than double precision holds")
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if isinstance(value, bool | int | float):
        return np.float64(value)
    return np.asarray(value, np.float64) if kind in ("b", "i", "u", "f") else value


def compare(sign: str, left: Any, right: Any) -> BoolArray:
    """Compare numbers with numbers, or text with text, row by row.

    Raises
    ------
    ValueError
        If one is text and the other a number, which are never equal.
    """
    return np.asarray(_COMPARISONS[sign](*_alike(left, right)), bool)


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two operands as numbers, or as they are; text and numbers do not go together."""
    left, right = as_numbers(left), as_numbers(right)
    if {_kind(left), _kind(right)} == {"text", "number"}:
        text, number = (left, right) if _kind(left) == "text" else (right, left)
        raise ValueError(
            f"text such as {shown(_first(text))} stands against numbers such as "
            f"{shown(_first(number))}. Text goes with text, which stands in quotes."
        )
    return left, right


def _first(value: Any) -> Any:
    return next(iter(pd.Series(np.asarray(value).ravel()).dropna().head(1)), None)


def _kind(value: Any) -> str:
    """Tell text from numbers and from the rest."""
    array = np.asarray(value)
    if array.dtype.kind in "fU":
        return "number" if array.dtype.kind == "f" else "text"
    return "text" if isinstance(_first(value), str) else "other"
