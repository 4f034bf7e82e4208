"""Python expressions in formulas, such as ``np.log(x)`` or ``L(x, 1)``, on chunks of rows."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, BoolArray, FloatArray
from panelml.data.columns import missing_values
from panelml.data.functions import (
    CALL,
    CODING,
    FUNCTION_NAMES,
    MEAN_FUNCTIONS,
    PANEL_FUNCTIONS,
    STATEFUL,
    State,
    panel_functions,
    row_functions,
)
from panelml.data.panel import Panel
from panelml.data.source import Chunk
from panelml.errors import ColumnTypeError, FormulaError, PanelmlError, UnknownNameError, suggest

__all__ = ["Expression", "PanelCall", "parse_expression", "read_call"]

_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class PanelCall:
    """A call that looks at other rows of the unit, such as ``L(x > 0, 2)``.

    Attributes
    ----------
    function : str
    argument : Expression
    options : tuple
        Its other arguments.
    """

    function: str
    argument: Expression
    options: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression of columns and functions.

    A row in which a column or a panel call is missing has no value, whatever Python makes of it:
    ``x > 0`` is not false where x is missing.

    Attributes
    ----------
    text : str
        As it stands in the formula.
    source : str
        As Python code, in which a name stands for each panel call, and calls of functions with a
        state carry its key.
    columns : dict of str to str
        Column behind each name in the code.
    calls : dict of str to PanelCall
        Panel call behind each name in the code.
    has_state : bool
        Whether a function in it takes a state from the estimation sample.
    states : State
        These states.
    names : tuple of str
        Names of the variables that it gives; set by fitting.
    """

    text: str
    source: str
    columns: dict[str, str]
    calls: dict[str, PanelCall]
    has_state: bool
    states: State = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What it computes; texts that read the same may stand for different columns."""
        calls = ((call.function, call.argument.key, *call.options) for call in self.calls.values())
        return (self.source, *self.columns.items(), *calls)

    @property
    def averaged(self) -> dict[tuple[object, ...], Expression]:
        """What ``within()`` and ``between()`` take the unit means of, by its key."""
        found: dict[tuple[object, ...], Expression] = {}
        for call in self.calls.values():
            inner = replace(call.argument, states=self.states, names=(call.argument.text,))
            found |= inner.averaged
            if call.function in MEAN_FUNCTIONS:
                found[inner.key] = inner
        return found

    def evaluate(self, chunk: Chunk) -> FloatArray:
        """Return the variables on a chunk, shape (k, n).

        Raises
        ------
        FormulaError
            If it cannot be evaluated.
        ColumnTypeError
            If it gives something else than numbers.
        """
        value, missing = self.run(chunk, self.states)
        parts = _variables(self.text, value, chunk.n)
        values = np.stack([_as_row(self.text, part, chunk.n) for part in parts.values()])
        values[:, missing] = np.nan
        return values

    def values(self, chunk: Chunk) -> AnyArray:
        """Return values of any kind on a chunk, shape (n,), None or NaN where missing."""
        value, missing = self.run(chunk, self.states)
        if np.asarray(value).dtype == bool:
            # As numbers, True and False would change with a missing value beside them.
            value = np.asarray(value).astype(object)
        return self._masked(chunk, value, missing)

    def run(
        self, chunk: Chunk, states: State, fitted: dict[str, dict[str, Any]] | None = None
    ) -> tuple[Any, BoolArray]:
        """Return whatever the expression gives on a chunk, and the rows where it is missing.

        Parameters
        ----------
        fitted : dict, optional
            Takes up the states that are not in ``states``.
        """
        context = row_functions(chunk, states, fitted)
        missing = np.zeros(chunk.n, dtype=bool)
        for name, column in self.columns.items():
            values = chunk.values(column)
            missing |= missing_values(values)
            is_number = values.dtype.kind in "iufb"
            context[name] = values if is_number else pd.Series(values).infer_objects()
        functions = panel_functions(chunk) if self.calls else {}
        for name, call in self.calls.items():
            inner = call.argument
            argument = inner._masked(chunk, *inner.run(chunk, states, fitted))
            options = list(call.options)
            if chunk.known is not None and call.function in MEAN_FUNCTIONS:
                options.append(chunk.known[inner.key])
            context[name] = functions[call.function](argument, *options)
            missing |= missing_values(context[name])
        return evaluate(self.source, context, self.text), missing

    def fit(self, whole: Chunk) -> Expression:
        """Take states from the whole panel, and names from a part of it.

        Raises
        ------
        FormulaError
            If the value of a row depends on which other units are there.
        """
        fitted: dict[str, dict[str, Any]] = {}
        if self.has_state:
            self.run(whole, {}, fitted)
        ready = replace(self, states=fitted)
        first, second, both = (ready._fields(chunk) for chunk in _probes(whole))
        for key, part in both.items():
            if not _agree(part, np.concatenate([first[key], second[key]])):
                raise FormulaError(
                    f"{self.text!r} gives a row a value that depends on the other units' rows. Add "
                    "it to the data as a column, or use center(), scale() or between()."
                )
        names = tuple(f"{self.text}[{key}]" if key is not None else self.text for key in both)
        return replace(ready, names=names)

    def _fields(self, chunk: Chunk) -> dict[Any, AnyArray]:
        parts = _variables(self.text, self.run(chunk, self.states)[0], chunk.n)
        return {key: np.broadcast_to(part, (chunk.n,)) for key, part in parts.items()}

    def _masked(self, chunk: Chunk, value: Any, missing: BoolArray) -> AnyArray:
        parts = _variables(self.text, value, chunk.n)
        if len(parts) > 1:
            raise FormulaError(f"{self.text!r} gives {len(parts)} variables where one is needed.")
        values = np.broadcast_to(next(iter(parts.values())), (chunk.n,))
        if not missing.any():
            return values
        if values.dtype.kind in "iufb":
            return np.where(missing, np.nan, values.astype(np.float64))
        masked = values.astype(object)
        masked[missing] = None
        return masked


def parse_expression(text: str, panel: Panel) -> Expression:
    """Read an expression and tell columns from functions.

    Raises
    ------
    UnknownNameError
        If a name is neither.
    FormulaError
        If it is no expression, or calls a function that shifts rows.
    """
    quoted: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        return quoted.setdefault(match[1], f"quoted_{len(quoted)}")

    tree = _parse(_QUOTED.sub(plain, text), text)
    behind = {name: column for column, name in quoted.items()}
    return _Reader(text, panel, behind).read(tree)


class _Reader(ast.NodeTransformer):
    """Takes the panel calls out of an expression, and marks the other calls."""

    def __init__(self, text: str, panel: Panel, quoted: dict[str, str]) -> None:
        self.text = text
        self.panel = panel
        self.quoted = quoted
        self.columns: dict[str, str] = {}
        self.calls: dict[str, PanelCall] = {}
        self.has_state = False

    def read(self, tree: ast.expr) -> Expression:
        source = ast.unparse(self.visit(tree))
        return Expression(self.text, source, self.columns, self.calls, self.has_state)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        column = self.quoted.get(node.id, node.id)
        if column in self.panel.columns:
            self.columns[node.id] = column
        elif column not in FUNCTION_NAMES:
            choices = [*self.panel.columns, *FUNCTION_NAMES]
            raise UnknownNameError(
                f"The formula names {column!r}, which is no column.{suggest(column, choices)}"
            )
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if not isinstance(node.func, ast.Name):
            self.generic_visit(node)
            return node
        name = node.func.id
        _refuse_function(name, self.text)
        if name in PANEL_FUNCTIONS:
            return self._lift(name, node)
        key = ast.unparse(node)
        node.args = [self.visit(child) for child in node.args]
        node.keywords = [self.visit(child) for child in node.keywords]
        if name in STATEFUL:
            self.has_state = True
            node.keywords.append(ast.keyword("_call", ast.Constant(key)))
        # A column may have the name of the function.
        node.func.id = f"{CALL}{name}"
        return node

    def _lift(self, function: str, node: ast.Call) -> ast.expr:
        if not node.args:
            raise FormulaError(f"{self.text!r}: {function}() names no variable.")
        inner = _Reader(ast.unparse(node.args[0]), self.panel, self.quoted)
        argument = inner.read(node.args[0])
        self.has_state |= inner.has_state
        others = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        options = tuple(_literal(other) for other in others)
        name = f"panel_call_{len(self.calls)}"
        self.calls[name] = PanelCall(function, argument, options)
        return ast.Name(name, ast.Load())


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def read_call(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
    """Read ``C(inner, ...)``: the text of ``inner``, and the other arguments' values."""
    quoted: list[str] = []

    def plain(match: re.Match[str]) -> str:
        quoted.append(match[0])
        return f"quoted_{len(quoted) - 1}"

    node = _parse(_QUOTED.sub(plain, text), text)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "C"):
        return None
    if not node.args:
        raise FormulaError(f"{text!r} names no variable: write C(variable).")
    inner = ast.unparse(node.args[0])
    for i, name in enumerate(quoted):
        inner = inner.replace(f"quoted_{i}", name)
    arguments = tuple(evaluate(ast.unparse(a), CODING, text) for a in node.args[1:])
    options = {str(k.arg): evaluate(ast.unparse(k.value), CODING, text) for k in node.keywords}
    return inner, arguments, options


