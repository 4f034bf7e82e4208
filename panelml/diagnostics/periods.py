"""Whether a fit knows the periods of its rows, and which of its effects are effects of periods."""

from __future__ import annotations

from panelml.data.panel.grouping import ROW
from panelml.data.sample import Sample
from panelml.data.source.source import Source
from panelml.errors import SpecificationError

__all__ = ["lies_in_periods", "require_periods"]


def require_periods(source: Source) -> None:
    """Refuse rows that are laid out by a grouping factor, in the order of the data frame.

    Raises
    ------
    SpecificationError
        Saying what to fit.
    """
    if source.time == ROW:
        raise SpecificationError(
            f"The rows of this fit are laid out by {source.unit}, without periods to be correlated "
            "in. Fit a regression of the panel's units over time."
        )


def lies_in_periods(sample: Sample, columns: tuple[str, ...]) -> bool:
    """Whether each level of a factor is in one period, so that its dummies add up to periods'."""
    return sample.is_nested(columns, (sample.source.time,))
