"""Estimates of several estimators of one policy, and the clusters that their errors rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from panelml.data.panel.panel import Panel
from panelml.did.estimators.base import average_effect
from panelml.did.estimators.cluster_counts import ClusterCounts, common_window, count_clusters
from panelml.did.evaluation.question import Question
from panelml.did.results.effects import EffectResults
from panelml.did.results.timing import Timing
from panelml.errors import IdentificationError, PanelmlError
from panelml.inference.few import LEAST_CLUSTERS

__all__ = ["PolicyEstimates", "attempt"]

R = TypeVar("R")

# Standard errors below this share of their effect are rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class PolicyEstimates:
    """What the estimators find, each dict by the name of the estimator.

    Attributes
    ----------
    fits : dict of str to EffectResults
        As estimated, with the estimators' own standard errors.
    counts : dict of str to ClusterCounts
    allowed : dict of str to EffectResults
        The fits, with standard errors that allow for few clusters or are withheld.
    averages : dict of str to EffectResults
        The average effect of those that are no event study, likewise.
    events : dict of str to EffectResults
        Effects by horizon, likewise.
    window : (int, int), or None
        First and last horizon of these.
    """

    fits: Mapping[str, EffectResults]
    counts: Mapping[str, ClusterCounts]
    allowed: Mapping[str, EffectResults]
    averages: Mapping[str, EffectResults]
    events: Mapping[str, EffectResults]
    window: tuple[int, int] | None

    @classmethod
    def of(cls, question: Question, timing: Timing, skipped: dict[str, str]) -> PolicyEstimates:
        """Fit all estimators; what fails is written to ``skipped``.

        Raises
        ------
        IdentificationError
            If no estimator can be run, or nothing of the outcome is left unexplained.
        """
        fits = _fits(question, timing, skipped)
        if not fits:
            raise IdentificationError(question.impossible(skipped))
        counts = {name: count_clusters(fit, timing.adoption) for name, fit in fits.items()}
        allowed = {name: counts[name].on(fit) for name, fit in fits.items()}
        averages = {
            name: average_effect(fit) for name, fit in allowed.items() if name != "Event study"
        }
        _require_noise(averages)
        studies = {name: fit for name, fit in fits.items() if _has_horizons(fit)}
        known = [counts[name] for name in studies if counts[name].known]
        find = partial(_window, timing, known, question.comparisons.anticipation)
        window = attempt("Common window of horizons", find, skipped)
        events = {name: _event(fit, counts[name], window) for name, fit in studies.items()}
        return cls(fits, counts, allowed, averages, events, window)


def attempt(name: str, run: Callable[[], R], skipped: dict[str, str]) -> R | None:
    """Return what there is to be had, or write down why there is nothing."""
    try:
        return run()
    except PanelmlError as error:
        skipped[name] = str(error)
        return None


def _fits(question: Question, timing: Timing, skipped: dict[str, str]) -> dict[str, EffectResults]:
    fits = {
        name: attempt(name, partial(_fitted, spec, timing.panel), skipped)
        for name, spec in question.specs(timing).items()
    }
    early = question.comparisons.anticipation
    return {name: replace(fit, anticipation=early) for name, fit in fits.items() if fit is not None}


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


def _has_horizons(fit: EffectResults) -> bool:
    return fit.cells is not None or "horizon" in fit.labels.columns


def _window(timing: Timing, known: list[ClusterCounts], anticipation: int) -> tuple[int, int]:
    timing.horizons(LEAST_CLUSTERS)
    return common_window(known, anticipation)


def _event(
    fit: EffectResults, counts: ClusterCounts, window: tuple[int, int] | None
) -> EffectResults:
    event = fit if fit.cells is None else fit.aggregate("event")
    if window is None:
        return counts.withheld(event)
    return counts.on_horizons(event.limited(*window))
