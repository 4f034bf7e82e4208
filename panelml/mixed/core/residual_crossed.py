"""The likelihood of a mixed model with several grouping factors and dependent residuals.

Residuals depend on each other within the units of the first factor. A unit's rows touch few
coefficients of the other factors, whose regressors are whitened with the unit's other columns: what
comes out are the products of a model with independent residuals, level by level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.mixed.core.crossed_criterion import CrossedInverse, CrossedModel
from panelml.mixed.core.crossed_information import MOST_COEFFICIENTS, crossed_information
from panelml.mixed.core.crossed_moments import CrossedProducts, by_level
from panelml.mixed.core.factors import CrossedFactors
from panelml.mixed.core.information import VarianceInformation
from panelml.mixed.core.optimum import FittedState, free_entries
from panelml.mixed.core.residual_forms import Patterns, ResidualForm
from panelml.mixed.core.residual_optimum import ResidualLikelihood
from panelml.mixed.core.residual_rows import UnitRows, pulled, residual_problem, roots, spread_over
from panelml.mixed.core.unit_products import UnitProducts
from panelml.mixed.core.whitening import SizeClass, size_classes

__all__ = ["CrossedResidualProblem", "LevelUnits", "ResidualLayout", "WhiteLevels"]


@dataclass(frozen=True, slots=True)
class LevelUnits:
    """Units with as many rows each.

    Attributes
    ----------
    unit : IntArray, shape (g,)
        Their numbers.
    rows : FloatArray, shape (g, T, p + 1 + q_1 + c)
        [X, y], the first factor's regressors, and the others', a column for each coefficient that
        a unit's rows touch; zero where a unit touches fewer.
    columns : IntArray, shape (g, c)
        Which coefficients these are.
    touched : BoolArray, shape (g, c)
    patterns : Patterns
    pattern : IntArray, shape (g,)
        Sorted.
    """

    unit: IntArray
    rows: FloatArray
    columns: IntArray
    touched: BoolArray
    patterns: Patterns
    pattern: IntArray


@dataclass(frozen=True, slots=True)
class CrossedResidualProblem:
    """All that the likelihood reads.

    Attributes
    ----------
    form : ResidualForm
    parts : tuple of LevelUnits
    factors : CrossedFactors
    free : pair of IntArray, shape (t,)
        Rows and columns of the free entries of the factor.
    n_units, n_fixed, n : int
        Numbers of units, fixed regressors and rows.
    log_weight : float
    """

    form: ResidualForm
    parts: tuple[LevelUnits, ...]
    factors: CrossedFactors
    free: tuple[IntArray, IntArray]
    n_units: int
    n_fixed: int
    n: int
    log_weight: float

    @classmethod
    def of(
        cls,
        rows: UnitRows,
        form: ResidualForm,
        factors: CrossedFactors,
        free: tuple[IntArray, IntArray],
    ) -> CrossedResidualProblem:
        """Sort units by their number of rows, and lay their regressors out by level."""
        classes = size_classes(rows.starts, rows.patterns, absolute=form.kind == "unstructured")
        parts = tuple(_laid_out(rows, part, factors) for part in classes)
        return cls(
            form,
            parts,
            factors,
            free,
            rows.sizes.size,
            rows.columns.n_fixed,
            int(rows.sizes.sum()),
            rows.log_weight,
        )

    def whiten(self, theta: FloatArray) -> WhiteLevels:
        """Whiten the units by the covariance at some parameters.

        Raises
        ------
        LinAlgError
            If it is not positive definite.
        """
        inverses, logs = zip(*(roots(self.form, theta, part) for part in self.parts), strict=True)
        white = tuple(
            spread_over(inverse, part.pattern) @ part.rows
            for inverse, part in zip(inverses, self.parts, strict=True)
        )
        log_det = sum(float(own.sum()) for own in logs)
        model = CrossedModel(self._products(white, log_det), self.factors, self.free)
        return WhiteLevels(self, theta, model, white, inverses)

    def split(self, rows: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Split columns into [X, y], the first factor's regressors and the others'."""
        w, q = self.n_fixed + 1, self.factors.first.random.size
        return rows[..., :w], rows[..., w : w + q], rows[..., w + q :]

    def _products(self, white: tuple[FloatArray, ...], log_det: float) -> CrossedProducts:
        q, g, p1 = self.factors.first.random.size, self.n_units, self.n_fixed + 1
        m = self.factors.columns
        s, c, total = np.zeros((q, q, g)), np.zeros((q, p1, g)), np.zeros((p1, p1))
        right, own = np.zeros((m, p1)), sparse.csr_array((m, m))
        places, cross = [], []
        for part, rows in zip(self.parts, white, strict=True):
            w, z, levels = self.split(rows)
            s[:, :, part.unit] = np.einsum("gta,gtb->abg", z, z)
            c[:, :, part.unit] = np.einsum("gta,gtk->akg", z, w)
            total += np.einsum("gtk,gtl->kl", w, w, optimize=True)
            unit = np.broadcast_to(part.unit[:, None], part.columns.shape)
            places.append(np.array([unit[part.touched], part.columns[part.touched]]))
            cross.append(np.einsum("gta,gtc->agc", z, levels)[:, part.touched])
            spread = part.columns.ravel(), np.arange(part.columns.size)
            onto = sparse.csr_array(
                (part.touched.ravel().astype(np.float64), spread), shape=(m, part.columns.size)
            )
            moved = levels.swapaxes(1, 2)
            right += np.asarray(onto @ (moved @ w).reshape(-1, p1))
            own = own + _onto(part, moved @ levels, m)
        units = UnitProducts(s, c, total, self.n, self.log_weight - log_det)
        at = tuple(np.concatenate(places, axis=1))
        pieces = np.concatenate(cross, axis=1)
        tables = tuple(sparse.csr_array((values, at), shape=(g, m)) for values in pieces)
        return CrossedProducts(units, tables, sparse.csr_array(own), right)


