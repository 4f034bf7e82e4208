"""Numbers behind Hausman tests: differences of covariances, and joint influences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from panelml._typing import FloatArray
from panelml.core.keyed import KeyedSums
from panelml.inference.influence import InfluenceFunction

__all__ = [
    "JointInfluence",
    "QuadraticForm",
    "difference_form",
    "distinct_directions",
    "joint_form",
]

# Of an eigenvalue of the difference of covariances, relative to the larger covariance.
TOLERANCE = 1e-9
# Of an eigenvalue of the joint covariance, relative to the largest.
FLAT = 1e-12


@dataclass(frozen=True, slots=True)
class QuadraticForm:
    """A squared difference of estimates in units of its covariance.

    Attributes
    ----------
    statistic : float
    rank : int
        Directions that enter.
    size : int
        Number of coefficients.
    least : float
        Smallest eigenvalue of the covariance, relative to that of the first fit.
    valid : bool
        Whether the covariance is positive (semi-)definite, and zero only where the estimates
        agree. Otherwise the statistic has no chi-squared distribution.
    """

    statistic: float
    rank: int
    size: int
    least: float
    valid: bool


def difference_form(gap: FloatArray, cov: FloatArray, efficient: FloatArray) -> QuadraticForm:
    """Compute ``gap' (cov - efficient)^- gap``.

    Parameters
    ----------
    gap : FloatArray, shape (k,)
    cov, efficient : FloatArray, shape (k, k)
        Covariances of the consistent and of the efficient estimates.

    Notes
    -----
    In units of ``cov`` the difference has eigenvalues at most one. Directions whose eigenvalue
    is zero leave the test where the estimates agree in them: both estimators are then the same
    there, and the generalised inverse is the limit of the inverse.
    """
    values, directions = _relative(cov, efficient)
    squares = (directions @ gap) ** 2
    flat = np.abs(values) <= TOLERANCE
    valid = not (values < -TOLERANCE).any() and not (squares[flat] > TOLERANCE).any()
    statistic = float((squares[~flat] / values[~flat]).sum())
    return QuadraticForm(statistic, int((~flat).sum()), values.size, float(values.min()), valid)


def distinct_directions(larger: FloatArray, smaller: FloatArray) -> FloatArray:
    """Find the combinations of coefficients that two estimators do not share, shape (r, k).

    Parameters
    ----------
    larger, smaller : FloatArray, shape (k, k)
        Inverse cross-products of transformations of which the first removes more of the same
        rows. Where they agree the estimators are the same, as for period dummies within units
        and in random effects of balanced panels.
    """
    values, directions = _relative(larger, smaller)
    return directions[np.abs(values) > TOLERANCE]


def _relative(cov: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues of ``cov - other`` in units of ``cov``, and the directions as rows."""
    length = np.sqrt(np.diag(cov))
    factor = linalg.cholesky(cov / np.outer(length, length), lower=True)
    half = linalg.solve_triangular(factor, np.diag(1 / length), lower=True)
    share, vectors = np.linalg.eigh(half @ other @ half.T)
    return 1 - share, vectors.T @ half


def joint_form(gap: FloatArray, cov: FloatArray, size: FloatArray) -> QuadraticForm:
    """Compute ``gap' cov^- gap`` for the covariance of a difference.

    Parameters
    ----------
    gap : FloatArray, shape (k,)
    cov : FloatArray, shape (k, k)
    size : FloatArray, shape (k,)
        Variances of the coefficients themselves: a difference that is nothing beside them has
        no rank.

    Notes
    -----
    Directions without variance leave the test where the estimates agree in them.
    """
    length = np.sqrt(size)
    values, directions = np.linalg.eigh(cov / np.outer(length, length))
    squares = (directions.T @ (gap / length)) ** 2
    most = float(values.max())
    if most < FLAT**1.25 and squares.max() < FLAT:
        return QuadraticForm(0.0, 0, values.size, 0.0, valid=True)
    flat = values <= FLAT * most
    valid = not (squares[flat] > TOLERANCE * most).any()
    statistic = float((squares[~flat] / values[~flat]).sum())
    return QuadraticForm(statistic, int((~flat).sum()), values.size, float(values.min()), valid)


@dataclass(frozen=True, slots=True)
class JointInfluence:
    """Influence on the difference of two fits' functions of their coefficients.

    Attributes
    ----------
    first, second : InfluenceFunction
        On the compared functions, shape (k,), of each fit.
    """

    first: InfluenceFunction
    second: InfluenceFunction

    def sums(self, columns: tuple[str, ...]) -> KeyedSums:
        """Sum the influences within clusters, shape (k, clusters)."""
        plus, minus = (_panel_sums(each, columns) for each in (self.first, self.second))
        return plus + replace(minus, sums=-minus.sums)

    def products(self, columns: tuple[str, ...]) -> tuple[FloatArray, int]:
        """Return products of the sums, shape (k, k), and the number of clusters."""
        found = self.sums(columns)
        return found.sums @ found.sums.T, found.codes.size


def _panel_sums(influence: InfluenceFunction, columns: tuple[str, ...]) -> KeyedSums:
    """Sums by the codes of the panel, for samples number their own units."""
    sums = influence.sums(columns)
    if columns != (influence.sample.source.unit,):
        return sums
    units = np.flatnonzero(influence.sample.unit_rows > 0)
    return replace(sums, codes=units[sums.codes])
