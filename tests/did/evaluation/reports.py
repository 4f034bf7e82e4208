"""Simulated policies of known truth, and every sentence of their reports checked against rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd

import panelml as pm
from panelml.did.results.policy import PolicyEvaluation
from panelml.errors import PanelmlError

NAMES = (
    "Two-way fixed effects",
    "Sun-Abraham",
    "Callaway-Sant'Anna",
    "Imputation",
    "Two-stage",
    "Extended two-way",
)
NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?"


@dataclass(frozen=True)
class Design:
    """A panel with the options of its evaluation, and whether its policy does nothing."""

    seed: int
    frame: pd.DataFrame
    options: dict[str, Any] = field(default_factory=dict)
    formula: str = "y ~ 1"
    null: bool = True
    parallel: bool = True

    @property
    def panel(self) -> pm.Panel:
        return pm.Panel(self.frame, unit="unit", time="time")

    def evaluate(self, draws: int) -> PolicyEvaluation:
        options = dict(self.options)
        comparisons = pm.Comparisons(
            anticipation=options.pop("anticipation"), control=options.pop("control", None)
        )
        inference = pm.PolicyInference(cov=options.pop("cov", "cluster"), reps=draws)
        return pm.evaluate_policy(
            self.formula, self.panel, comparisons=comparisons, inference=inference, **options
        )


def draw_design(seed: int) -> Design:
    """Draw a design: sizes, cohorts, effects, trends, missing rows, clusters, weights, codings."""
    rng = np.random.default_rng([11, seed])
    periods = int(rng.integers(5, 10))
    units = int(rng.choice([14, 25, 40, 70, 120]))
    starts = rng.choice(np.arange(3, periods + 1), size=int(rng.integers(1, 4)), replace=False)
    never = float(rng.choice([0.0, 0.1, 0.4, 0.6], p=[0.1, 0.15, 0.45, 0.3]))
    shares = {int(g): (1 - never) / starts.size for g in np.sort(starts)}
    null, parallel = bool(rng.random() < 0.6), bool(rng.random() < 0.8)
    clusters = int(units // rng.integers(2, 5)) if rng.random() < 0.2 else None
    anticipates = bool(rng.random() < 0.15)
    frame = pm.simulate.staggered(
        units,
        periods,
        shares,
        effect=0.0 if null else 1.0,
        seed=seed,
        adopters=pm.simulate.Adopters(
            trend=0.0 if parallel else 0.8, anticipation=() if null or not anticipates else (0.5,)
        ),
        sampling=pm.simulate.Sampling(
            rho=float(rng.choice([0.0, 0.5])),
            n_clusters=clusters,
            sigma_c=0.5 if clusters else 0.0,
            unbalanced=float(rng.choice([0.0, 0.03, 0.1])),
        ),
    )
    if rng.random() < 0.15:
        few = frame.loc[frame["cohort"].notna(), "unit"].unique()[: int(rng.integers(1, 5))]
        frame = frame[frame["cohort"].isna() | frame["unit"].isin(few)]
    if rng.random() < 0.1:
        few = frame.loc[frame["cohort"].isna(), "unit"].unique()[: int(rng.integers(1, 4))]
        frame = frame[frame["cohort"].notna() | frame["unit"].isin(few)]
    if rng.random() < 0.2:
        early = rng.permutation(frame["unit"].unique())[:3]
        code = float(rng.choice([-1.0, 1.0]))
        frame = frame.assign(cohort=frame["cohort"].mask(frame["unit"].isin(early), code))
    if rng.random() < 0.1:
        frame = frame[frame["time"] != int(rng.integers(2, periods))]
    frame = frame.reset_index(drop=True)
    if rng.random() < 0.15:
        frame.loc[rng.random(len(frame)) < 0.03, "y"] = np.nan
    options: dict[str, Any] = {"anticipation": int(anticipates)}
    if clusters:
        options["cov"] = "cluster:cluster"
    if rng.random() < 0.2:
        frame["w"] = rng.uniform(0.5, 1.5, units + 1)[frame["unit"]]
        options["weights"] = "w"
    if rng.random() < 0.2:
        options["control"] = str(rng.choice(["never", "not-yet"]))
    frame["status"] = (frame["cohort"] <= frame["time"]).astype(int)
    options |= {"treatment": "status"} if rng.random() < 0.3 else {"cohort": "cohort"}
    formula = "y ~ x" if rng.random() < 0.2 else "y ~ 1"
    return Design(seed, frame, options, formula, null, parallel)


@dataclass(frozen=True)
class Report:
    """A report as it is read: its text, its table, and its page."""

    design: Design
    found: PolicyEvaluation

    @property
    def text(self) -> str:
        return " ".join(str(self.found).split())

    @property
    def page(self) -> str:
        return " ".join(str(self.found.page).split())

    @property
    def table(self) -> pd.DataFrame:
        """Numbers as printed, by estimator; missing where nothing is printed."""
        head, *lines = [
            line for line in str(self.found).splitlines() if line.startswith(("Estimator", *NAMES))
        ]
        width = max(len(n) for n in NAMES for line in lines if line.startswith(n + "  "))
        ends = [width, *(m.end() for m in re.finditer(r"\S+(?: \S+)*", head) if m.start())]
        rows = {}
        for line in lines:
            name = next((n for n in NAMES if line.startswith(n + "  ")), None)
            if name is not None:
                cells = [line[a:b].strip() for a, b in pairwise(ends)]
                rows[name] = [
                    float(c.replace("<", "").replace(",", "")) if c else np.nan for c in cells
                ]
        columns = ["effect", "error", "low", "high", "p", "pre"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    @property
    def cohort(self) -> pd.Series:
        """First treated period of each unit, as rows say it; infinite without."""
        frame = self.design.frame
        if "treatment" in self.design.options:
            first = frame["time"].where(frame["status"] == 1).groupby(frame["unit"]).min()
            return first.fillna(np.inf)
        first = frame.groupby("unit")["cohort"].first()
        return first.where(first <= frame["time"].max()).fillna(np.inf)

    @property
    def adopting(self) -> pd.Series:
        cohort, first = self.cohort, self.design.frame["time"].min()
        return cohort[(cohort > first) & np.isfinite(cohort)]


def numbers(pattern: str, text: str) -> list[tuple[str, ...]]:
    return [match.groups() for match in re.finditer(pattern, text)]


def false_sentences(report: Report) -> Iterator[str]:
    """Name what a report says that its rows and its own table do not bear out."""
    yield from _false_counts(report)
    yield from _false_agreement(report)
    yield from _false_withholding(report)
    yield from _false_pretrends(report)
    yield from _false_weights(report)
    yield from _false_rest(report)


def _false_counts(report: Report) -> Iterator[str]:
    n, frame = report.cohort.size, report.design.frame
    always = int((report.cohort <= frame["time"].min()).sum())
    adopting = report.adopting
    for count, total in numbers(r"(\d+) of (\d+) units adopt", report.page + report.text):
        if (int(count), int(total)) != (adopting.size, n):
            yield f"{count} of {total} adopt"
    for count, total, cohorts in numbers(
        r"Treatment by \w+: (\d+) of (\d+) units \(unit\) adopt, in (\d+) cohorts", report.page
    ):
        if (int(count), int(total), int(cohorts)) != (adopting.size, n, adopting.nunique()):
            yield f"timing: {count} of {total} in {cohorts} cohorts"
    said = numbers(r"(\d+) units are treated in the first period already", report.text)
    if [int(count) for (count,) in said] != ([always] if always else []):
        yield f"always treated: {said}, not {always}"
    periods = frame.loc[frame["y"].notna(), "time"].nunique()
    rows = frame[frame["y"].notna()].groupby("unit").size()
    whole = report.cohort.index.isin(rows.index[rows == periods])
    for count, span in numbers(
        r"Left out (\d+) units that are not observed in all (\d+)", report.text
    ):
        short = rows[(rows < periods) & (report.cohort[rows.index] > frame["time"].min())]
        never = np.isinf(report.cohort).any()
        if never and (int(count), int(span)) != (short.size, periods):
            yield f"left out {count} of {span} periods, not {short.size} of {periods}"
    compared = always == 0 and np.isinf(report.cohort).any()
    compared &= "Callaway-Sant'Anna" in report.found.fits and not whole.all()
    if compared and "not observed in all" not in report.text:
        yield "units left out, and not said"


def _false_agreement(report: Report) -> Iterator[str]:
    table, text = report.table, report.text
    others = table.drop(index=NAMES[0], errors="ignore")
    table = table if others.empty else others
    known = table.dropna(subset="low")
    away = int(((known["low"] > 0) | (known["high"] < 0)).sum())
    said = numbers(r"(\d+) of (\d+) estimators leave out zero", text)
    wanted = [] if known.empty else [(str(away), str(len(known)))]
    if said != wanted:
        yield f"leave out zero: {said}, not {wanted}"
    if ((known["p"] < 0.0499) & (known["low"] < 0) & (known["high"] > 0)).any():
        yield "a P-value below 5 % beside an interval with zero"
    if ((known["p"] > 0.0501) & ((known["low"] > 0) | (known["high"] < 0))).any():
        yield "a P-value above 5 % beside an interval without zero"
    for low, high in numbers(rf"range from ({NUMBER}) to ({NUMBER})", text):
        if (float(low), float(high)) != (table["effect"].min(), table["effect"].max()):
            yield f"range {low} to {high}"
    alike = np.sign(table["effect"]).nunique() == 1
    if ("not all of one sign" in text and alike) or (
        " all of one sign" in text and not (alike or "not all of one sign" in text)
    ):
        yield "signs"


def _clusters(report: Report, whole: bool, measured: bool) -> tuple[dict[float, int], int]:
    """Count clusters by cohort, and comparison clusters, of units with outcomes.

    ``measured``: without cohorts that nobody is observed in the period before.
    """
    frame = report.design.frame
    frame = frame[frame["y"].notna()]
    if measured:
        before = frame["unit"].map(report.cohort) - 1
        frame = frame[before.isin(frame["time"].unique()) | ~np.isfinite(before)]
    if whole:
        periods = frame["time"].nunique()
        rows = frame.groupby("unit")["time"].transform("size")
        frame = frame[rows == periods]
    name = "cluster" if "cov" in report.design.options else "unit"
    cohort = report.cohort[frame["unit"]].to_numpy()
    last = cohort.max(initial=-np.inf)
    cells = pd.DataFrame({"g": cohort, "c": frame[name].to_numpy()}).drop_duplicates()
    first = report.design.frame["time"].min()
    always, compared = cells["g"] <= first, cells["g"] == last
    treated = ~always & ~compared
    if not treated.any():
        treated, compared = compared & ~always, always
    return cells[treated].groupby("g").size().to_dict(), int(compared.sum())


def _false_withholding(report: Report) -> Iterator[str]:
    possible = [_clusters(report, *ways) for ways in product((False, True), repeat=2)]
    sizes = {(sum(by.values()), len(by), m) for by, m in possible}
    said = numbers(
        r"(\d+) treated clusters? \(\w+\) in (\d+) cohorts?, (\d+) comparison clusters?",
        report.text,
    )
    ends = np.sort(np.array(sorted(sizes)), axis=0)[[0, -1]]
    for counts in said:
        values = np.array(counts, dtype=int)
        if not ((ends[0] <= values) & (values <= ends[1])).all():
            yield f"clusters {counts}, not among {sizes}"
    by, m = possible[0]
    blank = report.table["error"].isna()
    if (sum(by.values()) < 5 or m < 5) and not blank.all():
        yield "standard errors with fewer than five clusters"
    if blank.any() and not report.found.conclusions[0].startswith("Too few clusters"):
        yield "withheld, and not said first"
    if not blank.any() and "Too few clusters" in report.text:
        yield "said to be withheld, and is not"
    if blank.all() and (
        report.found.sensitivity or re.search("rejects? equal trends|Pre-trends", report.text)
    ):
        yield "a verdict without standard errors"


def _false_pretrends(report: Report) -> Iterator[str]:
    tests, text = report.table["pre"].dropna(), report.text
    if "No estimator rejects equal trends" in text and (tests < 0.0499).any():
        yield "no estimator rejects, but one does"
    if "Pre-trends are rejected" in text and not (tests < 0.0501).any():
        others = "Event study" in text
        if not others:
            yield "pre-trends are rejected, but by no estimator"
    if tests.empty is False and not re.search(
        "No estimator rejects equal trends|Pre-trends are rejected|are not rejected at", text
    ):
        yield "tests without a verdict"
    if "Test of pre-trends" in report.page:
        yield "a second test of pre-trends"


def _false_weights(report: Report) -> Iterator[str]:
    said = numbers(r"gives (\d+) of (\d+) effects a negative weight", report.text)
    frame = report.design.frame
    if "weights" in report.design.options or report.design.formula != "y ~ 1":
        return
    if "Two-way fixed effects" not in report.found.fits:
        return
    rows = frame[frame["y"].notna()]
    cohort = report.cohort[rows["unit"]].to_numpy()
    d = (rows["time"].to_numpy() >= cohort).astype(float)
    dummies = np.column_stack([pd.get_dummies(rows[c]).to_numpy(float) for c in ("unit", "time")])
    left = d - dummies @ np.linalg.lstsq(dummies, d, rcond=None)[0]
    cell = pd.DataFrame(
        {"g": np.maximum(cohort, frame["time"].min()), "t": rows["time"].to_numpy(), "w": left}
    )[d == 1]
    sums = cell.groupby(["g", "t"])["w"].sum()
    negative = int((sums < -1e-9).sum())
    wanted = [(str(negative), str(sums.size))] if negative else []
    if said != wanted:
        yield f"negative weights {said}, not {wanted}"


def _false_rest(report: Report) -> Iterator[str]:
    text, options, found = report.text, report.design.options, report.found
    early = options["anticipation"]
    if bool(early) != ("more than 1 period before its adoption" in text):
        yield "anticipation"
    taken_apart = "weights" in options and NAMES[0] in found.fits
    if taken_apart and "Goodman-Bacon decomposition. It takes no weights" not in text:
        yield "weights that do not reach the decomposition"
    alone = options.get("control") == "never" and "Imputation" in found.fits
    if alone and "It takes no control=" not in text:
        yield "control that does not reach imputation"
    told = "cannot be told from zero" in text
    if found.sensitivity is not None:
        study = next(
            found.events[n]
            for n in ("Sun-Abraham", "Callaway-Sant'Anna", "Event study")
            if n in found.events
        )
        ends = study.conf_int().loc["horizon 0"]
        if told != bool(ends["lower"] <= 0 <= ends["upper"]):
            yield "the effect in the period of adoption"
    for low, high in numbers(r"are of horizons (-?\d+) to (-?\d+)", text):
        by = report.adopting.value_counts()
        times = np.sort(report.design.frame["time"].unique())
        for h in range(int(low), int(high) + 1):
            size = sum(n for g, n in by.items() if g + h in times)
            if size < 5:
                yield f"horizon {h} has {size} units"


def run(seeds: range, draws: int) -> tuple[pd.DataFrame, list[str]]:
    """Evaluate designs: a row for each test that was made, and the false sentences."""
    tests, wrong = [], []
    for seed in seeds:
        design = draw_design(seed)
        try:
            report = Report(design, design.evaluate(draws))
        except PanelmlError as error:
            tests.append({"seed": seed, "kind": "refused", "p": np.nan, "words": str(error)})
            continue
        wrong += [f"{seed}: {words}" for words in false_sentences(report)]
        true = {"null": design.null, "parallel": design.parallel, "seed": seed}
        for name, row in report.table.iterrows():
            tests.append({**true, "kind": "effect", "name": name, "p": row["p"]})
        rejected = "Pre-trends are rejected" in report.text
        tested = not report.table["pre"].dropna().empty
        tests.append({**true, "kind": "trends", "p": float(not rejected) if tested else np.nan})
        if report.found.randomization is not None:
            p = report.found.randomization.pvalue
            tests.append({**true, "kind": "dealt", "p": p})
    return pd.DataFrame(tests), wrong
