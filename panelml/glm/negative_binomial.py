"""Negative binomial regression of counts that vary more than Poisson's."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.family.counts import NegativeBinomialFamily
from panelml.core.family.outcome import Outcome, single
from panelml.core.links import LOG
from panelml.data.panel.weights import Weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped
from panelml.engine.sampling import require_source
from panelml.errors import IdentificationError
from panelml.glm.fit.separated import outcome_values, refuse_negative
from panelml.glm.pooled import fit_pooled, read_sample
from panelml.glm.random import POINTS, fit_normal
from panelml.inference.covariance import CovLike
from panelml.mixed.generalised.fit.reported import Reported
from panelml.results.assemble import assemble
from panelml.results.base import Results
from panelml.results.facts import Facts

__all__ = ["NegativeBinomial"]

RUNAWAY = (
    "The outcome varies no more than a Poisson variable does: the likelihood is largest at alpha = "
    "0. Use Poisson."
)


def _alpha(auxiliary: FloatArray) -> FloatArray:
    return np.exp(-auxiliary)


ALPHA = Reported(("alpha",), _alpha, lambda auxiliary: -np.exp(-auxiliary)[:, None])


@checked
@dataclass(frozen=True, slots=True)
class NegativeBinomial:
    """Negative binomial regression (NB2): counts of variance ``mean + alpha mean^2``.

    Parameters
    ----------
    formula : str
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
        A column, or a term as ``"log(pop)"``, that enters the index with the coefficient one.

    Notes
    -----
    ``alpha`` is that of Stata's nbreg; MASS's glm.nb reports ``theta = 1 / alpha``. Source: Cameron
    and Trivedi (2013), *Regression Analysis of Count Data*, section 3.3.

    Examples
    --------
    >>> import panelml as pm
    >>> patents = pm.datasets.load("patents_rd")
    >>> firms = pm.Panel(patents, unit="fi", time="year")
    >>> fit = pm.NegativeBinomial("patent ~ rdexp + spil").fit(firms)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': -0.859, 'rdexp': 0.891, 'spil': -0.029, 'alpha': 1.685}
    """

    formula: str
    _: KW_ONLY
    effects: Literal["random"] | None = None
    points: int = POINTS
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome is negative.
        ConvergenceError
            If it varies no more than a Poisson variable.
        """
        sample, notes = read_sample(self, require_source(data), "NegativeBinomial")
        refuse_negative(sample, "A negative binomial model")
        notes = (*_fraction_notes(sample), *notes)
        outcome = Outcome(NegativeBinomialFamily(), single, RUNAWAY)
        facts = Facts("other", "Negative binomial", link=LOG)
        if self.effects == "random":
            _require_counts(sample)
            return fit_normal(
                self, facts, sample, outcome, notes, points=self.points, reported=ALPHA
            )
        fit, _ = fit_pooled(
            self, facts, sample, outcome, notes, require=_require_counts, reported=ALPHA
        )
        return assemble(fit, self.cov)


def _require_counts(sample: Sample) -> None:
    if not outcome_values(sample).any():
        name = sample.design.outcome.names[0] if sample.design.outcome else ""
        raise IdentificationError(f"The outcome {name!r} is zero in every row.")


def _fraction_notes(sample: Sample) -> tuple[str, ...]:
    values = outcome_values(sample)
    wrong = int((values != np.rint(values)).sum())
    if not wrong:
        return ()
    name = sample.design.outcome.names[0] if sample.design.outcome else ""
    return (
        f"{name!r} is no whole number in {wrong:,} rows: the distribution is one of counts, and "
        "its log-likelihood there is no probability. Poisson regression needs the mean alone.",
    )
