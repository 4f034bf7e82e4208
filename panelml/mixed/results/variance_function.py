"""Variance functions: how the variance of the outcome depends on the random regressors."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.data.sample import Sample
from panelml.data.source.given import ValuesLike
from panelml.errors import UnknownNameError, shown, suggest
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.residual_part import ResidualPart, residual_variances
from panelml.results.base import Results
from panelml.results.prediction import Predictor, frame_of, random_rows, sample_values

__all__ = ["variance_curve", "variances_at"]

GRID = 101


def variances_at(
    predictor: Predictor,
    coefficients: RandomCoefficients,
    residual: ResidualPart | None,
    data: ValuesLike,
) -> pd.DataFrame:
    """Tabulate the variance between levels, the residual one and their total at given values."""
    frame = frame_of(data)
    rows = random_rows(predictor, frame)
    between = _level_variances(coefficients, rows)
    around = residual_variances(coefficients, residual, rows)
    columns = {name: rows.panel.series(name).to_numpy() for name in list(frame.columns)}
    table = pd.DataFrame({**columns, **between}, index=rows.panel.row_labels())
    return table.assign(residual=around, total=sum(between.values()) + around)


def variance_curve(
    fit: Results, coefficients: RandomCoefficients, x: str
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Variances between levels over the range of a random regressor's column.

    Other random regressors are held at their means.

    Returns
    -------
    FloatArray, shape (101,)
        Values of the column.
    dict of str to FloatArray, shape (101,)
        By grouping factor.

    Raises
    ------
    UnknownNameError
        If no random regressor is made of the column.
    """
    columns = _random_columns(fit)
    if x not in columns:
        raise UnknownNameError(f"No random regressor is made of {shown(x)}.{suggest(x, columns)}")
    values = {name: _values(fit, coefficients, name) for name in columns}
    grid = np.linspace(np.nanmin(values[x]), np.nanmax(values[x]), GRID)
    held = {name: np.full(GRID, np.nanmean(column)) for name, column in values.items()}
    rows = random_rows(fit.predictor, frame_of({**held, x: grid}))
    return grid, _level_variances(coefficients, rows)


def _level_variances(coefficients: RandomCoefficients, rows: Sample) -> dict[str, FloatArray]:
    """Variances between the levels of each grouping factor, at rows of random regressors."""
    basis = coefficients.prediction.basis

    def variance(block: Block, place: int) -> FloatArray:
        z = np.zeros((basis.centre.size, block.n))
        z[z.shape[0] - len(rows.names) :] = block.regressors
        values: FloatArray = coefficients.variances(basis.random(z))[place]
        return values

    return {
        part.name: sample_values(rows, partial(variance, place=place))
        for place, part in enumerate(coefficients.parts)
    }


def _random_columns(fit: Results) -> list[str]:
    """Numeric columns of the random regressors."""
    names: dict[str, None] = {}
    for terms in fit.predictor.design.random:
        for text in terms.factors:
            words = set(re.findall(r"[^\W\d]\w*", text))
            names.update(dict.fromkeys(c for c in fit.panel.columns if c in words))
    return list(names)


def _values(fit: Results, coefficients: RandomCoefficients, name: str) -> FloatArray:
    """Return a column, as deviations from unit means where a hybrid model takes these."""
    values = fit.panel.numbers(name).astype(np.float64)
    if not any(f"within({name})" in part.labels for part in coefficients.parts):
        return values
    by_unit = pd.Series(values).groupby(fit.panel.index.unit)
    return np.asarray(values - by_unit.transform("mean"), dtype=np.float64)
