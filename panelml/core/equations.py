"""Estimating equations: scores of rows that sum to zero, and the bread that turns them into psi.

The two are what the R package sandwich calls ``estfun`` and ``bread`` (Zeileis 2006, *Journal of
Statistical Software* 16(9)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block
from panelml.core.transforms import Placed, Rows, Transform

__all__ = [
    "AddedScores",
    "Equation",
    "FittedRows",
    "Grain",
    "LeastSquaresEquation",
    "Scores",
    "WorkingEquation",
]

Grain: TypeAlias = Literal["row", "unit", "replication"]


@dataclass(frozen=True, slots=True)
class Scores(Placed):
    """Scores of the rows of an equation.

    Attributes
    ----------
    values : FloatArray, shape (m, n)
    weights : FloatArray, shape (n,), or None
    at : IntArray, shape (n,), or None
    starts : IntArray, shape (g + 1,)
        These three as in ``panelml.core.transforms.Rows``.
    """

    values: FloatArray
    weights: FloatArray | None
    at: IntArray | None
    starts: IntArray


class Equation(Protocol):
    """An estimating equation, solved: all that covariances know of how a fit was made.

    Covariances take ``scores``, ``bread``, ``grain`` and ``frequency`` of every equation. What
    allows for leverage, and diagnostics of residuals, also take the ``regression``.
    """

    @property
    def bread(self) -> FloatArray:
        """Inverse of the scores' derivative, carried over to the parameters, shape (k, m)."""
        ...

    @property
    def grain(self) -> Grain:
        """What has a score of its own: a row, or a unit, which cannot be cut into clusters."""
        ...

    @property
    def frequency(self) -> bool:
        """Whether weights are counts of equal rows, which are then separate observations."""
        ...

    @property
    def regression(self) -> LeastSquaresEquation | None:
        """The regression whose rows have leverage; None where the scores are of something else."""
        ...

    def scores(self, block: Block) -> Scores:
        """Return the scores of the rows of a block."""
        ...

    def mapped(self, matrix: FloatArray) -> Equation:
        """Return the equation of linear functions of the parameters, ``matrix`` (l, k)."""
        ...


@dataclass(frozen=True, slots=True)
class FittedRows:
    """Rows of a regression with their residuals.

    Attributes
    ----------
    rows : Rows
    x : FloatArray, shape (m, n)
        The regressors that were kept.
    error : FloatArray, shape (n,)
    """

    rows: Rows
    x: FloatArray
    error: FloatArray

    @property
    def weights(self) -> FloatArray:
        """Weights of the rows, one without, shape (n,)."""
        weights = self.rows.weights
        return np.ones(self.error.size) if weights is None else weights

    @property
    def scores(self) -> Scores:
        """Regressor times weight times residual."""
        rows, error = self.rows, self.error
        if rows.weights is not None:
            error = error * rows.weights
        return Scores(self.x * error, rows.weights, rows.at, rows.starts)


@dataclass(frozen=True, slots=True)
class LeastSquaresEquation:
    """The normal equations of a transformed regression.

    A row with transformed regressors x, weight w and residual e has the score ``x w e`` and moves
    the parameters by ``psi = bread @ score``.

    Attributes
    ----------
    transform : Transform
        What the fit did to the rows.
    coef : FloatArray, shape (m,)
        Coefficients of the transformed regressors that were kept.
    kept : IntArray, shape (m,)
        Their positions.
    bread : FloatArray, shape (k, m)
        Inverse cross-products, carried over to the k reported parameters.
    frequency : bool
        Whether weights are counts of equal rows, which are then separate observations.
    grain : {"row", "unit"}
        Whether each row of the fit is a row of the data, or the mean of a unit.
    absorbed : AbsorbPlan, or None
        The effects that the transform took out, which have leverage too.
    """

    transform: Transform
    coef: FloatArray
    kept: IntArray
    bread: FloatArray
    frequency: bool = False
    grain: Grain = "row"
    absorbed: AbsorbPlan | None = None

    @property
    def regression(self) -> LeastSquaresEquation:
        """The regression itself."""
        return self

    def fitted_rows(self, block: Block) -> FittedRows:
        """Transform the rows of a block, and take their residuals."""
        rows = self.transform(block)
        x = rows.regressors
        if self.kept.size < len(x):
            x = x[self.kept]
        return FittedRows(rows, x, rows.outcome - self.coef @ x)

    def scores(self, block: Block) -> Scores:
        """Return the scores of the rows of a block."""
        return self.fitted_rows(block).scores

    def mapped(self, matrix: FloatArray) -> LeastSquaresEquation:
        """Return the equation of linear functions of the parameters, ``matrix`` (l, k)."""
        return replace(self, bread=matrix @ self.bread)


