"""What may be concluded from the evaluation of a policy, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from panelml.data.describe.show import number
from panelml.did.estimators.cluster_counts import ClusterCounts
from panelml.did.evaluation.question import NAIVE, STUDIES, Question
from panelml.did.results.decomposition import TwfeWeights
from panelml.did.results.effects import EffectResults
from panelml.did.results.honest import Sensitivity
from panelml.did.results.randomization import RandomizationTest
from panelml.did.results.timing import Timing
from panelml.inference.few import LEAST, LEAST_CLUSTERS
from panelml.inference.testing import TestResult

__all__ = ["Findings", "conclusions", "merged_notes", "small_cohorts"]

# Tests with a smaller p-value are called rejected.
LEVEL = 0.05
# With fewer degrees of freedom it is said how many there are.
FEW = 50


@dataclass(frozen=True, slots=True)
class Findings:
    """All that conclusions are drawn from.

    Attributes
    ----------
    table : DataFrame
        As ``PolicyEvaluation.table``.
    counts : dict of str to ClusterCounts
        By estimator.
    events : dict of str to EffectResults
        Effects by horizon, in the order in which their tests are read.
    window : (int, int), or None
        First and last horizon of these.
    weights : TwfeWeights, or None
    sensitivity : Sensitivity, or None
    dealt : RandomizationTest, or None
    level : float
    anticipation : int
    codings : tuple of str
        What is to be known of how adoption is coded.
    """

    table: Any
    counts: Mapping[str, ClusterCounts]
    events: Mapping[str, EffectResults]
    window: tuple[int, int] | None
    weights: TwfeWeights | None
    sensitivity: Sensitivity | None
    dealt: RandomizationTest | None
    level: float
    anticipation: int
    codings: tuple[str, ...]

    @property
    def known(self) -> dict[str, ClusterCounts]:
        """Estimators of average effects whose standard errors hold."""
        return {name: self.counts[name] for name in self.table.index if self.counts[name].known}


def conclusions(found: Findings) -> tuple[str, ...]:
    """Say what the numbers allow, and no more, beginning with what they do not allow."""
    return (
        *_too_few(found),
        *_randomised(found.dealt),
        *found.codings,
        *_agreement(found),
        *_few(found),
        *_pretrends(found),
        *_negative(found.weights),
        *_robustness(found.sensitivity),
        "All of this rests on parallel trends and on the policy having no effect "
        f"{_before(found)}, neither of which data can prove.",
        *_window_words(found.window),
    )


def _before(found: Findings) -> str:
    early = found.anticipation
    if not early:
        return "before its adoption"
    return f"more than {early:,} period{'s' if early > 1 else ''} before its adoption"


def _too_few(found: Findings) -> tuple[str, ...]:
    gone = {name: c for name, c in found.counts.items() if not c.known}
    if not gone:
        return ()
    everyone = len(gone) == len(found.counts)
    whom = _by_estimator(gone, everyone)
    return (
        f"Too few clusters for standard errors: {whom}. Treated clusters less their cohorts, or "
        f"comparison clusters less one, are fewer than {LEAST}: standard errors would be too "
        "small, and tests would reject far too often. Standard errors, intervals, P-values, tests "
        f"of pre-trends and the sensitivity analysis{' of these estimators' * bool(found.known)} "
        "are withheld.",
    )


def _by_estimator(counts: Mapping[str, ClusterCounts], everyone: bool) -> str:
    """Say how many clusters there are, and of which estimators, where that is not of all."""
    sizes: dict[str, list[str]] = {}
    for name, count in counts.items():
        sizes.setdefault(_sizes(count), []).append(name)
    return "; ".join(
        size if everyone and len(sizes) == 1 else f"{size} ({', '.join(of)})"
        for size, of in sizes.items()
    )


def _sizes(count: ClusterCounts) -> str:
    treated, cohorts = _counted(count.treated, "treated cluster"), _counted(count.cohorts, "cohort")
    words = (
        f"{treated} ({count.name}) in {cohorts}, {_counted(count.comparison, 'comparison cluster')}"
    )
    if count.equal == (count.treated, count.comparison):
        return words
    return f"{words} (by their weights like {count.equal[0]:.3g} and {count.equal[1]:.3g})"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _randomised(dealt: RandomizationTest | None) -> tuple[str, ...]:
    if dealt is None:
        return ()
    return (
        f"A randomisation test needs no large number: of {dealt.draws.size:,} draws that deal the "
        f"dates out among {dealt.among}, and the dates as they were, a share of {dealt.pvalue:.3g} "
        f"has an average effect by {dealt.model} at least as far from zero as "
        f"{number(dealt.estimate)}. This is the P-value of no effect on any unit, if every "
        "assignment of these dates was equally likely.",
    )


def _few(found: Findings) -> tuple[str, ...]:
    few = {name: c for name, c in found.known.items() if c.whole.df[0] < FEW}
    if not few:
        return ()
    df = sorted({f"{c.whole.df[0]:.3g}" for c in few.values()}, key=float)
    size = _by_estimator(few, everyone=len(few) == len(found.table))
    most = max(float(c.whole.inflation[0]) for c in few.values())
    inflated = f" Variances are multiplied by up to {most:.3g}." if most > 1 else ""
    return (
        f"Few clusters: {size}. Intervals and P-values are those of t with "
        f"{' to '.join(dict.fromkeys([df[0], df[-1]]))} degrees of freedom, which are "
        f"those of the smaller group.{inflated}",
    )


def _agreement(found: Findings) -> tuple[str, ...]:
    others = found.table.drop(index=NAIVE, errors="ignore")
    table = found.table if others.empty else others
    effect = table["effect"]
    ends = dict.fromkeys([number(effect.min()), number(effect.max())])
    start = "Average effects on treated units " + (
        f"range from {' to '.join(ends)}" if len(ends) > 1 else f"are {next(iter(ends))}"
    )
    if len(table) < len(found.table):
        start += f" ({NAIVE.lower()} left aside)"
    signs = np.sign(effect[np.isfinite(effect)]).nunique()
    alike = "all of one sign" if signs == 1 else "not all of one sign"
    known = table[np.isfinite(table["std_error"])]
    if known.empty:
        return (f"{start}, {alike}.",)
    away = int(((known["conf_low"] > 0) | (known["conf_high"] < 0)).sum())
    if not away:
        return (
            f"{start}; the {100 * found.level:g}% intervals of 0 of {len(known)} estimators leave "
            "out zero. That is no evidence that there is no effect: look at how wide the intervals "
            "are.",
        )
    return (
        f"{start}, {alike}; the {100 * found.level:g}% intervals of {away} of {len(known)} "
        "estimators leave out zero.",
    )


def _pretrends(found: Findings) -> tuple[str, ...]:
    names = [name for name in (*STUDIES, *found.events) if name in found.events]
    tests = {name: test for name in names if (test := _test(found.events[name])) is not None}
    if not tests:
        if not found.known:
            return ()
        return (
            "Equal trends before adoption are not tested: too few periods before adoption, or "
            "too few units in them.",
        )
    words = {
        name: f"{name}, {_tested(found.events[name])}: {test.distribution}, {test.pvalue_text}"
        for name, test in tests.items()
    }
    first, *others = tests
    rejects = {name: test.pvalue < LEVEL for name, test in tests.items()}
    differ = [words[name] for name in others if rejects[name] != rejects[first]]
    if not any(rejects.values()):
        return (
            f"No estimator rejects equal trends before adoption ({words[first]}). That does not "
            "show that trends would have been parallel afterwards"
            f"{': see the sensitivity analysis' * (found.sensitivity is not None)}.",
        )
    if not rejects[first]:
        return (
            f"Equal trends before adoption are not rejected at the 5% level ({words[first]}), but "
            f"another test does reject them ({'; '.join(differ)}): read them as doubtful.",
        )
    against = f" Not so by {'; '.join(differ)}." if differ else ""
    return (
        f"Pre-trends are rejected at the 5% level ({words[first]}): equal trends before adoption "
        "would show such differences in fewer than 5 of 100 panels, and the effects above may "
        f"continue them.{against}",
    )


def _test(event: EffectResults) -> TestResult | None:
    test = event.model_test()
    return test if test is not None and np.isfinite(test.statistic) else None


def _tested(event: EffectResults) -> str:
    horizon = event.labels["horizon"].to_numpy()
    early = horizon[(horizon < -event.anticipation) & (event.std_errors.to_numpy() > 0)]
    ends = dict.fromkeys([str(early.min()), str(early.max())])
    return f"horizon{'s' if len(ends) > 1 else ''} {' to '.join(ends)}"


def _negative(weights: TwfeWeights | None) -> tuple[str, ...]:
    if weights is None or not len(weights.negative):
        return ()
    return (
        f"The two-way coefficient gives {len(weights.negative)} of {len(weights.weights)} effects "
        "a negative weight: prefer the estimators that do not.",
    )


def _robustness(found: Sensitivity | None) -> tuple[str, ...]:
    if found is None:
        return ()
    if np.isnan(found.breakdown):
        return (
            "The effect in the period of adoption cannot be told from zero even under "
            "parallel trends.",
        )
    start = "The effect in the period of adoption can be told from zero under parallel trends,"
    if np.isinf(found.breakdown):
        return (f"{start} and for all departures from them that were tried.",)
    if found.breakdown == 0:
        return (f"{start} but not once departures from them are allowed for.",)
    return (
        f"{start} and as long as departures from them change by at most "
        f"{number(found.breakdown)} times their largest change before adoption.",
    )


def _window_words(window: tuple[int, int] | None) -> tuple[str, ...]:
    if window is None:
        return ()
    return (
        f"Effects by horizon, tests of pre-trends and the sensitivity analysis are of horizons "
        f"{window[0]} to {window[1]}: those with clusters enough for standard errors, and for a "
        "joint test of those before adoption.",
    )


def small_cohorts(timing: Timing) -> tuple[str, ...]:
    """Say which cohorts of adopters are small."""
    sizes = timing.cohorts()["units"]
    few = [
        str(name)
        for name in sizes.index[sizes < LEAST_CLUSTERS]
        if name not in ("always treated", "never treated")
    ]
    if not few:
        return ()
    return (
        f"Cohorts of fewer than {LEAST_CLUSTERS} units ({', '.join(few)}) are too small for "
        "inference that relies on many units: read their own effects with care.",
    )


def merged_notes(
    fits: Mapping[str, EffectResults],
    averages: Mapping[str, EffectResults],
    question: Question,
    timing: Timing,
) -> tuple[str, ...]:
    """Collect what estimators say of themselves, rows and units that are left out first."""
    said: dict[str, list[str]] = {}
    for name, fit in fits.items():
        more = averages[name].notes if name in averages else ()
        for note in dict.fromkeys([*fit.notes, *more, *question.otherwise(name)]):
            if note not in timing.notes:
                said.setdefault(note, []).append(name)
    lines = [f"{', '.join(names)}: {note}" for note, names in said.items()]
    gone = [line for line, note in zip(lines, said, strict=True) if _leaves_out(note)]
    return (*timing.notes, *gone, *(line for line in lines if line not in gone))


def _leaves_out(note: str) -> bool:
    return note.startswith(("Left out", "Dropped"))
