"""How much of a variable's variation lies between units, and how much within them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, FloatArray, IntArray
from panelml.core.groups import demean_twice, group_sums, spread
from panelml.data.describe.show import Listing, count, html_prose, number, prose

__all__ = ["Variation", "VariationOf", "unit_means", "variation_of"]

_NOTE = (
    "between: unit means; within: deviations from them, shifted by the overall mean. T-bar is "
    "rows per unit. ICC is the share of the variance that lies between units (one-way analysis of "
    "variance; a negative estimate is set to zero)."
)
_LEVELS = ("overall", "between", "within")


@dataclass(frozen=True, slots=True)
class VariationOf:
    """The variation of one variable.

    Attributes
    ----------
    name : str
    mean : float
        Of all rows.
    sd, minimum, maximum : tuple of float
        Overall, between and within.
    nobs, n_units : int
        Rows and units that have the variable.
    t_bar : float
        Rows per unit.
    icc : float
        Intraclass correlation by one-way analysis of variance.
    """

    name: str
    mean: float
    sd: tuple[float, float, float]
    minimum: tuple[float, float, float]
    maximum: tuple[float, float, float]
    nobs: int
    n_units: int
    t_bar: float
    icc: float


@dataclass(frozen=True, slots=True)
class Variation:
    """What ``Panel.variation`` found; prints as text and shows as HTML.

    Attributes
    ----------
    variables : tuple of VariationOf
    """

    variables: tuple[VariationOf, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each variable and level, indexed by both.

        Its columns are mean, sd, min, max, count (rows overall, units between, rows per unit
        within) and icc.
        """
        rows = {
            (v.name, level): {
                "mean": v.mean if level == "overall" else np.nan,
                "sd": v.sd[i],
                "min": v.minimum[i],
                "max": v.maximum[i],
                "count": (v.nobs, v.n_units, v.t_bar)[i],
                "icc": v.icc if level == "overall" else np.nan,
            }
            for v in self.variables
            for i, level in enumerate(_LEVELS)
        }
        index = pd.MultiIndex.from_tuples(rows, names=["variable", "level"])
        return pd.DataFrame(list(rows.values()), index=index)

    def __str__(self) -> str:
        return f"{self._table().text()}\n\n{prose(_NOTE)}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._table().html() + html_prose(_NOTE)

    def _table(self) -> Listing:
        heads = ("Variable", "", "Mean", "Std. dev.", "Min", "Max", "Observations", "ICC")
        rows = []
        for v in self.variables:
            counts = f"N = {count(v.nobs)}", f"n = {count(v.n_units)}", f"T-bar = {v.t_bar:.4g}"
            for i, level in enumerate(_LEVELS):
                first = i == 0
                rows.append(
                    (
                        v.name if first else "",
                        level,
                        number(v.mean) if first else "",
                        number(v.sd[i]),
                        number(v.minimum[i]),
                        number(v.maximum[i]),
                        counts[i],
                        number(v.icc) if first else "",
                    )
                )
        rules = frozenset(range(3, len(rows), 3))
        return Listing(heads, tuple(rows), frozenset({0, 1}), rules)


def variation_of(name: str, values: AnyArray, starts: IntArray) -> VariationOf:
    """Describe one variable; missing values are left out.

    Source: the definitions of Stata's xtsum; Donner (1986), *International Statistical Review*
    54, 67-82, for the intraclass correlation of groups of different sizes.

    Parameters
    ----------
    values : AnyArray, shape (n,)
        Sorted by unit.
    starts : IntArray, shape (g + 1,)
    """
    x = values.astype(np.float64)
    present = ~np.isnan(x)
    rows = np.diff(starts)
    if not present.all():
        rows = np.add.reduceat(present.astype(np.int64), starts[:-1])
        x, rows = x[present], rows[rows > 0]
    n, g = x.size, rows.size
    if n == 0:
        nothing = (np.nan, np.nan, np.nan)
        return VariationOf(name, np.nan, nothing, nothing, nothing, 0, 0, np.nan, np.nan)
    mean = float(x.mean())
    ends = np.append(0, np.cumsum(rows))
    deviation = _cleared(x - mean, x)
    means = group_sums(deviation, ends) / rows
    found = demean_twice(x[None], ends, np.repeat(np.arange(g), rows))
    level = found.mean[0]
    within = found.values[0]
    squares = float(within @ within), float(rows @ means**2)
    return VariationOf(
        name,
        mean,
        (_sd(deviation, n), _sd(means, g), _root(squares[0], n - 1)),
        (float(x.min()), float(level.min()), mean + float(within.min())),
        (float(x.max()), float(level.max()), mean + float(within.max())),
        n,
        g,
        n / g,
        _icc(squares, rows),
    )


def unit_means(values: AnyArray, starts: IntArray) -> FloatArray:
    """Give each row the mean of its unit's values that are not missing, shape (n,)."""
    sizes = np.diff(starts)
    present = ~np.isnan(values.astype(np.float64))
    total = group_sums(np.where(present, values, 0.0), starts)
    rows = group_sums(present.astype(np.float64), starts)
    mean = np.divide(total, rows, out=np.full(sizes.size, np.nan), where=rows > 0)
    return spread(mean, np.repeat(np.arange(sizes.size), sizes))


def _cleared(deviation: FloatArray, x: FloatArray) -> FloatArray:
    """Set to zero what rounding leaves of a variable that does not vary."""
    return np.where(np.abs(deviation) < 1e-14 * np.abs(x).max(), 0.0, deviation)


def _sd(values: FloatArray, count: int) -> float:
    centred = values - values.mean()
    return _root(float(centred @ centred), count - 1)


def _root(squares: float, df: int) -> float:
    return float(np.sqrt(squares / df)) if df > 0 else float("nan")


def _icc(squares: tuple[float, float], rows: IntArray) -> float:
    within, between = squares
    n, g = int(rows.sum()), rows.size
    if g < 2 or n == g or within + between == 0:
        return float("nan")
    ms_within, ms_between = within / (n - g), between / (g - 1)
    size = (n - float(rows @ rows) / n) / (g - 1)
    variance = max((ms_between - ms_within) / size, 0.0)
    return variance / (variance + ms_within)
