"""Event studies as arrays, around the one period that is zero by normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from panelml._typing import FloatArray, IntArray
from panelml.did.results.effects import EffectResults, require_effects
from panelml.errors import IdentificationError, SpecificationError, listing, shown

__all__ = ["AroundReference", "around_reference", "numbers"]

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


def around_reference(
    result: EffectResults | None,
    betahat: ArrayLike | None,
    sigma: ArrayLike | None,
    horizons: ArrayLike | None,
    reference: int,
) -> AroundReference:
    """Read effects by horizon from a result, or from arrays.

    Raises
    ------
    SpecificationError
        If horizons are not a row around one reference period before adoption, or the covariance
        is none.
    """
    if isinstance(reference, bool) or not isinstance(reference, Integral):
        raise SpecificationError(f"reference is the horizon that is zero, not {shown(reference)}.")
    arrays = (betahat, sigma, horizons)
    given = [array is not None for array in arrays]
    if any(given) if result is not None else not all(given):
        raise SpecificationError("Give a result, or betahat, sigma and horizons.")
    if result is None:
        at, beta, cov = _arrays(*arrays, reference)
        anticipation = -1 - reference
    else:
        require_effects(result, "The analysis of an event study")
        frame = result.event_frame(band=False)
        reference, anticipation = _single_reference(result), result.anticipation
        at, beta = frame["horizon"].to_numpy(np.int64), frame["estimate"].to_numpy(np.float64)
        cov = result.covariance.matrix
    if reference >= 0:
        raise SpecificationError(
            f"The reference is horizon {reference}, at or after adoption, so that all estimates "
            "hold its effect. Take a reference before adoption: -1 is the last period before."
        )
    order = np.argsort(at)
    tested = int((at < -anticipation).sum())
    found = AroundReference(
        at[order] - reference, beta[order], cov[np.ix_(order, order)], reference, tested
    )
    _check(found)
    return found


def _single_reference(result: EffectResults) -> int:
    if len(result.references) == 1:
        return result.references[0]
    if len(result.references) > 1:
        raise SpecificationError(
            f"{result.model} has no single reference period, but horizons "
            f"{listing(result.references)}: departures from parallel trends cannot be read off "
            "effects that are measured from different periods. Take one reference; where that of "
            "cohorts differs, leave out those that the notes of the fit name."
        )
    raise SpecificationError(
        f"{result.model} has no single reference period. Take an event study with one: "
        "EventStudy, SunAbraham, or CallawaySantAnna with base='universal'."
    )


def _arrays(
    betahat: Any, sigma: Any, horizons: Any, reference: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Read arrays, and leave out the reference's row of zeros."""
    beta, at = numbers(betahat, "betahat"), numbers(horizons, "horizons")
    cov = numbers(sigma, "sigma")
    if cov.shape != (beta.size, beta.size) or at.shape != beta.shape or beta.ndim != 1:
        raise SpecificationError(
            "betahat, sigma and horizons do not fit each other: as many estimates as horizons, and "
            f"a square covariance of them; their shapes are {beta.shape}, {cov.shape}, {at.shape}."
        )
    if not (at == np.rint(at)).all():
        raise SpecificationError(f"horizons must be whole numbers, not {at.tolist()}.")
    own = at == reference
    if own.any() and not (np.nan_to_num(beta[own]) == 0).all():
        raise SpecificationError(
            f"Horizon {reference} is the reference, which is zero, but its estimate is "
            f"{beta[own][0]:g}. Say which horizon is zero by reference=."
        )
    return at[~own].astype(np.int64), beta[~own], cov[np.ix_(~own, ~own)]


def numbers(values: Any, name: str) -> FloatArray:
    """Read an argument as an array of numbers.

    Raises
    ------
    SpecificationError
        Naming the argument.
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"{name} must be numbers.") from error


def _check(found: AroundReference) -> None:
    pre, post, number, cov = found.pre, found.post, found.number, found.sigma
    if not pre or not post or (number != np.r_[-pre:0, 1 : post + 1]).any():
        common = int(np.gcd.reduce(number))
        remedy = (
            f" All are multiples of {common}: count them in such periods, as Panel(..., "
            f"delta={common}) does."
            if common > 1
            else ""
        )
        raise SpecificationError(
            "Horizons must be a row without gaps around the reference, with at least one before "
            f"and one after it; from the reference they are {number.tolist()}.{remedy}"
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
