"""Covariance estimators as values, and the one function that reads their shorthands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias, cast

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.keyed import KeyedSums
from panelml.data.formula.quoting import quote, split_names
from panelml.engine.absorbing import absorbed_rank
from panelml.errors import SpecificationError, UnknownNameError, listing, shown, suggest
from panelml.inference.bootstrap import MultiplierBootstrap
from panelml.inference.clusters import (
    FEW,
    Columns,
    check_columns,
    cluster_products,
    is_nested,
    multiway,
    read_dimensions,
    require_whole_units,
)
from panelml.inference.correction import SmallSample, parse_small_sample
from panelml.inference.estimate import Covariance, CovSpec, Estimate
from panelml.inference.hac import Bandwidth, choose_lags, kernel_sum
from panelml.inference.heteroskedasticity import HC1, HC2, HC3, StockWatson
from panelml.inference.influence import Influence, UnitInfluence
from panelml.inference.leverage import leverage_clusters
from panelml.inference.small_samples import KenwardRoger, Satterthwaite

__all__ = [
    "HC1",
    "HC2",
    "HC3",
    "Clustered",
    "CovLike",
    "CovSpec",
    "Covariance",
    "DriscollKraay",
    "Estimate",
    "Iid",
    "MultiplierBootstrap",
    "NeweyWest",
    "StockWatson",
    "estimate_covariance",
    "parse",
]

# Share of the variance of independent rows that is left where a sum is zero but for rounding.
ROUNDED = 1e-20


_LEVERAGE = ("CR0", "CR1", "CR2", "CR3")


@checked
@dataclass(frozen=True, slots=True)
class Iid:
    """What the model itself implies: independent errors of equal variance, given the effects.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> print(fit.with_cov(pm.cov.Iid()).std_errors.round(4).to_dict())
    {'union': 0.0212}
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Return the model's own covariance."""
        df = np.inf if fit.counts.normal else float(fit.counts.df_resid)
        return Covariance(fit.iid_cov, df, "iid: as the model implies", {})


@checked
@dataclass(frozen=True, slots=True, init=False)
class Clustered:
    """Cluster-robust covariance: any dependence within clusters, of one or several dimensions.

    Attributes
    ----------
    columns : tuple of str
        Cluster columns, ``state^year`` for combinations; none for the units of the panel. Names
        with such signs stand in backticks.
    small_sample : str or SmallSample
        A rule, or the name of a preset: fixest (0.14, and pyfixest 0.60), fixest-0.12, stata, plm,
        linearmodels, none, asymptotic. By default that of the estimator: fixest's for
        coefficients of regressions. ``"CR2"`` and ``"CR3"`` allow for the leverage of clusters,
        in one dimension.

    Notes
    -----
    Several dimensions are combined by inclusion and exclusion (Cameron, Gelbach and Miller
    2011, *JBES* 29, equation 2.13). Where that is not positive semi-definite, negative
    eigenvalues relative to the model's own covariance are set to zero, with a note.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> print(fit.with_cov(pm.cov.Clustered("nr", "year")).std_errors.round(4).to_dict())
    {'union': 0.0308}
    """

    columns: tuple[str, ...]
    small_sample: str | SmallSample | None

    def __init__(self, *columns: str, small_sample: str | SmallSample | None = None) -> None:
        check_columns(columns)
        object.__setattr__(self, "columns", tuple(columns))
        object.__setattr__(self, "small_sample", small_sample)

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum influences within clusters, then their squares over clusters."""
        if self.small_sample in ("CR2", "CR3"):
            return self._with_leverage(fit, self.small_sample)
        rule = parse_small_sample(self.small_sample, fit.counts)
        influence, counts = fit.influence, fit.counts
        dimensions = read_dimensions(self.columns or (quote(influence.sample.source.unit),))
        require_whole_units(influence, dimensions)
        found = multiway(
            cluster_products(influence, counts.nobs), dimensions, rule, fit.names, fit.measure
        )
        k = _parameters(fit, dimensions, rule)
        df = rule.degrees(found.least, counts)
        words = " and ".join(f"{name} ({n:,} clusters)" for name, n in found.clusters.items())
        return Covariance(
            rule.scaling(counts.nobs, k) * found.matrix,
            df,
            f"clustered by {words}",
            found.clusters,
            found.notes,
        )

    def _with_leverage(self, fit: Estimate, power: str) -> Covariance:
        dimensions = read_dimensions(self.columns or (quote(fit.influence.sample.source.unit),))
        if len(dimensions) > 1:
            raise SpecificationError(f"{power} is for clusters of one dimension.")
        return leverage_clusters(fit, dimensions[0], "CR2" if power == "CR2" else "CR3")


@checked
@dataclass(frozen=True, slots=True)
class DriscollKraay:
    """Driscoll-Kraay covariance: dependence between units and, up to a lag, over time.

    Attributes
    ----------
    bandwidth : int or {"newey-west"}, optional
        Largest lag, in periods that are observed; the integer part of ``T ** (1 / 4)`` by
        default, of ``4 * (T / 100) ** (2 / 9)`` for "newey-west".
    small_sample : str or SmallSample

    Notes
    -----
    Source: Driscoll and Kraay (1998), *Review of Economics and Statistics* 80, 549-560.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> print(fit.with_cov(pm.cov.DriscollKraay(bandwidth=2)).std_errors.round(4).to_dict())
    {'union': 0.0145}
    """

    bandwidth: Bandwidth = None
    small_sample: str | SmallSample | None = None

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum influences within periods, then their products over nearby periods."""
        rule = parse_small_sample(self.small_sample, fit.counts)
        time = (fit.influence.sample.source.time,)
        require_whole_units(fit.influence, [time])
        sums = fit.influence.sums(time)
        periods = sums.codes.size
        lags = choose_lags(self.bandwidth, periods)
        found = _over_time(
            kernel_sum(_period_products(sums, lags)),
            fit,
            rule,
            periods,
            [time],
            f"Driscoll-Kraay, {lags} lags ({periods} periods)",
        )
        if periods >= FEW:
            return found
        note = (
            f"Driscoll-Kraay standard errors rely on many periods; with {periods}, fewer than "
            f"{FEW}, they tend to be too small."
        )
        return replace(found, notes=(note,))


