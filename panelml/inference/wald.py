"""Wald inference: tests and intervals from a covariance and its degrees of freedom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.inference.distributions import t_critical, t_tail
from panelml.inference.estimate import Covariance
from panelml.inference.likelihood import ContrastRule
from panelml.inference.restrictions import Restrictions
from panelml.inference.testing import TestResult, f_test

__all__ = ["Wald", "quadratic_form"]

# Of the smallest eigenvalue at unit diagonal.
RANK_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Wald:
    """Wald tests, and intervals of t, from a covariance of the estimates.

    Attributes
    ----------
    estimates : FloatArray, shape (k,)
    covariance : Covariance
    """

    estimates: FloatArray
    covariance: Covariance

    @property
    def errors(self) -> FloatArray:
        """Standard errors, shape (k,)."""
        return np.sqrt(np.diag(self.covariance.matrix))

    @property
    def pvalues(self) -> FloatArray:
        """Two-sided p-values of t, shape (k,); missing where a standard error is zero."""
        return 2 * t_tail(np.abs(self.estimates / _positive(self.errors)), self.term_df)

    @property
    def df(self) -> float:
        """Degrees of freedom of t: the least, where parameters differ."""
        return self.covariance.df

    @property
    def term_df(self) -> FloatArray:
        """Degrees of freedom of t of each parameter, shape (k,)."""
        by_term = self.covariance.term_df
        return np.full(len(self.estimates), self.df) if by_term is None else by_term

    @property
    def description(self) -> str:
        """How the covariance was estimated."""
        return self.covariance.description

    @property
    def reference(self) -> str:
        """The distribution that statistics are referred to."""
        if np.unique(self.term_df).size > 1:
            return "t, with df by coefficient"
        return f"t with {self.df:g} df" if np.isfinite(self.df) else "normal distribution"

    @property
    def clusters(self) -> Mapping[str, int]:
        """Number of clusters by cluster variable."""
        return self.covariance.clusters

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits the covariance."""
        return self.covariance.notes

    def interval(self, level: float) -> FloatArray:
        """Return intervals of t, shape (k, 2).

        They are missing where an estimate other than zero has no variance.
        """
        errors = self.errors
        spread = np.where(self.estimates == 0, errors, _positive(errors))
        half = t_critical(level, self.term_df) * spread
        return np.stack([self.estimates - half, self.estimates + half], axis=1)

    def test(self, restrictions: Restrictions) -> TestResult:
        """Test linear restrictions by F, or by chi-squared for infinite degrees of freedom.

        Returns
        -------
        TestResult
            With a NaN statistic, and a note, where the covariance is singular in the restrictions.
        """
        cov, df, rule = self.covariance.matrix, self.df, self.covariance.rule
        r, gap = restrictions.matrix, restrictions.matrix @ self.estimates - restrictions.values
        r, gap = _orthogonal(r, gap, np.diag(cov))
        statistic, notes = quadratic_form(gap, r @ cov @ r.T)
        rows = r.shape[0]
        statistic /= rows
        if rule is not None:
            statistic, df = rule.f_statistic(r, statistic)
            if np.isnan(df) and not notes:
                notes = (
                    "The covariance has too few degrees of freedom for a joint test of "
                    f"{rows} restrictions. Test fewer restrictions at a time.",
                )
        return f_test("Wald test", restrictions.words, statistic, (rows, df), notes=notes)

    def mapped(self, matrix: FloatArray) -> Wald:
        """Return the inference on linear functions of the estimates, ``matrix`` (m, k).

        Degrees of freedom of a function of several estimates are those of the contrast.
        """
        old = self.covariance
        covariance = replace(
            old,
            matrix=np.einsum("ij,jk,lk->il", matrix, old.matrix, matrix),
            draws=None if old.draws is None else old.draws @ matrix.T,
        )
        if old.rule is not None:
            by_row = np.array([self._row_df(row, old.rule) for row in matrix])
            rule = MappedRule(old.rule, matrix)
            covariance = replace(covariance, df=float(by_row.min()), term_df=by_row, rule=rule)
        return Wald(matrix @ self.estimates, covariance)

    def _row_df(self, row: FloatArray, rule: ContrastRule) -> float:
        [moved] = np.nonzero(row)
        return (
            float(self.term_df[moved[0]])
            if moved.size == 1
            else rule.f_statistic(row[None], 0.0)[1]
        )


@dataclass(frozen=True, slots=True)
class MappedRule:
    """Degrees of freedom of contrasts of linear functions, ``matrix`` (m, k) of the estimates."""

    rule: ContrastRule
    matrix: FloatArray

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Return the F statistic and its denominator degrees of freedom."""
        return self.rule.f_statistic(contrast @ self.matrix, statistic)


def _positive(errors: FloatArray) -> FloatArray:
    """Standard errors, missing where they are zero: then nothing is known of the estimate."""
    return np.where(errors > 0, errors, np.nan)


def _orthogonal(
    r: FloatArray, gap: FloatArray, variances: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Write restrictions as orthogonal ones of parameters over their standard errors.

    Neither their writing nor units of measurement then decide whether they count as singular.
    """
    errors = np.sqrt(np.where(variances > 0, variances, 1.0))
    q, upper = np.linalg.qr((r * errors).T)
    return q.T / errors, np.asarray(np.linalg.solve(upper.T, gap))


def quadratic_form(gap: FloatArray, middle: FloatArray) -> tuple[float, tuple[str, ...]]:
    """Return gap' middle^-1 gap, or NaN with a note where ``middle`` is singular."""
    length = np.sqrt(np.maximum(np.diag(middle), 0.0))
    length = np.where(length > 0, length, 1.0)
    values, vectors = np.linalg.eigh(middle / np.outer(length, length))
    rank = int((values > RANK_TOLERANCE).sum())
    if rank == values.size:
        return float(((vectors.T @ (gap / length)) ** 2 / values).sum()), ()
    if values.size == 1:
        return float("nan"), ("The restriction has no variance, so that it cannot be tested.",)
    return float("nan"), (
        f"The covariance has rank {rank} for {values.size} restrictions, so that they cannot be "
        "tested jointly. Clustered covariances have at most one rank less than there are "
        "clusters: test fewer restrictions at a time.",
    )
