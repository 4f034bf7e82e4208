"""How much variance a mixed model explains at each level, against the model without regressors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from panelml.arguments import checked
from panelml.data.panel.agreement import same_sample
from panelml.errors import SpecificationError, listing, shown
from panelml.mixed.results.mixed_results import MixedResults

__all__ = ["ExplainedVariance", "snijders_bosker"]


@dataclass(frozen=True, slots=True)
class ExplainedVariance:
    """Proportional reductions of the error of prediction.

    Attributes
    ----------
    level1 : float
        For single rows.
    level2 : float
        For the means of groups.
    group_size : float
        Rows of the groups whose means are predicted.
    """

    level1: float
    level2: float
    group_size: float


@checked
def snijders_bosker(
    null: MixedResults, fit: MixedResults, *, group_size: float | None = None
) -> ExplainedVariance:
    """Explained variance by level: the error of prediction beside that of the null model.

    Parameters
    ----------
    null : MixedResults
        With random intercepts and no regressors.
    fit : MixedResults
        With regressors, and the same random intercepts. Of a model with random slopes, take the
        fit without them: the measures hardly differ, and are defined.
    group_size : float, optional
        Rows of a representative group; the harmonic mean of the sample's by default.

    Raises
    ------
    SpecificationError
        If a fit has anything but one random intercept, the first has regressors, one is by REML
        and the other is not, or the rows differ.

    Notes
    -----
    Can be negative where a regressor makes things worse between groups. Source: Snijders and
    Bosker (1994), *Sociological Methods & Research* 22, 342-363.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> null = pm.MixedModel("lwage ~ 1 + (1 | nr)").fit(panel)
    >>> fit = pm.MixedModel("lwage ~ educ + (1 | nr)").fit(panel)
    >>> print(round(pm.snijders_bosker(null, fit).level2, 3))
    0.117
    """
    if group_size is not None and not 0 < group_size < math.inf:
        raise SpecificationError(
            f"group_size is a number of rows above zero, not {shown(group_size)}."
        )
    for result in (null, fit):
        if not isinstance(result, MixedResults):
            name = getattr(result, "model", type(result).__name__)
            raise SpecificationError(
                "Explained variance by Snijders and Bosker is of mixed models with one random "
                f"intercept, not of {name}. Fit MixedModel, as 'y ~ 1 + (1 | unit)' and "
                "'y ~ x + (1 | unit)'."
            )
        if [part.labels for part in result.random.parts] != [("Intercept",)]:
            raise SpecificationError(
                "Explained variance by Snijders and Bosker is of models with one random intercept."
            )
        if result.residual is not None:
            raise SpecificationError(
                "Explained variance by Snijders and Bosker is of models with independent residuals "
                f"of equal variance, not of {result.residual.words}."
            )
    same = null.depvar == fit.depvar and null.random.parts[0].name == fit.random.parts[0].name
    if not same or not same_sample(null._sample, fit._sample):
        raise SpecificationError(
            "The two models must be fitted to the same rows and outcome. Their rows, the values of "
            "the outcome, weights, or the units of their random intercepts differ."
        )
    regressors = [name for name in null.params.index if name != "Intercept"]
    if regressors:
        raise SpecificationError(
            f"The first fit is that without regressors, as 'y ~ 1 + (1 | unit)'; it has "
            f"{listing(regressors, most=8)}."
        )
    if null.random.coefficients.restricted is not fit.random.coefficients.restricted:
        raise SpecificationError("One model is fitted by REML and the other by ML.")
    size = _harmonic_mean(fit) if group_size is None else float(group_size)
    between = [float(result.random.parts[0].cov[0, 0]) for result in (null, fit)]
    row = 1 - (fit.sigma2 + between[1]) / (null.sigma2 + between[0])
    mean = 1 - (fit.sigma2 / size + between[1]) / (null.sigma2 / size + between[0])
    return ExplainedVariance(row, mean, size)


def _harmonic_mean(fit: MixedResults) -> float:
    rows = fit.attached.estimate.rows.sample.unit_rows
    rows = rows[rows > 0]
    return float(rows.size / (1 / rows).sum())
