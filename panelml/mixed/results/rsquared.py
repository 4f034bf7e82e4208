"""R-squared of mixed models: shares of variance that the fixed and the random part explain."""

from __future__ import annotations

import numpy as np

from panelml.mixed.results.random_part import RandomPart
from panelml.results.prediction import sample_values

__all__ = ["explained_shares"]


def explained_shares(random: RandomPart) -> tuple[float, float]:
    """Return the marginal and the conditional R-squared.

    Notes
    -----
    The variance of the random part is the mean of that of each row, z' D z. Source: Nakagawa and
    Schielzeth (2013), *Methods in Ecology and Evolution* 4, 133-142, equations 29 and 30; Johnson
    (2014), the same 5, 944-946, for random slopes.
    """
    fit, coefficients, residual = random.fit, random.coefficients, random.residual
    sample, basis = fit._sample, coefficients.prediction.basis
    fixed = sample_values(sample, fit.predictor.xb)
    variances = sample_values(
        sample, lambda block: coefficients.variances(basis.random(block.z)).sum(axis=0)
    )
    explained = float(np.nanvar(fixed, ddof=1))
    between = float(np.nanmean(variances))
    around = (1.0 if residual is None else residual.mean) * coefficients.sigma2
    total = explained + between + around
    return explained / total, (explained + between) / total
