"""Cluster dimensions: nesting, combination by inclusion and exclusion, and few clusters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.data.formula.quoting import split_names, unquote
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.inference.correction import SmallSample
from panelml.inference.influence import Influence, InfluenceFunction

__all__ = [
    "Columns",
    "Multiway",
    "Products",
    "check_columns",
    "cluster_products",
    "few_clusters",
    "is_nested",
    "multiway",
    "read_dimensions",
    "require_whole_units",
    "semidefinite",
]

Columns: TypeAlias = tuple[str, ...]
Products: TypeAlias = Callable[[Columns], tuple[FloatArray, int]]

# Cameron and Miller (2015), Journal of Human Resources 50, section VI: "few" begins at 20 to 50.
FEW = 20
# Of the largest eigenvalue of the covariance that others are measured by, at unit diagonal.
RANK_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Multiway:
    """Products of influences, summed over clusters of one or several dimensions.

    Attributes
    ----------
    matrix : FloatArray, shape (k, k)
    clusters : dict of str to int
        Number of clusters of each dimension.
    notes : tuple of str
    """

    matrix: FloatArray
    clusters: dict[str, int]
    notes: tuple[str, ...]

    @property
    def least(self) -> int:
        """The smallest number of clusters."""
        return min(self.clusters.values())


def check_columns(names: Sequence[object]) -> None:
    """Refuse clusters that are not named by columns.

    Raises
    ------
    SpecificationError
        Saying how to name them.
    """
    for name in names:
        if not isinstance(name, str):
            raise SpecificationError(
                "Clusters are named by columns of the data, not by values of type "
                f"{type(name).__name__}: write 'state', and two dimensions as "
                "pm.cov.Clustered('state', 'year')."
            )


def read_dimensions(names: Sequence[str]) -> list[Columns]:
    """Read cluster dimensions, ``state^year`` for combinations of columns, as formulas do."""
    return [tuple(map(unquote, split_names(name, "^"))) for name in dict.fromkeys(names)]


def multiway(
    products: Products,
    dimensions: Sequence[Columns],
    rule: SmallSample,
    names: Sequence[str],
    measure: FloatArray | None = None,
) -> Multiway:
    """Combine cluster dimensions by inclusion and exclusion.

    Parameters
    ----------
    products : callable
        Columns to the products of influences summed within their clusters, (k, k), and the
        number of clusters.
    dimensions : sequence of tuple of str
    rule : SmallSample
        Gives each term the factor G / (G - 1), or none.
    names : sequence of str
        Of the parameters.
    measure : FloatArray, shape (k, k), optional
        Covariance by which one that is not positive semi-definite is mended; by default that of
        the clusters in which all dimensions meet.

    Raises
    ------
    IdentificationError
        If a dimension has a single cluster.

    Notes
    -----
    Source: Cameron, Gelbach and Miller (2011), *JBES* 29, 238-249, equation 2.13.
    """
    terms: list[tuple[int, FloatArray, int]] = []
    clusters: dict[str, int] = {}
    for size in range(1, len(dimensions) + 1):
        for subset in combinations(dimensions, size):
            columns = tuple(dict.fromkeys(name for part in subset for name in part))
            product, count = products(columns)
            if size == 1:
                _require_clusters(columns, count)
                clusters["^".join(columns)] = count
            terms.append((1 if size % 2 else -1, product, count))
    least = min(clusters.values())
    total = np.zeros_like(terms[0][1])
    for sign, product, count in terms:
        g = least if rule.multiway == "min" else count
        total += sign * product * (g / (g - 1) if rule.groups else 1.0)
    finest = terms[-1][1]
    matrix, notes = semidefinite(total, finest if measure is None else measure, names)
    return Multiway(matrix, clusters, (*notes, *few_clusters(clusters)))


def cluster_products(influence: InfluenceFunction, nobs: int) -> Products:
    """Return what sums products of a fit's influences within clusters.

    Parameters
    ----------
    influence : Influence
    nobs : int
        Observations of the fit: rows that are told apart by unit and time.
    """
    source = influence.sample.source

    def products(columns: Columns) -> tuple[FloatArray, int]:
        if {source.unit, source.time} <= set(columns) and not influence.frequency:
            return influence.row_products(), nobs
        sums = influence.sums(columns)
        return sums.sums @ sums.sums.T, sums.codes.size

    return products


def is_nested(influence: InfluenceFunction, inner: Columns, outer: Columns) -> bool:
    """Whether each level of one combination of columns lies in one level of another."""
    return influence.sample.is_nested(inner, outer)


def require_whole_units(influence: InfluenceFunction, dimensions: Sequence[Columns]) -> None:
    """Refuse clusters that cut across units where the influences are those of whole units.

    Raises
    ------
    SpecificationError
        If a unit lies in several clusters.
    """
    if influence.grain != "unit":
        return
    unit = (influence.sample.source.unit,)
    for columns in dimensions:
        if is_nested(influence, unit, columns):
            continue
        name = "^".join(columns)
        if isinstance(influence, Influence):
            raise SpecificationError(
                f"The rows of this fit are means of {unit[0]}, which belong to several values of "
                f"{name}. Cluster by {unit[0]} or by groups of it."
            )
        raise SpecificationError(
            f"Each {unit[0]} counts as a whole in this fit, but the rows of {unit[0]} "
            f"{_divided(influence, columns)} have several values of {name}: sums over these cannot "
            f"be formed. Cluster by {unit[0]}, or by a column that does not change within it."
        )


def _divided(influence: InfluenceFunction, columns: Columns) -> object:
    """Label of the first unit whose rows lie in several clusters."""
    sample = influence.sample
    unit, cluster = sample.codes((sample.source.unit,)), sample.codes(columns)
    apart = (unit[1:] == unit[:-1]) & (cluster[1:] != cluster[:-1])
    return sample.source.index.units[unit[1:][apart][0]]


def few_clusters(clusters: Mapping[str, int]) -> tuple[str, ...]:
    """Note that inference from few clusters is optimistic."""
    few = [f"{count} clusters ({name})" for name, count in clusters.items() if count < FEW]
    if not few:
        return ()
    return (
        f"Only {' and '.join(few)}: with fewer than {FEW} clusters, standard errors tend to be "
        "too small and tests to reject too often.",
    )


def semidefinite(
    matrix: FloatArray, measure: FloatArray, names: Sequence[str]
) -> tuple[FloatArray, tuple[str, ...]]:
    """Set negative eigenvalues to zero, with a note.

    They are eigenvalues relative to another covariance of the same parameters, so that neither
    the units in which regressors are measured nor any other linear change of them matters.

    Parameters
    ----------
    matrix : FloatArray, shape (k, k)
    measure : FloatArray, shape (k, k)
        Positive semi-definite, with a rank as large.
    names : sequence of str, length k
        Of the parameters, for the note.
    """
    symmetric = np.asarray((matrix + matrix.T) / 2)
    length = np.sqrt(np.diag(measure))
    length = np.where(length > 0, length, 1.0)
    scale = np.outer(length, length)
    least = np.linalg.eigvalsh(symmetric / scale).min(initial=0.0)
    if least >= -1e-12 * len(symmetric):
        return symmetric, ()
    sizes, directions = np.linalg.eigh(measure / scale)
    some = sizes > RANK_TOLERANCE * sizes.max()
    root = directions[:, some] * np.sqrt(sizes[some])
    inverse = directions[:, some] / np.sqrt(sizes[some])
    values, vectors = np.linalg.eigh(inverse.T @ (symmetric / scale) @ inverse)
    basis = (root @ vectors)[:, values > 0] * np.sqrt(values[values > 0])
    note = (
        "The covariance was not positive semi-definite, which inclusion and exclusion can give "
        "with few clusters: negative eigenvalues were set to zero."
    )
    lost = [name for name, own in zip(names, np.diag(symmetric), strict=True) if own <= 0]
    if lost:
        note += (
            f" Before, there was no positive variance of {listing(lost)}: do not rely on what is "
            "left of it, and cluster by one dimension."
        )
    return basis @ basis.T * scale, (note,)


def _require_clusters(columns: Columns, count: int) -> None:
    if count < 2:
        raise IdentificationError(
            f"The cluster variable {'^'.join(columns)!r} has a single value in the estimation "
            "sample; clustered standard errors need at least two clusters."
        )
