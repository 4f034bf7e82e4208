"""Covariance estimators as values, and the one function that reads their shorthands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol, TypeAlias

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.keyed import KeyedSums
from panelml.errors import IdentificationError, SpecificationError, UnknownNameError, suggest
from panelml.inference.correction import Counts, SmallSample, parse_small_sample
from panelml.inference.hac import default_bandwidth, kernel_sum
from panelml.inference.influence import Influence

__all__ = [
    "HC1",
    "Clustered",
    "CovSpec",
    "Covariance",
    "DriscollKraay",
    "Estimate",
    "Iid",
    "NeweyWest",
    "parse",
]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a covariance estimator needs to know of a fit.

    Attributes
    ----------
    influence : Influence
    model_cov : FloatArray, shape (k, k)
        The covariance the model itself implies.
    counts : Counts
    """

    influence: Influence
    model_cov: FloatArray
    counts: Counts


@dataclass(frozen=True, slots=True)
class Covariance:
    """An estimated covariance of parameters.

    Attributes
    ----------
    matrix : FloatArray, shape (k, k)
    df : float
        Degrees of freedom of t; infinite for the normal distribution.
    description : str
        In words, for tables.
    clusters : dict of str to int
        Number of clusters by cluster variable.
    notes : tuple of str
    """

    matrix: FloatArray
    df: float
    description: str
    clusters: Mapping[str, int]
    notes: tuple[str, ...] = ()


class CovSpec(Protocol):
    """A covariance estimator: a frozen value."""

    def estimate(self, fit: Estimate) -> Covariance: ...


CovLike: TypeAlias = str | CovSpec


@dataclass(frozen=True, slots=True)
class Iid:
    """What the model itself implies: independent errors of equal variance, given the effects."""

    def estimate(self, fit: Estimate) -> Covariance:
        """Return the model's own covariance."""
        df = np.inf if fit.counts.normal else float(fit.counts.df_resid)
        return Covariance(fit.model_cov, df, "iid: as the model implies", {})


@dataclass(frozen=True, slots=True)
class HC1:
    """Robust to unequal error variances (White), with the factor N / (N - K).

    Attributes
    ----------
    small_sample : str or SmallSample
    """

    small_sample: str | SmallSample = "fixest"

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum squared influences over rows."""
        rule = parse_small_sample(self.small_sample)
        counts = fit.counts
        k = counts.nobs - counts.df_resid if rule.robust else counts.slopes + counts.constant
        factor = 1.0 if rule.scale == "none" else counts.nobs / max(counts.nobs - k, 1)
        matrix = factor * fit.influence.row_products()
        df = np.inf if counts.normal else float(counts.df_resid)
        return Covariance(_symmetric(matrix), df, "HC1: robust to heteroskedasticity", {})


@dataclass(frozen=True, slots=True, init=False)
class Clustered:
    """Robust to any dependence within clusters, of one or several dimensions.

    Attributes
    ----------
    columns : tuple of str
        Cluster columns, ``state^year`` for combinations; none for the units of the panel.
    small_sample : str or SmallSample
        A rule, or the name of a preset: fixest, stata, plm, linearmodels, none.

    Notes
    -----
    Several dimensions are combined by inclusion and exclusion (Cameron, Gelbach and Miller
    2011, *JBES* 29, equation 2.13). Where that is not positive semi-definite, negative
    eigenvalues are set to zero, with a note.
    """

    columns: tuple[str, ...]
    small_sample: str | SmallSample

    def __init__(self, *columns: str, small_sample: str | SmallSample = "fixest") -> None:
        object.__setattr__(self, "columns", tuple(columns))
        object.__setattr__(self, "small_sample", small_sample)

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum influences within clusters, then their squares over clusters."""
        rule = parse_small_sample(self.small_sample)
        panel = fit.influence.sample.panel
        names = self.columns or (panel.unit,)
        dimensions = [tuple(name.split("^")) for name in dict.fromkeys(names)]
        nested = frozenset(
            effect for effect in fit.counts.effects
            if any(is_nested(fit.influence, effect, cluster) for cluster in dimensions)
        )  # fmt: skip
        scaling = rule.scaling(fit.counts.nobs, rule.parameters(fit.counts, nested))
        matrix, clusters, notes = self._combine(fit.influence, dimensions, rule)
        df = float(min(clusters.values()) - 1) if rule.df == "clusters" else fit.counts.df_resid
        words = " and ".join(f"{name} ({count:,} clusters)" for name, count in clusters.items())
        return Covariance(
            _symmetric(scaling * matrix), float(df), f"clustered by {words}", clusters, notes
        )

    def _combine(
        self, influence: Influence, dimensions: list[tuple[str, ...]], rule: SmallSample
    ) -> tuple[FloatArray, dict[str, int], tuple[str, ...]]:
        terms: list[tuple[int, int, FloatArray]] = []
        clusters: dict[str, int] = {}
        for size in range(1, len(dimensions) + 1):
            for subset in combinations(dimensions, size):
                columns = tuple(dict.fromkeys(name for part in subset for name in part))
                sums = influence.sums(columns)
                count = sums.codes.size
                if size == 1:
                    _require_clusters(columns, count)
                    clusters["^".join(columns)] = count
                terms.append((1 if size % 2 else -1, count, sums.sums @ sums.sums.T))
        least = min(clusters.values())
        total = np.zeros_like(terms[0][2])
        for sign, count, meat in terms:
            g = least if rule.multiway == "min" else count
            total += sign * meat * (g / (g - 1) if rule.groups else 1.0)
        matrix, notes = _semidefinite(total)
        return matrix, clusters, notes


