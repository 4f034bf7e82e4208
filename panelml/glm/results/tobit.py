"""Results of censored outcomes: the latent variable, and what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtr

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.family.outcome import CensoredBounds
from panelml.core.responses import CensoredResponse
from panelml.data.panel.panel import Panel
from panelml.data.source.given import DataLike
from panelml.errors import SpecificationError
from panelml.results.base import Results

__all__ = ["TobitResults", "censored_mean"]

CensoredScale: TypeAlias = Literal["response", "link", "censored"]


def censored_mean(
    index: FloatArray, sigma: float, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Return the mean of a normal variable that is moved to the limits it exceeds, shape (n,).

    Source: Greene (2018), *Econometric Analysis*, theorem 19.3.
    """
    below, above = (lower - index) / sigma, (upper - index) / sigma
    inside = ndtr(above) - ndtr(below)
    density = _density(below) - _density(above)
    at_lower = np.where(np.isinf(lower), 0.0, lower) * ndtr(below)
    at_upper = np.where(np.isinf(upper), 0.0, upper) * ndtr(-above)
    return np.asarray(index * inside + sigma * density + at_lower + at_upper)


def _density(z: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class TobitResults(Results):
    """Results of a Tobit model; other attributes are those of Results.

    Attributes
    ----------
    bounds : CensoredBounds
        The limits.
    sigma : float
        Standard deviation of the latent variable.
    """

    bounds: CensoredBounds
    sigma: float

    @classmethod
    def of(cls, base: Results, bounds: CensoredBounds, sigma: float) -> TobitResults:
        """Complete the results with the limits."""
        known = {f.name: getattr(base, f.name) for f in fields(base)}
        return cls(**known, bounds=bounds, sigma=sigma)

    def mean_response(self, scale: str) -> tuple[CensoredResponse, tuple[str, ...]]:
        """Return the mean of what is seen, or the probability of a limit, and its parameter.

        Raises
        ------
        SpecificationError
            If limits are columns.
        """
        lower, upper = self.bounds.lower, self.bounds.upper
        if isinstance(lower, str) or isinstance(upper, str):
            raise SpecificationError(
                "Effects on what is seen are not known where limits are columns. Ask for those on "
                "the latent variable: type='link'."
            )
        low = -np.inf if lower is None else float(lower)
        high = np.inf if upper is None else float(upper)
        return CensoredResponse(low, high, at_limit=scale == "censored"), ("sigma",)

    def predict(
        self,
        data: DataLike | None = None,
        *,
        effects: bool = False,
        type: CensoredScale = "response",  # noqa: A002
    ) -> pd.Series[float]:
        """Predict the outcome in the user's row order; missing where a regressor is.

        Parameters
        ----------
        data : data frame or Panel, optional
            New rows, with the columns of limits if limits are columns; the fitted panel by
            default.
        effects : bool
            There are none to add.
        type : {"response", "link", "censored"}
            The mean of the outcome as it is seen, between its limits; the mean of the latent
            variable; or the probability that the outcome is at a limit.
        """
        index = super().predict(data, effects=effects, type="link")
        if type == "link":
            return index
        panel = self.panel if data is None else self.predictor.panel_of(data)
        values = np.asarray(index, dtype=np.float64)
        lower, upper = self._limits(panel)
        if type == "response":
            values = censored_mean(values, self.sigma, lower, upper)
        else:
            values = ndtr((lower - values) / self.sigma) + ndtr((values - upper) / self.sigma)
        return pd.Series(values, index=index.index, name="prediction")

    def fitted(self, *, effects: bool | None = None) -> pd.Series[float]:
        """Mean of the outcome as it is seen, missing for rows outside the sample."""
        sample = super().fitted(effects=effects)
        return self.predict().where(sample.notna()).rename("fitted")

    def residuals(self, *, effects: bool | None = None) -> pd.Series[float]:
        """Outcome, at its limit where beyond it, less its mean as it is seen."""
        latent = super().fitted(effects=effects)
        outcome = super().residuals(effects=effects) + latent
        lower, upper = self._limits(self.panel)
        outcome = outcome.clip(lower=lower, upper=upper)
        return (outcome - self.fitted(effects=effects)).rename("residual")

    def _limits(self, panel: Panel) -> tuple[FloatArray, FloatArray]:
        """Return the limits of the rows of a panel, in the user's order."""
        limits = []
        for limit, none in ((self.bounds.lower, -np.inf), (self.bounds.upper, np.inf)):
            if isinstance(limit, str):
                limits.append(panel.index.unsort(panel.values(limit).astype(np.float64)))
            else:
                limits.append(np.full(panel.nobs, none if limit is None else limit))
        return limits[0], limits[1]
