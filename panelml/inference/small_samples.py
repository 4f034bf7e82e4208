"""Covariances and degrees of freedom of mixed models for small samples."""

from __future__ import annotations

from dataclasses import dataclass

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.inference.estimate import Covariance, Estimate
from panelml.inference.likelihood import (
    ContrastRule,
    KenwardRogerRule,
    SatterthwaiteRule,
    require_curvature,
    term_df,
)

__all__ = ["KenwardRoger", "Satterthwaite"]


@checked
@dataclass(frozen=True, slots=True)
class Satterthwaite:
    """The covariance of a mixed model, with degrees of freedom for each contrast.

    Notes
    -----
    Source: Satterthwaite (1946), *Biometrics Bulletin* 2, 110-114; as lmerTest.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union + (1 | nr)").fit(panel)
    >>> print(fit.with_cov(pm.cov.Satterthwaite()).std_errors.round(4).to_dict())
    {'Intercept': 0.0172, 'union': 0.0195}
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Return the model's covariance with degrees of freedom from its curvature."""
        curvature = require_curvature(fit.curvature, "Satterthwaite")
        rule = SatterthwaiteRule(curvature.sensitivity(), curvature.back)
        return _by_contrast(
            fit.iid_cov, rule, "as the model implies, Satterthwaite degrees of freedom"
        )


@checked
@dataclass(frozen=True, slots=True)
class KenwardRoger:
    """The covariance of a mixed model adjusted for few groups, with degrees of freedom.

    Notes
    -----
    Source: Kenward and Roger (1997), *Biometrics* 53, 983-997; as pbkrtest.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union + (1 | nr)").fit(panel)
    >>> print(fit.with_cov(pm.cov.KenwardRoger()).std_errors.round(4).to_dict())
    {'Intercept': 0.0172, 'union': 0.0196}
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Adjust the model's covariance, and take degrees of freedom from its curvature."""
        curvature = require_curvature(fit.curvature, "Kenward-Roger")
        info, back = curvature.information(), curvature.back
        matrix = back @ info.adjusted_phi() @ back.T
        return _by_contrast(
            (matrix + matrix.T) / 2,
            KenwardRogerRule(info, back),
            "as the model implies, adjusted by Kenward and Roger",
        )


def _by_contrast(matrix: FloatArray, rule: ContrastRule, description: str) -> Covariance:
    df = term_df(rule, len(matrix))
    return Covariance(matrix, float(df.min()), description, {}, rule=rule, term_df=df)
