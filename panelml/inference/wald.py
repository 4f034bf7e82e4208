"""Wald tests of linear restrictions, written as text or as a matrix."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np
from scipy import linalg

from panelml._typing import FloatArray
from panelml.errors import FormulaError, IdentificationError, UnknownNameError, suggest
from panelml.inference.testing import TestResult, f_test

__all__ = ["parse_restrictions", "wald_test"]


def wald_test(
    restrictions: str | Sequence[str] | FloatArray,
    names: Sequence[str],
    params: FloatArray,
    cov: FloatArray,
    df: float,
    *,
    name: str = "Wald test",
    null: str | None = None,
) -> TestResult:
    """Test linear restrictions R b = q.

    Parameters
    ----------
    restrictions : str, sequence of str, or FloatArray of shape (r, k)
        ``"x1 = x2"``, ``"x1 = x2 = 0"``, ``"2*x1 + x2 = 1; x3"``; a bare expression is tested
        against zero.
    names : sequence of str, length k
    params : FloatArray, shape (k,)
    cov : FloatArray, shape (k, k)
    df : float
        Denominator degrees of freedom; infinite for chi-squared.

    Raises
    ------
    UnknownNameError
        If a restriction names no parameter.
    FormulaError
        If a restriction is not linear.
    IdentificationError
        If the restrictions are redundant or contradict each other.
    """
    if isinstance(restrictions, np.ndarray):
        r = np.atleast_2d(restrictions).astype(np.float64)
        q = np.zeros(r.shape[0])
        words = f"{r.shape[0]} linear restrictions"
        if r.shape[1] != len(names):
            raise FormulaError(
                f"The restriction matrix has {r.shape[1]} columns for {len(names)} parameters."
            )
    else:
        texts = [restrictions] if isinstance(restrictions, str) else list(restrictions)
        r, q, words = parse_restrictions(texts, names)
    gap = r @ params - q
    middle = r @ cov @ r.T
    if np.linalg.matrix_rank(r) < r.shape[0]:
        raise IdentificationError("The restrictions are redundant or contradict each other.")
    rank = int(np.linalg.matrix_rank(_correlation(middle)))
    notes: tuple[str, ...] = ()
    if rank < r.shape[0]:
        notes = (
            f"The covariance of the {r.shape[0]} restrictions has rank {rank} (few clusters): "
            "the test uses a generalised inverse.",
        )
    statistic = float(gap @ linalg.pinvh(middle) @ gap) if notes else _solve(gap, middle)
    return f_test(name, null or words, statistic / rank, (rank, df), notes=notes)


def parse_restrictions(
    texts: Sequence[str], names: Sequence[str]
) -> tuple[FloatArray, FloatArray, str]:
    """Read restrictions into R, shape (r, k), q, shape (r,), and words."""
    rows: list[FloatArray] = []
    words: list[str] = []
    for text in (part.strip() for whole in texts for part in whole.split(";") if part.strip()):
        sides = [_linear(side, names) for side in text.replace("==", "=").split("=")]
        if len(sides) == 1:
            sides.append(np.zeros(len(names) + 1))
            text += " = 0"
        rows += [left - right for left, right in zip(sides[:-1], sides[1:], strict=True)]
        words.append(text)
    if not rows:
        raise FormulaError("Write a restriction such as 'x1 = x2'.")
    table = np.stack(rows)
    return table[:, :-1], -table[:, -1], "; ".join(words)


def _solve(gap: FloatArray, middle: FloatArray) -> float:
    length = np.sqrt(np.diag(middle))
    factor = linalg.cho_factor(middle / np.outer(length, length))
    scaled = gap / length
    return float(scaled @ linalg.cho_solve(factor, scaled))


def _correlation(middle: FloatArray) -> FloatArray:
    length = np.sqrt(np.maximum(np.diag(middle), np.finfo(float).tiny))
    return np.asarray(middle / np.outer(length, length))


def _linear(text: str, names: Sequence[str]) -> FloatArray:
    """Read an expression into its coefficients and, last, its constant."""
    coded = text
    order = sorted(range(len(names)), key=lambda j: -len(names[j]))
    for j in order:
        coded = _replace_name(coded, names[j], f"_p{j}_")
    try:
        tree = ast.parse(coded.strip(), mode="eval").body
    except SyntaxError as error:
        raise FormulaError(f"Cannot read the restriction {text.strip()!r}.") from error
    return _evaluate(tree, names, text)


def _replace_name(text: str, name: str, code: str) -> str:
    parts, start = [], 0
    while (found := text.find(name, start)) >= 0:
        end = found + len(name)
        before = text[found - 1] if found else " "
        after = text[end] if end < len(text) else " "
        whole = not (before.isalnum() or before in "_.") and not (after.isalnum() or after in "_.([")
        parts.append(text[start:found] + (code if whole else name))
        start = end
    return "".join(parts) + text[start:]


def _evaluate(node: ast.expr, names: Sequence[str], text: str) -> FloatArray:
    k = len(names)
    match node:
        case ast.Constant(value=int() | float() as number):
            return np.concatenate([np.zeros(k), [float(number)]])
        case ast.Name(id=name):
            if name.startswith("_p") and name.endswith("_") and name[2:-1].isdigit():
                return np.eye(k + 1)[int(name[2:-1])]
            raise UnknownNameError(f"No parameter {name!r}.{suggest(name, names)}")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, names, text)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            sign = 1.0 if isinstance(op, ast.Add) else -1.0
            return _evaluate(left, names, text) + sign * _evaluate(right, names, text)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            a, b = _evaluate(left, names, text), _evaluate(right, names, text)
            if isinstance(op, ast.Mult) and not a[:-1].any():
                a, b = b, a
            if not b[:-1].any() and (isinstance(op, ast.Mult) or b[-1]):
                return a * b[-1] if isinstance(op, ast.Mult) else a / b[-1]
    raise FormulaError(f"The restriction {text.strip()!r} is not linear in the parameters.")
