"""Tables of variance components and of intraclass correlations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.component_errors import (
    ComponentErrors,
    component_errors,
    share_interval,
    variance_interval,
)
from panelml.mixed.results.residual_part import ResidualPart
from panelml.results.base import Results

__all__ = ["errors_of_components", "icc_table", "variance_table"]


def errors_of_components(
    fit: Results, coefficients: RandomCoefficients, residual: ResidualPart | None
) -> ComponentErrors | None:
    """Sampling covariance of the variance components, where the information is known."""
    if residual is not None:
        return residual.component_errors(coefficients.columns)
    curvature = fit._attached.estimate.curvature if fit._attached else None
    if curvature is None or not curvature.known:
        return None
    info = curvature.information()
    free = info.rows, info.columns
    return component_errors(info.parameter_cov(), free, coefficients.columns.random_back)


def variance_table(
    coefficients: RandomCoefficients, errors: ComponentErrors | None, level: float
) -> pd.DataFrame:
    """Tabulate variances, covariances with correlations, and the residual variance."""
    cov, sigma2 = coefficients.cov, coefficients.sigma2
    rows = [row for part in coefficients.parts for row in part.rows(errors, cov, level)]
    error = errors.residual if errors else np.nan
    bounds = variance_interval(sigma2, error, level)
    rows.append(("residual", "", "", sigma2, sigma2**0.5, error, *bounds))
    names = ["group", "term", "other", "variance", "sd", "std_error", "conf_low", "conf_high"]
    return pd.DataFrame(rows, columns=names)


def icc_table(
    coefficients: RandomCoefficients, errors: ComponentErrors | None, level: float
) -> pd.DataFrame:
    """Tabulate intraclass correlations by grouping factor, with errors by the delta method."""
    variances = coefficients.intercept_variances()
    total = sum(variances.values()) + coefficients.sigma2
    groups = {part.name: set(part.group) for part in coefficients.parts}
    places = {
        part.name: int(part.random[part.labels.index("Intercept")])
        for part in coefficients.parts
        if part.name in variances
    }
    rows = []
    for name, value in variances.items():
        around = [variances[other] for other in variances if groups[other] <= groups[name]]
        interval = (np.nan, np.nan, np.nan)
        if errors:
            others = [places[other] for other in variances if other != name]
            interval = share_interval(errors, value, total - value, places[name], others, level)
        rows.append((value / total, sum(around) / total, *interval))
    names = ["icc", "correlation", "std_error", "conf_low", "conf_high"]
    return pd.DataFrame(rows, columns=names, index=pd.Index(list(variances), name="group"))
