"""What a test of pre-trends can detect, and what passing it does to the estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked, into, moved
from panelml.did.core.around_reference import AroundReference
from panelml.did.core.pretrends import detectable, passed_test
from panelml.did.results.effects import EffectResults
from panelml.did.results.pretrends import PretrendsPower
from panelml.did.sensitivity.around_reference import EventStudyEstimates, around_reference, numbers
from panelml.engine.fold import capped
from panelml.errors import SpecificationError, listing

__all__ = ["pretrends_power"]


@checked
@moved(into("study", EventStudyEstimates) | {"result": "study=fit"})
@capped
def pretrends_power(
    study: EffectResults | EventStudyEstimates,
    *,
    slope: float | None = None,
    trend: Mapping[int, float] | None = None,
    power: Sequence[float] = (0.5, 0.8),
    level: float = 0.95,
) -> PretrendsPower:
    """Power of the test of pre-trends: which departures from parallel trends it would miss.

    The test is passed if no effect before adoption differs significantly from zero on its own.

    Parameters
    ----------
    study : EffectResults or EventStudyEstimates
        Effects by horizon, with one reference period: a fit, or an event study made elsewhere.
    slope : float, optional
        Of the linear departure to be judged, per period; by default the one that the test
        detects with the first of the probabilities ``power``.
    trend : dict of int to float, optional
        Any other departure, for every horizon but the reference, instead of ``slope``.
    power : sequence of float
        Probabilities of detection for which slopes are found.
    level : float
        One minus the size of each single test.

    Returns
    -------
    PretrendsPower

    Raises
    ------
    SpecificationError
        If horizons are not a row around one reference period, the departure does not fit them,
        or a probability is not between 0 and 1.
    IdentificationError
        If the covariance of the effects before adoption is singular.

    Notes
    -----
    Source: Roth (2022), *American Economic Review: Insights* 4, 305-322.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> event = pm.SunAbraham("y ~ 1", cohort="cohort").fit(panel).aggregate("horizon")
    >>> print(pm.pretrends_power(event).slopes.round(2).to_dict())
    {0.5: 0.15, 0.8: 0.24}
    """
    around = around_reference(study)
    wanted = np.atleast_1d(numbers(power, "power"))
    for name, values in (("power", wanted), ("level", np.atleast_1d(numbers(level, "level")))):
        if values.size == 0 or not ((values > 0) & (values < 1)).all():
            raise SpecificationError(f"{name} must lie between 0 and 1, not {values.tolist()}.")
    before = around.sigma[: around.tested, : around.tested]
    around.require_regular(around.tested, f"{around.tested} effects before adoption")
    away = around.number[: around.tested].astype(np.float64)
    slopes = [detectable(before, away, value, 1 - level) for value in wanted.tolist()]
    departure = _departure(around, slopes[0] if slope is None else slope, trend, slope is not None)
    passed = passed_test(around.beta, around.sigma, around.tested, departure, 1 - level)
    by_power = dict(zip(wanted.tolist(), slopes, strict=True))
    return PretrendsPower.of(around, departure, passed, by_power, level)


def _departure(
    study: AroundReference, slope: float, trend: Mapping[int, float] | None, both: bool
) -> FloatArray:
    if trend is None:
        if not np.isfinite(slope):
            raise SpecificationError(f"slope must be a number, but is {slope}.")
        return slope * study.number.astype(np.float64)
    if both:
        raise SpecificationError("Give either slope or trend.")
    at = study.horizons.tolist()
    if set(trend) - {study.reference} != set(at):
        raise SpecificationError(
            f"trend must have a value for every horizon but the reference {study.reference}: "
            f"{listing(at, most=20)}."
        )
    values = np.array([float(trend[h]) for h in at]) - float(trend.get(study.reference, 0.0))
    if not np.isfinite(values).all():
        raise SpecificationError("trend has missing values.")
    return values
