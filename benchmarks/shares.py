"""Tables of shares of simulated panels, as a page and as a record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["SharesPage", "monte_carlo_error"]

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class SharesPage:
    """A table with a title and an introduction.

    Attributes
    ----------
    title, introduction : str
    heads : tuple of str
        Of the columns.
    rows : list of tuple
        Texts and whole numbers as they are, shares with three decimals.
    """

    title: str
    introduction: str
    heads: tuple[str, ...]
    rows: list[tuple[str | int | float, ...]]

    def markdown(self) -> str:
        """Render the page."""
        lines = [_line(self.heads), "|" + "---|" * len(self.heads), *map(_line, self.rows)]
        return "\n".join([f"# {self.title}", "", self.introduction, "", *lines, ""])

    def save(self, name: str, records: Sequence[Any]) -> Path:
        """Write results/<name>.md, and .json with the records; return the former's path."""
        path = RESULTS / f"{name}.md"
        record = json.dumps([asdict(one) for one in records], indent=1)
        path.with_suffix(".json").write_text(record + "\n", encoding="utf-8")
        path.write_text(self.markdown(), encoding="utf-8")
        return path


def _line(cells: Sequence[str | int | float]) -> str:
    texts = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells)
    return f"| {' | '.join(texts)} |"


def monte_carlo_error(share: float, reps: int) -> float:
    """Return the standard error of a share of so many independent draws."""
    return float(np.sqrt(share * (1 - share) / reps))
