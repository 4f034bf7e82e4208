"""Multilevel models: random intercepts and slopes at any number of levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from panelml.data.formula import parse_formula
from panelml.data.grouping import group_rows, refuse_panel_functions
from panelml.data.weights import Weights, parse_weights
from panelml.engine.fold import capped
from panelml.engine.mixed import ordered_groups
from panelml.engine.sampling import make_sample
from panelml.errors import SpecificationError
from panelml.inference.covariance import CovLike
from panelml.models.base import fit_mixed
from panelml.results.mixed import MixedResults

__all__ = ["MixedModel"]


@dataclass(frozen=True, slots=True)
class MixedModel:
    """Linear model with random intercepts and slopes, by (restricted) maximum likelihood.

    Parameters
    ----------
    formula : str
        lme4's grammar: ``"y ~ t * g + (1 + t | id)"``, ``(1 | school/class)`` for nested and
        ``(1 | a) + (1 | b)`` for crossed levels, ``||`` for uncorrelated coefficients.
    reml : bool
        Restricted maximum likelihood rather than maximum likelihood.
    cov : str or covariance
        ``"iid"``, what the model implies, as in lme4; or clustered and the others.
    weights : str or Weights, optional
        Prior weights, inverse to the variance of a row's error.
    """

    formula: str
    reml: bool = True
    cov: CovLike = "iid"
    weights: str | Weights | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.reml, bool):
            raise SpecificationError(f"reml is True or False, not {self.reml!r}.")

    @capped
    def fit(self, data: Any) -> MixedResults:
        """Estimate the model on a Panel or on any data frame that has the columns.

        Raises
        ------
        SpecificationError
            Without a random term.
        IdentificationError
            If rows do not repeat within levels, nothing varies, nothing is left to chance, or
            variances cannot be told apart.
        ConvergenceError
            If the likelihood was not maximised with a certificate.
        """
        formula = parse_formula(self.formula, mixed=True)
        groups = ordered_groups(formula, data)
        panel = group_rows(data, groups[0])
        if panel is not data:
            refuse_panel_functions(self.formula, panel.unit)
        sample, notes = make_sample(panel, formula, parse_weights(self.weights), groups[1:])
        return fit_mixed(
            self, "Mixed model", formula, sample, groups, restricted=self.reml, cov=self.cov,
            notes=notes,
        )  # fmt: skip
