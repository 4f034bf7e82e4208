"""Pupils in schools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml.arguments import checked, into, moved
from panelml.simulate.draws import (
    mixed,
    require,
    require_correlations,
    require_counts,
    require_spreads,
)

__all__ = ["SchoolEffects", "multilevel"]


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolEffects:
    """How the intercepts and slopes of schools vary.

    Parameters
    ----------
    sd_intercept, sd_slope, correlation : float
        Standard deviations and correlation of a school's intercept and slope.

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.

    Examples
    --------
    >>> import panelml as pm
    >>> schools = pm.simulate.SchoolEffects(sd_slope=0.0)
    >>> pm.simulate.multilevel(10, 5, schools=schools, seed=1)["school"].nunique()
    10
    """

    sd_intercept: float = 1.0
    sd_slope: float = 0.5
    correlation: float = 0.3

    def __post_init__(self) -> None:
        require_correlations(correlation=self.correlation)
        require_spreads(sd_intercept=self.sd_intercept, sd_slope=self.sd_slope)


@checked
@moved(into("schools", SchoolEffects))
def multilevel(
    n_schools: int,
    n_pupils: int,
    *,
    coefficients: Sequence[float] = (10.0, 1.0, 0.5, 0.3),
    schools: SchoolEffects = SchoolEffects(),
    sigma: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Simulate pupils in schools, with random slopes and a cross-level interaction.

    .. math::

        y_{ij} = (\gamma_{00} + \gamma_{01} z_j + u_{0j})
                 + (\gamma_{10} + \gamma_{11} z_j + u_{1j})\, x_{ij} + e_{ij}

    with ``x`` the pupil's background, which has a school part, and ``z`` a trait of the school
    (Raudenbush & Bryk 2002, Hierarchical Linear Models, chapter 4).

    Parameters
    ----------
    n_schools : int
        Number of schools.
    n_pupils : int
        Average number of pupils in a school; each has between half and one and a half times that.
    coefficients : sequence of four floats
        Intercept, slope of ``x``, slope of ``z``, and of their product ``x:z``.
    schools : SchoolEffects
        Spread of the schools' intercepts and slopes.
    sigma : float
        Standard deviation of the errors.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        Columns ``school``, ``pupil`` (numbered through), ``y``, ``x``, ``z``; ``attrs`` holds
        ``coefficients`` (a dict by term) and the other parameters by name.

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.

    Examples
    --------
    >>> import panelml as pm
    >>> pm.simulate.multilevel(10, 5, seed=1).columns.tolist()
    ['school', 'pupil', 'y', 'x', 'z']
    """
    require_counts(n_schools=n_schools, n_pupils=n_pupils)
    require(len(coefficients) == 4, f"coefficients needs 4 values, not {len(coefficients)}.")
    require_spreads(sigma=sigma)
    rng = np.random.default_rng(seed)
    sizes = rng.integers((n_pupils + 1) // 2, n_pupils + n_pupils // 2, n_schools, endpoint=True)
    school = np.repeat(np.arange(n_schools), sizes)

    z, background, u0 = rng.standard_normal((3, n_schools))
    u1 = mixed(rng, u0, schools.correlation)
    x = 0.5 * background[school] + rng.standard_normal(len(school))
    intercept, slope_x, slope_z, slope_xz = (float(value) for value in coefficients)
    intercepts = intercept + slope_z * z + schools.sd_intercept * u0
    slopes = slope_x + slope_xz * z + schools.sd_slope * u1
    y = intercepts[school] + slopes[school] * x + sigma * rng.standard_normal(len(school))
    pupil = np.arange(len(school))
    columns = {"school": school + 1, "pupil": pupil + 1, "y": y, "x": x, "z": z[school]}
    frame = pd.DataFrame(columns, copy=False)
    frame.attrs = {
        "coefficients": {"Intercept": intercept, "x": slope_x, "z": slope_z, "x:z": slope_xz},
        "sd_intercept": schools.sd_intercept,
        "sd_slope": schools.sd_slope,
        "correlation": schools.correlation,
        "sigma": sigma,
    }
    return frame
