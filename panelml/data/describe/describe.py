"""Who is observed when: size, balance, gaps and participation patterns of a panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, BoolArray, IntArray
from panelml.data.describe.show import Listing, count, html_prose, number, percent, prose
from panelml.data.panel.index import PanelIndex

__all__ = ["PanelDescription", "describe"]

PERCENTILES = (5, 25, 50, 75, 95)
_LONGEST_PATTERN = 40


@dataclass(frozen=True, eq=False)
class PanelDescription:
    """What ``Panel.describe`` found; prints as text and shows as HTML.

    Attributes
    ----------
    unit, time : str
        Names of the keys.
    nobs, n_units, n_periods : int
        Rows, units, and periods in which some unit is observed.
    first, last : object
        First and last period.
    span : int
        Periods from the first to the last, those in which no unit is observed included.
    delta : str
        Time from one period to the next.
    remedy : str
        What to do where no two periods are so far apart.
    t_min, t_mean, t_max : float
        Least, mean and most rows of a unit.
    t_percentiles : dict of int to float
        Percentiles of the rows of a unit; where one falls between two units, their mean.
    balanced : bool
        Whether every unit is observed in every period.
    gaps : int
        Breaks in the observation of a unit, all units together.
    units_with_gaps : int
    spells : Series
        Units by their number of runs of consecutive periods.
    patterns : DataFrame
        Columns ``pattern`` (1 for a period with a row, a dot for one without), ``periods`` (the
        same in words), ``units``, ``share`` and ``cumulative``; the most frequent first.
    n_patterns : int
        Number of different patterns, of which ``patterns`` has the most frequent.
    """

    unit: str
    time: str
    nobs: int
    n_units: int
    n_periods: int
    first: object
    last: object
    span: int
    delta: str
    remedy: str
    t_min: int
    t_mean: float
    t_max: int
    t_percentiles: dict[int, float]
    balanced: bool
    gaps: int
    units_with_gaps: int
    spells: pd.Series[int]
    patterns: pd.DataFrame
    n_patterns: int

    def __str__(self) -> str:
        sizes = self._sizes()
        width = max(len(head) for head, _ in sizes)
        lines = [f"{head:{width}}  {text}" for head, text in sizes]
        remark = self._remark()
        tables = [self._rows_per_unit().text(), self._pattern_table().text()]
        return "\n\n".join(["\n".join(lines), *tables, *([prose(remark)] if remark else [])])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        sizes = Listing(("", ""), tuple(self._sizes()), frozenset({0, 1}))
        remark = self._remark()
        tables = [
            sizes.html("Panel"),
            self._rows_per_unit().html("Rows per unit"),
            self._pattern_table().html("Participation patterns"),
        ]
        return "<br>".join(tables) + (html_prose(remark) if remark else "")

    def _sizes(self) -> list[tuple[str, str]]:
        balance = "balanced" if self.balanced else "unbalanced"
        cells = percent(self.nobs / (self.n_units * self.n_periods))
        gaps = "none"
        if self.gaps:
            gaps = f"{count(self.gaps)} in {count(self.units_with_gaps)} units"
        span = f"{self.span} periods, {self.delta} apart" if self.span > 1 else "1 period"
        return [
            (f"Units ({self.unit})", count(self.n_units)),
            (f"Periods ({self.time})", f"{self.n_periods}: {self.first} to {self.last}"),
            ("Span", span),
            ("Rows", f"{count(self.nobs)} ({balance}: {cells} % of units x periods)"),
            ("Gaps", gaps),
            ("Spells per unit", _spell_words(self.spells)),
        ]

    def _rows_per_unit(self) -> Listing:
        values = {
            "min": self.t_min,
            **{f"{p}%": v for p, v in self.t_percentiles.items()},
            "max": self.t_max,
            "mean": self.t_mean,
        }
        cells = ("Rows per unit", *(number(value) for value in values.values()))
        return Listing(("", *values), (cells,))

    def _pattern_table(self) -> Listing:
        rows = [
            (count(units), percent(share), percent(cumulative), _shown(pattern, periods))
            for pattern, periods, units, share, cumulative in self.patterns.to_numpy(object)
        ]
        others = self.n_patterns - len(rows)
        if others:
            left = self.n_units - int(self.patterns["units"].sum())
            share = percent(left / self.n_units)
            rows.append((count(left), share, "100.00", f"({count(others)} other patterns)"))
        rows.append((count(self.n_units), "100.00", "", "all units"))
        rules = frozenset({len(rows) - 1})
        return Listing(("Units", "%", "Cum. %", "Pattern"), tuple(rows), frozenset({3}), rules)

    def _remark(self) -> str:
        if self.n_periods > 1 and self.gaps >= self.nobs - self.n_units > 0:
            return (
                f"No unit is observed in two periods {self.delta} apart, so that lags and "
                f"differences are all missing. {self.remedy}"
            ).rstrip()
        return ""


def describe(index: PanelIndex, unit: str, time: str, patterns: int = 9) -> PanelDescription:
    """Describe the index of a panel.

    Parameters
    ----------
    patterns : int
        How many participation patterns to list.
    """
    sizes, span = index.sizes, int(index.steps[-1]) + 1
    gap = _gaps(index)
    per_unit = np.add.reduceat(gap.astype(np.int64), index.starts[:-1])
    spells = np.bincount(per_unit + 1)
    present = np.flatnonzero(spells)
    quantiles = np.percentile(sizes, PERCENTILES, method="averaged_inverted_cdf")
    table, different = _patterns(index, span, patterns)
    return PanelDescription(
        unit=unit,
        time=time,
        nobs=index.n,
        n_units=sizes.size,
        n_periods=index.times.size,
        first=_plain(index.times[0]),
        last=_plain(index.times[-1]),
        span=span,
        delta=index.delta,
        remedy=index.remedy,
        t_min=int(sizes.min()),
        t_mean=float(sizes.mean()),
        t_max=int(sizes.max()),
        t_percentiles=dict(zip(PERCENTILES, map(float, quantiles), strict=True)),
        balanced=index.n == sizes.size * index.times.size,
        gaps=int(gap.sum()),
        units_with_gaps=int((per_unit > 0).sum()),
        spells=pd.Series(spells[present], index=pd.Index(present, name="spells"), name="units"),
        patterns=table,
        n_patterns=different,
    )


def _gaps(index: PanelIndex) -> BoolArray:
    """Tell which rows come after a break in their unit's observation."""
    step = index.steps[index.time]
    gap = np.zeros(index.n, dtype=bool)
    gap[1:] = np.diff(step) > 1
    gap[index.starts[:-1]] = False
    return gap


