"""What every hypothesis test returns."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape

import numpy as np

from panelml.inference.distributions import chi2_tail, f_tail, normal_tail

__all__ = ["TestResult", "chi2_test", "f_test", "normal_test"]

# Of printed lines, in characters; as wide as the tables of results.
WIDTH = 100


@dataclass(frozen=True, slots=True)
class TestResult:
    """A hypothesis test.

    Attributes
    ----------
    name : str
    null : str
        The null hypothesis, in words.
    statistic, pvalue : float
    distribution : str
        The reference distribution, as ``chi2(3)`` or ``F(2, 188)``.
    df : tuple of float
        Its degrees of freedom.
    advice : str
        What the result means for the choice of an estimator.
    notes : tuple of str
    conclusive : bool
        Whether the statistic has its reference distribution under the null hypothesis.
    judged : float, or None
        The p-value that the advice goes by, where another distribution is a better reference.
    """

    __test__ = False

    name: str
    null: str
    statistic: float
    pvalue: float
    distribution: str
    df: tuple[float, ...]
    advice: str = ""
    notes: tuple[str, ...] = ()
    conclusive: bool = True
    judged: float | None = None

    def __str__(self) -> str:
        lines = [
            self.name,
            f"  H0: {self.null}",
            f"  {self.distribution} = {self._outcome}",
        ]
        lines += [f"  {text}" for text in (self.advice, *self.notes) if text]
        wrapped = (
            textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
            for line in lines
        )
        return "\n".join(line for broken in wrapped for line in broken)

    def _repr_html_(self) -> str:
        rows = [
            ("Null hypothesis", self.null),
            (self.distribution, self._outcome),
            *(("", text) for text in (self.advice, *self.notes) if text),
        ]
        left = "style='text-align:left'"
        bold = "style='text-align:left;font-weight:bold'"
        cells = "".join(
            f"<tr><th {left}>{escape(label)}</th><td {left}>{escape(text)}</td></tr>"
            for label, text in rows
        )
        return f"<table><caption {bold}>{escape(self.name)}</caption><tbody>{cells}</tbody></table>"

    @property
    def _outcome(self) -> str:
        if np.isnan(self.statistic):
            return "not defined"
        if np.isnan(self.pvalue):
            return f"{self.statistic:.4f}"
        return f"{self.statistic:.4f}, {self.pvalue_text}"

    @property
    def pvalue_text(self) -> str:
        """The p-value as it is printed: ``p = 0.0123``, or ``p < 0.0001``."""
        return "p < 0.0001" if self.pvalue < 5e-5 else f"p = {self.pvalue:.4f}"


def chi2_test(
    name: str, null: str, statistic: float, df: float, advice: str = "", notes: tuple[str, ...] = ()
) -> TestResult:
    """Refer a statistic to the chi-squared distribution."""
    pvalue = chi2_tail(statistic, df)
    return TestResult(name, null, statistic, pvalue, f"chi2({df:g})", (df,), advice, notes)


def f_test(
    name: str,
    null: str,
    statistic: float,
    df: tuple[float, float],
    advice: str = "",
    notes: tuple[str, ...] = (),
) -> TestResult:
    """Refer a statistic to the F distribution, or to chi-squared / df for infinite df."""
    first, second = df
    if np.isinf(second):
        return chi2_test(name, null, statistic * first, first, advice, notes)
    pvalue = f_tail(statistic, first, second)
    return TestResult(name, null, statistic, pvalue, f"F({first:g}, {second:g})", df, advice, notes)


def normal_test(
    name: str,
    null: str,
    statistic: float,
    advice: str = "",
    notes: tuple[str, ...] = (),
    *,
    two_sided: bool = False,
) -> TestResult:
    """Refer a statistic to the normal distribution: to its upper tail, or to both."""
    pvalue = normal_tail(statistic)
    if two_sided:
        pvalue = 2 * normal_tail(abs(statistic))
    return TestResult(name, null, statistic, float(pvalue), "z", (), advice, notes)