@dataclass(frozen=True, slots=True)
class WhiteLevels:
    """The problem with its residuals independent, at some parameters of their covariance.

    Attributes
    ----------
    problem : CrossedResidualProblem
    theta : FloatArray, shape (size,)
    likelihood : CrossedModel
    rows : tuple of FloatArray
        Whitened, for each size of unit.
    inverses : tuple of FloatArray, each (patterns, T, T)
        Of the roots of the covariances.
    """

    problem: CrossedResidualProblem
    theta: FloatArray
    likelihood: CrossedModel
    rows: tuple[FloatArray, ...]
    inverses: tuple[FloatArray, ...]

    def gradient(self, at: FittedState, *, restricted: bool) -> FloatArray:
        """Derivative of the deviance in the parameters, shape (size,)."""
        solved, problem = self.likelihood.inverse(at.factor), self.problem
        total = np.zeros(problem.form.size)
        for part, rows, inverse in zip(problem.parts, self.rows, self.inverses, strict=True):
            inner = self._weights(part, rows, solved, at, restricted=restricted)
            total += pulled(problem.form, self.theta, part, inverse, inner)
        return total

    def information(
        self, factor: FloatArray, free: tuple[IntArray, IntArray], *, restricted: bool
    ) -> VarianceInformation | None:
        """Return the information on the random part, the residuals' parameters known.

        None where the table of all coefficients would be too large.
        """
        model = self.likelihood
        own = model.factors.first.random.size * self.problem.n_units
        if own + model.factors.columns > MOST_COEFFICIENTS:
            return None
        at = model.evaluate(factor, restricted=restricted)
        return crossed_information(model, at, restricted=restricted)

    def _weights(
        self,
        part: LevelUnits,
        rows: FloatArray,
        solved: CrossedInverse,
        at: FittedState,
        *,
        restricted: bool,
    ) -> FloatArray:
        """Derivative of the deviance in each unit's whitened covariance, shape (g, T, T)."""
        w, z, levels = self.problem.split(rows)
        k = np.einsum("gtb,abg->gta", z, solved.u[:, :, part.unit])
        left = levels - k @ (k.swapaxes(1, 2) @ levels)
        p = solved.p[part.columns[:, :, None], part.columns[:, None, :]]
        e = w - z @ np.moveaxis(solved.units[:, :, part.unit], 2, 0)
        e -= levels @ solved.levels[part.columns]
        residual = e[:, :, -1:] - e[:, :, :-1] @ at.coef[:, None]
        inner = np.eye(rows.shape[1]) - k @ k.swapaxes(1, 2) - left @ p @ left.swapaxes(1, 2)
        inner -= residual * residual.swapaxes(1, 2) / at.sigma2
        if restricted:
            inner -= (e[:, :, :-1] @ at.phi) @ e[:, :, :-1].swapaxes(1, 2)
        return np.asarray(inner)


@dataclass(frozen=True, slots=True)
class ResidualLayout:
    """Where the random regressors stand, in a model with dependent residuals.

    Attributes
    ----------
    factors : CrossedFactors
        The first is that of the units whose residuals depend on each other; it may have none.
    structure : BoolArray, shape (q, q)
        Which random coefficients may be correlated.
    """

    factors: CrossedFactors
    structure: BoolArray

    def likelihood(self, rows: UnitRows, form: ResidualForm) -> ResidualLikelihood:
        """Return the likelihood of rows."""
        if not self.factors.others:
            return residual_problem(rows, form)
        free = free_entries(self.structure)
        return CrossedResidualProblem.of(rows, form, self.factors, free)


def _laid_out(rows: UnitRows, part: SizeClass, factors: CrossedFactors) -> LevelUnits:
    order = np.argsort(part.pattern, kind="stable")
    at = part.at[order]
    observed, random = rows.columns.observed, rows.columns.random
    found = [np.moveaxis(np.concatenate([observed, random[factors.first.random]])[:, at], 0, 2)]
    columns, touched = [], []
    for other, codes in zip(factors.others, rows.codes, strict=True):
        spread, levels, present = by_level(codes[at], random[other.random][:, at])
        found.append(spread)
        q = other.random.size
        places = other.first + q * levels[:, :, None] + np.arange(q)
        columns.append(places.reshape(len(at), -1))
        touched.append(np.repeat(present, q, axis=1))
    unit = np.searchsorted(rows.starts, part.at[:, 0], side="right") - 1
    return LevelUnits(
        unit[order],
        np.concatenate(found, axis=2),
        np.concatenate(columns, axis=1),
        np.concatenate(touched, axis=1),
        part.patterns,
        part.pattern[order],
    )


def _onto(part: LevelUnits, products: FloatArray, m: int) -> sparse.csr_array:
    """Sum units' products of coefficients, shape (g, c, c), over units: (m, m)."""
    used = part.touched[:, :, None] & part.touched[:, None, :]
    row = np.broadcast_to(part.columns[:, :, None], used.shape)[used]
    column = np.broadcast_to(part.columns[:, None, :], used.shape)[used]
    return sparse.csr_array((products[used], (row, column)), shape=(m, m))
