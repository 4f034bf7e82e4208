"""Covariance estimators as values, and the one function that reads their shorthands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.keyed import KeyedSums
from panelml.errors import SpecificationError, UnknownNameError, suggest
from panelml.inference.bootstrap import MultiplierBootstrap
from panelml.inference.clusters import (
    FEW,
    Columns,
    cluster_products,
    is_nested,
    multiway,
    read_dimensions,
    require_whole_units,
    semidefinite,
)
from panelml.inference.correction import SmallSample, parse_small_sample
from panelml.inference.estimate import Covariance, CovLike, CovSpec, Estimate
from panelml.inference.hac import Bandwidth, choose_lags, kernel_sum
from panelml.inference.leverage import leverage_clusters, leverage_rows
from panelml.inference.likelihood import (
    ContrastRule,
    KenwardRogerRule,
    SatterthwaiteRule,
    require_curvature,
    term_df,
)

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
    "KenwardRoger",
    "MultiplierBootstrap",
    "NeweyWest",
    "Satterthwaite",
    "parse",
]


_LEVERAGE = ("CR0", "CR1", "CR2", "CR3")


@dataclass(frozen=True, slots=True)
class Iid:
    """What the model itself implies: independent errors of equal variance, given the effects."""

    def estimate(self, fit: Estimate) -> Covariance:
        """Return the model's own covariance."""
        df = np.inf if fit.counts.normal else float(fit.counts.df_resid)
        return Covariance(fit.iid_cov, df, "iid: as the model implies", {})


@dataclass(frozen=True, slots=True)
class Satterthwaite:
    """The covariance of a mixed model, with degrees of freedom for each contrast.

    Notes
    -----
    Source: Satterthwaite (1946), *Biometrics Bulletin* 2, 110-114; as lmerTest.
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Return the model's covariance with degrees of freedom from its curvature."""
        curvature = require_curvature(fit.curvature, "Satterthwaite")
        rule = SatterthwaiteRule(curvature.sensitivity(), curvature.back)
        return _by_contrast(
            fit.iid_cov, rule, "as the model implies, Satterthwaite degrees of freedom"
        )


