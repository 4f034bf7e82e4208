"""Outcomes that are categories: the names of their levels, and what the numbers stand for."""

from __future__ import annotations

from panelml._typing import FloatArray
from panelml.data.formula.design import Design
from panelml.data.formula.levels import LevelNumbers
from panelml.errors import IdentificationError, SpecificationError, listing

__all__ = ["category_names", "level_notes", "outcome_levels", "require_two_levels"]


def outcome_levels(design: Design) -> tuple[str, ...]:
    """Return the levels of an outcome that is a category, in order; none for numbers."""
    factors = design.outcome.factors.values() if design.outcome else ()
    return next((f.texts for f in factors if isinstance(f, LevelNumbers)), ())


def category_names(design: Design, values: FloatArray) -> tuple[str, ...]:
    """Return the names of the values of an outcome: those of its levels, or the numbers."""
    levels = outcome_levels(design)
    return tuple(levels[int(value)] if levels else f"{value:g}" for value in values)


def level_notes(design: Design) -> tuple[str, ...]:
    """Say which level of an outcome is the yes, or the highest, where it is a category."""
    levels = outcome_levels(design)
    if not levels or design.outcome is None:
        return ()
    name = design.outcome.names[0]
    if design.formula.outcome_levels == "ordered":
        words = " < ".join(f"{low!r}" for low in levels)
        return (f"The categories of {name!r} are in this order: {words}.",)
    return (f"{name!r} is {levels[-1]!r} where the outcome is 1, and {levels[0]!r} where it is 0.",)


def require_two_levels(design: Design) -> None:
    """Refuse a yes/no outcome that is a category of more or fewer levels than two.

    Raises
    ------
    SpecificationError
        If it has more.
    IdentificationError
        If it has one.
    """
    levels = outcome_levels(design)
    name = design.outcome.names[0] if design.outcome else ""
    if len(levels) > 2:
        raise SpecificationError(
            f"The outcome {name!r} has the levels {listing(map(repr, levels))}: a yes/no outcome "
            "has two, of which the second is the yes. Keep two, or write what is a yes as a "
            "condition into a column of its own."
        )
    if len(levels) == 1:
        raise IdentificationError(
            f"The outcome {name!r} is {levels[0]!r} in every row: there is nothing to explain."
        )