@checked
@dataclass(frozen=True, slots=True)
class NeweyWest:
    """Newey-West (HAC) covariance: heteroskedasticity and, up to a lag, correlation within units.

    Attributes
    ----------
    bandwidth : int or {"newey-west"}, optional
        Largest lag, in steps of time; by default as for DriscollKraay.
    small_sample : str or SmallSample

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> print(fit.with_cov(pm.cov.NeweyWest(bandwidth=2)).std_errors.round(4).to_dict())
    {'union': 0.0247}
    """

    bandwidth: Bandwidth = None
    small_sample: str | SmallSample | None = None

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum products of influences over nearby rows of the same unit."""
        rule = parse_small_sample(self.small_sample, fit.counts)
        source = fit.influence.sample.source
        unit, time = (source.unit,), (source.time,)
        require_whole_units(fit.influence, [time])
        periods = fit.influence.sums(time).codes.size
        lags = choose_lags(self.bandwidth, periods)
        return _over_time(
            kernel_sum(fit.influence.serial_products(lags)),
            fit,
            rule,
            periods,
            [unit, time],
            f"Newey-West within units, {lags} lags",
        )


@checked
def parse(cov: str | CovSpec) -> CovSpec:
    """Read the shorthand of a covariance; a value of this module is returned as it is.

    Parameters
    ----------
    cov : str or covariance
        ``"iid"``, ``"HC1"`` to ``"HC3"``, ``"stock-watson"``, ``"cluster"``,
        ``"cluster:state+year"``, ``"CR2:state"`` (and CR0 to CR3), ``"DK"``, ``"DK:3"``,
        ``"NW:2"``; ``"satterthwaite"`` and ``"kenward-roger"`` for mixed models.

    Raises
    ------
    UnknownNameError
        If the shorthand is none of these.
    SpecificationError
        If its part after the colon cannot be read, or it is neither text nor a covariance.

    Examples
    --------
    >>> import panelml as pm
    >>> pm.cov.parse("cluster:state")
    Clustered(columns=('state',), small_sample=None)
    """
    if not isinstance(cov, str):
        return _value(cov)
    head, _, rest = cov.partition(":")
    kind = head.strip().lower()
    if kind == "cluster" or kind.upper() in _LEVERAGE:
        columns = split_names(rest, "+") if rest.strip() else []
        rule = None if kind == "cluster" else kind.upper()
        return Clustered(*columns, small_sample=rule)
    if kind in ("dk", "driscoll-kraay"):
        return DriscollKraay(_read_lags(rest, cov))
    if kind in ("nw", "newey-west"):
        return NeweyWest(_read_lags(rest, cov))
    plain: dict[str, CovSpec] = {
        "iid": Iid(),
        "hc1": HC1(),
        "hc2": HC2(),
        "hc3": HC3(),
        "robust": HC1(),
        "stock-watson": StockWatson(),
        "satterthwaite": Satterthwaite(),
        "kenward-roger": KenwardRoger(),
    }
    if kind not in plain or rest:
        choices = ["iid", "HC1", "cluster", "cluster:column", "DK", "NW", "CR2", *list(plain)[2:]]
        raise UnknownNameError(f"No covariance {shown(cov)}.{suggest(cov, choices)}")
    return plain[kind]


# A covariance or its shorthand, read when a specification is made.
CovLike: TypeAlias = Annotated[str | CovSpec, parse]


def estimate_covariance(cov: CovLike, fit: Estimate) -> Covariance:
    """Estimate the covariance of a fit; variances that are but rounding are zero, with a note.

    Scores that sum to zero in each cluster, as those of a coefficient of its own for each cluster
    do by the normal equations, give no variance, and a t statistic of 1e15 by their rounding.
    """
    found = parse(cov).estimate(fit)
    own, independent = np.diag(found.matrix), _independent(fit, found)
    rounding = (own < ROUNDED * independent) & (independent > 0)
    if not rounding.any():
        return found
    matrix = np.where(rounding[:, None] | rounding, 0.0, found.matrix)
    names = [name for name, zero in zip(fit.names, rounding, strict=True) if zero]
    note = (
        f"There is no variance, and no test, of {listing(names)}: scores sum to zero in each "
        "cluster, as where each has a coefficient of its own, or one is compared with one. Use "
        "smaller clusters."
    )
    return replace(found, matrix=matrix, notes=(note, *found.notes))


def _independent(fit: Estimate, found: Covariance) -> FloatArray:
    """Variances where units, or rows, are independent, shape (k,)."""
    unit = (fit.influence.sample.source.unit,)
    if fit.measure is not None:
        return np.diag(fit.measure)
    summed = isinstance(fit.influence, Influence | UnitInfluence)
    if not summed or not found.clusters or tuple(found.clusters) == unit:
        return np.diag(found.matrix)
    return np.asarray((fit.influence.sums(unit).sums ** 2).sum(axis=1))


def _parameters(fit: Estimate, dimensions: Sequence[Columns], rule: SmallSample) -> int:
    """Count K: effects that are nested in clusters are exempt, by their joint rank."""
    counts = fit.counts
    if rule.scale == "none" or rule.effects in ("none", "all"):
        return rule.parameters(counts, 0)
    exempt = rule.exempt(
        {
            effect: tuple(
                is_nested(fit.influence, effect.columns, columns) for columns in dimensions
            )
            for effect in counts.effects
        }
    )
    if exempt == counts.effects and counts.effects_rank is not None:
        return rule.parameters(counts, counts.effects_rank)
    rank = absorbed_rank(fit.influence.sample, exempt) if exempt else 0
    return rule.parameters(counts, rank)


def _over_time(
    matrix: FloatArray,
    fit: Estimate,
    rule: SmallSample,
    periods: int,
    dimensions: Sequence[Columns],
    description: str,
) -> Covariance:
    factor = rule.scaling(fit.counts.nobs, _parameters(fit, dimensions, rule.over_time()))
    factor *= periods / (periods - 1) if rule.groups else 1.0
    df = rule.degrees(periods, fit.counts)
    return Covariance(factor * (matrix + matrix.T) / 2, df, description, {})


def _value(cov: object) -> CovSpec:
    """Return a covariance that is a value already, or say how to write what is meant.

    Other packages take dictionaries, lists of columns and arrays of clusters.
    """
    if isinstance(cov, type):
        raise SpecificationError(f"cov is the class {cov.__name__}: write pm.cov.{cov.__name__}().")
    if callable(getattr(cov, "estimate", None)):
        return cast(CovSpec, cov)
    named = dict(cov) if isinstance(cov, Mapping) else {"CRV1": cov}
    [(kind, columns)] = named.items() if len(named) == 1 else [("CRV1", None)]
    names = [columns] if isinstance(columns, str) else columns
    words = "iid" if cov is None else "cluster"
    if isinstance(names, list | tuple) and names and all(isinstance(n, str) for n in names):
        head = {"CRV2": "CR2", "CRV3": "CR3"}.get(str(kind).upper(), "cluster")
        words = f"{head}:{'+'.join(part for name in names for part in name.split(' + '))}"
    raise SpecificationError(
        f"cov is text or a value of pm.cov, not of type {type(cov).__name__}: write cov={words!r}"
        + ("" if ":" in words else ", or 'cluster:column' for the column of clusters")
        + "."
    )


def _period_products(sums: KeyedSums, lags: int) -> FloatArray:
    h = sums.sums
    t = h.shape[1]
    return np.stack([h[:, lag:] @ h[:, : t - lag].T for lag in range(lags + 1)])


def _read_lags(text: str, cov: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdigit():
        raise SpecificationError(f"The lags in {shown(cov)} must be a whole number.")
    return int(text)
