"""Balance before adoption, against group-wise computations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import (
    ColumnTypeError,
    IdentificationError,
    MissingValueError,
    SpecificationError,
)


def states() -> pd.DataFrame:
    castle = pm.datasets.load("castle")
    adopted = castle[castle["post"] == 1].groupby("sid")["year"].min()
    return castle.assign(adopted=castle["sid"].map(adopted))


@pytest.mark.parametrize("control", ["never", "not-yet"])
def test_every_cohort_before_it_adopts(control: str) -> None:
    frame = states()
    frame.loc[frame.index[::17], "poverty"] = np.nan
    panel = pm.Panel(frame, unit="sid", time="year")
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
    panel = pm.Panel(frame, unit="sid", time="year")
    moved = pm.Panel(
        frame.assign(l_police=3 - 2 * frame["l_police"]).sample(frac=1, random_state=1),
        unit="sid",
        time="year",
    )
    first = pm.balance_table(panel, "l_police", cohort="adopted")
    second = pm.balance_table(moved, ["l_police"], cohort="adopted")
    np.testing.assert_allclose(second["difference"], -first["difference"], rtol=1e-9)
    np.testing.assert_allclose(second["log_ratio"], first["log_ratio"], rtol=1e-9)
    np.testing.assert_array_equal(second["outside"], first["outside"])


def test_refusals() -> None:
    frame = states()
    panel = pm.Panel(frame.assign(word="a"), unit="sid", time="year")
    with pytest.raises(ColumnTypeError, match="word"):
        pm.balance_table(panel, ["word"], cohort="adopted")
    with pytest.raises(SpecificationError, match=r"control is not 'nevr'.*'never'"):
        pm.balance_table(panel, ["l_police"], cohort="adopted", control="nevr")  # type: ignore[arg-type]
    everyone = pm.Panel(frame.dropna(subset=["adopted"]), unit="sid", time="year")
    with pytest.raises(IdentificationError, match="No units to compare cohort 2006 with"):
        pm.balance_table(everyone, ["l_police"], cohort="adopted")
    nobody = pm.Panel(frame.assign(adopted=0), unit="sid", time="year")
    with pytest.raises(IdentificationError, match="No unit adopts after the first period"):
        pm.balance_table(nobody, ["l_police"], cohort="adopted")


def test_overlap_is_that_of_a_logistic_regression() -> None:
    statsmodels = pytest.importorskip("statsmodels.api")
    frame = pm.simulate.staggered(
        200, 6, {3: 0.3, 5: 0.2}, adopters=pm.simulate.Adopters(covariate=0.8), seed=3
    )
    frame["z"] = np.random.default_rng(1).standard_normal(len(frame))
    found = pm.overlap_table(
        frame.set_index(["unit", "time"]), ["x", "z"], cohort="cohort", control="not-yet"
    )
    now = frame[frame["time"] == 2]
    x = statsmodels.add_constant(now[["x", "z"]])
    score = (
        statsmodels.Logit((now["cohort"] == 3).astype(float), x)
        .fit(disp=0, tol=1e-12, maxiter=100)
        .predict()
    )
    for name, group in (("treated", now["cohort"] == 3), ("comparison", now["cohort"] != 3)):
        own, other = score[group], score[~group]
        row = found.loc[(3, name)]
        expected = np.quantile(own, [0, 0.25, 0.5, 0.75, 1])
        np.testing.assert_allclose(row[["min", "q25", "median", "q75", "max"]], expected, rtol=1e-8)
        assert row["units"] == own.size
        assert row["outside"] == ((own < other.min()) | (own > other.max())).mean()


def test_overlap_without_any() -> None:
    frame = pm.simulate.staggered(60, 6, {3: 0.3}, seed=3).assign(
        apart=lambda d: (d["cohort"] == 3) * 10.0 + np.arange(len(d)) % 7
    )
    panel = pm.Panel(frame, unit="unit", time="time")
    found = pm.overlap_table(panel, "apart", cohort="cohort")
    assert found["min"].isna().all()
    assert (found["outside"] == 1).all()
    with pytest.raises(SpecificationError, match="combinations of each other"):
        pm.overlap_table(
            panel.assign(twice=2 * frame["apart"]), ["apart", "twice"], cohort="cohort"
        )


def test_what_cannot_be_compared() -> None:
    frame = pm.simulate.staggered(60, 6, {3: 0.3}, seed=3)
    with pytest.raises(SpecificationError, match="Name at least one column"):
        pm.balance_table(pm.Panel(frame, unit="unit", time="time"), [], cohort="cohort")
    frame.loc[5, "y"] = np.inf
    with pytest.raises(MissingValueError, match="'y' is infinite in row 5"):
        pm.balance_table(pm.Panel(frame, unit="unit", time="time"), "y", cohort="cohort")
    same = pm.balance_table(
        pm.Panel(frame.assign(one=1.0), unit="unit", time="time"), "one", cohort="cohort"
    )
    assert (same["difference"] == 0).all()
