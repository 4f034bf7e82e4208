"""The results of a fit: what was estimated, how it is shown, and the way back to the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.links import IDENTITY
from panelml.data.formula.formula import Effect
from panelml.data.panel.panel import Panel
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.errors import SpecificationError
from panelml.results.adapters.maketables import MaketablesPlugin
from panelml.results.fitted import Attached, FitStatistics, named
from panelml.results.prediction import Predictor, effect_values, sample_values, to_series
from panelml.results.show.display import Shown

if TYPE_CHECKING:
    from panelml.results.ratios import Ratios

__all__ = ["Attached", "FitStatistics", "Results", "Scale", "named"]

Scale: TypeAlias = Literal["response", "link"]


@checked_methods
class Results(Shown, MaketablesPlugin):
    """An estimated model; its attributes are those of ``panelml.results.fitted.FittedModel``.

    Results are immutable, and hold no array of the data's length: residuals and predictions are
    computed on request. A pickled result leaves its data behind; it is still shown, tested and
    predicts new rows, and raises DetachedResultError where the old rows are needed.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "predictor": self.rule}

    @property
    def rule(self) -> Predictor:
        """How new rows are predicted: by the unit means of the sample, taken when asked for."""
        return self.predictor.remembering(self._sample) if self._attached else self.predictor

    def effects(self) -> dict[str, pd.DataFrame]:
        """Estimate the effects: for each, a frame by level with its intercept and slopes.

        Fixed effects are deviations from the constant; random effects are predictions, shrunk
        towards zero.

        Raises
        ------
        SpecificationError
            If the model has none.
        """
        return {str(effect): table for effect, table in self._effect_tables().items()}

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
            New rows with the columns of the formula; the fitted panel by default. The key columns
            are needed only where the prediction takes other rows of a unit: for lags, which are
            looked up among the new rows, for ``within()`` and ``between()``, and for the unit
            means of Mundlak and hybrid models. Units of the estimation sample keep their means
            there; others have those of their new rows, which ``attrs["notes"]`` of the series
            says.
        effects : bool
            Add the estimated effects; missing for levels that were not in the sample.
        type : {"response", "link"}
            The mean of the outcome, or the linear index that the link function takes it to; they
            are the same for linear models.

        Raises
        ------
        UnknownNameError
            If a column is missing.
        DetachedResultError
            If the result was pickled and the fitted panel or its effects are asked for.
        """
        panel = self.panel if data is None else self.predictor.panel_of(data)
        added = self._row_effects(panel) if effects else None
        return self._prediction(None if data is None else panel, added, type)

    def fitted(self, *, effects: bool | None = None) -> pd.Series[float]:
        """Fitted values in the user's row order, missing for rows outside the sample.

        Parameters
        ----------
        effects : bool, optional
            Whether estimated effects are part of the fit; by default where the model has them.
        """
        return to_series(self._fitted_values(effects), self.panel, "fitted")

    def residuals(self, *, effects: bool | None = None) -> pd.Series[float]:
        """Outcome less fitted value, in the user's row order, missing for dropped rows.

        Parameters
        ----------
        effects : bool, optional
            Whether estimated effects are part of the fit; by default where the model has them.
        """
        if self.facts.link == IDENTITY:
            values = sample_values(self._sample, self.predictor.error) - self._effects_if(effects)
        else:
            outcome = sample_values(self._sample, lambda block: block.outcome)
            values = outcome - self._fitted_values(effects)
        return to_series(values, self.panel, "residual")

    def ratios(self) -> Ratios:
        """Return odds ratios (logit), incidence-rate ratios (log link) or hazard ratios (cloglog).

        They are the exponentials of constant and slopes, with standard errors by the delta method
        and the exponentials of the coefficients' intervals, as a result that is shown, tabulated
        and compared as any other. With random effects they are of rows of the same unit.

        Raises
        ------
        SpecificationError
            If the link has no ratios.
        """
        from panelml.results.ratios import Ratios, ratios_of

        return ratios_of(self, Ratios)

    @property
    def panel(self) -> Panel:
        """The panel that was fitted."""
        return self._sample.panel

    def to_marginaleffects(self) -> Any:
        """Return the model as the package marginaleffects takes it.

        ``slopes(result.to_marginaleffects())``, and so with ``avg_slopes``, ``comparisons``,
        ``predictions`` and ``hypotheses``. The argument ``vcov`` of these takes the covariances
        of ``with_cov``. See ``panelml.results.adapters.marginaleffects`` for what is refused.

        Raises
        ------
        MissingDependencyError
            If marginaleffects is not installed.
        """
        from panelml.results.adapters.marginaleffects import marginal_model

        return marginal_model(self, self._sample)

    @property
    def _sample(self) -> Sample:
        return self.attached.estimate.influence.sample

    def _prediction(
        self, panel: Panel | None, effects: FloatArray | None, scale: Scale
    ) -> pd.Series[float]:
        """Predict new rows, or those of the sample, with what effects add to the index."""
        rule, rows = self.rule, self.panel if panel is None else panel
        values = self._in_sample() if panel is None else rule.on(panel)
        if effects is not None:
            values = values + effects
        if scale == "response":
            values = self.facts.link.inverse(values)
        prediction = to_series(values, rows, "prediction")
        notes = rule.notes(rows)
        if notes:
            prediction.attrs["notes"] = notes
        return prediction

    def _fitted_values(self, effects: bool | None) -> FloatArray:
        index = sample_values(self._sample, self.predictor.xb) + self._effects_if(effects)
        return self.facts.link.inverse(index)

    def _in_sample(self) -> FloatArray:
        """Predict the fitted panel, by the unit means and lags of the estimation sample."""
        values = sample_values(self._sample, self.predictor.xb)
        if self._sample.keep is None:
            return values
        return np.where(np.isnan(values), self.rule.on(self.panel), values)

    def _effects_if(self, effects: bool | None) -> Any:
        wanted = self.attached.effects is not None if effects is None else effects
        return self._row_effects(self.panel) if wanted else 0.0

    def _row_effects(self, panel: Panel) -> FloatArray:
        """Sum the effects of each row in the user's order; missing for levels never estimated."""
        return effect_values(self._effect_tables(), panel)

    def _effect_tables(self) -> dict[Effect, pd.DataFrame]:
        model = self.attached.effects
        if model is None:
            raise SpecificationError(f"{self.model} has no estimated effects.")
        return model.tables(self._sample, self.predictor.error)
