"""One call from a panel to what several estimators say of a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np

from panelml.arguments import checked
from panelml.data.panel.panel import Panel
from panelml.data.panel.weights import Weights
from panelml.did.describe.decomposition import bacon_decomposition, twfe_weights
from panelml.did.estimators.base import average_effect
from panelml.did.estimators.cluster_counts import ClusterCounts, common_window, count_clusters
from panelml.did.estimators.design_checks import (
    coding_words,
    refuse_dates_as_numbers,
    refuse_policy_as_covariate,
)
from panelml.did.evaluation.policy_page import make_page
from panelml.did.evaluation.question import NAIVE, STUDIES, Control, Question
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
from panelml.errors import IdentificationError, PanelmlError, check_count, check_share
from panelml.inference.covariance import CovLike
from panelml.inference.distributions import normal_quantile, t_quantile
from panelml.inference.few import LEAST

__all__ = ["evaluate_policy"]

R = TypeVar("R")

# Standard errors below this share of their effect are rounding.
ROUNDING = 1e-12


@checked
def evaluate_policy(
    formula: str, data: Any, *, cohort: str | None = None, treatment: str | None = None,
    control: Control | None = None, anticipation: int = 0, weights: str | Weights | None = None,
    cov: CovLike = "cluster", level: float = 0.95, draws: int = 199, seed: int = 0,
) -> PolicyEvaluation:  # fmt: skip
    """Evaluate a policy by the estimators that fit its design, with diagnostics and sensitivity.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or with covariates that the policy does not move.
    data : Panel or DataFrame
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    control : {"never", "not-yet"}, optional
        With whom the estimators compare that can choose; by default each as it does, and
        Callaway and Sant'Anna with units that never adopt, where there are any.
    anticipation : int
        Periods before adoption in which there may be effects already.
    weights : str or Weights, optional
    cov : str or covariance
        Of all estimators.
    level : float
        Of intervals.
    draws : int
        Of the randomisation test, which is made where too few clusters are treated for standard
        errors; 0 leaves it out.
    seed : int
        Of its draws.

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
    """
    check_share("level", level)
    check_count("draws", draws, 0)
    question = Question(formula, cohort, treatment, control, anticipation, weights, cov)
    timing = Timing(require_panel(data), cohort, treatment)
    refuse_dates_as_numbers(timing)
    refuse_policy_as_covariate(formula, timing)
    skipped = question.unasked(timing)
    fits = _fits(question, timing, skipped)
    if not fits:
        raise IdentificationError(question.impossible(skipped))
    counts = {name: count_clusters(fit, timing.adoption) for name, fit in fits.items()}
    shown = {name: counts[name].on(fit) for name, fit in fits.items()}
    averages = {name: average_effect(fit) for name, fit in shown.items() if name != "Event study"}
    _require_noise(averages)
    window = _tried(
        "Common window of horizons", lambda: _window(timing, fits, counts, anticipation), skipped
    )
    events = {
        name: _event(fit, counts[name], window) for name, fit in fits.items() if _has_horizons(fit)
    }
    bacon, two_way = _two_way(question, timing, fits, skipped)
    sensitivity = _tried(
        "Sensitivity", lambda: _sensitivity(events, window, level, skipped), skipped
    )
    dealt = _tried(
        "Randomisation test", lambda: _dealt(shown, counts, draws, seed), skipped
    )  # fmt: skip
    findings = Findings(
        effects_table(averages, events, level), counts, events, window, two_way, sensitivity,
        dealt, level, anticipation, coding_words(timing),
    )  # fmt: skip
    notes = merged_notes(fits, averages, question, timing)
    words = conclusions(findings)
    page = make_page(question, timing, findings, skipped, bacon, notes, shown)
    return PolicyEvaluation(
        formula, timing, fits, averages, events, skipped, bacon, two_way, sensitivity, dealt,
        notes, words, page, level,
    )  # fmt: skip


def _fits(question: Question, timing: Timing, skipped: dict[str, str]) -> dict[str, EffectResults]:
    early = question.anticipation
    found = {
        name: _tried(name, partial(_fitted, spec, timing.panel), skipped)
        for name, spec in question.specs(timing).items()
    }
    return {
        name: replace(fit, anticipation=early) for name, fit in found.items() if fit is not None
    }


def _fitted(spec: Any, panel: Panel) -> EffectResults:
    """Fit an estimator that has effects from adoption on."""
    fit: EffectResults = spec.fit(panel)
    if fit.cells is not None:
        average_effect(fit)
    elif (fit.labels.get("horizon", np.zeros(1)) < 0).all():
        raise IdentificationError("All effects that could be estimated are of before adoption.")
    return fit


def _require_noise(averages: Mapping[str, EffectResults]) -> None:
    """Refuse outcomes of which effects leave nothing unexplained but rounding."""
    sizes = [(fit.params.iloc[0], fit.std_errors.iloc[0]) for fit in averages.values()]
    if all(error <= ROUNDING * abs(effect) for effect, error in sizes):
        raise IdentificationError(
            "Effects explain the outcome exactly, but for rounding: standard errors, tests of "
            "pre-trends and a sensitivity analysis have nothing to go by. Each estimator on its "
            "own gives the effects."
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

    return _tried("Goodman-Bacon decomposition", bacon, skipped), _tried(
        "Weights of two-way effects",
        lambda: twfe_weights(question.formula, panel, weights=question.weights, **when), skipped,
    )  # fmt: skip


def _tried(name: str, run: Callable[[], R], skipped: dict[str, str]) -> R | None:
    try:
        return run()
    except PanelmlError as error:
        skipped[name] = str(error)
        return None


def _has_horizons(fit: EffectResults) -> bool:
    return fit.cells is not None or "horizon" in fit.labels.columns


def _window(
    timing: Timing, fits: Mapping[str, EffectResults], counts: Mapping[str, ClusterCounts],
    anticipation: int,
) -> tuple[int, int]:  # fmt: skip
    timing.horizons(LEAST + 1)
    return common_window(
        (counts[name] for name, fit in fits.items() if counts[name].known and _has_horizons(fit)),
        anticipation,
    )


def _event(
    fit: EffectResults, counts: ClusterCounts, window: tuple[int, int] | None
) -> EffectResults:
    event = fit if fit.cells is None else fit.aggregate("event")
    if window is None:
        return counts.withheld(event)
    return counts.on_horizons(event.limited(*window))


def _sensitivity(
    events: Mapping[str, EffectResults], window: tuple[int, int] | None, level: float,
    skipped: dict[str, str],
) -> Sensitivity:  # fmt: skip
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
        event = replace(event, covariance=replace(event.covariance, matrix=matrix))
        found = _tried(name, partial(honest_did, event, level=level), refused)
        if found is not None:
            skipped |= {f"Sensitivity by {other}": words for other, words in refused.items()}
            return replace(found, parameter=f"{found.parameter} by {name}")
    raise IdentificationError(" ".join(dict.fromkeys(refused.values())))


def _dealt(
    shown: Mapping[str, EffectResults], counts: Mapping[str, ClusterCounts], draws: int, seed: int
) -> RandomizationTest | None:
    """Deal dates out anew where too few clusters are treated, but not too few to compare with."""
    if not draws or all(counts[name].known for name in shown):
        return None
    names = [name for name in ("Imputation", *shown) if name in shown and not counts[name].known]
    fit, count = shown[names[0]], counts[names[0]]
    if count.comparison <= LEAST:
        return None
    panel = fit.attached.estimate.influence.sample.panel
    groups = None if count.name == panel.unit else count.name
    spec: Any = replace(cast(Any, fit.spec), **({"leads": 0} if names[0] == "Imputation" else {}))
    return randomization_test(
        spec, panel, seed=seed, draws=draws, statistic="effect", groups=groups
    )
