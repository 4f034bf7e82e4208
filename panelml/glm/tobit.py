"""Censored outcomes: Tobit regression."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.block import Block
from panelml.core.family.censored import CensoredFamily
from panelml.core.family.outcome import CensoredBounds, Outcome
from panelml.core.row_values import RowValues
from panelml.data.panel.weights import Weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.data.source.source import Source
from panelml.engine.fold import capped, fold
from panelml.engine.sampling import require_source
from panelml.errors import IdentificationError, SpecificationError, UnknownNameError, suggest
from panelml.glm.pooled import fit_pooled, read_sample
from panelml.glm.random import POINTS, fit_normal
from panelml.glm.results.tobit import TobitResults
from panelml.inference.covariance import CovLike
from panelml.mixed.generalised.fit.reported import Reported
from panelml.mixed.generalised.results.generalised_results import GeneralisedResults
from panelml.results.assemble import assemble
from panelml.results.facts import Facts
from panelml.results.fit import Fit
from panelml.results.measures import Measure, Measures

__all__ = ["SIGMA", "Tobit", "censored_measures", "limit_columns", "require_seen"]

RUNAWAY = (
    "The standard deviation of the latent variable falls to zero: regressors fit the rows that are "
    "not censored without error."
)


def _scale(auxiliary: FloatArray) -> FloatArray:
    return np.exp(auxiliary)


SIGMA = Reported(("sigma",), _scale, lambda auxiliary: np.exp(auxiliary)[:, None])
SIGMA_E = Reported(("sigma_e",), _scale, SIGMA.jacobian)
_DEFINED = (
    Measure("n_below", "Rows at the lower limit", 0.0, "Censored from below.", "fit", False),
    Measure("n_above", "Rows at the upper limit", 0.0, "Censored from above.", "fit", False),
)


@checked
@dataclass(frozen=True, slots=True)
class Tobit:
    """Tobit regression: a normal outcome that is seen only between limits (censored regression).

    Parameters
    ----------
    formula : str
    lower, upper : float or str, optional
        Limits: a number, or a column with that of each row. An outcome at or beyond a limit says no
        more than that.
    effects : {"random"}, optional
        None is pooled.
        "random" is a normal random intercept of each unit, independent of the regressors, by
        adaptive quadrature.
    points : int
        Of quadrature, with random effects; one is Laplace's approximation.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    offset : str, optional
        A column, or a term, that enters the index with the coefficient one.

    Notes
    -----
    Coefficients are those of the latent variable. Zeros that are choices, as of hours of training,
    need not come from one: ``Poisson`` fits a mean of outcomes with zeros and assumes no
    distribution. Fixed effects of units bias ``sigma`` (Greene 2004, *Econometrics Journal* 7),
    and with it all effects on what is seen.

    Source: Tobin (1958), *Econometrica* 26, 24-36.

    Examples
    --------
    >>> import panelml as pm
    >>> wages = pm.datasets.wage_panel()
    >>> panel = pm.Panel(wages.assign(low=wages["lwage"].clip(lower=1)), unit="nr", time="year")
    >>> fit = pm.Tobit("low ~ union + educ", lower=1).fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 0.708, 'union': 0.173, 'educ': 0.078, 'sigma': 0.448}
    """

    formula: str
    _: KW_ONLY
    lower: float | str | None = None
    upper: float | str | None = None
    effects: Literal["random"] | None = None
    points: int = POINTS
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    def __post_init__(self) -> None:
        if self.lower is None and self.upper is None:
            raise SpecificationError(
                "Tobit needs a limit: lower=0 for an outcome that is censored at zero. Without one "
                "it is PooledOLS."
            )

    @capped
    def fit(self, data: DataLike) -> TobitResults | GeneralisedResults:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If no row is censored, or all are.
        """
        source = require_source(data)
        columns = limit_columns(source, self.lower, self.upper)
        sample, notes = read_sample(self, source, "Tobit", columns)
        bounds = CensoredBounds(self.lower, self.upper)
        outcome = Outcome(CensoredFamily(), bounds, RUNAWAY)
        notes = (*notes, *_beyond(sample, bounds))
        facts = Facts("other", "Tobit", link=CensoredFamily().link)
        if self.effects == "random":
            require_seen(sample, bounds)
            return fit_normal(
                self, facts, sample, outcome, notes, points=self.points, reported=SIGMA_E
            )
        fit, maximum = fit_pooled(
            self,
            facts,
            sample,
            outcome,
            notes,
            require=lambda rows: require_seen(rows, bounds),
            reported=SIGMA,
        )
        fit = censored_measures(fit, bounds)
        sigma = float(np.exp(maximum.auxiliary[0]))
        return TobitResults.of(assemble(fit, self.cov), bounds, sigma)


def limit_columns(
    source: Source, lower: float | str | None, upper: float | str | None
) -> tuple[str, ...]:
    """Return the columns that are limits.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    """
    names = dict.fromkeys(limit for limit in (lower, upper) if isinstance(limit, str))
    for name in names:
        if name not in source.columns:
            raise UnknownNameError(
                f"No column {name!r} for the limit.{suggest(name, source.columns)}"
            )
        source.require_numbers(name, "The limit")
    return tuple(names)


def censored_rows(sample: Sample, bounds: CensoredBounds) -> FloatArray:
    """Return whether rows are at the lower limit, and at the upper one, shape (2, n)."""

    def at_limits(block: Block) -> RowValues:
        low, high = bounds(block)
        return RowValues(np.stack([np.isneginf(low), np.isposinf(high)]).astype(np.float64))

    return np.asarray(fold(sample, at_limits).values)


def require_seen(sample: Sample, bounds: CensoredBounds) -> None:
    """Refuse a sample of which no row is censored, or all are.

    Raises
    ------
    SpecificationError
        If a lower limit is not below the upper one.
    IdentificationError
    """
    name = sample.design.outcome.names[0] if sample.design.outcome else ""

    def crossed(block: Block) -> RowValues:
        lower, upper = bounds.limits(block)
        return RowValues((lower >= upper)[None].astype(np.float64))

    wrong = int(fold(sample, crossed).values.sum())
    if wrong:
        raise SpecificationError(f"The lower limit is not below the upper one in {wrong:,} rows.")
    hidden = censored_rows(sample, bounds).any(axis=0)
    if not hidden.any():
        raise IdentificationError(
            f"No row of the outcome {name!r} is at a limit: nothing is censored. Use PooledOLS."
        )
    if hidden.all():
        raise IdentificationError(
            f"The outcome {name!r} is at a limit in every row: nothing of it is seen."
        )


def _beyond(sample: Sample, bounds: CensoredBounds) -> tuple[str, ...]:
    """Note outcomes beyond a limit, which count as at it."""

    def outside(block: Block) -> RowValues:
        lower, upper = bounds.limits(block)
        y = block.outcome
        return RowValues(((y < lower) | (y > upper))[None].astype(np.float64))

    rows = int(fold(sample, outside).values.sum())
    if not rows:
        return ()
    return (f"{rows:,} rows have an outcome beyond a limit, and count as at the limit.",)


def censored_measures(fit: Fit, bounds: CensoredBounds) -> Fit:
    """Declare how many rows are censored."""
    below, above = censored_rows(fit.sample, bounds).sum(axis=1)
    counts = Measures.of(
        {
            "n_below": None if bounds.lower is None else float(below),
            "n_above": None if bounds.upper is None else float(above),
        },
        _DEFINED,
    )
    statistics = fit.statistics
    measures = statistics.measures.plus(counts)
    return replace(fit, statistics=replace(statistics, measures=measures))
