"""Observation weights and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from panelml.data.formula.quoting import mask, unquote
from panelml.errors import SpecificationError

__all__ = ["Weights", "parse_weights"]


@dataclass(frozen=True, slots=True)
class Weights:
    """A column of weights.

    Attributes
    ----------
    column : str
    kind : {"analytic", "frequency"}
        Analytic weights are inverse to the variance of a row, and only their ratios matter;
        frequency weights say how many equal observations a row stands for.
    """

    column: str
    kind: Literal["analytic", "frequency"] = "analytic"

    def __str__(self) -> str:
        return f"{self.column} ({self.kind})"


def parse_weights(weights: str | Weights | None) -> Weights | None:
    """Read ``"pop"`` (analytic) or ``"frequency:n"``.

    Raises
    ------
    SpecificationError
        If the kind is unknown, or weights are not named by their column.
    """
    if weights is None or isinstance(weights, Weights):
        return weights
    if not isinstance(weights, str):
        name = getattr(weights, "name", None)
        column = name if isinstance(name, str) else "w"
        raise SpecificationError(
            f"weights is the name of a column of the data, not of type {type(weights).__name__}: "
            f"put the weights in a column and write weights={column!r}."
        )
    masked = mask(weights)
    kind, _, column = masked.code.rpartition(":")
    column = unquote(masked.restore(column)) if masked.pieces else column
    if kind in ("", "analytic"):
        return Weights(column)
    if kind == "frequency":
        return Weights(column, "frequency")
    raise SpecificationError(
        f"Unknown kind of weights {kind!r} in {weights!r}; write 'column', or 'frequency:column', "
        "with a name that has a colon in backticks."
    )
