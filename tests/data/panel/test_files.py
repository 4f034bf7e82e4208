"""Data files: each kind read as its program wrote it, and what cannot be read said in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import panelml as pm
from panelml.data.panel.files import read_file
from panelml.errors import DataError, MissingDependencyError, SpecificationError

FRAME = pd.DataFrame({"firm": [1, 1, 2], "year": [2001, 2002, 2001], "tax": [1.5, None, 2.25]})

Write = Callable[[Path], object]
WRITERS: dict[str, Write] = {
    "x.csv": lambda path: FRAME.to_csv(path, index=False),
    "x.CSV": lambda path: FRAME.to_csv(path, index=False),
    "semicolons.csv": lambda path: FRAME.to_csv(path, index=False, sep=";"),
    "x.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "x.csv.gz": lambda path: FRAME.to_csv(path, index=False),
    "x.parquet": lambda path: FRAME.to_parquet(path),
    "indexed.pq": lambda path: FRAME.set_index(["firm", "year"]).to_parquet(path),
    "x.dta": lambda path: FRAME.to_stata(path, write_index=False),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    pd.testing.assert_frame_equal(read_file(str(path)), FRAME, check_dtype=False)


def test_the_missing_texts_of_stata_are_missing(tmp_path: Path) -> None:
    frame = FRAME.assign(region=["", "north", "south"], remark=["", "x" * 3000, ""])
    frame.to_stata(tmp_path / "x.dta", write_index=False, version=118, convert_strl=["remark"])
    frame.to_csv(tmp_path / "x.csv", index=False)
    stata, text = read_file(tmp_path / "x.dta"), read_file(tmp_path / "x.csv")
    for name in ("region", "remark"):
        assert stata[name].isna().tolist() == (frame[name] == "").tolist()
    assert text["region"].isna().tolist() == stata["region"].isna().tolist()
    assert stata["firm"].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("form", "delta", "periods"),
    [
        ("tw", "1 week", pd.to_datetime(["2009-12-17", "2009-12-24", "2010-01-01", "2010-01-08"])),
        ("tm", "1 month", pd.date_range("2009-11-01", periods=4, freq="MS")),
        ("th", "6 months", pd.date_range("2009-01-01", periods=4, freq="6MS")),
        ("ty", "1 year", pd.date_range("2009-01-01", periods=4, freq="12MS")),
        ("td", "1 day", pd.date_range("2009-12-30", periods=4)),
        ("tc", "6 hours", pd.date_range("2009-12-31", periods=4, freq="6h")),
    ],
)
def test_dates_of_stata_advance_by_their_unit(
    form: str, delta: str, periods: pd.DatetimeIndex, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"u": [1, 1, 1, 1], "t": periods, "x": [1.0, 2.0, 3.0, 4.0]})
    frame.to_stata(tmp_path / "x.dta", write_index=False, convert_dates={"t": form})
    panel = pm.Panel(read_file(tmp_path / "x.dta"), unit="u", time="t")
    assert panel.index.delta == delta
    assert panel.lag("x").tolist()[1:] == [1.0, 2.0, 3.0]


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "by_year", partition_cols=["year"])
    frame = read_file(tmp_path / "by_year").sort_values(["firm", "year"], ignore_index=True)
    pd.testing.assert_frame_equal(frame[FRAME.columns], FRAME, check_dtype=False)
    assert frame["year"].dtype.kind == "i"
    folder = tmp_path / "spark.parquet"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    for part in range(3):
        FRAME.iloc[[part]].to_parquet(folder / f"part-{part}.parquet", index=False)
    pd.testing.assert_frame_equal(read_file(folder), FRAME)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"folder .*empty' holds no \.parquet or \.pq files"):
        read_file(tmp_path / "empty")


def test_labelled_values_of_stata_stay_numbers(tmp_path: Path) -> None:
    path = tmp_path / "labelled.dta"
    labels: dict[Any, Any] = {"firm": {1: "bakery", 2: "bank"}}
    FRAME.to_stata(path, write_index=False, value_labels=labels)
    assert read_file(path)["firm"].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "Cannot read .*empty.csv"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "Cannot read .*Expected 2 fields in line 3, saw 3"),
        ("latin.csv", "a\nné\n".encode("latin-1"), "latin.csv' is not written in UTF-8"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00", "Cannot read .*cut.csv.gz"),
        ("text.parquet", b"a,b\n1,2\n", "Cannot read .*text.parquet"),
        ("text.dta", b"a,b\n1,2\n", "Cannot read .*text.dta"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_file(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"There is no file 'wages\.csv'"):
        read_file("wages.csv")


@pytest.mark.parametrize("name", ["wages.xlsx", "wages", "csv"])
def test_an_unknown_ending(name: str) -> None:
    with pytest.raises(SpecificationError, match=r"ends in \.csv, \.tsv, \.parquet, \.pq or \.dta"):
        read_file(name)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.parquet"
    path.touch()

    def missing(path: Path) -> pd.DataFrame:
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(MissingDependencyError, match="pip install pyarrow"):
        read_file(path)
