"""The question that estimators of a policy are asked, and how each of them is asked it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from panelml.arguments import checked
from panelml.core.family.choice import LinkName, MeanFamilyName
from panelml.data.panel.weights import Weights
from panelml.did.estimators.group_time import CallawaySantAnna
from panelml.did.estimators.imputation import BorusyakJaravelSpiess, TwoStageDiD
from panelml.did.estimators.regression import TWFE, EventStudy, ExtendedTWFE, SunAbraham
from panelml.did.results.timing import Timing
from panelml.errors import shown
from panelml.inference.covariance import CovLike

__all__ = ["NAIVE", "STUDIES", "Comparisons", "Question"]

Control = Literal["never", "not-yet"]

NAIVE = "Two-way fixed effects"
EXTENDED, LEADS = "Extended two-way", "Extended two-way with leads"
# Event studies with a reference period: the first is tested, and taken to departures from trends.
STUDIES = ("Sun-Abraham", "Callaway-Sant'Anna", "Event study", LEADS)
# Estimators without a link.
LINEAR = (NAIVE, *STUDIES[:3], "Imputation", "Two-stage")
# Leads that are shown by imputation, at most.
MOST_LEADS = 4

# With whom estimators compare that take no control=.
COMPARED = {
    NAIVE: "all units, treated ones too",
    "Event study": "all units, treated ones too",
    "Sun-Abraham": "units that are never treated or, without any, the last cohort",
    "Imputation": "all untreated rows",
    "Two-stage": "all untreated rows",
}


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """With whom units that adopt a policy are compared, and from when on there may be effects.

    Parameters
    ----------
    control : {"never", "not-yet"}, optional
        With whom the estimators compare that can choose; by default each as it does, and
        Callaway and Sant'Anna with units that never adopt, where there are any.
    anticipation : int
        Periods before adoption in which there may be effects already.
    family : {"binomial", "poisson"}, optional
        Distribution of an outcome that is yes or no, or not negative: trends are compared in the
        index of its link, by the extended two-way regression alone, which has one.
    link : {"logit", "probit", "cloglog", "log"}, optional
        By default the logit, or the logarithm.

    Raises
    ------
    SpecificationError
        If there is no such comparison, the number of periods is negative, or the family has no
        such link.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> never = pm.Comparisons(control="never")
    >>> policy = pm.evaluate_policy("y ~ 1", panel, cohort="cohort", comparisons=never)
    >>> print(policy.table()["effect"].round(2).loc["Callaway-Sant'Anna"])
    0.97
    """

    control: Control | None = None
    anticipation: int = 0
    family: MeanFamilyName | None = None
    link: LinkName | None = None

    def __post_init__(self) -> None:
        ExtendedTWFE("y ~ 1", cohort="g", family=self.family, link=self.link)


@dataclass(frozen=True, slots=True)
class Question:
    """Which effect is asked for.

    Attributes
    ----------
    formula : str
    cohort, treatment : str, optional
    comparisons : Comparisons
    weights : str or Weights, optional
    cov : str or covariance
    """

    formula: str
    cohort: str | None
    treatment: str | None
    comparisons: Comparisons
    weights: str | Weights | None
    cov: CovLike

    @property
    def outcome(self) -> str:
        """The left side of the formula."""
        return self.formula.partition("~")[0].strip()

    @property
    def when(self) -> dict[str, str | None]:
        """Where dates of adoption stand."""
        return {"cohort": self.cohort, "treatment": self.treatment}

    def specs(self, timing: Timing) -> dict[str, Any]:
        """Return each estimator by its name."""
        early, never = self.comparisons.anticipation, bool(timing.adoption.never.any())
        given: dict[str, Any] = {**self.when, "weights": self.weights, "cov": self.cov}
        control = self.comparisons.control
        formula, reference = self.formula, -1 - early
        kind: dict[str, Any] = {"family": self.comparisons.family, "link": self.comparisons.link}
        specs: dict[str, Any] = {
            NAIVE: TWFE(formula, **given),
            "Event study": EventStudy(formula, reference=reference, **given),
            "Sun-Abraham": SunAbraham(formula, reference=reference, **given),
            "Callaway-Sant'Anna": CallawaySantAnna(
                formula,
                control=control or ("never" if never else "not-yet"),
                base="universal",
                anticipation=early,
                **given,
            ),
            "Imputation": BorusyakJaravelSpiess(
                formula, leads=_leads(timing, early), anticipation=early, **given
            ),
            "Two-stage": TwoStageDiD(formula, anticipation=early, **given),
            EXTENDED: ExtendedTWFE(
                formula, control=self.comparisons.control or "not-yet", **kind, **given
            ),
        }
        if self.comparisons.family is not None and never:
            specs[LEADS] = ExtendedTWFE(formula, control="never", **kind, **given)
        return {name: spec for name, spec in specs.items() if name not in self.unasked(timing)}

    def unasked(self, timing: Timing) -> dict[str, str]:
        """Say which estimators cannot allow for anticipation, or have no link."""
        found = {}
        if self.comparisons.family is not None:
            words = (
                "It is linear: its trends are parallel in the mean, and not in the index of a link."
            )
            found = dict.fromkeys((*LINEAR, "Goodman-Bacon decomposition"), words)
        return found | self._without_anticipation(timing)

    def _without_anticipation(self, timing: Timing) -> dict[str, str]:
        if not self.comparisons.anticipation:
            return {}
        words = "It takes no anticipation=: periods before adoption would count as untreated."
        found = {NAIVE: words, EXTENDED: words}
        if not timing.adoption.never.any():
            found["Sun-Abraham"] = (
                "Without never-treated units its comparison group is the last cohort, whose "
                "anticipation it does not leave out."
            )
        return found

    def impossible(self, skipped: Mapping[str, str]) -> str:
        """Say why no estimator can be run, and whether that is for want of another covariance."""
        reasons = dict.fromkeys(skipped.values())
        if isinstance(self.cov, str) and self.cov == "cluster":
            return " ".join(["No estimator can be run.", *reasons])
        return " ".join(
            [
                f"No estimator can be run with cov={shown(self.cov)}.",
                *reasons,
                "All of them take 'cluster', and 'cluster:column' with groups of units.",
            ]
        )

    def otherwise(self, name: str) -> tuple[str, ...]:
        """Note that an estimator compares with others than those asked for."""
        if self.comparisons.control is None or name not in COMPARED:
            return ()
        if (self.comparisons.control, name) == ("never", "Sun-Abraham"):
            return ()
        return (f"It takes no control=: it compares with {COMPARED[name]}.",)


def _leads(timing: Timing, anticipation: int) -> int:
    """Leads that the first cohorts leave, with a period for comparison."""
    adoption = timing.adoption
    before = [int((adoption.steps < g - anticipation).sum()) for g in adoption.cohorts]
    return min(max(max(before, default=1) - 1, 0), MOST_LEADS)
