"""Predicted random effects of units and periods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.block import Block
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.random.core.twoway import TwoWayMoments
from panelml.results.levels import RandomIntercepts

__all__ = ["CrossedIntercepts"]


@checked_methods
@dataclass(frozen=True, slots=True)
class CrossedIntercepts:
    """Best linear unbiased predictions of random intercepts of units and of periods.

    Attributes
    ----------
    sigma2_u, sigma2_t, sigma2_e : float
        Variances of the units' intercepts, of the periods' and of the rest.
    """

    sigma2_u: float
    sigma2_t: float
    sigma2_e: float

    def tables(
        self, sample: Sample, error: Callable[[Block], FloatArray]
    ) -> dict[Effect, pd.DataFrame]:
        """Predict the periods' effects from ``y - xb``, then the units' from what is left."""
        panel = sample.panel
        moments = fold(
            sample,
            lambda b: TwoWayMoments.of(b.with_z(error(b)[None]), np.zeros(1), constant=False),
        )
        system = moments.system(self.sigma2_u / self.sigma2_e)
        values = system.effects(self.sigma2_t / self.sigma2_e)[:, 0]
        units = RandomIntercepts(self.sigma2_u, self.sigma2_e).tables(
            sample, lambda block: error(block) - values[block.time]
        )
        present = np.bincount(sample.codes((panel.time,)), minlength=values.size) > 0
        index = pd.Index(panel.labels((panel.time,))[present], name=panel.time)
        return {**units, Effect((panel.time,)): pd.DataFrame({"effect": values[present]}, index)}
