"""What users hand over as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from narwhals.stable.v2.typing import IntoDataFrame

from panelml.data.source.source import Source

__all__ = ["DataLike", "ValuesLike"]

# A Panel or another source of rows, or a data frame of pandas, polars or pyarrow.
DataLike: TypeAlias = Source | IntoDataFrame
# The same, or columns and single numbers by name.
ValuesLike: TypeAlias = DataLike | Mapping[str, Any]
