"""Residuals of pooled least squares, which the Lagrange multiplier tests look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.block import Block
from panelml.core.linalg import solve_normal
from panelml.core.moments import PanelMoments
from panelml.data.formula.formula import parse_formula
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import fold
from panelml.engine.sampling import make_sample, require_panel
from panelml.errors import SpecificationError
from panelml.results.base import Results

__all__ = ["PooledFit", "fit_pooled", "pooled_least_squares"]


@checked_methods
@dataclass(frozen=True, slots=True)
class PooledFit:
    """Least squares on all rows of a sample.

    Attributes
    ----------
    sample : Sample
    centre : FloatArray, shape (1 + k,)
    coef : FloatArray, shape (k,)
        Zero for collinear regressors.
    rss : float
    rank : int
        Number of coefficients, the constant included.
    """

    sample: Sample
    centre: FloatArray
    coef: FloatArray
    rss: float
    rank: int

    def error(self, block: Block) -> FloatArray:
        """Residuals of a block's rows, shape (n,)."""
        centred = block.with_z(block.z - self.centre[:, None])
        return np.asarray(centred.outcome - self.coef @ centred.regressors)


def fit_pooled(model: Results | str, data: DataLike | None = None) -> PooledFit:
    """Fit pooled least squares to the rows and regressors of a result, or of a formula and data.

    Raises
    ------
    SpecificationError
        If a formula comes without data, or a result with data or another link than the identity.
    """
    if isinstance(model, Results):
        if data is not None:
            raise SpecificationError("A result knows its data: leave data out, or pass a formula.")
        model.facts.require_linear("This test")
        influence = model.attached.estimate.rows
        return pooled_least_squares(influence.sample)
    if data is None:
        raise SpecificationError("A formula needs data: pass a Panel too, or a result.")
    formula = parse_formula(model)
    if formula.effects:
        raise SpecificationError("The tests use pooled residuals: leave out what follows '|'.")
    return pooled_least_squares(make_sample(require_panel(data), formula, None)[0])


def pooled_least_squares(
    sample: Sample, names: Sequence[str] | None = None, *, constant: bool | None = None
) -> PooledFit:
    """Regress the outcome on the sample's regressors, or on some of them.

    Parameters
    ----------
    sample : Sample
    names : sequence of str, optional
    constant : bool, optional
        As the formula has it by default.
    """
    moments = fold(sample, PanelMoments.of)
    if constant is None:
        constant = sample.design.formula.intercept
    mean, gram = moments.overall.mean, moments.overall.centred
    if not constant:
        gram = gram + moments.weight * np.outer(mean, mean)
        mean = np.zeros_like(mean)
    wanted = [j for j, name in enumerate(sample.names) if names is None or name in names]
    at = np.array(wanted, dtype=np.int64)
    used = np.append(0, at + 1)
    solution = solve_normal(gram[np.ix_(used, used)])
    coef = np.zeros(len(sample.names))
    coef[at[solution.kept]] = solution.coef
    return PooledFit(sample, mean, coef, solution.rss, solution.kept.size + constant)