@dataclass(frozen=True, slots=True)
class KenwardRoger:
    """The covariance of a mixed model adjusted for few groups, with degrees of freedom.

    Notes
    -----
    Source: Kenward and Roger (1997), *Biometrics* 53, 983-997; as pbkrtest.
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Adjust the model's covariance, and take degrees of freedom from its curvature."""
        curvature = require_curvature(fit.curvature, "Kenward-Roger")
        info, back = curvature.information(), curvature.back
        matrix = back @ info.adjusted_phi() @ back.T
        return _by_contrast(
            (matrix + matrix.T) / 2, KenwardRogerRule(info, back),
            "as the model implies, adjusted by Kenward and Roger",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class HC1:
    """Robust to unequal error variances (White), with the factor N / (N - K).

    Attributes
    ----------
    small_sample : str or SmallSample
        "none" leaves the factor out, which is HC0.
    """

    small_sample: str | SmallSample | None = None

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum squared influences over rows."""
        rule = parse_small_sample(self.small_sample, fit.counts)
        counts = fit.counts
        k = counts.nobs - counts.df_resid if rule.robust else counts.slopes + counts.constant
        factor = 1.0 if rule.scale == "none" else counts.nobs / max(counts.nobs - k, 1)
        matrix, _ = semidefinite(factor * fit.influence.row_products())
        df = np.inf if counts.normal else float(counts.df_resid)
        name = "HC0" if rule.scale == "none" else "HC1"
        return Covariance(matrix, df, f"{name}: robust to heteroskedasticity", {})


@dataclass(frozen=True, slots=True, init=False)
class Clustered:
    """Robust to any dependence within clusters, of one or several dimensions.

    Attributes
    ----------
    columns : tuple of str
        Cluster columns, ``state^year`` for combinations; none for the units of the panel.
    small_sample : str or SmallSample
        A rule, or the name of a preset: fixest, stata, plm, linearmodels, none, asymptotic. By
        default that of the estimator: fixest's for coefficients of regressions. ``"CR2"`` and
        ``"CR3"`` allow for the leverage of clusters, in one dimension.

    Notes
    -----
    Several dimensions are combined by inclusion and exclusion (Cameron, Gelbach and Miller
    2011, *JBES* 29, equation 2.13). Where that is not positive semi-definite, negative
    eigenvalues are set to zero, with a note.
    """

    columns: tuple[str, ...]
    small_sample: str | SmallSample | None

    def __init__(self, *columns: str, small_sample: str | SmallSample | None = None) -> None:
        object.__setattr__(self, "columns", tuple(columns))
        object.__setattr__(self, "small_sample", small_sample)

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum influences within clusters, then their squares over clusters."""
        if self.small_sample in ("CR2", "CR3"):
            return self._with_leverage(fit, self.small_sample)
        rule = parse_small_sample(self.small_sample, fit.counts)
        influence, counts = fit.influence, fit.counts
        dimensions = read_dimensions(self.columns or (influence.sample.panel.unit,))
        require_whole_units(influence, dimensions)
        found = multiway(cluster_products(influence, counts.nobs), dimensions, rule)
        k = rule.parameters(counts, rule.exempt(_nesting(fit, dimensions)))
        df = rule.degrees(found.least, counts)
        words = " and ".join(f"{name} ({n:,} clusters)" for name, n in found.clusters.items())
        return Covariance(
            rule.scaling(counts.nobs, k) * found.matrix, df, f"clustered by {words}",
            found.clusters, found.notes,
        )  # fmt: skip

    def _with_leverage(self, fit: Estimate, power: str) -> Covariance:
        dimensions = read_dimensions(self.columns or (fit.influence.sample.panel.unit,))
        if len(dimensions) > 1:
            raise SpecificationError(f"{power} is for clusters of one dimension.")
        return leverage_clusters(fit, dimensions[0], "CR2" if power == "CR2" else "CR3")


@dataclass(frozen=True, slots=True)
class HC2:
    """Robust to unequal error variances, squared residuals over one less their leverage."""

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum squared influences over rows, leverage allowed for."""
        return leverage_rows(fit, "CR2")


@dataclass(frozen=True, slots=True)
class HC3:
    """Robust to unequal error variances, residuals over one less their leverage."""

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum squared influences over rows, leverage allowed for."""
        return leverage_rows(fit, "CR3")


@dataclass(frozen=True, slots=True)
class DriscollKraay:
    """Robust to dependence between units and, up to a lag, over time.

    Attributes
    ----------
    bandwidth : int or {"newey-west"}, optional
        Largest lag, in periods that are observed; the integer part of ``T ** (1 / 4)`` by
        default, of ``4 * (T / 100) ** (2 / 9)`` for "newey-west".
    small_sample : str or SmallSample

    Notes
    -----
    Source: Driscoll and Kraay (1998), *Review of Economics and Statistics* 80, 549-560.
    """

    bandwidth: Bandwidth = None
    small_sample: str | SmallSample | None = None

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum influences within periods, then their products over nearby periods."""
        rule = parse_small_sample(self.small_sample, fit.counts)
        time = (fit.influence.sample.panel.time,)
        require_whole_units(fit.influence, [time])
        sums = fit.influence.sums(time)
        periods = sums.codes.size
        lags = choose_lags(self.bandwidth, periods)
        found = _over_time(
            kernel_sum(_period_products(sums, lags)), fit, rule, periods, [time],
            f"Driscoll-Kraay, {lags} lags ({periods} periods)",
        )  # fmt: skip
        if periods >= FEW:
            return found
        note = (
            f"Driscoll-Kraay standard errors rely on many periods; with {periods}, fewer than "
            f"{FEW}, they tend to be too small."
        )
        return replace(found, notes=(*found.notes, note))


@dataclass(frozen=True, slots=True)
class NeweyWest:
    """Robust to heteroskedasticity and, up to a lag, to correlation over time within units.

    Attributes
    ----------
    bandwidth : int or {"newey-west"}, optional
        Largest lag, in steps of time; by default as for DriscollKraay.
    small_sample : str or SmallSample
    """

    bandwidth: Bandwidth = None
    small_sample: str | SmallSample | None = None

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum products of influences over nearby rows of the same unit."""
        rule = parse_small_sample(self.small_sample, fit.counts)
        panel = fit.influence.sample.panel
        unit, time = (panel.unit,), (panel.time,)
        require_whole_units(fit.influence, [time])
        periods = fit.influence.sums(time).codes.size
        lags = choose_lags(self.bandwidth, periods)
        return _over_time(
            kernel_sum(fit.influence.serial_products(lags)), fit, rule, periods, [unit, time],
            f"Newey-West within units, {lags} lags",
        )  # fmt: skip


def _by_contrast(matrix: FloatArray, rule: ContrastRule, description: str) -> Covariance:
    df = term_df(rule, len(matrix))
    return Covariance(matrix, float(df.min()), description, {}, rule=rule, term_df=df)


def parse(cov: CovLike) -> CovSpec:
    """Read the shorthand of a covariance; a value of this module is returned as it is.

    Parameters
    ----------
    cov : str or covariance
        ``"iid"``, ``"HC1"`` to ``"HC3"``, ``"cluster"``, ``"cluster:state+year"``,
        ``"CR2:state"`` (and CR0 to CR3), ``"DK"``, ``"DK:3"``,
        ``"NW:2"``; ``"satterthwaite"`` and ``"kenward-roger"`` for mixed models.

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
    if kind == "cluster" or kind.upper() in _LEVERAGE:
        columns = [part.strip() for part in rest.split("+")] if rest.strip() else []
        rule = None if kind == "cluster" else kind.upper()
        return Clustered(*columns, small_sample=rule)
    if kind in ("dk", "driscoll-kraay"):
        return DriscollKraay(_read_lags(rest, cov))
    if kind in ("nw", "newey-west"):
        return NeweyWest(_read_lags(rest, cov))
    plain: dict[str, CovSpec] = {
        "iid": Iid(), "hc1": HC1(), "hc2": HC2(), "hc3": HC3(), "robust": HC1(),
        "satterthwaite": Satterthwaite(), "kenward-roger": KenwardRoger(),
    }  # fmt: skip
    if kind not in plain or rest:
        choices = ["iid", "HC1", "cluster", "cluster:column", "DK", "NW", "CR2", *list(plain)[2:]]
        raise UnknownNameError(f"No covariance {cov!r}.{suggest(cov, choices)}")
    return plain[kind]


def _nesting(
    fit: Estimate, dimensions: Sequence[Columns]
) -> dict[tuple[str, ...], tuple[bool, ...]]:
    return {
        effect: tuple(is_nested(fit.influence, effect, columns) for columns in dimensions)
        for effect in fit.counts.effects
    }


def _over_time(
    matrix: FloatArray, fit: Estimate, rule: SmallSample, periods: int,
    dimensions: Sequence[Columns], description: str,
) -> Covariance:  # fmt: skip
    nesting = _nesting(fit, dimensions) if rule.effects == "nested" else {}
    factor = rule.scaling(fit.counts.nobs, rule.parameters(fit.counts, rule.exempt(nesting)))
    factor *= periods / (periods - 1) if rule.groups else 1.0
    df = rule.degrees(periods, fit.counts)
    fixed, notes = semidefinite(factor * matrix)
    return Covariance(fixed, df, description, {}, notes)


def _period_products(sums: KeyedSums, lags: int) -> FloatArray:
    h = sums.sums
    t = h.shape[1]
    return np.stack([h[:, lag:] @ h[:, : t - lag].T for lag in range(lags + 1)])


def _read_lags(text: str, cov: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdigit():
        raise SpecificationError(f"The lags in {cov!r} must be a whole number.")
    return int(text)
