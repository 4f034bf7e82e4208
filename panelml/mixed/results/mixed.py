"""Results of mixed models: fixed effects as everywhere, and what varies between groups."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.data.panel.panel import Panel
from panelml.errors import UnknownNameError, check_choice, shown, suggest
from panelml.inference.distributions import normal_critical
from panelml.mixed.results.explained import explained_shares
from panelml.mixed.results.mixed_levels import LevelResults
from panelml.mixed.results.plot_mixed import plot_caterpillar, plot_curves, plot_variances
from panelml.mixed.results.random_part import RandomCoefficients
from panelml.mixed.results.residual import ResidualPart, residual_table
from panelml.mixed.results.variance import (
    ComponentErrors,
    component_errors,
    share_interval,
    variance_interval,
)
from panelml.results.base import Results
from panelml.results.prediction import frame_of, random_rows, sample_values

if TYPE_CHECKING:
    from panelml.mixed.results.plot_mixed import Axes

__all__ = ["MixedResults"]

NewLevels: TypeAlias = Literal["missing", "zero"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class MixedResults(LevelResults):
    """Results of a mixed model.

    Attributes
    ----------
    random : RandomCoefficients
        The random side; the other attributes are those of Results.
    residual : ResidualPart, or None
        The covariance of the residuals within units, where they are dependent.
    """

    @classmethod
    def of(
        cls, base: Results, random: RandomCoefficients, residual: ResidualPart | None = None
    ) -> MixedResults:
        """Complete the results of the fixed side."""
        own = {f.name: getattr(base, f.name) for f in fields(base)}
        return cls(**own, random=random, residual=residual)

    @property
    def converged(self) -> bool:
        """Whether both certificates of the optimum hold."""
        return self.random.certificate.converged

    @property
    def sigma2(self) -> float:
        """Residual variance; where there are several, that of the first level or period."""
        return self.random.sigma2

    def residual_structure(self, level: float = 0.95) -> pd.DataFrame:
        """Standard deviations and correlations of the residuals of a unit.

        With standard errors and intervals; see ``panelml.mixed.results.residual.residual_table``.
        """
        return residual_table(self.residual, level)

    def variance(self, level: float = 0.95) -> pd.DataFrame:
        """Variance components with their levels named.

        Returns
        -------
        DataFrame
            A row for each variance, for each covariance (``other`` names the second term, ``sd``
            is the correlation) and for the residual. Standard errors of the variances and
            covariances by the observed information, and intervals: of variances on the log
            scale, of correlations by Fisher's transformation. Missing where several grouping
            factors have too many coefficients for the information.
        """
        errors = self._component_errors()
        cov = self.random.cov
        rows = [row for part in self.random.parts for row in part.rows(errors, cov, level)]
        error = errors.residual if errors else np.nan
        bounds = variance_interval(self.sigma2, error, level)
        rows.append(("residual", "", "", self.sigma2, self.sigma2**0.5, error, *bounds))
        names = ["group", "term", "other", "variance", "sd", "std_error", "conf_low", "conf_high"]
        return pd.DataFrame(rows, columns=names)

    def _component_errors(self) -> ComponentErrors | None:
        if self.residual is not None:
            return self.residual.component_errors(self.random.columns)
        curvature = self._attached.estimate.curvature if self._attached else None
        if curvature is None or not curvature.known:
            return None
        info = curvature.information()
        free = info.rows, info.columns
        return component_errors(info.parameter_cov(), free, self.random.columns.random_back)

    def random_effects(self, *, sd: bool = False) -> dict[str, pd.DataFrame]:
        """Predicted random coefficients: for each grouping factor, a frame by level.

        Parameters
        ----------
        sd : bool
            Add columns ``sd(...)`` with the conditional standard deviations, given the outcomes,
            the variances and the fixed effects.
        """
        working = self.random.working(self._sample)
        spreads = self.random.spreads(self._sample) if sd else []
        found = {}
        for part, levels, values in working:
            table = part.table(levels, values).rename(columns={"effect": "Intercept"})
            found[part.name] = table
        for part, spread in zip(self.random.parts if sd else (), spreads, strict=True):
            deviations = np.sqrt(np.maximum(np.einsum("aag->ga", spread), 0.0))
            found[part.name][[f"sd({label})" for label in part.labels]] = deviations
        return found

    def predict(
        self,
        data: Any = None,
        *,
        effects: bool = False,
        new_levels: NewLevels = "missing",
    ) -> pd.Series[float]:
        """Predict the outcome in the user's row order; missing where a regressor is.

        Parameters
        ----------
        data : data frame or Panel, optional
            New rows with the columns of the formula, without the outcome if it is not known; the
            fitted rows by default. Keys are needed as in ``Results.predict``.
        effects : bool
            Add the random part z . b, with the columns of all grouping factors.
        new_levels : {"missing", "zero"}
            What the random coefficients of a level are that was not in the sample: unknown, or
            zero, which predicts it at the mean of all levels. A row without a level is missing.

        Raises
        ------
        SpecificationError
            If ``new_levels`` is neither.
        UnknownNameError
            If a column is missing.
        DetachedResultError
            If the result was pickled and the fitted rows or effects are asked for.
        """
        check_choice("new_levels", new_levels, NewLevels)
        values = super().predict(data)
        if not effects:
            return values
        panel = self.panel if data is None else self.predictor.panel_of(data)
        new = 0.0 if new_levels == "zero" else np.nan
        return values + self._row_effects(panel, new)

    def _row_effects(self, panel: Panel, new: float = np.nan) -> FloatArray:
        sample, random = self._sample, self.random
        if panel is not sample.panel:
            return random.row_effects(sample, self.rule.rows(panel), new=new)
        values = random.row_effects(sample, sample, new=new)
        if sample.keep is None:
            return values
        others = random.row_effects(sample, self.rule.rows(panel), new=new)
        return np.where(np.isnan(values), others, values)

    def icc(self) -> pd.Series[float]:
        """Share of the variance of random intercepts of each level in the total."""
        return pd.Series(self.random.icc(), name="icc")

    def icc_table(self, level: float = 0.95) -> pd.DataFrame:
        """Intraclass correlations by grouping factor, of rows whose random slopes are zero.

        Returns
        -------
        DataFrame
            ``icc`` is the share of the level in the variance; ``correlation`` that of two rows
            of the same level, which share the levels around theirs too: pupils of a class share
            its school. The standard error of ``icc`` is by the delta method, and the interval
            symmetric on the scale of its logit; missing where those of ``variance`` are.
        """
        variances = self._intercept_variances()
        total = sum(variances.values()) + self.sigma2
        groups = {part.name: set(part.group) for part in self.random.parts}
        errors = self._component_errors()
        places = {
            part.name: int(part.random[part.labels.index("Intercept")])
            for part in self.random.parts
            if part.name in variances
        }
        rows = []
        for name, value in variances.items():
            around = [variances[other] for other in variances if groups[other] <= groups[name]]
            found = (np.nan, np.nan, np.nan)
            if errors:
                others = [places[other] for other in variances if other != name]
                found = share_interval(errors, value, total - value, places[name], others, level)
            rows.append((value / total, sum(around) / total, *found))
        names = ["icc", "correlation", "std_error", "conf_low", "conf_high"]
        return pd.DataFrame(rows, columns=names, index=pd.Index(list(variances), name="group"))

    @property
    def rsquared_marginal(self) -> float:
        """Share of the variance that the fixed part explains (Nakagawa and Schielzeth 2013)."""
        return self._explained()[0]

    @property
    def rsquared_conditional(self) -> float:
        """Share of the variance that the fixed and the random part explain together."""
        return self._explained()[1]

    def variance_at(self, data: Any) -> pd.DataFrame:
        """Variance of the outcome around its fixed part, where random slopes make it vary.

        Parameters
        ----------
        data : data frame or dict of str to array or number
            Values of the random regressors' columns, and of those by which the residual variance
            differs.

        Returns
        -------
        DataFrame
            By row of ``data``: its columns, the variance between the levels of each grouping
            factor, z' D z, the residual one and their total.
        """
        frame = frame_of(data)
        rows = random_rows(self.predictor, frame)
        found, residual = self._level_variances(rows), self._variances_of_residuals(rows)
        columns = {name: rows.panel.series(name).to_numpy() for name in list(frame.columns)}
        table = pd.DataFrame({**columns, **found}, index=rows.panel.row_labels())
        return table.assign(residual=residual, total=sum(found.values()) + residual)

    def plot_effects(
        self,
        group: str | None = None,
        term: str = "Intercept",
        *,
        level: float = 0.95,
        ax: Axes | None = None,
    ) -> Axes:
        """Plot the predicted coefficients of levels in order of size: a caterpillar.

        Intervals are conditional on the variances and the fixed effects. Those that leave out
        zero are in colour.

        Parameters
        ----------
        group : str, optional
            Grouping factor; that with most levels by default.
        term : str
            Random coefficient.
        level : float
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        UnknownNameError
            If there is no such grouping factor or coefficient.
        MissingDependencyError
            If matplotlib is not installed.
        """
        tables = self.random_effects(sd=True)
        name = next(iter(tables), "") if group is None else group
        if name not in tables:
            raise UnknownNameError(f"No grouping factor {name!r}.{suggest(name, list(tables))}")
        table = tables[name]
        if f"sd({term})" not in table:
            terms = list(table.columns[: len(table.columns) // 2])
            raise UnknownNameError(f"No random coefficient {shown(term)}.{suggest(term, terms)}")
        return plot_caterpillar(
            table[term],
            table[f"sd({term})"].to_numpy(),
            half=normal_critical(level),
            label=f"{term}, with {100 * level:g}% intervals",
            ax=ax,
        )

    def plot_growth(self, x: str, *, units: int = 12, ax: Axes | None = None) -> Axes:
        """Plot trajectories of some units (dotted), the curves fitted to each, and the mean one.

        Parameters
        ----------
        x : str
            Column of the horizontal axis, such as age or time.
        units : int
            How many levels of the largest grouping factor are drawn, evenly spread over them.
        ax : matplotlib Axes, optional

        Raises
        ------
        UnknownNameError
            If there is no such column.
        MissingDependencyError
            If matplotlib is not installed.
        """
        panel = self.panel
        values = panel.numbers(x).astype(np.float64)
        series = self.fitted(), self.residuals(), self.fitted(effects=False)
        fitted, left, mean = (
            panel.index.sort(column.to_numpy(np.float64)).astype(np.float64) for column in series
        )
        present = np.flatnonzero(self._sample.unit_rows > 0)
        shown = present[np.unique(np.linspace(0, present.size - 1, units).round().astype(int))]
        return plot_curves(
            values,
            fitted + left,
            fitted,
            mean,
            panel.index.unit,
            shown.tolist(),
            labels=(x, self.depvar),
            ax=ax,
        )

    def plot_variance(self, x: str, *, ax: Axes | None = None) -> Axes:
        """Plot the variance function over a random regressor, by level.

        Other random regressors are held at their means; the residual variance is the average.

        Parameters
        ----------
        x : str
            Column of a random regressor.
        ax : matplotlib Axes, optional

        Raises
        ------
        UnknownNameError
            If no random regressor is made of it.
        MissingDependencyError
            If matplotlib is not installed.
        """
        columns = self._random_columns()
        if x not in columns:
            raise UnknownNameError(
                f"No random regressor is made of {shown(x)}.{suggest(x, columns)}"
            )
        values = {name: self._random_values(name) for name in columns}
        grid = np.linspace(np.nanmin(values[x]), np.nanmax(values[x]), 101)
        held = {name: np.full(101, np.nanmean(column)) for name, column in values.items()}
        found = self._level_variances(random_rows(self.predictor, frame_of({**held, x: grid})))
        residual = np.full(101, self.sigma2 * (self.residual.mean if self.residual else 1.0))
        return plot_variances(grid, {"residual": residual, **found}, label=x, ax=ax)

    def _random_values(self, name: str) -> FloatArray:
        """Return a column, as deviations from unit means where a hybrid model takes these."""
        values = self.panel.numbers(name).astype(np.float64)
        if not any(f"within({name})" in part.labels for part in self.random.parts):
            return values
        by_unit = pd.Series(values).groupby(self.panel.index.unit)
        return np.asarray(values - by_unit.transform("mean"), dtype=np.float64)

    def _random_columns(self) -> list[str]:
        """Numeric columns of the random regressors."""
        found: dict[str, None] = {}
        for terms in self.predictor.design.random:
            for text in terms.factors:
                words = set(re.findall(r"[^\W\d]\w*", text))
                found.update(dict.fromkeys(c for c in self.panel.columns if c in words))
        return list(found)

    def _explained(self) -> tuple[float, float]:
        basis, sample = self.random.prediction.basis, self._sample
        fixed = sample_values(sample, self.predictor.xb)
        random = sample_values(
            sample, lambda block: self.random.variances(basis.random(block.z)).sum(axis=0)
        )
        ratio = 1.0 if self.residual is None else self.residual.mean
        return explained_shares(fixed, random, ratio * self.sigma2)

    def _intercept_variances(self) -> dict[str, float]:
        return {
            part.name: float(np.diag(part.cov)[part.labels.index("Intercept")])
            for part in self.random.parts
            if "Intercept" in part.labels
        }
