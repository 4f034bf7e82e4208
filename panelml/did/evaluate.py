"""One call from a panel to what several estimators say of a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeVar

from panelml.arguments import checked
from panelml.data.panel import Panel
from panelml.did.base import average_effect
from panelml.did.decomposition import bacon_decomposition, twfe_weights
from panelml.did.group_time import CallawaySantAnna
from panelml.did.honest import honest_did
from panelml.did.imputation import BorusyakJaravelSpiess, TwoStageDiD
from panelml.did.regression import TWFE, EventStudy, ExtendedTWFE, SunAbraham
from panelml.did.words import FEW, conclusions, make_page, window_words
from panelml.engine.sampling import require_panel
from panelml.errors import IdentificationError, PanelmlError
from panelml.inference.covariance import CovLike
from panelml.results.effects import EffectResults
from panelml.results.policy import PolicyEvaluation, effects_table
from panelml.results.timing import Timing

__all__ = ["evaluate_policy"]

R = TypeVar("R")

# Leads that are shown by imputation, at most.
MOST_LEADS = 4


@checked
def evaluate_policy(
    formula: str, data: Any, *, cohort: str | None = None, treatment: str | None = None,
    cov: CovLike = "cluster", level: float = 0.95,
) -> PolicyEvaluation:  # fmt: skip
    """Evaluate a policy by the estimators that fit its design, with diagnostics and sensitivity.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or with covariates that the policy does not move.
    data : Panel or DataFrame
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    cov : str or covariance
        Of all estimators.
    level : float
        Of intervals.

    Returns
    -------
    PolicyEvaluation
        It prints as a table with conclusions; ``to_html("report.html")`` writes a page.

    Raises
    ------
    IdentificationError
        If no estimator can be run.
    """
    panel = require_panel(data)
    timing = Timing(panel, cohort, treatment)
    skipped: dict[str, str] = {}
    when = {"cohort": cohort, "treatment": treatment, "cov": cov}
    fits = _fits(formula, panel, timing, when, skipped)
    if not fits:
        raise IdentificationError(
            " ".join(["No estimator can be run.", *dict.fromkeys(skipped.values())])
        )
    averages = {name: average_effect(fit) for name, fit in fits.items() if name != "Event study"}
    window = _tried("Common window of horizons", lambda: timing.horizons(FEW), skipped)
    events = {name: _event(fit, window) for name, fit in fits.items() if _has_horizons(fit)}
    where = {"cohort": cohort, "treatment": treatment}
    outcome = formula.partition("~")[0].strip()
    bacon = _tried(
        "Goodman-Bacon decomposition",
        lambda: bacon_decomposition(f"{outcome} ~ 1", panel, **where), skipped,
    )  # fmt: skip
    weights = _tried("Weights of two-way effects", lambda: twfe_weights(formula, panel, **where),
                     skipped)  # fmt: skip
    sensitivity = _tried("Sensitivity", lambda: _sensitivity(events, level), skipped)
    table = effects_table(averages, fits, events, level)
    words = conclusions(table, weights, sensitivity, level)
    words = words if window is None else (*words, window_words(window))
    page = make_page(
        formula, timing, table, events, skipped, bacon, weights, sensitivity, words, fits, level
    )
    return PolicyEvaluation(
        formula, timing, fits, averages, events, skipped, bacon, weights, sensitivity, words, page,
        level,
    )  # fmt: skip


def _fits(
    formula: str, panel: Panel, timing: Timing, when: Mapping[str, Any], skipped: dict[str, str]
) -> dict[str, EffectResults]:
    control: Literal["never", "not-yet"] = "never" if timing.adoption.never.any() else "not-yet"
    leads = _leads(timing)
    specs: dict[str, Any] = {
        "Two-way fixed effects": TWFE(formula, **when),
        "Event study": EventStudy(formula, **when),
        "Sun-Abraham": SunAbraham(formula, **when),
        "Callaway-Sant'Anna": CallawaySantAnna(formula, control=control, base="universal", **when),
        "Imputation": BorusyakJaravelSpiess(formula, leads=leads, **when),
        "Two-stage": TwoStageDiD(formula, **when),
        "Extended two-way": ExtendedTWFE(formula, **when),
    }
    found = {name: _tried(name, partial(spec.fit, panel), skipped) for name, spec in specs.items()}
    return {name: fit for name, fit in found.items() if fit is not None}


def _leads(timing: Timing) -> int:
    """Leads that the first cohorts leave, with a period for comparison."""
    adoption = timing.adoption
    before = [int((adoption.steps < g).sum()) for g in adoption.cohorts]
    return min(max(before, default=1) - 1, MOST_LEADS)


def _tried(name: str, run: Callable[[], R], skipped: dict[str, str]) -> R | None:
    try:
        return run()
    except PanelmlError as error:
        skipped[name] = str(error)
        return None


def _has_horizons(fit: EffectResults) -> bool:
    return fit.cells is not None or "horizon" in fit.labels.columns


def _event(fit: EffectResults, window: tuple[int, int] | None) -> EffectResults:
    event = fit if fit.cells is None else fit.aggregate("event")
    return event if window is None else event.limited(*window)


def _sensitivity(events: Mapping[str, EffectResults], level: float) -> Any:
    """Allow for departures from parallel trends in an event study that has a reference period."""
    for name in ("Sun-Abraham", "Callaway-Sant'Anna", "Event study"):
        if name in events:
            return honest_did(events[name], level=level)
    raise IdentificationError("No event study has a single reference period.")
