"""Parametric bootstrap of a mixed model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.engine.progress import counted
from panelml.errors import (
    ConvergenceError,
    check_count,
)
from panelml.inference.distributions import normal_critical
from panelml.mixed.fit.refit import AnyRefitter, Refit
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.residual_part import ResidualPart

__all__ = ["Bootstrap", "Replicate", "Statistic", "draw_bootstrap", "replicate"]

Method: TypeAlias = Literal["percentile", "basic", "normal"]


@dataclass(frozen=True, slots=True)
class Replicate:
    """A mixed model's estimates from one outcome.

    Attributes
    ----------
    params : Series
        Fixed effects.
    cov : DataFrame
        Their covariance as the model implies it.
    components : Series
        Standard deviations and correlations of the random coefficients and the residual.
    icc : Series
        Intraclass correlation of each grouping factor.
    loglik : float
    """

    params: pd.Series[float]
    cov: pd.DataFrame
    components: pd.Series[float]
    icc: pd.Series[float]
    loglik: float

    def all(self) -> pd.Series[float]:
        """Fixed effects, components and intraclass correlations in one series."""
        shares = self.icc.rename(lambda name: f"icc({name})")
        return pd.concat([self.params, self.components, shares]).rename("estimate")


Statistic: TypeAlias = Callable[[Replicate], "float | Mapping[str, float] | pd.Series[float]"]


def replicate(
    random: RandomCoefficients, residual: ResidualPart | None, names: pd.Index[Any], refit: Refit
) -> Replicate:
    """Name the estimates of a refit."""
    moved = random.moved(refit.relative, refit.sigma2, refit.loglik)
    extras = moved.extras()
    if residual is not None:
        extras |= residual.extras_at(refit.sigma2, refit.theta)
    return Replicate(
        pd.Series(refit.params, index=names, name="param"),
        pd.DataFrame(refit.cov, index=names, columns=names),
        pd.Series(extras, name="component"),
        pd.Series(moved.icc(), dtype=float),
        refit.loglik,
    )


@checked_methods
@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Parametric bootstrap: estimates from outcomes that were simulated from a fit.

    Attributes
    ----------
    estimate : Series
        The statistics of the fit itself.
    draws : DataFrame, shape (reps, statistics)
    notes : tuple of str
    """

    estimate: pd.Series[float]
    draws: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def std_errors(self) -> pd.Series[float]:
        """Standard deviations of the draws."""
        return self.draws.std(ddof=1).rename("std_error")

    @property
    def bias(self) -> pd.Series[float]:
        """Mean of the draws less the estimate."""
        return (self.draws.mean() - self.estimate).rename("bias")

    def conf_int(self, level: float = 0.95, method: Method = "percentile") -> pd.DataFrame:
        """Confidence intervals.

        Parameters
        ----------
        level : float
        method : {"percentile", "basic", "normal"}
            Quantiles of the draws; quantiles mirrored at the estimate; or the estimate less its
            bias, and normal quantiles of the draws' standard deviation. The last two may leave
            the range of a variance or a correlation.

        Notes
        -----
        Source: Davison and Hinkley (1997), *Bootstrap Methods and their Application*, sections
        5.2 and 5.3.
        """
        estimate = self.estimate.to_numpy()
        if method == "normal":
            half = normal_critical(level) * self.std_errors.to_numpy()
            centre = estimate - self.bias.to_numpy()
            low, high = centre - half, centre + half
        else:
            tail = (1 - level) / 2
            low, high = self.draws.quantile([tail, 1 - tail]).to_numpy()
            if method == "basic":
                low, high = 2 * estimate - high, 2 * estimate - low
        return pd.DataFrame({"conf_low": low, "conf_high": high}, index=self.estimate.index)

    def summary(self, level: float = 0.95, method: Method = "percentile") -> pd.DataFrame:
        """Estimates with bias, standard errors and intervals."""
        table = pd.DataFrame(
            {"estimate": self.estimate, "bias": self.bias, "std_error": self.std_errors}
        )
        return table.join(self.conf_int(level, method))

    def __str__(self) -> str:
        head = f"Parametric bootstrap, {len(self.draws):,} draws"
        return "\n".join([head, self.summary().to_string(float_format="%.4f"), *self.notes])


def draw_bootstrap(
    refitter: AnyRefitter,
    simulated: Callable[[int], FloatArray],
    reps: int,
    named: Callable[[Refit], Replicate],
    estimate: Replicate,
    statistic: Statistic | None,
) -> Bootstrap:
    """Refit a model to simulated outcomes.

    Parameters
    ----------
    refitter : Refitter or ResidualRefitter
    simulated : callable
        Number of a draw to its outcome, shape (n,).
    reps : int
    named : callable
        Refit to Replicate.
    estimate : Replicate
        Of the fit.
    statistic : callable, optional
        Replicate to a number, or several with names; all estimates by default.

    Raises
    ------
    SpecificationError
        If ``reps`` is less than two.
    ConvergenceError
        If fewer than two refits converge.
    """
    check_count("reps", reps, 2)
    of = _series(statistic)
    rows, failed = {}, 0
    for rep in counted(reps, "Bootstrap"):
        refit = refitter.fit(simulated(rep))
        if refit.converged:
            rows[rep] = of(named(refit))
        else:
            failed += 1
    if len(rows) < 2:
        raise ConvergenceError(f"{failed} of {reps} refits did not converge.")
    draws = pd.DataFrame.from_dict(rows, orient="index").rename_axis("draw")
    notes = (f"{failed} of {reps} refits did not converge and are left out.",) if failed else ()
    estimates = of(estimate)
    return Bootstrap(
        estimates, draws[list(estimates.index)], (*notes, *_boundary_notes(estimates, draws))
    )


def _boundary_notes(estimate: pd.Series[float], draws: pd.DataFrame) -> tuple[str, ...]:
    names = [str(name) for name in estimate.index if str(name).startswith("sd(")]
    shares = {name: float((draws[name] == 0).mean()) for name in names if name in draws}
    return tuple(
        f"{name} is 0 in {share:.1%} of the draws." for name, share in shares.items() if share
    )


def _series(statistic: Statistic | None) -> Callable[[Replicate], pd.Series[float]]:
    if statistic is None:
        return Replicate.all

    def named(replicate: Replicate) -> pd.Series[float]:
        value = statistic(replicate)
        if isinstance(value, Mapping | pd.Series):
            return pd.Series(value, dtype=float)
        return pd.Series({"statistic": float(value)})

    return named