def evaluate(source: str, context: Mapping[str, Any], text: str) -> Any:
    """Evaluate code in a context; ``text`` is what the user wrote.

    Raises
    ------
    FormulaError
        If it fails.
    """
    try:
        with np.errstate(all="ignore"):
            return eval(_compiled(source), {"__builtins__": {}}, context)
    except PanelmlError:
        raise
    except Exception as error:
        raise FormulaError(f"Cannot evaluate {text!r}: {error}") from error


@lru_cache(maxsize=512)
def _compiled(source: str) -> CodeType:
    return compile(source, "<formula>", "eval")


def _parse(code: str, text: str) -> ast.expr:
    try:
        return ast.parse(code.strip(), mode="eval").body
    except SyntaxError as error:
        raise FormulaError(f"Cannot read {text!r} in the formula: {error.msg}.") from error


def _refuse_function(name: str, text: str) -> None:
    if name in FUNCTION_NAMES and name != "C":
        return
    if name == "C":
        raise FormulaError(f"C(...) must stand alone, not inside another function: {text!r}.")
    if name == "lag":
        raise FormulaError(
            "lag() shifts rows, whatever their unit and period. Write L(x, 1) for the value of the "
            "same unit one period earlier."
        )
    raise UnknownNameError(
        f"The formula names {name!r}, which is no function.{suggest(name, FUNCTION_NAMES)}"
    )


