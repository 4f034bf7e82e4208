"""Measures of fit of models that maximise a likelihood of counts with unit effects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from panelml.results.measures import Measure, Measures

__all__ = ["likelihood_measures"]

_NONE = float("nan")
DEFINED = (
    Measure("loglik", "Log-likelihood", _NONE, "Its maximum, with all constants.", "fit", False),
    Measure(
        "pseudo_rsquared",
        "Pseudo R-squared",
        _NONE,
        "1 - loglik / loglik of the same model with a constant alone beside the offset (McFadden).",
        "fit",
    ),
    Measure("aic", "AIC", _NONE, "2 n_parameters - 2 loglik.", "fit"),
    Measure("bic", "BIC", _NONE, "log(nobs) n_parameters - 2 loglik.", "fit"),
    Measure("n_parameters", "Parameters", _NONE, "Estimated, auxiliary ones included.", "none"),
    Measure(
        "alpha",
        "Variance of the unit effects (alpha)",
        _NONE,
        "Of gamma effects with mean one that multiply the rates of a unit: 1 / delta in pglm.",
        "below",
    ),
    Measure(
        "lr_alpha",
        "Likelihood ratio against alpha = 0",
        _NONE,
        "Twice what the log-likelihood gains over that without effects.",
        "below",
        False,
    ),
    Measure(
        "p_alpha",
        "its p-value (50:50 chi-squared of 0 and 1 df)",
        _NONE,
        "As alpha cannot be negative, half of chi-squared with one degree of freedom.",
        "below",
        False,
    ),
    Measure("r", "r of Beta(r, s)", _NONE, "The first parameter of the beta distribution."),
    Measure("s", "s of Beta(r, s)", _NONE, "The second parameter of the beta distribution."),
)


def likelihood_measures(
    loglik: float,
    n_parameters: int,
    nobs: int,
    *,
    null: float | None = None,
    others: Mapping[str, float] | None = None,
) -> Measures:
    """Declare the log-likelihood and what follows from it.

    Parameters
    ----------
    loglik : float
    n_parameters, nobs : int
    null : float, optional
        The log-likelihood of a constant.
    others : dict of str to float, optional
        Further measures.
    """
    values = {
        "loglik": loglik,
        "pseudo_rsquared": None if null is None else 1 - loglik / null,
        "aic": 2 * n_parameters - 2 * loglik,
        "bic": float(np.log(nobs)) * n_parameters - 2 * loglik,
        "n_parameters": float(n_parameters),
    }
    return Measures.of({**values, **(others or {})}, DEFINED)
