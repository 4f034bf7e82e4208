"""Data files of the command line: CSV, Parquet and Stata, by their names' endings."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from panelml.errors import DataError, MissingDependencyError, SpecificationError

__all__ = ["read_file"]


def read_file(path: str | Path) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : str or Path
        ``.csv`` and ``.tsv`` (columns parted by comma, semicolon or tab, whichever the first line
        holds most of; also compressed, as ``.csv.gz``), ``.parquet`` and ``.pq``, or Stata's
        ``.dta``, whose labelled values stay the numbers they are in Stata.

    Raises
    ------
    DataError
        If there is no such file, or it is not what its name says.
    SpecificationError
        If the ending is none of these.
    MissingDependencyError
        If the file is Parquet and pyarrow is not installed.
    """
    path = Path(path)
    ends = [end.lower() for end in reversed(path.suffixes)]
    read = next((_READERS[end] for end in ends if end in _READERS), None)
    if read is None:
        raise SpecificationError(
            f"Cannot tell what {str(path)!r} holds: a data file ends in .csv, .tsv, .parquet, .pq "
            "or .dta."
        )
    if not path.is_file():
        raise DataError(f"There is no file {str(path)!r}.")
    try:
        return read(path)
    except ImportError as error:
        raise MissingDependencyError(
            "Parquet files are read by pyarrow, which is not installed: pip install pyarrow."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} is not written in UTF-8; save it so.") from error
    except (ValueError, OSError, EOFError, struct.error) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"Cannot read {str(path)!r}: {reason}") from error


def _read_text(path: Path) -> pd.DataFrame:
    header = str(pd.read_csv(path, sep="\0", header=None, nrows=1, dtype=str).iloc[0, 0])
    return pd.read_csv(path, sep=max(",;\t", key=header.count))


def _read_parquet(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    return frame if frame.index.names == [None] else frame.reset_index()


def _read_stata(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_stata(path, convert_categoricals=False)
    return frame


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".dta": _read_stata,
}
