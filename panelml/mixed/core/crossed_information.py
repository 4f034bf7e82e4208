"""Information on the variance parameters of a mixed model with several grouping factors."""

from __future__ import annotations

import numpy as np

from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.crossed_state import CrossedCriterion
from panelml.mixed.core.information import EntryInformation, VarianceInformation

__all__ = ["MOST_COEFFICIENTS", "crossed_information"]

# Random coefficients whose dense table takes a second or two.
MOST_COEFFICIENTS = 5_000


def crossed_information(
    model: CrossedModel, at: CrossedCriterion, *, restricted: bool
) -> VarianceInformation:
    """Compute the information at an optimum.

    A free entry (a, b) of the covariance ties the coefficients of regressors a and b of each
    level. What is asked of it are therefore sums over the parts of ``Z' V^-1 Z`` and
    ``Z' V^-1 X`` that belong to a and b, taken both ways round.

    Parameters
    ----------
    model : CrossedModel
    at : CrossedCriterion
    restricted : bool
    """
    random, g, h = model.between_coefficients(at.factor)
    projected = g - h @ at.phi @ h.T if restricted else g
    rows = [np.flatnonzero(random == a) for a in range(len(at.factor))]
    ways = [sorted({(int(a), int(b)), (int(b), int(a))}) for a, b in zip(*at.free, strict=True)]
    t, p = len(ways), h.shape[1]
    trace, first = np.zeros(t), np.zeros((t, p, p))
    expected, second = np.zeros((t, t)), np.zeros((t, t, p, p))
    for k, pairs in enumerate(ways):
        for a, b in pairs:
            trace[k] += projected[rows[a], rows[b]].sum()
            first[k] += h[rows[a]].T @ h[rows[b]]
    for k, j in np.ndindex(t, t):
        for a, b in ways[k]:
            for c, d in ways[j]:
                there = np.ix_(rows[b], rows[c])
                expected[k, j] += np.vdot(projected[there], projected[np.ix_(rows[a], rows[d])])
                second[k, j] += h[rows[a]].T @ g[there] @ h[rows[d]]
    entries = EntryInformation(
        at.free,
        average=at.average,
        expected=expected,
        scale=at.scale,
        trace=trace,
        first=first,
        second=second,
    )
    return entries.with_residual(at, rank=model.products.units.n - (p if restricted else 0))
