"""What may be concluded from the evaluation of a policy, in words, and its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from panelml.data.show import number
from panelml.did.few import FEW
from panelml.results.averages import label_text
from panelml.results.decomposition import BaconDecomposition, TwfeWeights
from panelml.results.effects import EffectResults, event_study_plot
from panelml.results.honest import Sensitivity
from panelml.results.page import Page, Part, Prose, Section
from panelml.results.plot_picture import Picture
from panelml.results.policy import effects_listing
from panelml.results.timing import Timing

__all__ = ["FEW", "conclusions", "make_page", "window_words"]

# Pre-trend tests with a smaller p-value are called rejected.
LEVEL = 0.05


def conclusions(
    table: Any, weights: TwfeWeights | None, sensitivity: Sensitivity | None, level: float
) -> tuple[str, ...]:
    """Say what the numbers allow, and no more.

    Parameters
    ----------
    table : DataFrame
        As ``PolicyEvaluation.table``.
    weights : TwfeWeights, or None
    sensitivity : Sensitivity, or None
    level : float
    """
    words = [_agreement(table, level)]
    tested = table["pretrend_p"].dropna()
    if len(tested):
        rejecting = [str(name) for name in tested.index[tested < LEVEL]]
        words.append(
            f"Pre-trends are rejected at the 5% level by {', '.join(rejecting)}: trends were not "
            "parallel before adoption, and the effects above may continue this difference."
            if rejecting
            else "No estimator rejects equal trends before adoption. That does not show that "
            "trends would have been parallel afterwards: see the sensitivity analysis."
        )
    if weights is not None and len(weights.negative):
        words.append(
            f"The two-way coefficient gives {len(weights.negative)} of {len(weights.weights)} "
            "effects a negative weight: prefer the estimators that do not."
        )
    if sensitivity is not None:
        words.append(_robustness(sensitivity))
    words.append(
        "All of this rests on parallel trends and on the policy having no effect before its "
        "adoption, neither of which data can prove."
    )
    return tuple(words)


def window_words(window: tuple[int, int]) -> str:
    """Say which horizons are shown."""
    return (
        f"Effects by horizon, tests of pre-trends and the sensitivity analysis are of horizons "
        f"{window[0]} to {window[1]}, at which {FEW} treated units at least are observed."
    )


def _agreement(table: Any, level: float) -> str:
    robust = table.drop(index="Two-way fixed effects", errors="ignore")
    robust = table if robust.empty else robust
    away = (robust["conf_low"] > 0) | (robust["conf_high"] < 0)
    span = f"{number(robust['effect'].min())} to {number(robust['effect'].max())}"
    count = f"{int(away.sum())} of {len(robust)}"
    if not away.any():
        return (
            f"Average effects on treated units range from {span}; the {100 * level:g}% interval "
            f"of none of {len(robust)} estimators leaves out zero. That is no evidence that there "
            "is no effect: look at how wide the intervals are."
        )
    signs = np.sign(robust["effect"]).nunique()
    alike = "all of one sign" if signs == 1 else "not all of one sign"
    return (
        f"Average effects on treated units range from {span}, {alike}; the {100 * level:g}% "
        f"intervals of {count} estimators leave out zero."
    )


def _robustness(found: Sensitivity) -> str:
    if np.isnan(found.breakdown):
        return (
            "The first effect after adoption cannot be told from zero even under parallel trends."
        )
    if np.isinf(found.breakdown):
        return "The first effect stays away from zero for all departures that were tried."
    return (
        f"The first effect after adoption stays away from zero as long as departures from "
        f"parallel trends change by at most {number(found.breakdown)} times their largest change "
        "before adoption."
    )


def make_page(
    formula: str, timing: Timing, table: Any, events: Mapping[str, EffectResults],
    skipped: Mapping[str, str], bacon: BaconDecomposition | None, weights: TwfeWeights | None,
    sensitivity: Sensitivity | None, words: tuple[str, ...], fits: Mapping[str, EffectResults],
    level: float,
) -> Page:  # fmt: skip
    """Put everything on one page."""
    outcome = formula.partition("~")[0].strip()
    sections = [
        Section("What may be concluded", (Prose(words),)),
        Section("Who is treated when", _timing_parts(timing, outcome)),
        Section("Average effects", _average_parts(table, skipped, level)),
        Section("Effects by horizon", (Picture(
            "Event studies; intervals for each effect on its own",
            lambda: event_study_plot(level=level, band=False, ax=None, **events),
        ),)),
    ]  # fmt: skip
    parts: list[Part] = []
    if bacon is not None:
        parts += [bacon, Picture("Comparisons of cohorts in the two-way coefficient", bacon.plot)]
    if weights is not None:
        parts += [weights, Picture("Weights of effects in the two-way coefficient", weights.plot)]
    if parts:
        sections.append(Section("What the two-way coefficient is made of", tuple(parts)))
    if sensitivity is not None:
        picture = Picture("Intervals that allow for departures", sensitivity.plot)
        sections.append(Section("Sensitivity to parallel trends", (sensitivity, picture)))
    sections.append(Section("All estimates", tuple(fit.summary(level) for fit in fits.values())))
    return Page(f"Policy evaluation: {formula}", Prose((_opening(timing),)), tuple(sections))


def _opening(timing: Timing) -> str:
    adoption = timing.adoption
    dates = ", ".join(label_text(adoption.label(g)) for g in adoption.cohorts)
    return (
        f"{int((~adoption.never).sum()):,} of {timing.panel.n_units:,} units adopt the policy, "
        f"in: {dates}."
    )


def _timing_parts(timing: Timing, outcome: str) -> tuple[Part, ...]:
    parts: list[Part] = [timing, Picture("Treatment status", timing.plot)]
    if outcome in timing.panel.columns:
        parts.append(Picture("Means by cohort", lambda: timing.plot_means(outcome)))
    small = timing.cohorts()
    few = [str(name) for name in small.index[small["units"] < FEW] if name != "always treated"]
    if few:
        parts.append(Prose((
            f"Cohorts of fewer than {FEW} units ({', '.join(few)}) are too small for inference "
            "that relies on many units: read their own effects with care.",
        )))  # fmt: skip
    return tuple(parts)


def _average_parts(table: Any, skipped: Mapping[str, str], level: float) -> tuple[Part, ...]:
    listing = effects_listing(table, level)
    reasons = Prose(tuple(f"Not run: {name}. {why}" for name, why in skipped.items()))
    return (listing, *([reasons] if skipped else []))