@dataclass(frozen=True, slots=True)
class DriscollKraay:
    """Robust to dependence between units and, up to a lag, over time.

    Attributes
    ----------
    bandwidth : int, optional
        Largest lag, in periods that are observed; the integer part of ``T ** (1 / 4)`` by default.
    small_sample : str or SmallSample

    Notes
    -----
    Source: Driscoll and Kraay (1998), *Review of Economics and Statistics* 80, 549-560.
    """

    bandwidth: int | None = None
    small_sample: str | SmallSample = "fixest"

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum influences within periods, then their products over nearby periods."""
        rule = parse_small_sample(self.small_sample)
        panel = fit.influence.sample.panel
        sums = fit.influence.sums((panel.time,))
        lags = _checked_bandwidth(self.bandwidth, sums.codes.size)
        products = _period_products(sums, lags)
        return _over_time(
            kernel_sum(products), fit, rule, sums.codes.size,
            frozenset(e for e in fit.counts.effects if e == (panel.time,)),
            f"Driscoll-Kraay, {lags} lags ({sums.codes.size} periods)",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class NeweyWest:
    """Robust to heteroskedasticity and, up to a lag, to correlation over time within units.

    Attributes
    ----------
    bandwidth : int, optional
        Largest lag, in steps of time; the integer part of ``T ** (1 / 4)`` by default.
    small_sample : str or SmallSample
    """

    bandwidth: int | None = None
    small_sample: str | SmallSample = "fixest"

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum products of influences over nearby rows of the same unit."""
        rule = parse_small_sample(self.small_sample)
        panel = fit.influence.sample.panel
        periods = np.unique(fit.influence.sample.codes((panel.time,))).size
        lags = _checked_bandwidth(self.bandwidth, periods)
        matrix = kernel_sum(fit.influence.serial_products(lags))
        unit = (panel.unit,)
        nested = frozenset(
            effect for effect in fit.counts.effects if is_nested(fit.influence, effect, unit)
        )
        return _over_time(
            matrix, fit, rule, periods, nested, f"Newey-West within units, {lags} lags"
        )


def parse(cov: CovLike) -> CovSpec:
    """Read a covariance: ``"iid"``, ``"HC1"``, ``"cluster"``, ``"cluster:state+year"``, ``"DK"``,
    ``"DK:3"``, ``"NW:2"``, or a value of this module.

    Raises
    ------
    UnknownNameError
        If the shorthand is none of these.
    SpecificationError
        If its part after the colon cannot be read.
    """
    if not isinstance(cov, str):
        return cov
    head, _, rest = cov.partition(":")
    kind = head.strip().lower()
    if kind == "cluster":
        columns = [part.strip() for part in rest.split("+")] if rest.strip() else []
        return Clustered(*columns)
    if kind in ("dk", "driscoll-kraay"):
        return DriscollKraay(_read_lags(rest, cov))
    if kind in ("nw", "newey-west"):
        return NeweyWest(_read_lags(rest, cov))
    plain: dict[str, CovSpec] = {"iid": Iid(), "hc1": HC1(), "robust": HC1()}
    if kind not in plain or rest:
        choices = ["iid", "HC1", "cluster", "cluster:column", "DK", "NW"]
        raise UnknownNameError(f"No covariance {cov!r}.{suggest(cov, choices)}")
    return plain[kind]


def is_nested(influence: Influence, inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    """Whether each level of one combination of columns lies in one level of another."""
    if set(outer) <= set(inner):
        return True
    codes, cluster = influence.sample.codes(inner), influence.sample.codes(outer)
    first: IntArray = np.zeros(influence.sample.panel.levels(inner), dtype=np.int64)
    first[codes] = cluster
    return bool((first[codes] == cluster).all())


def _over_time(
    matrix: FloatArray, fit: Estimate, rule: SmallSample, periods: int,
    nested: frozenset[tuple[str, ...]], description: str,
) -> Covariance:  # fmt: skip
    factor = rule.scaling(fit.counts.nobs, rule.parameters(fit.counts, nested))
    factor *= periods / (periods - 1) if rule.groups else 1.0
    df = float(periods - 1) if rule.df == "clusters" else float(fit.counts.df_resid)
    fixed, notes = _semidefinite(factor * matrix)
    return Covariance(fixed, df, description, {}, notes)


def _period_products(sums: KeyedSums, lags: int) -> FloatArray:
    h = sums.sums
    t = h.shape[1]
    return np.stack([h[:, lag:] @ h[:, : t - lag].T for lag in range(lags + 1)])


def _checked_bandwidth(bandwidth: int | None, periods: int) -> int:
    if periods < 2:
        raise IdentificationError("Dependence over time needs at least two periods.")
    lags = default_bandwidth(periods) if bandwidth is None else bandwidth
    if not 0 <= lags < periods:
        raise SpecificationError(
            f"The bandwidth must lie between 0 and the number of periods less one, "
            f"{periods - 1}; it is {lags}."
        )
    return lags


def _require_clusters(columns: tuple[str, ...], count: int) -> None:
    if count < 2:
        raise IdentificationError(
            f"The cluster variable {'^'.join(columns)!r} has a single value in the estimation "
            "sample; clustered standard errors need at least two clusters."
        )


def _read_lags(text: str, cov: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdigit():
        raise SpecificationError(f"The lags in {cov!r} must be a whole number.")
    return int(text)


def _symmetric(matrix: FloatArray) -> FloatArray:
    return np.asarray((matrix + matrix.T) / 2)


def _semidefinite(matrix: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    values, vectors = np.linalg.eigh(_symmetric(matrix))
    if values.size == 0 or values[0] >= -1e-12 * max(float(values[-1]), 0.0):
        return _symmetric(matrix), ()
    note = "The covariance was not positive semi-definite: negative eigenvalues were set to zero."
    return (vectors * np.maximum(values, 0.0)) @ vectors.T, (note,)
