"""Link functions: from the linear index of a model to the mean of its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from panelml._typing import FloatArray

__all__ = ["CLOGLOG", "IDENTITY", "LATENT", "LOG", "LOGIT", "PROBIT", "Link"]


@dataclass(frozen=True, slots=True)
class Link:
    """A link function.

    Attributes
    ----------
    name : str
    inverse : callable
        From the index to the mean, element by element.
    forward : callable
        From the mean to the index.
    """

    name: str
    inverse: Callable[[FloatArray], FloatArray]
    forward: Callable[[FloatArray], FloatArray]


def _cloglog_inverse(index: FloatArray) -> FloatArray:
    return np.asarray(-np.expm1(-np.exp(np.minimum(index, 700.0))))


def _cloglog(mean: FloatArray) -> FloatArray:
    return np.asarray(np.log(-np.log1p(-mean)))


IDENTITY = Link("identity", np.positive, np.positive)
# The index is the mean of a latent variable, of which the outcome shows a part.
LATENT = Link("latent", np.positive, np.positive)
LOG = Link("log", np.exp, np.log)
LOGIT = Link("logit", expit, logit)
PROBIT = Link("probit", ndtr, ndtri)
CLOGLOG = Link("cloglog", _cloglog_inverse, _cloglog)
