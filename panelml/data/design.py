"""From columns to regressors: a formula with the state it took from the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula as TermFormula
from formulaic import ModelSpec
from formulaic.errors import FormulaicError

from panelml._typing import BoolArray, FloatArray
from panelml.data.formula import Formula, plain_columns
from panelml.data.functions import FUNCTION_NAMES, panel_functions
from panelml.data.panel import Panel
from panelml.data.source import Chunk
from panelml.errors import ColumnTypeError, FormulaError, UnknownNameError, listing, suggest

__all__ = ["Design", "Terms", "fit_design", "fit_terms"]


@dataclass(frozen=True, slots=True)
class Terms:
    """Some terms of a formula, ready to be evaluated on any rows.

    Attributes
    ----------
    names : tuple of str
        Name of each resulting variable.
    products : tuple of tuple of str
        For plain terms, the columns whose product each variable is.
    spec : ModelSpec, or None
        For any other terms, formulaic's specification with its fitted state.
    columns : tuple of str
        The columns that are read.
    """

    names: tuple[str, ...]
    products: tuple[tuple[str, ...], ...]
    spec: ModelSpec | None
    columns: tuple[str, ...]

    def evaluate(self, chunk: Chunk, out: FloatArray) -> None:
        """Fill ``out``, shape (k, n), with the variables' values on a chunk."""
        if self.spec is None:
            for row, columns in zip(out, self.products, strict=True):
                row[:] = chunk.values(columns[0])
                for name in columns[1:]:
                    row *= chunk.values(name)
            return
        frame = chunk.frame(self.columns)
        matrix = _materialize(self.spec, frame, chunk)
        values = np.asarray(matrix, dtype=np.float64)
        keep = [i for i, name in enumerate(self.spec.column_names) if name != "Intercept"]
        out[:] = values[:, keep].T
        out[:, _missing_rows(frame)] = np.nan


@dataclass(frozen=True, slots=True)
class Design:
    """A formula fitted to a panel: turns chunks into variables.

    Attributes
    ----------
    formula : Formula
    outcome : Terms, or None
        None for rows whose outcome is not known.
    regressors : Terms
    """

    formula: Formula
    outcome: Terms | None
    regressors: Terms

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regressors, without the constant."""
        return self.regressors.names

    def evaluate(self, chunk: Chunk) -> FloatArray:
        """Return the outcome (row 0) and the regressors on a chunk, shape (1 + k, n)."""
        z = np.empty((1 + len(self.names), chunk.n))
        if self.outcome is None:
            z[0] = 0.0
        else:
            self.outcome.evaluate(chunk, z[:1])
        self.regressors.evaluate(chunk, z[1:])
        return z

    def without_outcome(self) -> Design:
        """Return the design for rows whose outcome is not known."""
        return replace(self, outcome=None)


def fit_design(formula: Formula, panel: Panel) -> Design:
    """Take from the data what a formula needs: levels of categories, means of centred terms.

    Raises
    ------
    UnknownNameError
        If a name is neither a column nor a function.
    ColumnTypeError
        If a numeric term reads text.
    FormulaError
        If a term cannot be evaluated.
    """
    outcome = fit_terms(formula.outcome, panel)
    if len(outcome.names) != 1:
        raise ColumnTypeError(
            f"The outcome {formula.outcome!r} must be one numeric variable; it gives "
            f"{len(outcome.names)}. Convert categories or text to numbers first."
        )
    regressors = fit_terms(formula.regressors, panel)
    if outcome.names[0] in regressors.names:
        raise FormulaError(f"The outcome {outcome.names[0]!r} is also a regressor.")
    return Design(formula, outcome, regressors)


def fit_terms(text: str, panel: Panel) -> Terms:
    """Fit one side of a formula; the constant is left out."""
    formula = TermFormula(text)
    terms = [term for term in formula if str(term) not in ("0", "1")]
    _check_names(formula, panel)
    products = [plain_columns(term) for term in terms]
    plain = [p for p in products if p is not None and all(panel.is_numeric(c) for c in p)]
    if len(plain) == len(terms):
        columns = tuple(dict.fromkeys(name for product in plain for name in product))
        return Terms(tuple(str(term) for term in terms), tuple(plain), None, columns)
    required = sorted(str(v) for v in formula.required_variables)
    columns = tuple(name for name in required if name in panel.columns)
    _check_text(columns, panel)
    spec = _fit_spec(text, columns, panel)
    names = tuple(name for name in spec.column_names if name != "Intercept")
    return Terms(names, (), spec, columns)


def _fit_spec(text: str, columns: tuple[str, ...], panel: Panel) -> ModelSpec:
    n = panel.nobs
    chunk = Chunk(panel, slice(0, n), panel.index.starts, None, 0)
    frame = chunk.frame(columns)
    complete = ~_missing_rows(frame)
    spanning = TermFormula(f"1 + {text}") if "1" not in text.split() else TermFormula(text)
    if not complete.all():
        for name in frame.columns[[d.kind not in "iufb" for d in frame.dtypes]]:
            frame[name] = frame[name].where(complete, frame.loc[complete.argmax(), name])
    matrix = _materialize(ModelSpec.from_spec(spanning, output="sparse"), frame, chunk)
    spec: ModelSpec = matrix.model_spec
    return spec.update(output="numpy")


def _materialize(spec: ModelSpec, frame: pd.DataFrame, chunk: Chunk) -> Any:
    try:
        return spec.update(na_action="ignore").get_model_matrix(
            frame, context=panel_functions(chunk)
        )
    except FormulaicError as error:
        raise FormulaError(f"Cannot evaluate the formula on the data: {error}") from error


def _missing_rows(frame: pd.DataFrame) -> BoolArray:
    missing = np.zeros(len(frame), dtype=bool)
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind not in "iub":
            missing |= column.isna().to_numpy()
    return missing


def _check_names(formula: TermFormula, panel: Panel) -> None:
    for name in sorted(str(v) for v in formula.required_variables):
        if name not in panel.columns and name not in FUNCTION_NAMES:
            choices = [*panel.columns, *FUNCTION_NAMES]
            raise UnknownNameError(
                f"The formula names {name!r}, which is no column.{suggest(name, choices)}"
            )


def _check_text(columns: tuple[str, ...], panel: Panel) -> None:
    for name in columns:
        values = panel.values(name)
        if values.dtype != object:
            continue
        texts = np.flatnonzero([isinstance(value, str) for value in values])
        numeric = pd.to_numeric(pd.Series(values[texts[:1000]]), errors="coerce").notna()
        if texts.size and numeric.any():
            rows = sorted(panel.index.position(int(i)) for i in texts[:5])
            raise ColumnTypeError(
                f"Column {name!r} holds numbers written as text, such as "
                f"{values[texts[int(numeric.argmax())]]!r} (row {listing(rows)}). Convert it with "
                f"pandas.to_numeric, or to a category if its values are names."
            )
