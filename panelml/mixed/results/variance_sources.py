"""Shares of the outcome's variance by source, in total, within units and between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.groups import group_means, spread
from panelml.core.row_values import RowValues
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.mixed.core.unit_products import MixedBasis
from panelml.results.prediction import Predictor

__all__ = ["VarianceSources", "variance_sources"]

SOURCES = {
    "f1": "fixed part within units",
    "f2": "fixed part between units",
    "v": "random slopes",
    "m": "random intercepts",
    "residual": "residual",
}


@dataclass(frozen=True, slots=True)
class VarianceSources:
    """Variance that a model with one grouping factor implies, by source.

    Attributes
    ----------
    fixed_within, fixed_between : float
        Variance of the fixed part's deviations from unit means, and of these means by row.
    slopes_within, slopes_between : float
        tr(T S), with S the covariance of the random regressors within and between units.
    means : float
        m' T m, with m their means.
    residual : float

    Notes
    -----
    Source: Rights and Sterba (2019), *Psychological Methods* 24, 309-338. With regressors that
    are centred at unit means or constant within units, theirs; otherwise the fixed part and the
    random slopes are themselves divided into their parts within and between units.
    """

    fixed_within: float
    fixed_between: float
    slopes_within: float
    slopes_between: float
    means: float
    residual: float

    def table(self) -> pd.DataFrame:
        """Tabulate shares: rows by source, columns ``total``, ``within`` and ``between``."""
        missing = float("nan")
        within = [self.fixed_within, missing, self.slopes_within, missing, self.residual]
        between = [missing, self.fixed_between, self.slopes_between, self.means, missing]
        parts = pd.DataFrame({"within": within, "between": between}, index=list(SOURCES))
        total = parts.sum(axis=1)
        shares = pd.DataFrame({"total": total / total.sum(), **(parts / parts.sum())})
        words = pd.Series(SOURCES)
        return shares.assign(source=words)[["source", "total", "within", "between"]]


def variance_sources(
    sample: Sample, predictor: Predictor, basis: MixedBasis, cov: FloatArray, residual: float
) -> VarianceSources:
    """Compute the sources in one pass over the rows.

    Parameters
    ----------
    sample : Sample
        Laid out by the grouping factor.
    predictor : Predictor
    basis : MixedBasis
    cov : FloatArray, shape (q, q)
        Covariance of the working random coefficients.
    residual : float
    """

    def rows(block: Block) -> RowValues:
        parts = np.concatenate([predictor.xb(block)[None], basis.random(block.z)])
        means = spread(group_means(parts, block.starts), block.unit)
        return RowValues(np.concatenate([parts - means, means]))

    within, between = np.split(fold(sample, rows).values, 2)
    mean = between[1:].mean(axis=1)
    return VarianceSources(
        float(np.var(within[0], ddof=1)),
        float(np.var(between[0], ddof=1)),
        float((cov * np.cov(within[1:])).sum()),
        float((cov * np.cov(between[1:])).sum()),
        float(mean @ cov @ mean),
        residual,
    )
