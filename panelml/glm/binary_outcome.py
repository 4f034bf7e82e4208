"""Outcomes that are 0 or 1: what is refused."""

from __future__ import annotations

import numpy as np

from panelml.data.formula.outcome import require_two_levels
from panelml.data.sample import Sample
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.glm.fit.separated import outcome_values

__all__ = ["require_binary"]


def require_binary(sample: Sample) -> None:
    """Refuse an outcome that is not 0 and 1.

    Raises
    ------
    SpecificationError
        If it has other values: naming them, and where they are.
    IdentificationError
        If it is 0, or 1, in every row.
    """
    values = outcome_values(sample)
    name = sample.design.outcome.names[0] if sample.design.outcome else ""
    require_two_levels(sample.design)
    other = np.flatnonzero((values != 0) & (values != 1))
    if other.size:
        kept = other if sample.keep is None else np.flatnonzero(sample.keep)[other]
        places = sorted(sample.source.index.position(int(row)) for row in kept)
        shown = listing(f"{value:g}" for value in np.unique(values[other]))
        raise SpecificationError(
            f"The outcome {name!r} is to be 0 or 1, and is {shown} in {other.size:,} rows (row "
            f"{listing(places)}). Write what is a yes as a condition, as in 'y = (x > 2)', into a "
            "column of its own."
        )
    if values.size and (values == values[0]).all():
        raise IdentificationError(
            f"The outcome {name!r} is {values[0]:g} in every row: there is nothing to explain."
        )
