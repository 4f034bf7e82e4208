"""Random effects by generalised least squares, of units, or of units and periods."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial

import numpy as np

from panelml._typing import VarianceMethod
from panelml.arguments import checked
from panelml.core.moments import PanelMoments
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped, fold
from panelml.engine.least_squares import least_squares
from panelml.engine.sampling import make_sample, require_source
from panelml.errors import SpecificationError
from panelml.inference.covariance import CovLike
from panelml.random.core.outcome import exact_two_way
from panelml.random.core.twoway import TwoWayMoments, TwoWayQuasiDemean
from panelml.random.core.twoway_components import estimate_two_way
from panelml.random.gls import (
    EstimatedErrors,
    fit_random,
    gls_fit,
    require_few_periods,
)
from panelml.random.results.components import (
    two_way_measures,
    two_way_notes,
)
from panelml.random.results.crossed import CrossedIntercepts
from panelml.results.assemble import assemble, level_resolution, plain_formula
from panelml.results.base import Results
from panelml.results.facts import Assumption, Facts

__all__ = ["RandomEffects"]


@checked
@dataclass(frozen=True, slots=True)
class RandomEffects:
    """Random effects: generalised least squares with random intercepts of units, or periods too.

    Parameters
    ----------
    formula : str
        ``"y ~ x1 + x2"``.
    method : str
        Estimator of the variance components: ``"swamy-arora"`` (Stata's default),
        ``"baltagi-chang"`` (Stata's sa), ``"wallace-hussain"``, ``"amemiya"``, ``"nerlove"``,
        ``"ml"`` or ``"reml"``.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    time_effects : bool
        Whether periods have random intercepts too: the two-way model. Its ``"swamy-arora"`` is
        exact on unbalanced panels; there is no ``"baltagi-chang"`` beside it.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.RandomEffects("lwage ~ union + married").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.523, 'union': 0.096, 'married': 0.235}
    """

    formula: str
    _: KW_ONLY
    method: VarianceMethod = "swamy-arora"
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    time_effects: bool = False

    def __post_init__(self) -> None:
        if self.time_effects and self.method == "baltagi-chang":
            raise SpecificationError(
                "method='baltagi-chang' is for effects of units alone; 'swamy-arora' with "
                "time_effects=True is exact on unbalanced panels."
            )

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        formula = plain_formula(self.formula, "RandomEffects")
        sample, notes = make_sample(require_source(data), formula, parse_weights(self.weights))
        if self.time_effects:
            return fit_two_way(self, sample, notes)
        facts = Facts(
            "random",
            "Random effects",
            random=((sample.source.unit,),),
            assumption=Assumption.RANDOM_UNITS,
        )
        return fit_random(self, facts, sample, notes)


def fit_two_way(spec: RandomEffects, sample: Sample, notes: tuple[str, ...]) -> Results:
    """Estimate random effects of units and periods on a sample.

    Raises
    ------
    SpecificationError
        If there are too many periods.
    IdentificationError
        If a variance is not identified.
    """
    require_few_periods(sample)
    moments = fold(sample, PanelMoments.of)
    constant = sample.design.formula.intercept
    centre = moments.overall.mean if constant else np.zeros_like(moments.overall.mean)
    two_way = fold(sample, partial(TwoWayMoments.of, centre=centre, constant=constant))
    exact = exact_two_way(sample, moments, two_way, constant=constant)
    components = estimate_two_way(*exact, spec.method, constant=constant)
    system, ratio = two_way.system(components.ratio_u), components.ratio_t
    transform = TwoWayQuasiDemean(
        centre, components.sigma2_u, components.sigma2_e, system.levels(ratio), constant
    )
    resolution = level_resolution(moments.overall, constant)
    solved = least_squares(
        sample, transform, system.gram(ratio), centre=centre, resolution=resolution
    )
    errors = EstimatedErrors(
        components.sigma2_e,
        components.loglik,
        two_way_measures(components, moments.means.weight),
        CrossedIntercepts(components.sigma2_u, components.sigma2_t, components.sigma2_e),
        two_way_notes(components),
    )
    facts = Facts(
        "random",
        "Two-way random effects",
        random=((sample.source.unit,), (sample.source.time,)),
        assumption=Assumption.RANDOM_UNITS_AND_PERIODS,
    )
    return assemble(gls_fit(spec, facts, solved, moments, errors, notes), spec.cov)
