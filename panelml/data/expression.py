"""Python expressions in formulas, such as ``np.log(x)`` or ``L(x, 1)``, on chunks of rows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, BoolArray, FloatArray
from panelml.data.columns import missing_values
from panelml.data.functions import CODING, FUNCTION_NAMES, PANEL_FUNCTIONS, STATEFUL, State
from panelml.data.functions import functions as bind_functions
from panelml.data.panel import Panel
from panelml.data.source import Chunk
from panelml.errors import ColumnTypeError, FormulaError, PanelmlError, UnknownNameError, suggest

__all__ = ["Expression", "parse_expression", "read_call"]

_CALL = "__call_"
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression of columns and functions.

    Attributes
    ----------
    text : str
        As it stands in the formula.
    source : str
        As Python code, in which calls of functions with a state carry its key.
    columns : dict of str to str
        Column behind each name in the code.
    own : tuple of str
        Columns read in the row itself, rather than by a lag or a mean: a row with one of them
        missing has no value, whatever the expression makes of it.
    states : State
        What functions with a state took from the estimation sample.
    names : tuple of str
        Names of the variables that it gives; set by fitting.
    """

    text: str
    source: str
    columns: dict[str, str]
    own: tuple[str, ...]
    states: State = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @property
    def has_state(self) -> bool:
        """Whether it depends on the estimation sample beyond the row's unit."""
        return "_call=" in self.source

    def evaluate(self, chunk: Chunk) -> FloatArray:
        """Return the variables on a chunk, shape (k, n), missing where a column is.

        Raises
        ------
        FormulaError
            If it cannot be evaluated.
        ColumnTypeError
            If it gives something else than numbers.
        """
        parts = _variables(self.text, self.raw(chunk), chunk.n)
        values = np.stack([_as_row(self.text, part, chunk.n) for part in parts.values()])
        if self.own:
            values[:, self.missing(chunk)] = np.nan
        return values

    def raw(self, chunk: Chunk, fitted: dict[str, dict[str, Any]] | None = None) -> Any:
        """Return whatever the expression gives on a chunk."""
        context = bind_functions(chunk, self.states, fitted)
        calls = {f"{_CALL}{name}": function for name, function in context.items()}
        columns = {name: _column(chunk, column) for name, column in self.columns.items()}
        return run(self.source, {**context, **calls, **columns}, self.text)

    def missing(self, chunk: Chunk) -> BoolArray:
        """Tell in which rows a column that is read there is missing."""
        missing = np.zeros(chunk.n, dtype=bool)
        for name in self.own:
            missing |= missing_values(chunk.values(name))
        return missing

    def fit(self, whole: Chunk) -> Expression:
        """Take states from the whole panel, and names from a part of it.

        Raises
        ------
        FormulaError
            If the value of a row depends on which other units are there.
        """
        fitted: dict[str, dict[str, Any]] = {}
        if self.has_state:
            self.raw(whole, fitted)
        ready = replace(self, states=fitted)
        few, other, both = _probes(whole)
        fields = ready._fields(both)
        first, second = ready._fields(few), ready._fields(other)
        if not all(
            _agree(part, np.concatenate([first[key], second[key]])) for key, part in fields.items()
        ):
            raise FormulaError(
                f"{self.text!r} gives a row a value that depends on the other units' rows. Add it "
                "to the data as a column, or use center(), scale() or between()."
            )
        names = tuple(f"{self.text}[{key}]" if key is not None else self.text for key in fields)
        return replace(ready, names=names)

    def _fields(self, chunk: Chunk) -> dict[Any, AnyArray]:
        parts = _variables(self.text, self.raw(chunk), chunk.n)
        return {key: np.broadcast_to(part, (chunk.n,)) for key, part in parts.items()}


def parse_expression(text: str, panel: Panel) -> Expression:
    """Read an expression and tell columns from functions.

    Raises
    ------
    UnknownNameError
        If a name is neither.
    FormulaError
        If it is no expression, or calls a function that looks at neighbouring rows.
    """
    quoted: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        return quoted.setdefault(match[1], f"quoted_{len(quoted)}")

    code = _QUOTED.sub(plain, text)
    behind = {name: column for column, name in quoted.items()}
    tree = _parse(code, text)
    columns: dict[str, str] = {}
    own: list[str] = []
    for name, role in _names(tree):
        column = behind.get(name, name)
        if role == "call" and name == "C":
            raise FormulaError(f"C(...) must stand alone, not inside another function: {text!r}.")
        if role == "call" and name in FUNCTION_NAMES:
            continue
        if column in panel.columns and role != "call":
            columns[name] = column
            own += [column] if role == "own" else []
        elif role == "call" or column not in FUNCTION_NAMES:
            _refuse_name(column, panel, is_call=role == "call")
    _mark_calls(tree)
    return Expression(text, ast.unparse(tree), columns, tuple(dict.fromkeys(own)))


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
    arguments = tuple(run(ast.unparse(a), dict(CODING), text) for a in node.args[1:])
    options = {
        str(k.arg): run(ast.unparse(k.value), dict(CODING), text) for k in node.keywords
    }  # fmt: skip
    return inner, arguments, options


def run(source: str, context: dict[str, Any], text: str) -> Any:
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


def _names(node: ast.AST, role: str = "own") -> Iterator[tuple[str, str]]:
    """Yield each name with its role: own (a value of the row), other (of other rows) or call."""
    if isinstance(node, ast.Name):
        yield node.id, role
        return
    children: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield node.func.id, "call"
        children.remove(node.func)
        if node.func.id in PANEL_FUNCTIONS:
            role = "other"
    for child in children:
        yield from _names(child, role)


def _mark_calls(tree: ast.expr) -> None:
    """Tell calls from columns of the same name, and give those with a state their key."""
    calls = [
        (node, node.func, ast.unparse(node)) for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]  # fmt: skip
    for node, function, key in calls:
        if function.id in STATEFUL:
            node.keywords.append(ast.keyword("_call", ast.Constant(key)))
        function.id = f"{_CALL}{function.id}"


def _refuse_name(name: str, panel: Panel, *, is_call: bool) -> None:
    if name == "lag" and is_call:
        raise FormulaError(
            "lag() shifts rows, whatever their unit and period. Write L(x, 1) for the value of the "
            "same unit one period earlier."
        )
    what, choices = ("function", FUNCTION_NAMES) if is_call else ("column", panel.columns)
    near = suggest(name, [*choices, *(() if is_call else FUNCTION_NAMES)])
    raise UnknownNameError(f"The formula names {name!r}, which is no {what}.{near}")


def _column(chunk: Chunk, name: str) -> Any:
    values = chunk.values(name)
    return values if values.dtype.kind in "iufb" else pd.Series(values).infer_objects()


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
