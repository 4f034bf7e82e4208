"""Results of ordered outcomes: what they predict is the probability of each category."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.family.ordered import OrderedFamily
from panelml.core.responses import CategoryResponse
from panelml.data.source.given import DataLike
from panelml.errors import SpecificationError
from panelml.results.base import Results, Scale

__all__ = ["OrderedIndexResults", "OrderedResults"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class OrderedIndexResults(Results):
    """Results of an ordered outcome whose cut points are not known: an index without a mean."""

    @classmethod
    def of(cls, base: Results) -> OrderedIndexResults:
        """Take over the results of a fit."""
        return cls(**{f.name: getattr(base, f.name) for f in fields(base)})

    def predict(
        self,
        data: DataLike | None = None,
        *,
        effects: bool = False,
        type: Scale = "link",  # noqa: A002
    ) -> pd.Series[float]:
        """Predict the linear index.

        Raises
        ------
        SpecificationError
            For ``type="response"``: categories have no mean.
        """
        if type == "response":
            self._refuse_mean()
        return super().predict(data, effects=effects, type=type)

    def fitted(self, *, effects: bool | None = None) -> pd.Series[float]:
        """Refuse: categories have no mean.

        Raises
        ------
        SpecificationError
        """
        return self._refuse_mean()

    def residuals(self, *, effects: bool | None = None) -> pd.Series[float]:
        """Refuse: categories have no mean.

        Raises
        ------
        SpecificationError
        """
        return self._refuse_mean()

    def _refuse_mean(self) -> pd.Series[float]:
        raise SpecificationError(
            f"Ordered categories have no mean and no residuals. {self.instead}"
        )

    @property
    def instead(self) -> str:
        """What to use in place of a mean."""
        return (
            "Cut points and unit effects are not estimated here, and so no probabilities: use "
            "predict(type='link') for the index, or effects='random' or None."
        )


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class OrderedResults(OrderedIndexResults):
    """Results of a model of an ordered outcome; other attributes are those of Results.

    Attributes
    ----------
    family : OrderedFamily
    categories : tuple of str
        Names of the J values of the outcome.
    auxiliary : FloatArray, shape (J - 1,)
        The first cut point and the logarithms of the distances between them.
    """

    family: OrderedFamily
    categories: tuple[str, ...]
    auxiliary: FloatArray

    @classmethod
    def completing(
        cls,
        base: Results,
        family: OrderedFamily,
        categories: tuple[str, ...],
        auxiliary: FloatArray,
    ) -> OrderedResults:
        """Complete the results with what gives probabilities."""
        known = {f.name: getattr(base, f.name) for f in fields(base)}
        return cls(**known, family=family, categories=categories, auxiliary=auxiliary)

    def probabilities(self, data: DataLike | None = None) -> pd.DataFrame:
        """Predict the probability of each category, in the user's row order.

        Parameters
        ----------
        data : data frame or Panel, optional
            New rows; the fitted panel by default.

        Returns
        -------
        DataFrame
            One column for each category; missing where a regressor is.
        """
        index = super().predict(data, type="link")
        values = np.asarray(index, dtype=np.float64)
        known = ~np.isnan(values)
        table = np.full((values.size, len(self.categories)), np.nan)
        table[known] = self.family.probabilities(values[known], self.auxiliary).T
        return pd.DataFrame(table, index=index.index, columns=list(self.categories))

    def mean_response(self, scale: str) -> tuple[CategoryResponse, tuple[str, ...]]:
        """Return the probabilities of the categories, and the names of the cut points.

        Raises
        ------
        SpecificationError
            For another scale than the response.
        """
        if scale != "response":
            raise SpecificationError("type='censored' is for Tobit models.")
        cuts = tuple(str(name) for name in self.params.index[-self.auxiliary.size :])
        return CategoryResponse(self.facts.link, self.categories), cuts

    @property
    def instead(self) -> str:
        """What to use in place of a mean."""
        return "Use probabilities(), or predict(type='link') for the index."