@dataclass(frozen=True, slots=True)
class WorkingEquation:
    """Likelihood equations, solved by iteratively reweighted least squares.

    The scores are those of the last working regression: regressor times weight times working
    residual. Source: McCullagh and Nelder (1989), *Generalized Linear Models*, section 2.5.

    Attributes
    ----------
    step : callable
        Replaces the outcome of a block by the working response, and sets the working weights.
    working : LeastSquaresEquation
        The last working regression.
    """

    step: Callable[[Block], Block]
    working: LeastSquaresEquation

    @property
    def bread(self) -> FloatArray:
        """Inverse information, carried over to the parameters, shape (k, m)."""
        return self.working.bread

    @property
    def grain(self) -> Grain:
        """What has a score of its own, as in the working regression."""
        return self.working.grain

    @property
    def frequency(self) -> bool:
        """Whether weights of the data are counts of equal rows."""
        return self.working.frequency

    @property
    def regression(self) -> None:
        """None: the leverage of working rows is not that of a least-squares fit."""
        return

    def scores(self, block: Block) -> Scores:
        """Return the scores of the rows of a block, with the weights that the data give them."""
        return replace(self.working.scores(self.step(block)), weights=block.weights)

    def mapped(self, matrix: FloatArray) -> WorkingEquation:
        """Return the equation of linear functions of the parameters, ``matrix`` (l, k)."""
        return replace(self, working=self.working.mapped(matrix))


@dataclass(frozen=True, slots=True)
class AddedScores:
    """An equation of functions of its parameters that are averages over rows at the same time.

    Attributes
    ----------
    equation : Equation
        Mapped to the l functions, the average over the rows taken as given.
    added : FloatArray, shape (l, n)
        What the rows of the sample, in order, add to psi.
    starts : IntArray, shape (units of the sample + 1,)
        First row of each unit among them.
    matrix : FloatArray, shape (r, l), or None
        Linear functions of these functions.
    """

    equation: Equation
    added: FloatArray
    starts: IntArray
    matrix: FloatArray | None = None

    @property
    def bread(self) -> FloatArray:
        """Bread of the equation beside the identity, shape (r, m + l)."""
        bread = np.concatenate([self.equation.bread, np.eye(len(self.added))], axis=1)
        return bread if self.matrix is None else self.matrix @ bread

    @property
    def grain(self) -> Grain:
        """What has a score of its own, as in the equation."""
        return self.equation.grain

    @property
    def frequency(self) -> bool:
        """Whether weights are counts of equal rows."""
        return self.equation.frequency

    @property
    def regression(self) -> None:
        """None: what rows add has no leverage."""
        return

    def scores(self, block: Block) -> Scores:
        """Return the scores of the rows of a block, and below them what these add."""
        found = self.equation.scores(block)
        first = self.starts[block.first_unit]
        values = np.zeros((len(found.values) + len(self.added), block.n))
        values[: len(found.values), slice(None) if found.at is None else found.at] = found.values
        values[len(found.values) :] = self.added[:, first : first + block.n]
        return Scores(values, block.weights, None, block.starts)

    def mapped(self, matrix: FloatArray) -> AddedScores:
        """Return the equation of linear functions of these functions, ``matrix`` (r, l)."""
        return replace(self, matrix=matrix if self.matrix is None else matrix @ self.matrix)
