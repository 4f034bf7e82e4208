"""What a test of pre-trends can detect, and what passing it does to the estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.did.core.pretrends import detectable, passed_test
from panelml.did.results.effects import EffectResults
from panelml.did.results.pretrends import PretrendsPower
from panelml.did.sensitivity.around_reference import AroundReference, around_reference, numbers
from panelml.engine.fold import capped
from panelml.errors import SpecificationError, listing

__all__ = ["pretrends_power"]


@checked
@capped
def pretrends_power(
    result: EffectResults | None = None,
    *,
    slope: float | None = None,
    trend: Mapping[int, float] | None = None,
    power: Sequence[float] = (0.5, 0.8),
    level: float = 0.95,
    betahat: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    horizons: ArrayLike | None = None,
    reference: int = -1,
) -> PretrendsPower:
    """Ask which departures from parallel trends the test of pre-trends would miss.

    The test is passed if no effect before adoption differs significantly from zero on its own.

    Parameters
    ----------
    result : EffectResults, optional
        By horizon, with one reference period; or ``betahat``, ``sigma`` and ``horizons`` of any
        other event study.
    slope : float, optional
        Of the linear departure to be judged, per period; by default the one that the test
        detects with the first of the probabilities ``power``.
    trend : dict of int to float, optional
        Any other departure, for every horizon but the reference, instead of ``slope``.
    power : sequence of float
        Probabilities of detection for which slopes are found.
    level : float
        One minus the size of each single test.
    betahat, sigma, horizons : sequences, optional
        Estimates, their covariance and horizons; the reference may be left out.
    reference : int
        The horizon that is zero, where these are given.

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
    """
    study = around_reference(result, betahat, sigma, horizons, reference)
    wanted = np.atleast_1d(numbers(power, "power"))
    for name, values in (("power", wanted), ("level", np.atleast_1d(numbers(level, "level")))):
        if values.size == 0 or not ((values > 0) & (values < 1)).all():
            raise SpecificationError(f"{name} must lie between 0 and 1, not {values.tolist()}.")
    before = study.sigma[: study.tested, : study.tested]
    study.require_regular(study.tested, f"{study.tested} effects before adoption")
    away = study.number[: study.tested].astype(np.float64)
    slopes = [detectable(before, away, value, 1 - level) for value in wanted.tolist()]
    departure = _departure(study, slopes[0] if slope is None else slope, trend, slope is not None)
    found = passed_test(study.beta, study.sigma, study.tested, departure, 1 - level)
    return PretrendsPower.of(
        study.horizons,
        study.beta,
        study.sigma,
        departure,
        found,
        dict(zip(wanted.tolist(), slopes, strict=True)),
        level,
        study.reference,
    )


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
