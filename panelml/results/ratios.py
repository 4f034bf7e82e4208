"""Odds ratios, incidence-rate ratios and hazard ratios: coefficients on the scale of effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Self, TypeVar

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.links import CLOGLOG, LOG, LOGIT, Link
from panelml.errors import SpecificationError
from panelml.inference.covariance import Covariance, CovLike
from panelml.inference.inference import Inference, InferenceSpec
from panelml.inference.restrictions import Restrictions
from panelml.inference.testing import TestResult
from panelml.results.adapters.maketables import MaketablesPlugin
from panelml.results.fitted import FittedModel, named
from panelml.results.show.display import Shown

__all__ = ["RatioInference", "Ratios", "ratios_of"]

NAMES: dict[str, str] = {
    LOG.name: "incidence-rate ratios",
    LOGIT.name: "odds ratios",
    CLOGLOG.name: "hazard ratios",
}
NOTE = (
    "Ratios are exponentials of coefficients, with standard errors by the delta method; tests are "
    "of a ratio of one, and intervals are the exponentials of those of the coefficients."
)


@dataclass(frozen=True, slots=True)
class RatioInference:
    """Inference on exponentials of estimates, from that on the estimates.

    Attributes
    ----------
    ratios : FloatArray, shape (k,)
    logs : Inference
        On their logarithms.
    """

    ratios: FloatArray
    logs: Inference

    @property
    def covariance(self) -> Covariance:
        """The covariance by the delta method."""
        covariance = self.logs.covariance
        return replace(
            covariance,
            matrix=covariance.matrix * np.outer(self.ratios, self.ratios),
            draws=None,
        )

    @property
    def errors(self) -> FloatArray:
        """Standard errors by the delta method, shape (k,)."""
        return self.ratios * self.logs.errors

    @property
    def pvalues(self) -> FloatArray:
        """Two-sided p-values of each ratio against one, shape (k,)."""
        return self.logs.pvalues

    @property
    def df(self) -> float:
        """Degrees of freedom of t."""
        return self.logs.df

    @property
    def term_df(self) -> FloatArray:
        """Degrees of freedom of t of each ratio, shape (k,)."""
        return self.logs.term_df

    @property
    def description(self) -> str:
        """How uncertainty was estimated."""
        return self.logs.description

    @property
    def reference(self) -> str:
        """What statistics and intervals of the logarithms are referred to."""
        return self.logs.reference

    @property
    def clusters(self) -> Mapping[str, int]:
        """Number of clusters by cluster variable."""
        return self.logs.clusters

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits it, and how to read it."""
        return (*self.logs.notes, NOTE)

    def interval(self, level: float) -> FloatArray:
        """Return the exponentials of the ends of intervals of the logarithms, shape (k, 2)."""
        return np.exp(self.logs.interval(level))

    def test(self, restrictions: Restrictions) -> TestResult:
        """Refuse: restrictions are linear in coefficients.

        Raises
        ------
        SpecificationError
            Always.
        """
        raise SpecificationError(
            "Restrictions are tested of coefficients, which are the logarithms of these ratios: "
            "call wald_test of the fit. A ratio of one is a coefficient of zero."
        )

    def mapped(self, matrix: FloatArray) -> Inference:
        """Refuse, as ``test`` does.

        Raises
        ------
        SpecificationError
            Always.
        """
        raise SpecificationError("Linear functions are taken of coefficients, not of ratios.")


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class Ratios(Shown, MaketablesPlugin):
    """Exponentials of coefficients; the attributes are those of every result.

    Attributes
    ----------
    fit : FittedModel
        The fit whose coefficients are their logarithms.
    """

    fit: FittedModel

    @property
    def tstats(self) -> pd.Series[float]:
        """Coefficients over their standard errors."""
        return self.fit.tstats.reindex(self.params.index)

    def model_test(self) -> TestResult | None:
        """Test that all slopes are zero, and so all ratios one; None without slopes."""
        return self.fit.model_test()

    def with_cov(self, cov: CovLike) -> Self:
        """Return the ratios with another covariance, without fitting again."""
        return ratios_of(self.fit.with_cov(cov), type(self))

    def with_inference(self, inference: InferenceSpec) -> Self:
        """Return the ratios with another kind of inference, without fitting again."""
        return ratios_of(self.fit.with_inference(inference), type(self))


R = TypeVar("R", bound=Ratios)


def ratios_of(fit: FittedModel, kind: type[R]) -> R:
    """Exponentiate constant and slopes of a fit.

    Raises
    ------
    SpecificationError
        If its link has no ratios.
    """
    words = _name(fit.facts.link, fit.model)
    size = fit.counts.constant + fit.counts.slopes
    names = list(fit.params.index[:size])
    logs = fit.inference.mapped(np.eye(len(fit.params))[:size])
    ratios = np.exp(fit.params.to_numpy()[:size])
    copied = {known.name: getattr(fit, known.name) for known in fields(FittedModel)}
    copied |= {
        "facts": fit.facts.detailed(words),
        "params": named(ratios, names, "param"),
        "inference": RatioInference(ratios, logs),
    }
    return kind(**copied, fit=fit)


def _name(link: Link, model: str) -> str:
    if link.name not in NAMES:
        raise SpecificationError(
            f"{model} has the {link.name} link: exponentials of its coefficients are no ratios. "
            "Incidence-rate ratios are of models with the log link, odds ratios with the logit "
            "link, and hazard ratios with the cloglog link."
        )
    return NAMES[link.name]
