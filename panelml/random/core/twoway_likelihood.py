"""Normal likelihood of the two-way model, profiled to the two ratios of its variances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from panelml._typing import FloatArray
from panelml.random.core.likelihood import profile_deviance
from panelml.random.core.twoway import PeriodSystem, TwoWayMoments

__all__ = ["maximise_two_way"]

# Ratios of variances that are looked at first, as multiples of one over the mean weight of a level.
GRID = np.logspace(-3, 6, 10)
# An interior optimum must beat the best on the boundary by more than rounding.
LEAST_GAIN = 1e-9


@dataclass(frozen=True, slots=True)
class TwoWayProfile:
    """All that the likelihood reads.

    Attributes
    ----------
    moments : TwoWayMoments
        Of independent regressors.
    weight, count : FloatArray, shape (c,)
        Distinct weights of units, and how many units have each.
    n : float
    restricted : bool
    """

    moments: TwoWayMoments
    weight: FloatArray
    count: FloatArray
    n: float
    restricted: bool

    def at(
        self, ratios: FloatArray, system: PeriodSystem, slopes: FloatArray, changes: FloatArray
    ) -> tuple[float, FloatArray, float]:
        """Return deviance, derivatives and sigma2_e, given those of gram and log-determinant."""
        unit, period = ratios
        logdet = self.count @ np.log1p(unit * self.weight) + np.log1p(period * system.values).sum()
        return profile_deviance(
            system.gram(float(period)), slopes, float(logdet), changes, self.n, self.restricted
        )

    def evaluate(self, ratios: FloatArray) -> tuple[float, FloatArray, float]:
        """Return minus twice the log-likelihood, its derivatives, and sigma2_e.

        Parameters
        ----------
        ratios : FloatArray, shape (2,)
            sigma2_u and sigma2_t over sigma2_e.
        """
        unit, period = (float(ratio) for ratio in ratios)
        t = self.moments.periods
        system = self.moments.system(unit)
        table = self.moments.slope(unit)
        shrink = 1 / (1 + period * system.values)
        # Columns less what predicts the periods' effects in them: [-D effects, z].
        left = np.concatenate([-system.effects(period), np.eye(len(table) - t)])
        whitened = system.cross * shrink[:, None]
        slopes = np.stack([left.T @ table @ left, -whitened.T @ whitened])
        rotated = ((table[:t, :t] @ system.vectors) * system.vectors).sum(axis=0)
        changes = np.array(
            [
                self.count @ (self.weight / (1 + unit * self.weight)) + period * (shrink @ rotated),
                system.values @ shrink,
            ]
        )
        return self.at(ratios, system, slopes, changes)

    def grid(self, units: FloatArray, periods: FloatArray) -> FloatArray:
        """Evaluate minus twice the log-likelihood alone, shape (units, periods)."""
        k = self.moments.means.shape[1] - self.moments.periods
        slopes, changes = np.zeros((0, k, k)), np.zeros(0)
        found = np.empty((units.size, periods.size))
        for i, unit in enumerate(units):
            system = self.moments.system(float(unit))
            for j, period in enumerate(periods):
                found[i, j] = self.at(np.array([unit, period]), system, slopes, changes)[0]
        return found


def maximise_two_way(
    moments: TwoWayMoments, unit_weight: FloatArray, *, restricted: bool
) -> tuple[tuple[float, float, float], float]:
    """Maximise the (restricted) likelihood over ratios of variances that are not negative.

    Parameters
    ----------
    moments : TwoWayMoments
        Of independent regressors.
    unit_weight : FloatArray, shape (g,)

    Returns
    -------
    sigma2 : tuple of float
        sigma2_e, sigma2_u, sigma2_t.
    loglik : float

    Notes
    -----
    The grid finds the basin in the interior and on each boundary. The logarithms of the ratios
    are then improved by quasi-Newton steps, and solved for by the roots of the derivatives.
    """
    weight, count = np.unique(unit_weight, return_counts=True)
    n = float(unit_weight.sum())
    profile = TwoWayProfile(moments, weight, count.astype(np.float64), n, restricted)
    scale = np.array([moments.units, moments.periods]) / n
    units, periods = (np.concatenate([[0.0], GRID * factor]) for factor in scale)
    grid = profile.grid(units, periods)
    best, least = np.zeros(2), grid[0, 0]
    for free in ((True, False), (False, True), (True, True)):
        allowed = np.logical_and.outer((units > 0) == free[0], (periods > 0) == free[1])
        i, j = np.unravel_index(np.argmin(np.where(allowed, grid, np.inf)), grid.shape)
        start = np.array([units[i], periods[j]])
        ratios = _climb(profile, start, scale)
        deviance = profile.evaluate(ratios)[0]
        if deviance < least - LEAST_GAIN:
            best, least = ratios, deviance
    sigma2_e = profile.evaluate(best)[2]
    return (sigma2_e, float(best[0]) * sigma2_e, float(best[1]) * sigma2_e), -least / 2


def _climb(profile: TwoWayProfile, start: FloatArray, scale: FloatArray) -> FloatArray:
    """Improve those ratios that are not zero."""
    free = np.flatnonzero(start)

    def point(logs: FloatArray) -> FloatArray:
        ratios = np.zeros(2)
        ratios[free] = np.exp(logs)
        return ratios

    def criterion(logs: FloatArray) -> tuple[float, FloatArray]:
        ratios = point(logs)
        deviance, slope, _ = profile.evaluate(ratios)
        return deviance, (slope * ratios)[free]

    bounds = [(np.log(1e-9 * scale[i]), np.log(1e12 * scale[i])) for i in free]
    near = optimize.minimize(
        criterion,
        np.log(start[free]),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-15, "gtol": 1e-9},
    ).x

    def slope(logs: FloatArray) -> FloatArray:
        return criterion(logs)[1]

    root = optimize.root(slope, near, tol=1e-14).x
    return point(root if np.abs(root - near).max() < 0.1 else near)
