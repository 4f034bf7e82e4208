"""Negative binomial models of Hausman, Hall and Griliches, with effects in the dispersion."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np

from panelml.arguments import checked
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped
from panelml.engine.sampling import make_sample, require_source
from panelml.errors import IdentificationError, SpecificationError
from panelml.glm.core.unit_totals import (
    BetaNegativeBinomial,
    ConditionalNegativeBinomial,
    TotalLikelihood,
)
from panelml.glm.exposure import read_offset
from panelml.glm.fit.problem import Maximum
from panelml.glm.fit.separated import outcome_values, refuse_negative
from panelml.glm.fit.unit_likelihood import UnitMaximum
from panelml.glm.results.likelihood_measures import likelihood_measures
from panelml.glm.totals import TotalsFit, refuse_absorbed, require_counts, unit_problem
from panelml.inference.covariance import CovLike
from panelml.results.assemble import assemble
from panelml.results.base import Results

__all__ = ["HHGNegativeBinomial"]

MODEL = "HHGNegativeBinomial"
NO_FIXED_EFFECTS = (
    "This is no fixed-effects model: the unit effects that are conditioned on scale the dispersion "
    "of the counts, and not their mean, so that a constant and regressors that do not vary within "
    "units have estimates, and effects of units on the mean may still bias all of them (Allison "
    "and Waterman 2002; Guimaraes 2008). For unit effects use Poisson('y ~ x | unit')."
)
NO_MEAN = (
    "With r not above one the counts of this model have no mean: predictions are rates of a unit "
    "whose odds are one."
)
RUNAWAY = (
    "The likelihood has no maximum: parameters run to infinity, where the counts of a unit vary no "
    "more than a Poisson variable does{further}. Use Poisson."
)


@checked
@dataclass(frozen=True, slots=True)
class HHGNegativeBinomial:
    """Negative binomial model of Hausman, Hall and Griliches (1984): unit effects in dispersion.

    Counts of a unit are negative binomial with parameters ``exp(xb)`` and a probability of the
    unit. ``effects="beta"`` gives it the beta distribution; ``effects="conditional"`` conditions
    on the total of each unit, which Stata and pglm call fixed effects. It is no fixed-effects
    model, as the note of the results says.

    Parameters
    ----------
    formula : str
    effects : {"conditional", "beta"}
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
        Equal in all rows of a unit, whose log-likelihood they multiply; frequency weights repeat
        rows within their unit.
    offset : str, optional
        A column, or a term as ``"log(pop)"``, that enters the index with the coefficient one.
    exposure : str, optional
        A column whose logarithm does.

    Notes
    -----
    Source: Hausman, Hall and Griliches (1984), *Econometrica* 52, section 3. ``r`` and ``s`` are
    those of Stata's ``xtnbreg, re``, and ``a`` and ``b`` in pglm.

    Examples
    --------
    >>> import panelml as pm
    >>> patents = pm.datasets.load("patents_rd")
    >>> firms = pm.Panel(patents, unit="fi", time="year")
    >>> fit = pm.HHGNegativeBinomial("patent ~ rdexp + spil", effects="beta").fit(firms)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': -0.98, 'rdexp': 0.512, 'spil': -0.044, 'r': 0.708, 's': 1.777}
    """

    formula: str
    _: KW_ONLY
    effects: Literal["conditional", "beta"]
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None
    exposure: str | None = None

    def __post_init__(self) -> None:
        if self.offset is not None and self.exposure is not None:
            raise SpecificationError(
                "Give an offset or an exposure, whose logarithm is an offset, and not both."
            )

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome is no count, or weights differ within units.
        IdentificationError
            If the likelihood has no maximum.
        """
        source = require_source(data)
        formula = read_offset(self.formula, source, self.offset, self.exposure)
        refuse_absorbed(formula, MODEL)
        sample, notes = make_sample(source, formula, parse_weights(self.weights))
        refuse_negative(sample, MODEL)
        require_counts(sample, MODEL)
        if self.effects == "conditional":
            return assemble(_conditional(self, sample, notes).fit, self.cov)
        return assemble(_beta(self, sample, notes).fit, self.cov)


def _conditional(spec: HHGNegativeBinomial, sample: Sample, notes: tuple[str, ...]) -> TotalsFit:
    sample, zero = _drop_zero_units(sample)
    notes = (*notes, *zero)
    fit = _maximised(spec, sample, ConditionalNegativeBinomial(), (), "")
    single = _single_rows(fit[0].problem.sample)
    return _described(spec, fit, (*notes, *fit[2], *single, NO_FIXED_EFFECTS), 0.0)


def _beta(spec: HHGNegativeBinomial, sample: Sample, notes: tuple[str, ...]) -> TotalsFit:
    further = ", or units do not differ"
    fit = _maximised(spec, sample, BetaNegativeBinomial(), (3.0, 2.0), further)
    r, s = np.exp(fit[1].auxiliary)
    shift = float(np.log(s / (r - 1))) if r > 1 else 0.0
    return _described(spec, fit, (*notes, *fit[2], *(() if r > 1 else (NO_MEAN,))), shift)


def _drop_zero_units(sample: Sample) -> tuple[Sample, tuple[str, ...]]:
    """Drop units whose total is zero: given the total, their counts are known."""
    outcome = outcome_values(sample)
    units = sample.codes((sample.source.unit,))
    zero = ~(np.bincount(units, outcome) > 0)[units]
    if not zero.any() or zero.all():
        return sample, ()
    note = (
        f"Dropped {zero.sum():,} rows of {np.unique(units[zero]).size:,} units in which every "
        "count is zero: given a total of zero they tell nothing about the coefficients."
    )
    return sample.only(~zero), (note,)


def _single_rows(sample: Sample) -> tuple[str, ...]:
    count = int((sample.unit_rows == 1).sum())
    if not count:
        return ()
    return (
        f"{count:,} units have a single row: they are kept and counted, but given their totals "
        "tell nothing about the coefficients.",
    )


def _maximised(
    spec: HHGNegativeBinomial,
    sample: Sample,
    likelihood: TotalLikelihood,
    start: tuple[float, ...],
    further: str,
) -> tuple[Maximum, UnitMaximum, tuple[str, ...]]:
    """Maximise a likelihood, from the pooled Poisson regression."""
    pooled = Maximum.of_sample(sample, ())
    maximum = unit_problem(pooled, likelihood).maximise(np.log(np.array(start)))
    if maximum is None:
        raise IdentificationError(RUNAWAY.format(further=further))
    return pooled, maximum, pooled.notes


def _described(
    spec: HHGNegativeBinomial,
    fit: tuple[Maximum, UnitMaximum, tuple[str, ...]],
    notes: tuple[str, ...],
    shift: float,
) -> TotalsFit:
    pooled, maximum, _ = fit
    nobs = round(pooled.problem.moments.weight)
    return TotalsFit(
        spec=spec,
        pooled=pooled,
        name="HHG negative binomial",
        details=(f"{spec.effects} effects",),
        auxiliary=maximum.problem.model.likelihood.auxiliary,
        params=maximum.params,
        covariance=maximum.covariance,
        psi=maximum.psi,
        measures=likelihood_measures(maximum.loglik, maximum.params.size, nobs),
        assumption=None,
        notes=notes,
        shift=shift,
    )
