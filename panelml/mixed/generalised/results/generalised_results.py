"""Results of generalised mixed models: fixed effects as everywhere, and a random part."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.quadrature import averaged
from panelml.core.responses import Averaged, CategoryResponse, LinkResponse, Response
from panelml.data.panel.panel import Panel
from panelml.data.source.given import DataLike
from panelml.errors import MissingMeasureError, SpecificationError
from panelml.mixed.generalised.results.coefficients import GeneralisedCoefficients
from panelml.mixed.results.coefficients import Certificate, FactorCoefficients
from panelml.mixed.results.prediction_intervals import on_panel
from panelml.results.base import Results, Scale
from panelml.results.prediction import sample_values, to_series

__all__ = ["GeneralisedRandomPart", "GeneralisedResults"]


@checked_methods
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GeneralisedRandomPart:
    """The random part of a generalised mixed model: variances, conditional modes, ICC.

    Attributes
    ----------
    coefficients : GeneralisedCoefficients
        What was estimated.
    """

    coefficients: GeneralisedCoefficients

    def __repr__(self) -> str:
        table = self.variance()[["group", "term", "other", "variance", "sd"]]
        return table.to_string(na_rep="", float_format="%.4f", index=False)

    @property
    def parts(self) -> tuple[FactorCoefficients, ...]:
        """The random coefficients of each grouping factor."""
        return self.coefficients.parts

    @property
    def certificate(self) -> Certificate:
        """Why the iteration counts as converged."""
        return self.coefficients.certificate

    def variance(self, level: float = 0.95) -> pd.DataFrame:
        """Variance components with their levels named.

        Returns
        -------
        DataFrame
            A row for each variance and for each covariance (``other`` names the second term, and
            ``sd`` is the correlation), with standard errors by the observed information, and
            intervals: of variances on the log scale, of correlations by Fisher's transformation.
        """
        return self.coefficients.variance_table(level)

    def effects(self, *, sd: bool = False) -> dict[str, pd.DataFrame]:
        """Conditional modes of the random coefficients: for each grouping factor, by level.

        Parameters
        ----------
        sd : bool
            Add columns ``sd(...)`` with the conditional standard deviations, from the curvature at
            the modes, given the outcomes and the parameters.
        """
        return self.coefficients.effect_frames(sd=sd)

    def icc(self) -> pd.Series[float]:
        """Intraclass correlations of the latent variable: shares of the random intercepts.

        Raises
        ------
        MissingMeasureError
            If the outcome has no latent variable, as a count.
        """
        return pd.Series(self.coefficients.icc(), name="icc")


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class GeneralisedResults(Results):
    """Results of a generalised mixed model.

    What varies between levels is asked of ``random``.
    """

    _coefficients: GeneralisedCoefficients

    @classmethod
    def of(cls, base: Results, coefficients: GeneralisedCoefficients) -> GeneralisedResults:
        """Complete the results of the fixed side."""
        fixed = {f.name: getattr(base, f.name) for f in fields(base)}
        return cls(**fixed, _coefficients=coefficients)

    @property
    def random(self) -> GeneralisedRandomPart:
        """The random part: variances, conditional modes, shares of variance."""
        return GeneralisedRandomPart(self._coefficients)

    @property
    def converged(self) -> bool:
        """Whether the certificate of the optimum holds."""
        return self._coefficients.certificate.converged

    @property
    def points(self) -> int:
        """Points of quadrature in each dimension; one is Laplace's approximation."""
        return self._coefficients.points

    @property
    def n_parameters(self) -> int:
        """Coefficients, auxiliary parameters, variances and covariances."""
        return int(self.measures["n_parameters"].value)

    @property
    def sigma2(self) -> float:
        """Refuse: rows have no residual variance of their own in these models.

        Raises
        ------
        MissingMeasureError
            Always.
        """
        raise MissingMeasureError(
            f"{self.model} has no residual variance: the distribution of a "
            f"{self._coefficients.family.name} outcome follows from its mean and the auxiliary "
            "parameters. See random.variance()."
        )

    def variance(self, level: float = 0.95) -> pd.DataFrame:
        """Variance components: see ``random.variance``."""
        return self.random.variance(level)

    def random_effects(self, *, sd: bool = False) -> dict[str, pd.DataFrame]:
        """Conditional modes of the random coefficients: see ``random.effects``."""
        return self.random.effects(sd=sd)

    def icc(self) -> pd.Series[float]:
        """Intraclass correlations of the latent variable: see ``random.icc``."""
        return self.random.icc()

    def predict(
        self,
        data: DataLike | None = None,
        *,
        effects: bool = False,
        type: Scale = "response",  # noqa: A002
    ) -> pd.Series[float]:
        """Predict the outcome in the user's row order; missing where a regressor is.

        Parameters
        ----------
        data : data frame or Panel, optional
            New rows with the columns of the formula; the fitted panel by default.
        effects : bool
            With the conditional modes of the row's levels; missing for levels that were not in
            the sample.
        type : {"response", "link"}
            The mean of the outcome, or the linear index. The mean without effects is
            population-averaged: integrated over the random effects, not at their zero.

        Raises
        ------
        SpecificationError
            For means of ordered outcomes, which have none.
        """
        return Results.predict(self, data, effects=effects, type=type)

    def mean_response(self, scale: str) -> tuple[Response, tuple[str, ...]]:
        """Return the mean averaged over random intercepts, and its further parameters.

        Raises
        ------
        SpecificationError
            Where effects on the mean are not known.
        """
        family, names = self._coefficients.family, [str(name) for name in self.params.index]
        if "sigma_u" not in names or family.name == "censored" or scale != "response":
            raise SpecificationError(
                f"The mean of {self.model} is an average over its random effects, and effects on "
                "it are not known here. Ask for those on the index: type='link'."
            )
        if family.name != "ordered":
            return Averaged(LinkResponse(family.link)), ("sigma_u",)
        cuts = tuple(name for name in names if "|" in name)
        categories = (cuts[0].split("|")[0], *(cut.split("|")[1] for cut in cuts))
        return Averaged(CategoryResponse(family.link, categories)), (*cuts, "sigma_u")

    def _prediction(
        self, panel: Panel | None, effects: FloatArray | None, scale: Scale
    ) -> pd.Series[float]:
        index = Results._prediction(self, panel, effects, "link")
        if scale == "link":
            return index
        rows = self.panel if panel is None else panel
        values = np.asarray(index, dtype=np.float64)
        mean = self._mean(rows, values, conditional=effects is not None)
        prediction = to_series(mean, rows, "prediction")
        prediction.attrs.update(index.attrs)
        return prediction

    def _mean(self, panel: Panel, index: FloatArray, *, conditional: bool) -> FloatArray:
        """Mean of rows in the user's order, at the modes or averaged over the population."""
        family = self._coefficients.family
        if family.name == "ordered":
            raise SpecificationError(
                "Categories have no mean: ask for type='link', the index whose distance from the "
                "cut points gives their probabilities."
            )
        if family.name == "censored":
            raise SpecificationError(
                "The mean of what is seen between the limits is not known of this fit: ask for "
                "type='link', the mean of the latent variable."
            )
        if conditional:
            return family.link.inverse(index)
        variance = on_panel(self, panel, self._coefficients.row_variances)
        return averaged(family.link, index, variance)

    def _fitted_values(self, effects: bool | None) -> FloatArray:
        conditional = effects is None or effects
        index = sample_values(self._sample, self.predictor.xb)
        if conditional:
            index = index + self._row_effects(self.panel)
        return self._mean(self.panel, index, conditional=conditional)

    def _row_effects(self, panel: Panel) -> FloatArray:
        return on_panel(self, panel, self._coefficients.row_effects)
