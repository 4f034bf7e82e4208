"""Data files of the command line: CSV, Parquet and Stata, by their names' endings.

What dates, labels and missing values of each become is told in ``docs/files.md``.
"""

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
        holds most of; also compressed, as ``.csv.gz``), ``.parquet`` and ``.pq`` or a folder of
        such files, or Stata's ``.dta``, whose labelled values stay the numbers they are in Stata,
        and whose empty texts are missing, as they are there.

    Raises
    ------
    DataError
        If there is no such file, or it is not what its name says, or a folder has no data.
    SpecificationError
        If the ending is none of these.
    MissingDependencyError
        If the file is Parquet and pyarrow is not installed.
    """
    path = Path(path)
    if path.is_dir() and not _parts(path):
        raise DataError(f"The folder {str(path)!r} holds no .parquet or .pq files.")
    ends = [end.lower() for end in reversed(path.suffixes)]
    read = next((_READERS[end] for end in ends if end in _READERS), None)
    if path.is_dir():
        read = _read_folder
    if read is None:
        raise SpecificationError(
            f"Cannot tell what {str(path)!r} holds: a data file ends in .csv, .tsv, .parquet, .pq "
            "or .dta."
        )
    if not path.exists():
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


def _parts(path: Path) -> list[Path]:
    """Find the Parquet files of a folder."""
    return [file for end in (".parquet", ".pq") for file in path.rglob(f"*{end}")]


def _read_folder(path: Path) -> pd.DataFrame:
    """Read the parts of a table; folders named as ``year=2001`` add a column."""
    frame = _read_parquet(path)
    folders = {folder for file in _parts(path) for folder in file.relative_to(path).parts[:-1]}
    for name in {folder.partition("=")[0] for folder in folders if "=" in folder}:
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = frame[name].astype(frame[name].cat.categories.dtype)
    return frame


def _read_stata(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_stata(path, convert_categoricals=False)
    texts = [name for name in frame if pd.api.types.infer_dtype(frame[name]) == "string"]
    return frame.assign(**{str(name): frame[name].mask(frame[name] == "") for name in texts})


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".dta": _read_stata,
}