def _probes(whole: Chunk) -> tuple[Chunk, Chunk, Chunk]:
    """Return two small runs of units, and both as one."""
    starts = whole.panel.index.starts
    last = starts.size - 1
    middle = min(max(int(np.searchsorted(starts, 500)), 1), max(last // 2, 1))
    stop = min(2 * middle, last)
    spans = ((0, middle), (middle, stop), (0, stop))
    first, second, both = (Chunk.of_units(whole.panel, *span, whole.keep) for span in spans)
    return first, second, both


def _agree(values: AnyArray, others: AnyArray) -> bool:
    if values.dtype.kind in "iufb" and others.dtype.kind in "iufb":
        return np.allclose(
            values.astype(np.float64), others.astype(np.float64), rtol=1e-8, atol=0, equal_nan=True
        )
    return pd.Series(values, dtype=object).equals(pd.Series(others, dtype=object))


def _variables(text: str, value: Any, n: int) -> dict[Any, AnyArray]:
    """Split what an expression gave into variables; a single one has the key None."""
    if isinstance(value, dict):
        return {key: np.asarray(part) for key, part in value.items()}
    values = np.asarray(value)
    if values.ndim == 2:
        return {j: values[:, j] for j in range(values.shape[1])}
    if values.ndim > 2 or values.shape not in ((), (n,)):
        raise FormulaError(
            f"{text!r} gives {values.size} values for {n} rows: it must give one for each."
        )
    return {None: values}


def _as_row(text: str, values: AnyArray, n: int) -> FloatArray:
    if values.dtype.kind not in "iufb":
        example = values.ravel()[0] if values.size else None
        raise ColumnTypeError(
            f"{text!r} gives values such as {example!r}, which are no numbers. Write C({text}) "
            "for a category."
        )
    return np.broadcast_to(values.astype(np.float64), (n,))
