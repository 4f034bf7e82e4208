"""Measures of fit of generalised mixed models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml.inference.distributions import chi2_tail
from panelml.mixed.generalised.results.coefficients import GeneralisedCoefficients
from panelml.results.measures import Measure, Measures, component

__all__ = ["Likelihoods", "generalised_measures"]

_NONE = float("nan")
_DEFINED = (
    Measure("loglik", "Log-likelihood", _NONE, "Its maximum, with all constants.", "fit", False),
    Measure(
        "pseudo_rsquared",
        "Pseudo R-squared",
        _NONE,
        "1 - loglik / loglik of a constant alone, without random effects (McFadden).",
        "fit",
    ),
    Measure("aic", "AIC", _NONE, "2 n_parameters - 2 loglik.", "fit"),
    Measure("bic", "BIC", _NONE, "log(nobs) n_parameters - 2 loglik.", "fit"),
    Measure("n_parameters", "Parameters", _NONE, "Estimated, variances included.", "none"),
    Measure(
        "lr_pooled",
        "Likelihood ratio against no random effects",
        _NONE,
        "Twice what the log-likelihood gains over that of the pooled model.",
        "below",
        False,
    ),
    Measure(
        "p_pooled",
        "its p-value (50:50 chi-squared of 0 and 1 df)",
        _NONE,
        "As a variance cannot be negative, half of chi-squared with one degree of freedom.",
        "below",
        False,
    ),
    component("sigma_u", "Standard deviation of the unit effects"),
    component("sigma_e", "Standard deviation of the errors"),
    component("rho", "Share of the latent variable's variance due to unit effects"),
)


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """Log-likelihoods of a fit, and of models that it contains.

    Attributes
    ----------
    full : float
    pooled : float
        Without random effects.
    null : float, or None
        Of a constant alone; None for models without one.
    """

    full: float
    pooled: float
    null: float | None


def generalised_measures(
    likelihoods: Likelihoods,
    coefficients: GeneralisedCoefficients,
    n_parameters: int,
    nobs: int,
    *,
    unit: bool,
) -> Measures:
    """Declare the log-likelihood, what follows from it, and the random part.

    Parameters
    ----------
    likelihoods : Likelihoods
    coefficients : GeneralisedCoefficients
    n_parameters, nobs : int
    unit : bool
        Whether the random part is an intercept of the unit alone, whose deviation is ``sigma_u``.
    """
    full, null = likelihoods.full, likelihoods.null
    values = {
        "loglik": full,
        "pseudo_rsquared": None if null is None else 1 - full / null,
        "aic": 2 * n_parameters - 2 * full,
        "bic": float(np.log(nobs)) * n_parameters - 2 * full,
        "n_parameters": float(n_parameters),
    }
    spreads = {
        key: Measure(key, key, value, _words(key)) for key, value in coefficients.extras().items()
    }
    if unit:
        values |= _unit_values(coefficients)
        spreads = {}
    if coefficients.n_parameters == 1:
        ratio = max(2 * (full - likelihoods.pooled), 0.0)
        values["lr_pooled"] = ratio
        values["p_pooled"] = chi2_tail(ratio, 1) / 2 if ratio > 0 else 1.0
    declared = Measures.of(values, _DEFINED)
    return declared.plus(Measures(tuple(spreads.values())))


def _unit_values(coefficients: GeneralisedCoefficients) -> dict[str, float | None]:
    variance = float(coefficients.cov[0, 0])
    latent = coefficients.latent
    return {
        "sigma_u": variance**0.5,
        "sigma_e": latent**0.5 if coefficients.family.name == "censored" and latent else None,
        "rho": None if latent is None else variance / (variance + latent),
    }


def _words(key: str) -> str:
    if key.startswith("sd"):
        return "Standard deviation between the levels of a grouping factor."
    return "Correlation of random coefficients of a grouping factor."
