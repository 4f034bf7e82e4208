"""The protocol of a source: what fits and covariances ask of the place where the data live."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from panelml._typing import AnyArray, IntArray
from panelml.data.panel.columns import Kind
from panelml.data.source.chunk import Chunk, Reads
from panelml.data.source.index import SourceIndex

__all__ = ["Source"]


@runtime_checkable
class Source(Protocol):
    """Repeated observations, sorted by unit and time, that are read in chunks of whole units.

    The panel in memory is one; others read their rows from elsewhere when a chunk is asked for.
    Estimators and covariances rely on these names and on no others. What needs all rows at
    once asks ``Sample.panel`` for the panel in memory, which a sample from elsewhere refuses.
    """

    @property
    def unit(self) -> str:
        """Name of the column of units."""
        ...

    @property
    def time(self) -> str:
        """Name of the column of periods."""
        ...

    @property
    def columns(self) -> list[str]:
        """Names of the columns, the keys included."""
        ...

    @property
    def index(self) -> SourceIndex:
        """Units, periods, the rows of each unit, and the user's order if there is one."""
        ...

    @property
    def nobs(self) -> int:
        """Number of rows."""
        ...

    @property
    def n_units(self) -> int:
        """Number of units."""
        ...

    @property
    def n_periods(self) -> int:
        """Number of distinct periods."""
        ...

    def kind(self, name: str) -> Kind:
        """Return what a column holds; unknown names are refused."""
        ...

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers (or truth values)."""
        ...

    def is_declared(self, name: str) -> bool:
        """Whether a column is stored as categories, rather than as texts."""
        ...

    def require_numbers(self, name: str, role: str = "Column") -> None:
        """Refuse a column that does not hold numbers, in a message that begins with its role."""
        ...

    def levels(self, names: tuple[str, ...]) -> int:
        """Return the number of distinct values of a column or combination."""
        ...

    def labels(self, names: tuple[str, ...]) -> AnyArray:
        """Return the value behind each code; for several columns, texts joined by ``^``."""
        ...

    def codes(self, names: tuple[str, ...]) -> IntArray:
        """Code a column or combination in every row: for what is no sum over units."""
        ...

    def chunk(self, first: int, stop: int, reads: Reads) -> Chunk:
        """Read the rows of a run of units, from the first to before the last."""
        ...