def _patterns(index: PanelIndex, span: int, most: int) -> tuple[pd.DataFrame, int]:
    """Count units by the set of periods in which they are observed.

    Each period has a key, and a unit the sum of the keys of its periods: the bits of a word for up
    to 63 periods, and else random 64-bit words, whose sums differ for different sets but with a
    probability of about units squared over 2 ** 64.
    """
    t = index.times.size
    if t < 64:
        keys = np.left_shift(np.uint64(1), np.arange(t, dtype=np.uint64))
    else:
        keys = np.random.default_rng(0).integers(0, 2**64, t, dtype=np.uint64)
    sums = np.add.reduceat(keys[index.time], index.starts[:-1])
    _, example, units = np.unique(sums, return_index=True, return_counts=True)
    # A single pattern that is left over takes no more room than the word that it is left over.
    top = np.lexsort((example, -units))[: most + (units.size == most + 1)]
    rows = [index.time[index.starts[i] : index.starts[i + 1]] for i in example[top]]
    share = units[top] / index.units.size
    table = pd.DataFrame(
        {
            "pattern": [_mark(index.steps[times], span) for times in rows],
            "periods": [_in_words(index, times) for times in rows],
            "units": units[top],
            "share": share,
            "cumulative": np.cumsum(share),
        }
    )
    return table, int(units.size)


def _mark(steps: IntArray, span: int) -> str:
    """Write a pattern over the whole span; empty where that would be very long."""
    if span > 1000:
        return ""
    marks = np.full(span, ".")
    marks[steps] = "1"
    return "".join(marks)


def _in_words(index: PanelIndex, times: IntArray) -> str:
    breaks = np.flatnonzero(np.diff(index.steps[times]) > 1) + 1
    runs = np.split(index.times[times], breaks)
    words = [f"{run[0]}" if run.size == 1 else f"{run[0]}-{run[-1]}" for run in map(_texts, runs)]
    return ", ".join(words) if len(words) <= 6 else f"{', '.join(words[:5])}, ..., {words[-1]}"


def _texts(labels: AnyArray) -> AnyArray:
    return np.array([str(_plain(label)) for label in labels[[0, -1] if labels.size > 1 else [0]]])


def _plain(label: Any) -> Any:
    """Return a label as it is best printed: days without a time of day."""
    if isinstance(label, np.datetime64 | pd.Timestamp):
        stamp = pd.Timestamp(label)
        return stamp.date() if stamp == stamp.normalize() else stamp
    return label.item() if isinstance(label, np.generic) else label


def _shown(pattern: str, periods: str) -> str:
    return pattern if 0 < len(pattern) <= _LONGEST_PATTERN else periods


def _spell_words(spells: pd.Series[int]) -> str:
    words = [f"{spell}: {count(units)} units" for spell, units in spells.head(4).items()]
    more = int(spells.iloc[4:].sum())
    return ", ".join([*words, *([f"more: {count(more)} units"] if more else [])])
