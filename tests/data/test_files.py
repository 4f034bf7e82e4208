"""Data files: each kind read as its program wrote it, and what cannot be read said in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from panelml.data.files import read_file
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
