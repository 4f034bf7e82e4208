"""Offsets and exposures of models of rates, as specifications name them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panelml.data.formula.formula import Formula, parse_formula
from panelml.data.formula.quoting import quote
from panelml.data.source.rows import whole_column
from panelml.data.source.source import Source
from panelml.errors import SpecificationError, UnknownNameError, listing, suggest

__all__ = ["read_offset", "require_offset"]


def read_offset(text: str, source: Source, offset: str | None, exposure: str | None) -> Formula:
    """Read a formula, and the offset beside it.

    Raises
    ------
    SpecificationError
        If an exposure has no logarithm.
    """
    if exposure is not None:
        _refuse_unexposed(source, exposure)
        offset = f"log({quote(exposure)})"
    require_offset(source, offset)
    return replace(parse_formula(text), offset=offset or "")


def require_offset(source: Source, offset: str | None) -> None:
    """Refuse an offset that is a column of text, which would be coded as an indicator.

    Raises
    ------
    ColumnTypeError
    """
    if offset is not None and offset in source.columns:
        source.require_numbers(offset, "The offset")


def _refuse_unexposed(source: Source, name: str) -> None:
    if name not in source.columns:
        raise UnknownNameError(
            f"No column {name!r} for the exposure.{suggest(name, source.columns)}"
        )
    source.require_numbers(name, "The exposure")
    rows = np.flatnonzero(whole_column(source, name).astype(np.float64) <= 0)
    if rows.size:
        places = sorted(source.index.position(int(row)) for row in rows)
        raise SpecificationError(
            f"The exposure {name!r} is zero or negative in {rows.size:,} rows (row "
            f"{listing(places)}): it has no logarithm. Drop these rows."
        )
