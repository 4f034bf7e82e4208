"""The page on which everything stands that was found of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from panelml.did.evaluation.question import Question
from panelml.did.evaluation.words import Findings, conclusions, small_cohorts
from panelml.did.results.averages import label_text
from panelml.did.results.decomposition import BaconDecomposition
from panelml.did.results.effects import EffectResults
from panelml.did.results.event_studies import event_study_plot
from panelml.did.results.policy import effects_listing, not_run
from panelml.did.results.timing import Timing
from panelml.errors import listing
from panelml.results.plot.picture import Picture
from panelml.results.show.page import Page, Printable, Prose, Section
from panelml.results.show.summary import Summary

__all__ = ["make_page"]

# Dates of adoption that are named at the top of the page.
MOST_DATES = 20


def make_page(
    question: Question,
    timing: Timing,
    found: Findings,
    skipped: Mapping[str, str],
    bacon: BaconDecomposition | None,
    notes: tuple[str, ...],
    fits: Mapping[str, EffectResults],
) -> Page:
    """Put everything on one page."""
    level = found.level
    averages: list[Printable] = [effects_listing(found.table, level)]
    if skipped or notes:
        averages.append(Prose((*not_run(skipped), *notes)))
    if found.dealt is not None:
        averages += [found.dealt, Picture("Effects of dates dealt out anew", found.dealt.plot)]
    sections = [
        Section("What may be concluded", (Prose(conclusions(found)),)),
        Section("Who is treated when", _timing_parts(timing, question.outcome)),
        Section("Average effects", tuple(averages)),
    ]
    if found.events:
        shown = any(np.isfinite(event.std_errors).any() for event in found.events.values())
        words = "intervals for each effect on its own" if shown else "no standard errors hold"
        sections.append(
            Section(
                "Effects by horizon",
                (
                    Picture(
                        f"Event studies; {words}",
                        lambda: event_study_plot(level=level, band=False, ax=None, **found.events),
                    ),
                ),
            )
        )
    sections += _two_way(found, bacon)
    if found.sensitivity is not None:
        picture = Picture("Intervals that allow for departures", found.sensitivity.plot)
        sections.append(Section("Sensitivity to parallel trends", (found.sensitivity, picture)))
    sections.append(Section("All estimates", tuple(_untested(f, level) for f in fits.values())))
    title = f"Policy evaluation: {question.formula}"
    return Page(title, Prose((_opening(timing),)), tuple(sections))


def _two_way(found: Findings, bacon: BaconDecomposition | None) -> list[Section]:
    parts: list[Printable] = []
    if bacon is not None:
        parts += [bacon, Picture("Comparisons of cohorts in the two-way coefficient", bacon.plot)]
    weights = found.weights
    if weights is not None:
        parts += [weights, Picture("Weights of effects in the two-way coefficient", weights.plot)]
    return [Section("What the two-way coefficient is made of", tuple(parts))] if parts else []


def _untested(fit: EffectResults, level: float) -> Summary:
    """Summarise a fit without its own test of pre-trends, over horizons seen in few clusters."""
    return replace(fit, labels=fit.labels.drop(columns="horizon", errors="ignore")).summary(level)


def _opening(timing: Timing) -> str:
    adoption = timing.adoption
    dates = listing((label_text(adoption.label(g)) for g in adoption.cohorts), most=MOST_DATES)
    adopting = int((~(adoption.never | adoption.always)).sum())
    always = int(adoption.always.sum())
    more = f" {always:,} more are treated from the first period on." if always else ""
    return f"{adopting:,} of {timing.panel.n_units:,} units adopt the policy, in: {dates}.{more}"


def _timing_parts(timing: Timing, outcome: str) -> tuple[Printable, ...]:
    parts: list[Printable] = [timing, Picture("Treatment status", timing.plot)]
    if outcome in timing.panel.columns:
        parts.append(Picture("Means by cohort", lambda: timing.plot_means(outcome)))
    few = small_cohorts(timing)
    return (*parts, Prose(few)) if few else tuple(parts)
