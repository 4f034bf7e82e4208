"""Critical values for intervals that cover all parameters at once."""

from __future__ import annotations

import numpy as np

from panelml.arguments import checked
from panelml.errors import SpecificationError
from panelml.inference.estimate import Covariance

__all__ = ["critical_value"]


@checked
def critical_value(covariance: Covariance, level: float, *, reps: int, seed: int) -> float:
    """Return the quantile of the largest absolute t statistic, over all parameters.

    Parameters
    ----------
    covariance : Covariance
        Its bootstrap draws are used where it has some; otherwise normal ones.
    level : float
    reps : int
        Normal draws.
    seed : int

    Notes
    -----
    Source: Montiel Olea and Plagborg-Møller (2019), *Journal of Applied Econometrics* 34, 1-17,
    algorithm 1.

    Raises
    ------
    SpecificationError
        If the level is not between 0 and 1, or no parameter varies.
    """
    error = np.sqrt(np.diag(covariance.matrix))
    varies = error > 0
    if not varies.any():
        raise SpecificationError("No estimate varies: there is no band to draw.")
    if covariance.draws is None:
        correlation = covariance.matrix[np.ix_(varies, varies)]
        correlation = correlation / np.outer(error[varies], error[varies])
        values, vectors = np.linalg.eigh(correlation)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        rng = np.random.default_rng(seed)
        t = rng.standard_normal((reps, root.shape[1])) @ root.T
        if np.isfinite(covariance.df):
            t *= np.sqrt(covariance.df / rng.chisquare(covariance.df, (reps, 1)))
    else:
        t = covariance.draws[:, varies] / error[varies]
    return float(np.quantile(np.abs(t).max(axis=1), level))
