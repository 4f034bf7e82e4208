"""Covariances for rows that are independent, with unequal error variances (White)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml.arguments import checked
from panelml.core.block import Block
from panelml.core.equations import LeastSquaresEquation
from panelml.core.groups import group_sums, spread
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import SpecificationError
from panelml.inference.clusters import semidefinite
from panelml.inference.correction import SmallSample, parse_small_sample
from panelml.inference.estimate import Covariance, Estimate
from panelml.inference.influence import Influence, SerialProducts
from panelml.inference.leverage import leverage_rows

__all__ = ["HC1", "HC2", "HC3", "StockWatson"]


@checked
@dataclass(frozen=True, slots=True)
class HC1:
    """Heteroskedasticity-robust covariance (White), with the factor N / (N - K).

    Attributes
    ----------
    small_sample : str or SmallSample
        "none" leaves the factor out, which is HC0.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.PooledOLS("lwage ~ union").fit(panel)
    >>> print(fit.with_cov(pm.cov.HC1()).std_errors.round(4).to_dict())
    {'Intercept': 0.0095, 'union': 0.0173}
    """

    small_sample: str | SmallSample | None = None

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum squared influences over rows."""
        rule = parse_small_sample(self.small_sample, fit.counts)
        counts = fit.counts
        k = counts.nobs - counts.df_resid if rule.robust else counts.slopes + counts.constant
        factor = 1.0 if rule.scale == "none" else counts.nobs / max(counts.nobs - k, 1)
        matrix = factor * fit.influence.row_products()
        df = np.inf if counts.normal else float(counts.df_resid)
        name = "HC0" if rule.scale == "none" else "HC1"
        words = f"{name}: robust to heteroskedasticity"
        if not isinstance(fit.influence, Influence):
            words += " of units as a whole"
        return Covariance((matrix + matrix.T) / 2, df, words, {}, _inconsistent(fit, name))


@checked
@dataclass(frozen=True, slots=True)
class HC2:
    """Heteroskedasticity-robust covariance: squared residuals over one less their leverage.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.PooledOLS("lwage ~ union").fit(panel)
    >>> print(fit.with_cov(pm.cov.HC2()).std_errors.round(4).to_dict())
    {'Intercept': 0.0095, 'union': 0.0173}
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum squared influences over rows, leverage allowed for."""
        return leverage_rows(fit, "CR2", notes=_inconsistent(fit, "HC2"))


@checked
@dataclass(frozen=True, slots=True)
class HC3:
    """Heteroskedasticity-robust covariance: residuals over one less their leverage.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.PooledOLS("lwage ~ union").fit(panel)
    >>> print(fit.with_cov(pm.cov.HC3()).std_errors.round(4).to_dict())
    {'Intercept': 0.0095, 'union': 0.0173}
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum squared influences over rows, leverage allowed for."""
        return leverage_rows(fit, "CR3", notes=_inconsistent(fit, "HC3"))


@checked
@dataclass(frozen=True, slots=True)
class StockWatson:
    """Robust to unequal error variances after unit effects: bias-adjusted HR covariance.

    Residuals about unit means mix the variances of all rows of a unit, by which HC1 to HC3 are
    inconsistent with more than two periods, however many units there are. The adjustment takes
    from ``sum_t x x' e^2`` of a unit with T rows what the other rows brought in.

    Notes
    -----
    Source: Stock and Watson (2008), *Econometrica* 76, 155-174, equations 5 and 6. Errors must not
    be correlated over time. On unbalanced panels, T is the number of rows of each unit, with
    which the sum of each unit is unbiased; those of two rows need no adjustment beyond their
    degrees of freedom.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> print(fit.with_cov(pm.cov.StockWatson()).std_errors.round(4).to_dict())
    {'union': 0.0216}
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum squared scores over rows, less their bias.

        Raises
        ------
        SpecificationError
            Unless the effects of the units, and nothing else, are absorbed, without weights.
        """
        influence = _within_units(fit)
        rows = influence.sample.unit_rows
        left = int((rows - 1)[rows > 0].sum())
        factor = left / max(left - fit.counts.slopes, 1)
        regression = influence.regression
        found = fold(influence.sample, lambda block: _products(regression, block, factor)).products
        middle, plain = (influence.bread @ part @ influence.bread.T for part in found)
        matrix, notes = semidefinite(middle, plain, fit.names)
        words = "robust to heteroskedasticity, bias of unit effects adjusted (Stock and Watson)"
        return Covariance(matrix, float(fit.counts.df_resid), words, {}, notes)


def _within_units(fit: Estimate) -> Influence:
    influence = fit.rows
    if not _of_units_alone(fit):
        raise SpecificationError(
            "'stock-watson' is for fixed effects of the units alone, 'y ~ x | "
            f"{Effect((influence.sample.source.unit,))}'. Use 'cluster', or 'HC1' where no unit "
            "effects are absorbed."
        )
    if influence.sample.weights is not None:
        raise SpecificationError("'stock-watson' is for fits without weights. Use 'cluster'.")
    return influence


def _of_units_alone(fit: Estimate) -> bool:
    return fit.counts.effects == (Effect((fit.influence.sample.source.unit,)),)


def _products(regression: LeastSquaresEquation, block: Block, factor: float) -> SerialProducts:
    """Middle of the adjusted covariance, and of the plain one: (2, m, m)."""
    fitted = regression.fitted_rows(block)
    x, square, starts = fitted.x, fitted.error**2, fitted.rows.starts
    total = group_sums(square, starts)
    size = np.diff(starts).astype(np.float64)
    # The mean of e_t^2 is (1 - 2 / T) s_t^2 + sum_s s_s^2 / T^2, that of sum_t e_t^2 is
    # (1 - 1 / T) sum_s s_s^2. With T = 2 both rows have the same x x' and e^2, of which a half
    # of s_1^2 + s_2^2 is the mean of the two.
    more = size > 2
    gain = np.where(more, size / np.where(more, size - 2, 1.0), 2.0)
    bias = np.where(more, total / np.where(more, (size - 1) * (size - 2), 1.0), 0.0)
    of_row = spread(np.stack([factor * gain, bias]), block.unit)
    adjusted = of_row[0] * square - of_row[1]
    return SerialProducts(np.stack([(x * adjusted) @ x.T, (x * square) @ x.T]))


def _inconsistent(fit: Estimate, name: str) -> tuple[str, ...]:
    """Note what Stock and Watson (2008) found, where it applies."""
    sample = fit.influence.sample
    most = max(
        (
            _most_rows(sample, effect.columns)
            for effect in fit.counts.effects
            if sample.source.unit in effect.columns
        ),
        default=0,
    )
    if not isinstance(fit.influence, Influence) or most < 3:
        return ()
    linear = fit.influence.equation.regression is not None
    also = ", or 'stock-watson' where errors are not correlated over time"
    return (
        f"After unit effects with more than two rows per unit (here up to {most:,}), {name} is "
        "inconsistent however many units there are (Stock and Watson 2008). Use 'cluster'"
        f"{also * (linear and _of_units_alone(fit) and sample.weights is None)}.",
    )


def _most_rows(sample: Sample, columns: tuple[str, ...]) -> int:
    """Rows of the largest level of effects within units."""
    if columns == (sample.source.unit,):
        return int(sample.unit_rows.max(initial=0))
    return int(np.unique(sample.codes(columns), return_counts=True)[1].max(initial=0))
