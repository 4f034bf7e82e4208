"""Effects within and between units side by side, and the test that they are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.errors import SpecificationError, check_share
from panelml.inference.distributions import t_quantile, t_tail
from panelml.inference.testing import TestResult
from panelml.inference.wald import wald_test
from panelml.results.base import Results
from panelml.results.formats import number, pvalue
from panelml.results.grid import Grid

__all__ = ["WithinBetween", "within_between"]


@dataclass(frozen=True, slots=True)
class WithinBetween:
    """Effects of the regressors that vary within and between units.

    Attributes
    ----------
    names : tuple of str
        The k regressors.
    within, between : FloatArray, shape (k,)
        Their effects.
    difference : FloatArray, shape (k,)
        Between less within: the contextual effects, of a unit's mean given its own value.
    std_errors : FloatArray, shape (k,)
        Of the differences.
    lower, upper : FloatArray, shape (k,)
        Confidence interval of the difference.
    pvalues : FloatArray, shape (k,)
        Of the hypothesis that the difference is zero, one regressor at a time.
    level : float
        Of the intervals.
    test : TestResult
        Of the hypothesis that all differences are zero.
    """

    names: tuple[str, ...]
    within: FloatArray
    between: FloatArray
    difference: FloatArray
    std_errors: FloatArray
    lower: FloatArray
    upper: FloatArray
    pvalues: FloatArray
    level: float
    test: TestResult

    def __str__(self) -> str:
        return f"{self.grid().text()}\n\n{self.test}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<div>{self.grid().html()}<br>{self.test._repr_html_()}</div>"

    def grid(self) -> Grid:
        """Return the cells as texts."""
        heads = (
            "", "Within", "Between", "Difference", "Std. error", f"{100 * self.level:g}% low",
            f"{100 * self.level:g}% high", "P",
        )  # fmt: skip
        columns = (
            self.within, self.between, self.difference, self.std_errors, self.lower, self.upper
        )  # fmt: skip
        rows = tuple(
            (name, *(number(column[i]) for column in columns), pvalue(self.pvalues[i]))
            for i, name in enumerate(self.names)
        )
        return Grid(heads, (rows,))


@checked
def within_between(fit: Results, level: float = 0.95) -> WithinBetween:
    """Compare effects within units with effects between units.

    Parameters
    ----------
    fit : Results
        Of Hybrid, of Mundlak, or of any regression with ``within(x)`` and ``between(x)``, or with
        ``x`` and ``mean(x)``, among its parameters. Tests and intervals use its covariance.
    level : float
        Of the confidence intervals.

    Raises
    ------
    SpecificationError
        If the fit has no such pair of parameters, or the level is not between 0 and 1.
    """
    check_share("level", level)
    params: FloatArray = np.asarray(fit.params, dtype=np.float64)
    cov, df = fit.covariance.matrix, fit.df_t
    names, own, contrasts = _pairs(list(fit.params.index))
    if not names:
        raise SpecificationError(
            f"{fit.model} has no effect both within and between units. Fit Hybrid or Mundlak."
        )
    difference = contrasts @ params
    error = np.sqrt(np.einsum("ij,jk,ik->i", contrasts, cov, contrasts))
    half = t_quantile(0.5 + level / 2, df) * error
    test = wald_test(
        contrasts, list(fit.params.index), params, cov, df, name="Test of within = between",
        null=f"effects within and between units are the same: {', '.join(names)}",
    )  # fmt: skip
    return WithinBetween(
        names, params[own], params[own] + difference, difference, error, difference - half,
        difference + half, 2 * t_tail(np.abs(difference / error), df), level, test,
    )  # fmt: skip


def _pairs(params: Sequence[str]) -> tuple[tuple[str, ...], list[int], FloatArray]:
    """Find regressors with both effects, the place of the one within, and between less within."""
    names: list[str] = []
    own: list[int] = []
    rows: list[FloatArray] = []
    unit = np.eye(len(params))
    for i, param in enumerate(params):
        split = param.startswith("within(") and param.endswith(")")
        name = param[len("within(") : -1] if split else param
        other = f"between({name})" if split else f"mean({name})"
        if other in params:
            names.append(name)
            own.append(i)
            rows.append(unit[params.index(other)] - (unit[i] if split else 0.0))
    return tuple(names), own, np.array(rows).reshape(-1, len(params))
