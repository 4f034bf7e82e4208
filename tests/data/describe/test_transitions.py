"""Panel.transitions and Panel.tabulate against counting with pandas."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError, UnknownNameError
from tests.data.frames import BACKENDS, small
from tests.panels import wage, wage_unbalanced


@pytest.mark.parametrize("load", [wage, wage_unbalanced])
@pytest.mark.parametrize("column", ["union", "occupation"])
def test_transitions_agree_with_a_merge(load, column: str) -> None:  # type: ignore[no-untyped-def]
    frame = load()
    later = frame[["nr", "year", column]].assign(year=frame["year"] - 1)
    pairs = frame.merge(later, on=["nr", "year"], suffixes=("", "_next"))
    expected = pd.crosstab(pairs[column], pairs[f"{column}_next"])
    found = pm.Panel(frame.sample(frac=1, random_state=2), unit="nr", time="year").transitions(
        column
    )
    np.testing.assert_array_equal(found.counts.to_numpy(), expected.to_numpy())
    assert found.counts.index.tolist() == expected.index.tolist()
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    np.testing.assert_allclose(
        found.shares, pd.crosstab(pairs[column], pairs[f"{column}_next"], normalize="index")
    )


def test_gaps_and_missing_values_are_no_transitions() -> None:
    found = pm.Panel(small(), unit="unit", time="time").transitions("g")
    # a: p-p, then a gap; b: q-q, q-missing, missing-p; c: r-r.
    assert found.counts.loc["p"].to_dict() == {"p": 1, "q": 0, "r": 0}
    assert found.counts.to_numpy().sum() == 3


@pytest.mark.parametrize("load", [wage, wage_unbalanced])
def test_tabulation_agrees_with_pandas(load) -> None:  # type: ignore[no-untyped-def]
    frame = load()
    found = pm.Panel(frame, unit="nr", time="year").tabulate("occupation")
    cells = frame.groupby(["occupation", "nr"]).size()
    rows = frame.groupby("nr").size()
    shares = cells / rows.reindex(cells.index.get_level_values("nr")).to_numpy()
    expected = pd.DataFrame(
        {
            "overall": frame["occupation"].value_counts().sort_index(),
            "overall_share": frame["occupation"].value_counts(normalize=True).sort_index(),
            "between": cells.groupby("occupation").size(),
            "between_share": cells.groupby("occupation").size() / frame["nr"].nunique(),
            "within_share": shares.groupby("occupation").mean(),
        }
    )
    pd.testing.assert_frame_equal(found.frame, expected)
    assert found.n_units == frame["nr"].nunique()
    # Stata's total: the mean of the within shares, weighted by the units behind each.
    total = np.average(found.frame["within_share"], weights=found.frame["between"])
    assert total == pytest.approx(found.n_units / found.frame["between"].sum())


def test_shown_as_text_and_html() -> None:
    panel = pm.Panel(wage(), unit="nr", time="year")
    moves, values = panel.transitions("union"), panel.tabulate("union")
    assert "0      2,637    257   2,894\n       91.12   8.88  100.00" in str(moves)
    assert "1      1,064   24.40    280   51.38     47.50" in str(values)
    assert "Total  4,360  100.00    791  145.14     68.90" in str(values)
    for shown in (moves, values):
        assert shown._repr_html_().startswith("<table")
        assert repr(shown) == str(shown)


def test_a_state_nobody_leaves_has_no_shares() -> None:
    frame = pd.DataFrame({"u": [1, 1], "t": [1, 2], "s": ["in", "out"]})
    found = pm.Panel(frame, unit="u", time="t").transitions("s")
    assert found.shares.loc["out"].isna().all()
    assert "n/a" in str(found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_kind_of_frame(backend: str) -> None:
    panel = pm.Panel(BACKENDS[backend](small()), unit="unit", time="time")
    plain = pm.Panel(small(), unit="unit", time="time")
    assert str(panel.transitions("g")) == str(plain.transitions("g"))
    assert str(panel.tabulate("g")) == str(plain.tabulate("g"))


def test_measurements_are_no_categories() -> None:
    panel = pm.Panel(wage(), unit="nr", time="year")
    with pytest.raises(SpecificationError, match=r"'hours' has 1,\d+ different values"):
        panel.transitions("hours")
    with pytest.raises(SpecificationError, match=re.escape("or use variation() for numbers.")):
        panel.tabulate("lwage")
    with pytest.raises(UnknownNameError, match=re.escape("Did you mean 'union'?")):
        panel.tabulate("unoin")
