"""Link functions: from the linear index of a model to the mean of its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray

__all__ = ["IDENTITY", "LOG", "Link"]


@dataclass(frozen=True, slots=True)
class Link:
    """A link function.

    Attributes
    ----------
    name : str
    inverse : callable
        From the index to the mean, element by element.
    """

    name: str
    inverse: Callable[[FloatArray], FloatArray]


IDENTITY = Link("identity", np.positive)
LOG = Link("log", np.exp)
