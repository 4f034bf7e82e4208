"""One call from a panel to what several estimators say of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np

from panelml.arguments import checked, into, moved
from panelml.data.panel.weights import Weights
from panelml.data.source.given import DataLike
from panelml.did.describe.decomposition import bacon_decomposition, twfe_weights
from panelml.did.estimators.design_checks import (
    coding_words,
    refuse_dates_as_numbers,
    refuse_policy_as_covariate,
)
from panelml.did.evaluation.estimates import PolicyEstimates, attempt
from panelml.did.evaluation.policy_page import make_page
from panelml.did.evaluation.question import NAIVE, STUDIES, Comparisons, Question
from panelml.did.evaluation.words import Findings, conclusions, merged_notes
from panelml.did.inference.randomization import randomization_test
from panelml.did.results.decomposition import BaconDecomposition, TwfeWeights
from panelml.did.results.effects import EffectResults
from panelml.did.results.honest import Sensitivity
from panelml.did.results.policy import PolicyEvaluation, effects_table
from panelml.did.results.randomization import RandomizationTest
from panelml.did.results.timing import Timing
from panelml.did.sensitivity.honest import honest_did
from panelml.engine.sampling import require_panel
from panelml.errors import IdentificationError
from panelml.inference.covariance import CovLike
from panelml.inference.distributions import normal_quantile, t_quantile
from panelml.inference.few import LEAST_CLUSTERS
from panelml.inference.wald import Wald

__all__ = ["PolicyInference", "evaluate_policy"]


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInference:
    """How the uncertainty about effects of a policy is stated.

    Parameters
    ----------
    cov : str or covariance
        Of all estimators.
    level : float
        Of intervals.
    reps : int, optional
        Draws of the randomisation test, which is made where too few clusters are treated for
        standard errors; None leaves it out.
    seed : int
        Of its draws.

    Raises
    ------
    SpecificationError
        If the level is not between 0 and 1, or there are no draws.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> by_unit = pm.PolicyInference(cov="cluster:unit", level=0.9)
    >>> policy = pm.evaluate_policy("y ~ 1", panel, cohort="cohort", inference=by_unit)
    >>> print(policy.table()["std_error"].round(2).loc["Sun-Abraham"])
    0.23
    """

    cov: CovLike = "cluster"
    level: float = 0.95
    reps: int | None = 199
    seed: int = 0


@checked
@moved(
    into("comparisons", Comparisons)
    | into("inference", PolicyInference)
    | {"draws": "inference=pm.PolicyInference(reps=...)"}
)
def evaluate_policy(
    formula: str,
    data: DataLike,
    *,
    cohort: str | None = None,
    treatment: str | None = None,
    comparisons: Comparisons = Comparisons(),
    weights: str | Weights | None = None,
    inference: PolicyInference = PolicyInference(),
) -> PolicyEvaluation:
    """Evaluate a policy by the estimators that fit its design, with diagnostics and sensitivity.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or with covariates that the policy does not move.
    data : Panel or DataFrame
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    comparisons : Comparisons
        With whom adopting units are compared, and from when on there may be effects.
    weights : str or Weights, optional
    inference : PolicyInference
        Covariance, level of intervals, and draws of the randomisation test.

    Returns
    -------
    PolicyEvaluation
        It prints as a table with conclusions; ``to_html("report.html")`` writes a page.

    Raises
    ------
    SpecificationError
        If a covariate is the policy itself, or periods are dates written as whole numbers.
    IdentificationError
        If no estimator can be run, or nothing of the outcome is left unexplained.

    Notes
    -----
    Intervals and p-values take t with the degrees of freedom of the treated or the comparison
    clusters, whichever are fewer, tests of pre-trends Hotelling's T-squared. With few of them
    variances are inflated, with fewer than five nothing but a randomisation test is reported: see
    ``docs/did/which.md``.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> policy = pm.evaluate_policy("y ~ 1", panel, cohort="cohort")
    >>> print(policy.table()["effect"].round(2).to_string())
    estimator
    Two-way fixed effects    0.84
    Sun-Abraham              0.97
    Callaway-Sant'Anna       0.97
    Imputation               1.13
    Two-stage                1.13
    Extended two-way         1.13
    """
    question = Question(formula, cohort, treatment, comparisons, weights, inference.cov)
    timing = Timing(require_panel(data), cohort=cohort, treatment=treatment)
    refuse_dates_as_numbers(timing)
    refuse_policy_as_covariate(formula, timing)
    skipped = question.unasked(timing)
    estimates = PolicyEstimates.of(question, timing, skipped)
    bacon, two_way = _two_way(question, timing, estimates.fits, skipped)
    findings = _findings(estimates, two_way, timing, comparisons, inference, skipped)
    notes = merged_notes(estimates.fits, estimates.averages, question, timing)
    return PolicyEvaluation(
        formula,
        timing,
        estimates.fits,
        estimates.averages,
        estimates.events,
        skipped,
        bacon,
        two_way,
        findings.sensitivity,
        findings.dealt,
        notes,
        conclusions(findings),
        make_page(question, timing, findings, skipped, bacon, notes, estimates.allowed),
        inference.level,
    )


def _findings(
    estimates: PolicyEstimates,
    two_way: TwfeWeights | None,
    timing: Timing,
    comparisons: Comparisons,
    inference: PolicyInference,
    skipped: dict[str, str],
) -> Findings:
    """Gather what is found; what cannot be had is written to ``skipped``."""
    events, window, level = estimates.events, estimates.window, inference.level
    robust = partial(_sensitivity, events, window, level, skipped)
    sensitivity = attempt("Sensitivity", robust, skipped)
    dealt = attempt("Randomisation test", partial(_dealt, estimates, inference), skipped)
    return Findings(
        effects_table(estimates.averages, events, level),
        estimates.counts,
        events,
        window,
        two_way,
        sensitivity,
        dealt,
        level,
        comparisons.anticipation,
        coding_words(timing),
    )


def _two_way(
    question: Question, timing: Timing, fits: Mapping[str, EffectResults], skipped: dict[str, str]
) -> tuple[BaconDecomposition | None, TwfeWeights | None]:
    """Take the two-way coefficient apart, where there is one."""
    if NAIVE not in fits:
        return None, None
    panel, when = timing.panel, question.when

    def bacon() -> BaconDecomposition:
        if question.weights is not None:
            raise IdentificationError("It takes no weights=.")
        return bacon_decomposition(f"{question.outcome} ~ 1", panel, **when)

    weights = partial(twfe_weights, question.formula, panel, weights=question.weights, **when)
    return (
        attempt("Goodman-Bacon decomposition", bacon, skipped),
        attempt("Weights of two-way effects", weights, skipped),
    )


def _sensitivity(
    events: Mapping[str, EffectResults],
    window: tuple[int, int] | None,
    level: float,
    skipped: dict[str, str],
) -> Sensitivity:
    """Allow for departures from parallel trends in the first event study that permits it.

    Its intervals are normal ones, so that variances are scaled to make them those of t.
    """
    studies = {name: events[name] for name in STUDIES if name in events}
    if not studies:
        raise IdentificationError("No event study has a single reference period.")
    if window is None:
        raise IdentificationError("No effect by horizon has a standard error.")
    refused: dict[str, str] = {}
    for name, event in studies.items():
        scale = t_quantile(0.5 + level / 2, event.df_terms) / normal_quantile(0.5 + level / 2)
        matrix = event.covariance.matrix * np.outer(scale, scale)
        wide = replace(event.covariance, matrix=matrix)
        event = replace(event, inference=Wald(np.asarray(event.params, np.float64), wide))
        robust = attempt(name, partial(honest_did, event, level=level), refused)
        if robust is not None:
            skipped |= {f"Sensitivity by {other}": words for other, words in refused.items()}
            return replace(robust, parameter=f"{robust.parameter} by {name}")
    raise IdentificationError(" ".join(dict.fromkeys(refused.values())))


def _dealt(estimates: PolicyEstimates, inference: PolicyInference) -> RandomizationTest | None:
    """Deal dates out anew where too few clusters are treated, but not too few to compare with."""
    counts, fits = estimates.counts, estimates.allowed
    few = [name for name in ("Imputation", *fits) if name in fits and not counts[name].known]
    if inference.reps is None or not few:
        return None
    name = few[0]
    fit, count = fits[name], counts[name]
    if count.comparison < LEAST_CLUSTERS:
        return None
    panel = fit.attached.estimate.influence.sample.panel
    spec: Any = replace(cast(Any, fit.spec), **({"leads": 0} if name == "Imputation" else {}))
    return randomization_test(
        spec,
        panel,
        seed=inference.seed,
        reps=inference.reps,
        statistic="effect",
        groups=None if count.name == panel.unit else count.name,
    )
