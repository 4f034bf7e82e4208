"""Balance before adoption, against group-wise computations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import ColumnTypeError, IdentificationError, SpecificationError


def states() -> pd.DataFrame:
    castle = pm.datasets.load("castle")
    adopted = castle[castle["post"] == 1].groupby("sid")["year"].min()
    return castle.assign(adopted=castle["sid"].map(adopted))


@pytest.mark.parametrize("control", ["never", "not-yet"])
def test_every_cohort_before_it_adopts(control: str) -> None:
    frame = states()
    frame.loc[frame.index[::17], "poverty"] = np.nan
    panel = pm.Panel(frame, "sid", "year")
    found = pm.balance_table(
        panel,
        ["poverty", "l_police"],
        cohort="adopted",
        control=control,  # type: ignore[arg-type]
    )
    cohorts = sorted(frame["adopted"].dropna().unique())
    assert list(found.index.get_level_values(0).unique()) == cohorts
    for cohort in cohorts:
        base = frame[frame["year"] == cohort - 1]
        others = base["adopted"].isna()
        if control == "not-yet":
            others |= base["adopted"] > cohort
        for name in ("poverty", "l_police"):
            ours, theirs = base.loc[base["adopted"] == cohort, name], base.loc[others, name]
            row = found.loc[(cohort, name)]
            assert row["treated"] == pytest.approx(ours.mean(), nan_ok=True)
            assert row["sd_comparison"] == pytest.approx(theirs.std())
            width = np.sqrt((ours.var() + theirs.var()) / 2)
            expected = (ours.mean() - theirs.mean()) / width
            assert row["difference"] == pytest.approx(expected, nan_ok=True)
            assert row["log_ratio"] == pytest.approx(np.log(ours.std() / theirs.std()), nan_ok=True)
            assert row["n_treated"] == ours.count()
            assert row["n_comparison"] == theirs.count()
            known = ours.dropna()
            beyond = ~known.between(theirs.min(), theirs.max())
            assert row["outside"] == pytest.approx(beyond.mean(), nan_ok=True)


def test_rescaling_and_row_order_change_nothing() -> None:
    frame = states()
    panel = pm.Panel(frame, "sid", "year")
    moved = pm.Panel(
        frame.assign(l_police=3 - 2 * frame["l_police"]).sample(frac=1, random_state=1),
        "sid",
        "year",
    )
    first = pm.balance_table(panel, "l_police", cohort="adopted")
    second = pm.balance_table(moved, ["l_police"], cohort="adopted")
    np.testing.assert_allclose(second["difference"], -first["difference"], rtol=1e-9)
    np.testing.assert_allclose(second["log_ratio"], first["log_ratio"], rtol=1e-9)
    np.testing.assert_array_equal(second["outside"], first["outside"])


def test_refusals() -> None:
    frame = states()
    panel = pm.Panel(frame.assign(word="a"), "sid", "year")
    with pytest.raises(ColumnTypeError, match="word"):
        pm.balance_table(panel, ["word"], cohort="adopted")
    with pytest.raises(SpecificationError, match=r"control is not 'nevr'.*'never'"):
        pm.balance_table(panel, ["l_police"], cohort="adopted", control="nevr")  # type: ignore[arg-type]
    everyone = pm.Panel(frame.dropna(subset=["adopted"]), "sid", "year")
    with pytest.raises(IdentificationError, match="No units to compare cohort 2006 with"):
        pm.balance_table(everyone, ["l_police"], cohort="adopted")
    nobody = pm.Panel(frame.assign(adopted=0), "sid", "year")
    with pytest.raises(IdentificationError, match="No unit adopts after the first period"):
        pm.balance_table(nobody, ["l_police"], cohort="adopted")
