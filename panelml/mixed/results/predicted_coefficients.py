"""Best linear unbiased predictions of random coefficients, by level and by row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.data.sample import Sample
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.results.levels_of import by_code
from panelml.results.prediction import sample_values

__all__ = ["coefficient_tables", "row_effects", "standardised_coefficients"]


def coefficient_tables(
    coefficients: RandomCoefficients, sample: Sample, *, sd: bool
) -> dict[str, pd.DataFrame]:
    """Tabulate predictions by level for each grouping factor, with conditional deviations."""
    working = coefficients.working(sample)
    tables = {
        part.name: part.table(levels, values).rename(columns={"effect": "Intercept"})
        for part, levels, values in working
    }
    if sd:
        for part, spread in zip(coefficients.parts, coefficients.spreads(sample), strict=True):
            deviations = np.sqrt(np.maximum(np.einsum("aag->ga", spread), 0.0))
            tables[part.name][[f"sd({label})" for label in part.labels]] = deviations
    return tables


def standardised_coefficients(
    coefficients: RandomCoefficients, sample: Sample
) -> dict[str, FloatArray]:
    """Divide predictions by their standard deviations: the variance less the conditional one.

    Those whose variance is estimated at zero are left out.
    """
    standardised = {}
    working, spreads = coefficients.working(sample), coefficients.spreads(sample)
    for (part, _, values), spread in zip(working, spreads, strict=True):
        for a, label in enumerate(part.labels):
            variance = part.cov[a, a] - spread[a, a]
            if part.cov[a, a] > 0 and (variance > 0).all():
                name = f"{label} | {part.name}, standardised"
                standardised[name] = (part.back @ values)[a] / np.sqrt(variance)
    return standardised


def row_effects(
    coefficients: RandomCoefficients, sample: Sample, rows: Sample, *, new: float
) -> FloatArray:
    """Sum the random part of rows in their user's order, z . b.

    Parameters
    ----------
    coefficients : RandomCoefficients
    sample : Sample
        The estimation sample.
    rows : Sample
        Evaluated by the same design.
    new : float
        Coefficient of levels that the estimation sample has not.
    """
    tables = [
        (part, by_code(rows.panel, part.group, levels, values, new))
        for part, levels, values in coefficients.working(sample)
    ]

    def value(block: Block) -> FloatArray:
        z = coefficients.prediction.basis.random(block.z)
        total = np.zeros(block.n)
        for part, values in tables:
            codes = block.keys["^".join(part.group)]
            total += (z[part.random] * values[:, codes]).sum(axis=0)
        return total

    return sample_values(rows.with_keys(*(part.group for part in coefficients.parts)), value)
