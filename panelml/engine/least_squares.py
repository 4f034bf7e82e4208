"""Solve a transformed regression from its cross-products, or its rows where rank is doubtful."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.linalg import Solution, TriangularFactor, solve_normal, solve_triangular
from panelml.core.moments import Gram, Resolution
from panelml.core.transforms import Rows, Transform
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import FormulaError, IdentificationError, listing

__all__ = ["LOST_RESIDUALS", "LeastSquares", "dropped_notes", "least_squares", "parameter_names"]

# With fewer known digits, a variable's are said.
FEW_DIGITS = 4
# Below this share of the outcome's sum of squares, a difference of sums has lost the residuals'.
LOST_RESIDUALS = 1e-6


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """A solved transformed regression, in the user's parameters.

    Attributes
    ----------
    sample : Sample
    transform : Transform
        What was done to its rows.
    names : tuple of str
        Parameters that were kept, the constant first.
    params : FloatArray, shape (k,)
    bread : FloatArray, shape (k, k)
        Inverse cross-products, as ``LeastSquaresEquation.bread``.
    basis : FloatArray, shape (k, k)
        From the coefficients of the centred regression to the parameters.
    solution : Solution
        Of the centred regression.
    slopes : FloatArray, shape (number of regressors,)
        Coefficients of all regressors without the constant, zero where dropped.
    notes : tuple of str
        Collinear regressors that were dropped.
    constant : bool
        Whether a constant was estimated.
    """

    sample: Sample
    transform: Transform
    names: tuple[str, ...]
    params: FloatArray
    bread: FloatArray
    basis: FloatArray
    solution: Solution
    slopes: FloatArray
    notes: tuple[str, ...]
    constant: bool

    def model_cov(self, sigma2: float) -> FloatArray:
        """Covariance for independent errors of variance sigma2, shape (k, k)."""
        return sigma2 * self.basis @ self.solution.bread @ self.basis.T

    def intercept(self, centre: FloatArray) -> float:
        """Return the constant, estimated or implied by the means, of y - xb."""
        if self.constant:
            return float(self.params[0])
        return float(centre[0] - self.slopes @ centre[1:])


def least_squares(
    sample: Sample,
    transform: Transform,
    gram: FloatArray,
    *,
    centre: FloatArray | None = None,
    resolution: Resolution | None = None,
    absorbed: str = "",
) -> LeastSquares:
    """Solve a transformed regression from its cross-products.

    Parameters
    ----------
    sample : Sample
    transform : Transform
        What was done to the rows, the constant included.
    gram : FloatArray, shape (1 + k, 1 + k)
        Cross-products of the transformed outcome and regressors.
    centre : FloatArray, shape (p,), optional
        What the transform subtracted from outcome and regressors; zero by default.
    resolution : Resolution, optional
        What float64 resolves of the transformed outcome and regressors.
    absorbed : str
        What may have absorbed a column, for the notes.

    Raises
    ------
    IdentificationError
        If no regressor is left.
    """
    names = parameter_names(sample.names, transform.constant)
    solution = solve_normal(gram, None if resolution is None else resolution.floor[1:])
    outcome = sample.design.outcome
    everything = (outcome.names[0] if outcome else "", *names)
    notes = (
        *dropped_notes(solution, names, absorbed, resolution),
        *faint_notes(everything, np.diag(gram), resolution, absorbed),
    )
    if solution.kept.size == 0:
        raise IdentificationError(" ".join(["No regressor is left to estimate.", *notes]))
    solution = _from_rows(sample, transform, solution, float(gram[0, 0]))
    kept_names = tuple(names[j] for j in solution.kept)
    first = int(transform.constant)
    constant = transform.constant and int(solution.kept[0]) == 0
    basis, params = _with_constant(solution, centre if constant else None)
    slopes = np.zeros(len(sample.names))
    is_slope = solution.kept >= first
    slopes[solution.kept[is_slope] - first] = solution.coef[is_slope]
    return LeastSquares(
        sample=sample,
        transform=transform,
        names=kept_names,
        params=params,
        bread=basis @ solution.bread,
        basis=basis,
        solution=solution,
        slopes=slopes,
        notes=notes,
        constant=constant,
    )


def _with_constant(solution: Solution, centre: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return the constant of rows that nothing is taken off, as a basis, (k, k), and parameters."""
    basis, params = np.eye(solution.kept.size), solution.coef.copy()
    if centre is None:
        return basis, params
    basis[0, 1:] = -centre[1:][solution.kept[1:] - 1]
    params = basis @ params
    params[0] += centre[0]
    return basis, params


def parameter_names(names: tuple[str, ...], constant: bool) -> tuple[str, ...]:
    """Put the constant before the names of the regressors.

    Raises
    ------
    FormulaError
        If a regressor has its name.
    """
    if not constant:
        return names
    if "Intercept" in names:
        raise FormulaError(
            "The regressor 'Intercept' has the name of the constant. Rename the column."
        )
    return ("Intercept", *names)


def _from_rows(
    sample: Sample, transform: Transform, solution: Solution, squares: float
) -> Solution:
    """Solve again from the rows what cross-products leave doubtful: the rank, or the residuals."""
    if solution.doubtful:
        factor = fold(sample, lambda block: TriangularFactor.of(_weighted_rows(transform, block)))
        solution = solve_triangular(factor, solution)
    if solution.rss < LOST_RESIDUALS * squares:
        rss = fold(sample, partial(_residual_squares, transform=transform, solution=solution))
        solution = replace(solution, rss=float(rss.products[0, 0]))
    return solution


def _weighted_rows(transform: Transform, block: Block) -> FloatArray:
    rows = transform(block)
    return rows.z if rows.weights is None else rows.z * np.sqrt(rows.weights)


def _residual_squares(block: Block, transform: Transform, solution: Solution) -> Gram:
    """Sum of squared residuals, row by row."""
    rows = transform(block)
    error = rows.outcome - solution.coef @ rows.regressors[solution.kept]
    return Gram.of(Rows(error[None], rows.weights, rows.at, rows.starts))


def faint_notes(
    names: tuple[str, ...], squares: FloatArray, resolution: Resolution | None, absorbed: str
) -> tuple[str, ...]:
    """Say of which variables, with these sums of squares, float64 keeps few digits."""
    if resolution is None:
        return ()
    digits = resolution.digits(squares)
    where = f" within {absorbed}" if absorbed else ""
    return tuple(
        f"{names[j]!r} varies little{where} beside its level: of that variation float64 keeps "
        f"about {max(digits[j], 1):.0f} digits. Take a constant off it before it is rounded."
        for j in np.flatnonzero((squares > resolution.floor) & (digits < FEW_DIGITS))
    )


def dropped_notes(
    solution: Solution,
    names: tuple[str, ...],
    absorbed: str,
    resolution: Resolution | None = None,
) -> tuple[str, ...]:
    """Say which columns were dropped, and on which others they depend."""
    causes: dict[str, list[str]] = {}
    for j, others in solution.dropped.items():
        cause = f"no variation within {absorbed}" if absorbed else "no variation"
        if resolution is not None and resolution.hidden[1 + j]:
            cause = f"any variation within {absorbed} is below what float64 keeps beside its level"
        if others:
            cause = f"collinear with {listing((names[i] for i in others), most=8)}"
        causes.setdefault(cause, []).append(names[j])
    return tuple(
        f"Dropped {listing((repr(name) for name in dropped), most=8)}: {cause}."
        for cause, dropped in causes.items()
    )
