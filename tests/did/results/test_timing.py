"""Who can be compared with whom, as estimators compare."""

from __future__ import annotations

import pandas as pd
import pytest

import panelml as pm
from panelml.did.estimators.comparisons import planned_cells
from panelml.errors import SpecificationError


def panel(frame: pd.DataFrame) -> pm.Panel:
    return pm.Panel(frame, unit="unit", time="time")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pm.simulate.staggered(300, 8, {3: 0.2, 5: 0.3, 6: 0.2}, seed=1)


def counted(table: pd.DataFrame, cohort: int) -> list[int]:
    return table.loc[table["cohort"] == cohort, "not_yet"].tolist()


def test_units_that_adopt_before_the_cohort_are_comparisons_until_then(frame: pd.DataFrame) -> None:
    """Of 300 units 60 adopt in 3, 90 in 5, 60 in 6, and 90 never."""
    table = pm.Timing(panel(frame), cohort="cohort").comparisons()
    assert counted(table, 5) == [210, 210, 150, 150, 150, 90, 90, 90]
    universal = pm.Timing(panel(frame), cohort="cohort").comparisons(base="universal")
    assert counted(universal, 5) == [150, 150, 150, 150, 150, 90, 90, 90]
    assert (table["never"] == 90).all()


@pytest.mark.parametrize("base", ["varying", "universal"])
@pytest.mark.parametrize("anticipation", [0, 1])
@pytest.mark.parametrize("missing", [None, 4])
def test_counts_are_those_of_the_effects(
    base: str, anticipation: int, missing: int | None, frame: pd.DataFrame
) -> None:
    timing = pm.Timing(panel(frame[frame["time"] != missing]), cohort="cohort")
    table = timing.comparisons(anticipation, base=base).set_index(["cohort", "time"])
    adoption, times = timing.adoption, timing.panel.index.times
    cells, _ = planned_cells(adoption.cohorts, adoption.steps, base=base, anticipation=anticipation)
    assert cells
    for cell in cells:
        expected = cell.controls(adoption.start, "not-yet").sum()
        at = (adoption.label(cell.cohort), times[cell.time])
        assert table.loc[at, "not_yet"] == expected
        assert table.loc[at, "never"] == cell.controls(adoption.start, "never").sum()


def test_the_effect_uses_the_units_that_are_counted(frame: pd.DataFrame) -> None:
    """The effect in period 2 on cohort 5 is a difference of means of changes."""
    change = frame.pivot(index="unit", columns="time", values="y").diff(axis=1)[2]
    first = frame.groupby("unit")["cohort"].first()
    others = first.isna() | first.isin([3, 6])
    expected = change[first == 5].mean() - change[others].mean()
    model = pm.CallawaySantAnna("y ~ 1", cohort="cohort", control="not-yet")
    assert model.fit(panel(frame)).params["att(5, 2)"] == pytest.approx(expected)
    table = pm.Timing(panel(frame), cohort="cohort").comparisons().set_index(["cohort", "time"])
    assert table.loc[(5, 2), "not_yet"] == others.sum()


def test_another_base_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(SpecificationError, match="Did you mean 'universal'"):
        pm.Timing(panel(frame), cohort="cohort").comparisons(base="univeral")
