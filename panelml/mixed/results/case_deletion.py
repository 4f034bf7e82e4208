"""How much a mixed model's estimates hang on single units: fits without each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import BoolArray, FloatArray
from panelml.arguments import checked_methods
from panelml.data.sample import Sample
from panelml.engine.progress import counted
from panelml.errors import ConvergenceError, SpecificationError
from panelml.mixed.fit.residual_fit import ResidualPlan
from panelml.mixed.fit.sample_fit import fit_sample
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.residual_part import ResidualPart
from panelml.results.levels_of import readable, sample_levels, unit_levels

__all__ = ["CaseDeletion", "Refittable", "delete_levels"]


@checked_methods
@dataclass(frozen=True, slots=True)
class CaseDeletion:
    """Case-deletion diagnostics: estimates without each level of a grouping factor.

    Attributes
    ----------
    group : str
    params : DataFrame, shape (levels, k)
        Fixed effects without the level; missing where they cannot be estimated.
    components : DataFrame
        Standard deviations and correlations without the level.
    full : Series
        All estimates with all levels.
    cov : DataFrame, shape (k, k)
        Covariance of the fixed effects with all levels.
    notes : tuple of str
    """

    group: str
    params: pd.DataFrame
    components: pd.DataFrame
    full: pd.Series[float]
    cov: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def dfbeta(self) -> pd.DataFrame:
        """Fixed effects without the level, less those with it."""
        return self.params - self.full[self.params.columns]

    @property
    def dfbetas(self) -> pd.DataFrame:
        """``dfbeta`` in standard errors of the whole fit."""
        errors = np.sqrt(np.diag(self.cov.to_numpy()))
        return self.dfbeta.div(pd.Series(errors, index=self.params.columns), axis=1)

    @property
    def cooks_distance(self) -> pd.Series[float]:
        """Change of all fixed effects together, over their covariance and their number, k.

        lme4 multiplies it by (levels - k) / levels.
        """
        change = self.dfbeta.to_numpy()
        scaled = np.linalg.solve(self.cov.to_numpy(), change.T).T
        values = (change * scaled).sum(axis=1) / change.shape[1]
        return pd.Series(values, index=self.params.index, name="cooks_distance")

    @property
    def component_change(self) -> pd.DataFrame:
        """Components without the level, less those with it."""
        return self.components - self.full[self.components.columns]

    def summary(self, rows: int = 10) -> pd.DataFrame:
        """Return the levels of largest Cook's distance, with all changes."""
        table = pd.concat(
            [self.cooks_distance, self.dfbeta, self.component_change], axis=1
        ).sort_values("cooks_distance", ascending=False)
        return table.head(rows)


@checked_methods
@dataclass(frozen=True, slots=True)
class Refittable:
    """A mixed model that can be fitted to fewer rows.

    Attributes
    ----------
    sample : Sample
    groups : tuple of tuple of str
        Grouping factors, first that by which the sample is laid out.
    restricted : bool
    plan : ResidualPlan, optional
        Of dependent residuals.
    """

    sample: Sample
    groups: tuple[tuple[str, ...], ...]
    restricted: bool
    plan: ResidualPlan | None

    def without(self, dropped: BoolArray, names: list[str]) -> tuple[FloatArray, dict[str, float]]:
        """Fit to the other rows: the named fixed effects, and the components."""
        kept = self.sample.only(~dropped)
        fit = fit_sample(kept, self.groups, restricted=self.restricted, plan=self.plan)
        state, columns = fit.levels.optimum.criterion, fit.columns
        constant = ["Intercept"] if kept.design.formula.intercept else []
        estimated = [*constant, *(kept.names[j] for j in fit.chosen.kept)]
        coef = pd.Series(columns.fixed_back @ state.coef + columns.offset, index=estimated)
        values = coef.reindex(names).to_numpy().astype(np.float64)
        residual = ResidualPart.of(fit.residual).extras() if fit.residual else {}
        return values, RandomCoefficients.of(fit).extras() | residual


def delete_levels(
    model: Refittable, group: tuple[str, ...], full: pd.Series[float], cov: pd.DataFrame
) -> CaseDeletion:
    """Fit a mixed model without each level of a grouping factor in turn.

    Parameters
    ----------
    model : Refittable
    group : tuple of str
        One of its grouping factors.
    full : Series
        Fixed effects and components with all levels.
    cov : DataFrame
        Of the fixed effects.
    """
    sample, of_units = model.sample, group == model.groups[0]
    levels = unit_levels(sample, group) if of_units else sample_levels(sample, group)[0]
    codes = sample.codes(group)
    present = np.unique(codes)
    params, components, failed = [], [], []
    names = [str(name) for name in cov.columns]
    for place in counted(present.size, "Influence"):
        try:
            coef, extras = model.without(codes == present[place], names)
        except (ConvergenceError, SpecificationError):
            coef, extras = np.full(len(names), np.nan), {}
            failed.append(str(levels[place]))
        params.append(coef)
        components.append(extras)
    notes = (f"Not estimable without {', '.join(failed)}.",) if failed else ()
    index = readable(levels, ":".join(group))
    columns = [str(name) for name in full.index if str(name) not in names]
    return CaseDeletion(
        ":".join(group),
        pd.DataFrame(np.array(params), index=index, columns=names),
        pd.DataFrame(components, index=index).reindex(columns=columns),
        full,
        cov,
        notes,
    )
