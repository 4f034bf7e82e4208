"""Python expressions in formulas, such as ``np.log(x)`` or ``L(x, 1)``, on chunks of rows."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, BoolArray, FloatArray
from panelml.data.formula.elementwise import CONSTANTS, ELEMENTWISE, no_function
from panelml.data.formula.evaluation import dotted, evaluate, parse
from panelml.data.formula.functions import (
    CODING,
    FUNCTION_NAMES,
    MEAN_FUNCTIONS,
    PANEL_FUNCTIONS,
    STATEFUL,
    State,
    panel_functions,
    row_functions,
)
from panelml.data.formula.quoting import RANGE, Masked, mask, unquote
from panelml.data.panel.columns import as_objects, missing_values
from panelml.data.source.chunk import Chunk, Reads
from panelml.data.source.rows import FitRows
from panelml.data.source.source import Source
from panelml.errors import ColumnTypeError, FormulaError, UnknownNameError, shown, suggest

__all__ = ["Expression", "PanelCall", "parse_expression", "read_call"]


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
    def reads(self) -> Reads:
        """What it reads of a chunk."""
        inner = [name for call in self.calls.values() for name in call.argument.reads.columns]
        return Reads(columns=(*self.columns.values(), *inner))

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
        kind = np.asarray(value).dtype.kind
        if kind == "b":
            # As numbers, True and False would change with a missing value beside them.
            value = np.asarray(value).astype(object)
        elif kind == "f" and self._of_whole_numbers(chunk):
            whole = np.asarray(value)
            value = whole.astype(np.int64) if (whole == np.rint(whole)).all() else value
        return self._masked(chunk, value, missing)

    def _of_whole_numbers(self, chunk: Chunk) -> bool:
        """Whether its columns are stored as whole numbers, so that levels of it read as such."""
        kinds = {chunk.values(column).dtype.kind for column in self.columns.values()}
        return not self.calls and kinds <= set("biu")

    def run(
        self, chunk: Chunk, states: State, fitted: dict[str, dict[str, Any]] | None = None
    ) -> tuple[Any, BoolArray]:
        """Return whatever the expression gives on a chunk, and the rows where it is missing.

        Parameters
        ----------
        fitted : dict, optional
            Takes up the states that are not in ``states``.
        """
        context: dict[str, Any] = {}
        missing = np.zeros(chunk.n, dtype=bool)
        for name, column in self.columns.items():
            values = chunk.values(column)
            missing |= missing_values(values)
            context[name] = _typed(values)
        functions = panel_functions(chunk) if self.calls else {}
        for name, call in self.calls.items():
            inner = call.argument
            argument = inner._masked(chunk, *inner.run(chunk, states, fitted))
            options = list(call.options)
            if chunk.known is not None and call.function in MEAN_FUNCTIONS:
                options.append(chunk.known[inner.key])
            values = functions[call.function](argument, *options)
            missing |= missing_values(values)
            context[name] = _typed(values)
        known = row_functions(chunk, states, fitted)
        return evaluate(self.source, context, known, self.text), missing

    def fit(self, rows: FitRows) -> Expression:
        """Take states from all rows, and names from a few of them.

        The state of a function such as ``center()`` or ``bs()`` is no sum over units, but what
        formulaic computes from its argument in all rows: only for such a function are the columns
        that the expression reads held in memory at once.
        """
        fitted: dict[str, dict[str, Any]] = {}
        if self.has_state:
            self.run(rows.whole(self.reads), {}, fitted)
        ready = replace(self, states=fitted)
        part = rows.first(self.reads)
        keys = _variables(self.text, ready.run(part, fitted)[0], part.n)
        names = tuple(f"{self.text}[{key}]" if key is not None else self.text for key in keys)
        return replace(ready, names=names)

    def _masked(self, chunk: Chunk, value: Any, missing: BoolArray) -> AnyArray:
        parts = _variables(self.text, value, chunk.n)
        if len(parts) > 1:
            raise FormulaError(f"{self.text!r} gives {len(parts)} variables where one is needed.")
        values = np.broadcast_to(next(iter(parts.values())), (chunk.n,))
        if not missing.any():
            return values
        if values.dtype.kind in "iufb":
            return np.where(missing, np.nan, values.astype(np.float64))
        masked = as_objects(values).copy()
        masked[missing] = None
        return masked


def parse_expression(text: str, source: Source) -> Expression:
    """Read an expression and tell columns from functions.

    Raises
    ------
    UnknownNameError
        If a name is neither.
    FormulaError
        If it is no expression, or calls what formulas may not call.
    """
    masked = mask(text)
    return _Reader(text, source, masked).read(parse(masked.code, text))


class _Reader(ast.NodeTransformer):
    """Takes the panel calls out of an expression, and marks those of functions with a state."""

    def __init__(self, text: str, source: Source, masked: Masked) -> None:
        self.text = text
        self.source = source
        self.masked = masked
        self.columns: dict[str, str] = {}
        self.calls: dict[str, PanelCall] = {}
        self.has_state = False

    def read(self, tree: ast.expr) -> Expression:
        code = ast.unparse(self.visit(tree))
        return Expression(self.text, code, self.columns, self.calls, self.has_state)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        column = unquote(self.masked.restore(node.id))
        if column not in self.source.columns:
            choices = [*self.source.columns, *FUNCTION_NAMES]
            raise UnknownNameError(
                f"The formula names {column!r}, which is no column.{suggest(column, choices)}"
            )
        self._take(node.id, column)
        return node

    def _take(self, name: str, column: str) -> None:
        if self.source.is_numeric(column):
            self.source.require_numbers(column)
        self.columns[name] = column

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        name = dotted(node)
        if name in self.source.columns:
            self._take(name, name)
        elif name not in CONSTANTS:
            self._refuse(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = dotted(node.func)
        if name == "C" or name == "i":
            raise FormulaError(
                f"{name}(...) must stand alone, not inside another function: {self.text!r}."
            )
        if name in PANEL_FUNCTIONS:
            return self._lift(name, node)
        if name not in ELEMENTWISE and name not in STATEFUL:
            self._refuse(node.func)
        key = ast.unparse(node)
        node.args = [self.visit(child) for child in node.args]
        node.keywords = [self.visit(child) for child in node.keywords]
        if name in STATEFUL:
            self._check_constants(name, node)
            self.has_state = True
            node.keywords.append(ast.keyword("_call", ast.Constant(key)))
        return node

    def _refuse(self, function: ast.expr) -> None:
        name = self.masked.restore(ast.unparse(function))
        if name == "lag":
            raise FormulaError(
                "lag() shifts rows, whatever their unit and period. Write L(x, 1) for the value of "
                "the same unit one period earlier."
            )
        words = no_function(name, self.text, FUNCTION_NAMES)
        raise FormulaError(words) if "." in name else UnknownNameError(words)

    def _check_constants(self, name: str, node: ast.Call) -> None:
        others = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        if not node.args or any(
            isinstance(inner, ast.Name) and inner.id in (*self.columns, *self.calls)
            for other in others
            for inner in ast.walk(other)
        ):
            raise FormulaError(
                f"{self.text!r}: {name}() takes one variable first, and then constants."
            )

    def _lift(self, function: str, node: ast.Call) -> ast.expr:
        if not node.args:
            raise FormulaError(f"{self.text!r}: {function}() names no variable.")
        text = self.masked.restore(ast.unparse(node.args[0]))
        inner = _Reader(text, self.source, self.masked)
        argument = inner.read(node.args[0])
        self.has_state |= inner.has_state
        stem = "panel_call_"
        while any(column.startswith(stem) for column in self.source.columns):
            stem += "_"
        name = f"{stem}{len(self.calls)}"
        self.calls[name] = PanelCall(function, argument, self._options(function, node))
        return ast.Name(name, ast.Load())

    def _options(self, function: str, node: ast.Call) -> tuple[Any, ...]:
        others = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        most = 0 if function in ("within", "between") else 1
        if len(others) > most or any(keyword.arg != "k" for keyword in node.keywords):
            raise FormulaError(
                f"{self.text!r}: {function}() takes a variable"
                f"{' and a number of periods, k' if most else ''}, and nothing else."
            )
        options = tuple(_constant(other, self.masked) for other in others)
        if any(isinstance(k, list) or RANGE.fullmatch(str(k)) for k in options):
            raise FormulaError(
                f"{self.text!r}: {function}() with several periods stands alone, not inside "
                "another function."
            )
        return options


def _constant(node: ast.expr, masked: Masked) -> Any:
    """Return the value of an option, or its text if it is no constant."""
    text = masked.restore(ast.unparse(node))
    try:
        return evaluate(ast.unparse(node), {}, CODING, text)
    except FormulaError:
        return text


def read_call(text: str, name: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
    """Read ``C(inner, ...)``: the text of ``inner``, and the other arguments' values.

    Returns
    -------
    tuple, or None
        None if the text is no call of the function of that name.
    """
    masked = mask(text)
    node = parse(masked.code, text)
    if not (isinstance(node, ast.Call) and dotted(node.func) == name):
        return None
    if not node.args:
        raise FormulaError(f"{text!r} names no variable: write {name}(variable).")
    inner = masked.restore(ast.unparse(node.args[0]))
    arguments = tuple(evaluate(ast.unparse(a), {}, CODING, text) for a in node.args[1:])
    options = {str(k.arg): evaluate(ast.unparse(k.value), {}, CODING, text) for k in node.keywords}
    return inner, arguments, options


def _typed(values: AnyArray) -> Any:
    """Return numbers in double precision, truth values as they are, the rest as what it is."""
    if values.dtype.kind in "iuf":
        return values.astype(np.float64, copy=False)
    return values if values.dtype.kind == "b" else pd.Series(values).infer_objects()


def _variables(text: str, value: Any, n: int) -> dict[Any, AnyArray]:
    """Split what an expression gave into variables; a single one has the key None."""
    if isinstance(value, dict):
        return {key: np.asarray(part) for key, part in value.items()}
    values = np.asarray(value)
    if values.ndim == 2 and values.shape[1]:
        return {j: values[:, j] for j in range(values.shape[1])}
    if values.ndim > 2 or values.shape not in ((), (n,)):
        raise FormulaError(
            f"{text!r} gives {values.size} values for {n} rows: it must give one for each."
        )
    return {None: values}


def _as_row(text: str, values: AnyArray, n: int) -> FloatArray:
    if values.dtype.kind not in "iufb":
        example = next(iter(pd.Series(values.ravel()).dropna()), None)
        raise ColumnTypeError(
            f"{text!r} gives values such as {shown(example)}, which are no numbers. Write "
            f"C({text}) for a category."
        )
    return np.broadcast_to(values.astype(np.float64), (n,))
