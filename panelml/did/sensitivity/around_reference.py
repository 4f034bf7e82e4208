"""Event studies as arrays, around the one period that is zero by normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from panelml._typing import FloatArray, IntArray
from panelml.arguments import checked
from panelml.did.core.around_reference import AroundReference
from panelml.did.results.effects import EffectResults, require_effects
from panelml.errors import SpecificationError, listing

__all__ = ["EventStudyEstimates", "around_reference", "numbers"]


@checked
@dataclass(frozen=True, slots=True, eq=False)
class EventStudyEstimates:
    """Effects by horizon that were estimated elsewhere, and their covariance.

    Parameters
    ----------
    betahat : sequence of float
        Estimates; the reference, which is zero, may be among them or left out.
    sigma : array of shape (k, k)
        Their covariance.
    horizons : sequence of int
        Periods since adoption.
    reference : int
        The horizon that is zero.

    Examples
    --------
    >>> import panelml as pm
    >>> study = pm.EventStudyEstimates([0.1, 0.4], [[0.01, 0], [0, 0.01]], [-2, 0])
    >>> print(round(pm.honest_did(study, m=[1.0]).breakdown, 2))
    1.28
    """

    betahat: ArrayLike
    sigma: ArrayLike
    horizons: ArrayLike
    reference: int = -1


def around_reference(study: EffectResults | EventStudyEstimates) -> AroundReference:
    """Read effects by horizon from a fit, or from arrays.

    Raises
    ------
    SpecificationError
        If horizons are not a row around one reference period before adoption, or the covariance
        is none.
    """
    if isinstance(study, EventStudyEstimates):
        at, beta, cov = _arrays(study)
        reference, anticipation = study.reference, -1 - study.reference
    else:
        require_effects(study, "The analysis of an event study")
        frame = study.event_frame(band=False)
        reference, anticipation = _single_reference(study), study.anticipation
        at, beta = frame["horizon"].to_numpy(np.int64), frame["estimate"].to_numpy(np.float64)
        cov = study.covariance.matrix
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


def _arrays(study: EventStudyEstimates) -> tuple[IntArray, FloatArray, FloatArray]:
    """Read arrays, and leave out the reference's row of zeros."""
    beta, at = numbers(study.betahat, "betahat"), numbers(study.horizons, "horizons")
    cov, reference = numbers(study.sigma, "sigma"), study.reference
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
