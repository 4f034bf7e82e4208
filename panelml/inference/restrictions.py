"""Linear restrictions R b = q on parameters, written as text or as a matrix."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from panelml._typing import FloatArray
from panelml.errors import FormulaError, IdentificationError, UnknownNameError, shown, suggest

__all__ = ["Restrictions", "parse_restrictions"]

# Names of columns that restrictions would read as numbers.
_NUMBER = re.compile(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Linear restrictions R b = q.

    Attributes
    ----------
    matrix : FloatArray, shape (r, k)
    values : FloatArray, shape (r,)
    words : str

    Raises
    ------
    IdentificationError
        If the restrictions are redundant or contradict each other, or one has no parameter.
    """

    matrix: FloatArray
    values: FloatArray
    words: str

    def __post_init__(self) -> None:
        r = self.matrix
        if not r.any(axis=1).all():
            raise IdentificationError(f"A restriction has no parameter: {self.words}.")
        if np.linalg.matrix_rank(r / np.linalg.norm(r, axis=1, keepdims=True)) < r.shape[0]:
            raise IdentificationError("The restrictions are redundant or contradict each other.")

    @classmethod
    def read(
        cls, restrictions: str | Sequence[str] | FloatArray, names: Sequence[str]
    ) -> Restrictions:
        """Read restrictions on named parameters.

        Parameters
        ----------
        restrictions : str, sequence of str, or FloatArray of shape (r, k)
            ``"x1 = x2"``, ``"x1 = x2 = 0"``, ``"2*x1 + x2 = 1; x3"``; a bare expression, and a
            row of a matrix, is tested against zero. A parameter may stand in backticks, and must
            if its name is a number.
        names : sequence of str, length k

        Raises
        ------
        UnknownNameError
            If a restriction names something that is no parameter.
        FormulaError
            If a restriction is not linear.
        """
        if not isinstance(restrictions, np.ndarray):
            texts = [restrictions] if isinstance(restrictions, str) else list(restrictions)
            return cls(*parse_restrictions(texts, names))
        matrix = np.atleast_2d(restrictions).astype(np.float64)
        rows, columns = matrix.shape
        if columns != len(names):
            raise FormulaError(f"restrictions has {columns} columns for {len(names)} parameters.")
        return cls(matrix, np.zeros(rows), f"{rows} linear restrictions")


def parse_restrictions(
    texts: Sequence[str], names: Sequence[str]
) -> tuple[FloatArray, FloatArray, str]:
    """Read restrictions into R, shape (r, k), q, shape (r,), and words."""
    rows: list[FloatArray] = []
    words: list[str] = []
    coded = [_code_names(text, names) for text in texts]
    for text in (part.strip() for whole in coded for part in whole.split(";") if part.strip()):
        sides = [_linear(side, names) for side in text.replace("==", "=").split("=")]
        if len(sides) == 1:
            sides.append(np.zeros(len(names) + 1))
            text += " = 0"
        rows += [left - right for left, right in pairwise(sides)]
        words.append(_decode(text, names))
    if not rows:
        raise FormulaError("Write a restriction such as 'x1 = x2'.")
    table = np.stack(rows)
    return table[:, :-1], -table[:, -1], "; ".join(words)


def _code_names(text: str, names: Sequence[str]) -> str:
    """Replace parameters by identifiers: names may hold any sign that restrictions use."""
    longest_first = sorted(range(len(names)), key=lambda j: -len(names[j]))
    anywhere = "|".join(f"({_spellings(names[j])})" for j in longest_first)

    def code(match: re.Match[str]) -> str:
        return f"_p{longest_first[(match.lastindex or 0) - 1]}_"

    return re.sub(rf"(?<![\w.:`])(?:{anywhere})(?![\w.:(\[`])", code, text)


def _spellings(name: str) -> str:
    """Return a pattern of how a parameter is written: in backticks too, a number only so."""
    quoted = rf"`\s*{_spaced(name)}\s*`"
    if _NUMBER.fullmatch(name.strip()):
        return quoted
    factors = (_spaced(factor) for factor in name.split(":"))
    product = r"\s*:\s*".join(f"(?:{factor}|`{factor}`)" for factor in factors)
    return f"{quoted}|{product}"


def _spaced(name: str) -> str:
    return r"\s*".join(re.escape(part) for part in name.split())


def _decode(text: str, names: Sequence[str]) -> str:
    def name(match: re.Match[str]) -> str:
        own = names[int(match[1])]
        return f"`{own}`" if _NUMBER.fullmatch(own) else own

    return re.sub(r"\b_p(\d+)_\b", name, text)


def _linear(coded: str, names: Sequence[str]) -> FloatArray:
    """Read an expression into its coefficients and, last, its constant."""
    text = _decode(coded, names).strip()
    try:
        tree = ast.parse(coded.strip(), mode="eval").body
    except SyntaxError as error:
        raise FormulaError(
            f"Cannot read {text!r} in a restriction.{suggest(text, names)}"
        ) from error
    return _evaluate(tree, names, text)


def _evaluate(node: ast.expr, names: Sequence[str], text: str) -> FloatArray:
    k = len(names)
    match node:
        case ast.Constant(value=int() | float() as number):
            return np.append(np.zeros(k), float(number))
        case ast.Name(id=name) if code := re.fullmatch(r"_p(\d+)_", name):
            return np.asarray(np.eye(k + 1)[int(code[1])])
        case ast.Name() | ast.Call() | ast.Subscript() | ast.Attribute():
            unknown = _decode(ast.unparse(node), names)
            raise UnknownNameError(f"No parameter {shown(unknown)}.{suggest(unknown, names)}")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return np.negative(_evaluate(operand, names, text))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            sign = 1.0 if isinstance(op, ast.Add) else -1.0
            a, b = _evaluate(left, names, text), _evaluate(right, names, text)
            return np.add(a, sign * b)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            a, b = _evaluate(left, names, text), _evaluate(right, names, text)
            if isinstance(op, ast.Mult) and not a[:-1].any():
                a, b = b, a
            if not b[:-1].any() and (isinstance(op, ast.Mult) or b[-1]):
                return np.asarray(a * b[-1] if isinstance(op, ast.Mult) else a / b[-1])
    raise FormulaError(f"{text!r} is not linear in the parameters.")
