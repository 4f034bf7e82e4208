"""Bootstrap without new fits: multiply the influences of clusters by random signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.data.formula.quoting import quote
from panelml.errors import SpecificationError, shown
from panelml.inference.clusters import (
    check_columns,
    few_clusters,
    read_dimensions,
    require_whole_units,
)
from panelml.inference.distributions import normal_quantile
from panelml.inference.estimate import Covariance, Estimate

__all__ = ["MultiplierBootstrap", "multiplier_draws"]

# Clusters whose random signs are drawn at a time, so that memory does not grow with them.
_AT_ONCE = 1024


@checked
@dataclass(frozen=True, slots=True)
class MultiplierBootstrap:
    """Multiplier bootstrap: influences by random signs, the same for all rows of a cluster.

    Standard errors are interquartile ranges of the draws over those of the normal distribution;
    ``conf_band`` takes its critical values from the draws.

    Attributes
    ----------
    column : str, optional
        Cluster column, ``state^year`` for combinations; the units of the panel by default.
    reps : int
        Number of draws.
    seed : int

    Notes
    -----
    Source: Callaway and Sant'Anna (2021), *Journal of Econometrics* 225, 200-230, algorithm 1,
    with the signs of Rademacher.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel).aggregate()
    >>> drawn = fit.with_cov(pm.cov.MultiplierBootstrap(reps=99, seed=1))
    >>> print(drawn.std_errors.round(2).to_dict())
    {'att': 0.25}
    """

    column: str | None = None
    reps: int = 999
    seed: int = 0

    def __post_init__(self) -> None:
        check_columns(() if self.column is None else (self.column,))
        if self.reps < 2:
            raise SpecificationError(f"reps must be at least 2, not {shown(self.reps)}.")

    def estimate(self, fit: Estimate) -> Covariance:
        """Draw, and take spreads and correlations of the draws."""
        influence = fit.influence
        [columns] = read_dimensions([self.column or quote(influence.sample.source.unit)])
        require_whole_units(influence, [columns])
        sums = influence.sums(columns).sums
        draws = multiplier_draws(sums, self.reps, self.seed)
        low, high = np.quantile(draws, [0.25, 0.75], axis=0)
        spread = (high - low) / (2 * normal_quantile(0.75))
        own = draws.std(axis=0)
        scale = np.divide(spread, own, out=np.zeros_like(own), where=own > 0)
        matrix = np.cov(draws * scale, rowvar=False, ddof=0).reshape(len(scale), len(scale))
        name, count = "^".join(columns), sums.shape[1]
        words = f"multiplier bootstrap by {name} ({count:,} clusters, {self.reps:,} draws)"
        return Covariance(
            matrix, float("inf"), words, {name: count}, few_clusters({name: count}), draws=draws
        )


def multiplier_draws(sums: FloatArray, reps: int, seed: int) -> FloatArray:
    """Return sums over clusters with random signs, shape (reps, k).

    Parameters
    ----------
    sums : FloatArray, shape (k, clusters)
    reps, seed : int
    """
    rng = np.random.default_rng(seed)
    total = np.zeros((reps, sums.shape[0]))
    for first in range(0, sums.shape[1], _AT_ONCE):
        part = sums[:, first : first + _AT_ONCE]
        size = part.shape[1] * reps
        bits = np.unpackbits(rng.integers(0, 256, (size + 7) // 8, dtype=np.uint8))[:size]
        # Signs need no digits, and draws no more than single precision has: half the memory.
        signs = bits.reshape(part.shape[1], reps).astype(np.float32)
        total += signs.T @ (2 * part.T).astype(np.float32) - part.sum(axis=1)
    return total
