"""Effects by horizon as arrays, around the one period that is zero by normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.errors import IdentificationError

__all__ = ["AroundReference"]

# Least eigenvalue of a correlation matrix that counts as positive.
SINGULAR = 1e-10


@dataclass(frozen=True, slots=True)
class AroundReference:
    """Coefficients by horizon, without the reference period.

    Attributes
    ----------
    number : IntArray, shape (pre + post,)
        Periods since the reference: -pre, ..., -1, 1, ..., post.
    beta : FloatArray, shape (pre + post,)
    sigma : FloatArray, shape (pre + post, pre + post)
    reference : int
        Its horizon, before adoption.
    tested : int
        Number of coefficients before adoption and its anticipation, the first ones.
    """

    number: IntArray
    beta: FloatArray
    sigma: FloatArray
    reference: int
    tested: int

    @property
    def pre(self) -> int:
        """Number of coefficients before the reference."""
        return int((self.number < 0).sum())

    @property
    def post(self) -> int:
        """Number of coefficients after the reference."""
        return int((self.number > 0).sum())

    @property
    def horizons(self) -> IntArray:
        """Periods since adoption."""
        return self.number + self.reference

    def require_regular(self, count: int, words: str) -> None:
        """Refuse a singular covariance of the first coefficients.

        Raises
        ------
        IdentificationError
            If there is a combination of them without variance.
        """
        sigma = self.sigma[:count, :count]
        scale = np.sqrt(sigma.diagonal())
        if np.linalg.eigvalsh(sigma / np.outer(scale, scale)).min() < SINGULAR:
            raise IdentificationError(
                f"The covariance of the {words} is singular: take fewer horizons, or larger or "
                "more clusters."
            )
