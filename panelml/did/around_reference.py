"""Event studies as arrays, around the one period that is zero by normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.results.effects import EffectResults

__all__ = ["AroundReference", "around_reference"]

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
        Its horizon.
    """

    number: IntArray
    beta: FloatArray
    sigma: FloatArray
    reference: int

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


def around_reference(
    result: EffectResults | None, betahat: Sequence[float] | None,
    sigma: Sequence[Sequence[float]] | None, horizons: Sequence[int] | None, reference: int,
) -> AroundReference:  # fmt: skip
    """Read effects by horizon from a result, or from arrays.

    Raises
    ------
    SpecificationError
        If horizons are not a row around one reference period, or the covariance is none.
    """
    if result is not None:
        frame = result.event_frame(band=False)
        if len(result.references) != 1:
            raise SpecificationError(
                f"{result.model} has no single reference period. Take an event study with one: "
                "EventStudy, SunAbraham, or CallawaySantAnna with base='universal'."
            )
        [reference] = result.references
        at, beta = frame["horizon"].to_numpy(np.int64), frame["estimate"].to_numpy(np.float64)
        cov = result.covariance.matrix
    elif betahat is None or sigma is None or horizons is None:
        raise SpecificationError("Give a result, or betahat, sigma and horizons.")
    else:
        at, beta = np.asarray(horizons, np.int64), np.asarray(betahat, np.float64)
        cov = np.asarray(sigma, np.float64)
        if cov.shape != (beta.size, beta.size) or at.shape != beta.shape:
            raise SpecificationError("betahat, sigma and horizons do not fit each other.")
    order = np.argsort(at)
    found = AroundReference(
        at[order] - reference, beta[order], cov[np.ix_(order, order)], reference
    )
    _check(found)
    return found


def _check(found: AroundReference) -> None:
    pre, post, number, cov = found.pre, found.post, found.number, found.sigma
    if not pre or not post or (number != np.r_[-pre:0, 1 : post + 1]).any():
        raise SpecificationError(
            "Horizons must be a row without gaps around the reference, with at least one before "
            f"and one after it; from the reference they are {number.tolist()}."
        )
    if not (np.isfinite(found.beta).all() and np.isfinite(cov).all()):
        raise SpecificationError("The estimates or their covariance have missing values.")
    scale = float(np.abs(cov).max())
    if np.abs(cov - cov.T).max() > 1e-8 * scale or np.linalg.eigvalsh(cov).min() < -1e-8 * scale:
        raise SpecificationError("sigma is no covariance: it must be symmetric and not negative.")
    without = number[cov.diagonal() <= 0]
    if without.size:
        raise SpecificationError(
            f"Estimates have no variance at horizons {listing(without)} from the reference."
        )
