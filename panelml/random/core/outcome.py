"""An outcome of which regressors explain all but the last digits."""

from __future__ import annotations

from functools import partial

import numpy as np

from panelml.core.augment import LessFit
from panelml.core.groups import ROUNDING
from panelml.core.linalg import solve_normal
from panelml.core.moments import PanelMoments
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.least_squares import LOST_RESIDUALS
from panelml.random.core.twoway import TwoWayMoments

__all__ = ["exact_moments", "exact_two_way"]


def exact_moments(sample: Sample, moments: PanelMoments, *, constant: bool) -> PanelMoments:
    """Return the moments of a sample, or of one whose outcome has digits enough.

    Variances are the same: a combination of the regressors moves no residual of theirs.
    """
    return _exact(sample, moments, constant=constant)[1]


def exact_two_way(
    sample: Sample, moments: PanelMoments, two_way: TwoWayMoments, *, constant: bool
) -> tuple[TwoWayMoments, PanelMoments]:
    """Return the two-way moments of a sample as well; see ``exact_moments``."""
    exact, moments = _exact(sample, moments, constant=constant)
    if exact is sample:
        return two_way, moments
    centre = moments.overall.mean if constant else np.zeros_like(moments.overall.mean)
    of = partial(TwoWayMoments.of, centre=centre, constant=constant)
    return fold(exact, of), moments


def _exact(sample: Sample, moments: PanelMoments, *, constant: bool) -> tuple[Sample, PanelMoments]:
    exact = _less_fit(sample, moments, constant=constant)
    if exact is sample:
        return sample, moments
    found = fold(exact, PanelMoments.of)
    # What an exact fit leaves is rounding, and no outcome.
    rounding = ROUNDING**2 * moments.squares[0]
    return (sample, moments) if found.squares[0] <= rounding else (exact, found)


def _less_fit(sample: Sample, moments: PanelMoments, *, constant: bool) -> Sample:
    """Take the pooled fit off the outcome, row by row, where squares have lost its residuals."""
    gram, floor = moments.overall.centred, moments.overall.rounding[1:]
    if not constant:
        mean = moments.overall.mean
        gram, floor = gram + moments.weight * np.outer(mean, mean), np.zeros_like(floor)
    pooled = solve_normal(gram, floor)
    if pooled.rss >= LOST_RESIDUALS * gram[0, 0]:
        return sample
    slopes = np.zeros(len(sample.names))
    slopes[pooled.kept] = pooled.coef
    return sample.then(sample.names, LessFit(slopes))
