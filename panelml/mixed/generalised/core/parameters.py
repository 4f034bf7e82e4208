"""Parameters of a generalised mixed model: coefficients, Cholesky factor, auxiliary parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray

__all__ = ["ModelParameters", "ParameterLayout"]


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """Parameters by their role.

    Attributes
    ----------
    coef : FloatArray, shape (p,)
    root : FloatArray, shape (q, q)
        Lower triangular: random effects are ``root @ v`` with v standard normal.
    auxiliary : FloatArray, shape (m,)
        Of the family, on its estimation scale.
    """

    coef: FloatArray
    root: FloatArray
    auxiliary: FloatArray


@dataclass(frozen=True, slots=True)
class ParameterLayout:
    """How parameters stand in one vector: coefficients, free entries of the root, auxiliary ones.

    The entries of the root have no sign that matters and may be zero: the likelihood is an even
    function of each of its columns, so that a variance of zero is a stationary point and no
    boundary of the iteration.

    Attributes
    ----------
    fixed : int
    size : int
        q, the number of random effects of a unit.
    entries : pair of IntArray, shape (t,)
        Rows and columns of the root's free entries.
    auxiliary : int
    """

    fixed: int
    size: int
    entries: tuple[IntArray, IntArray]
    auxiliary: int

    @property
    def total(self) -> int:
        """Number of parameters."""
        return self.fixed + self.entries[0].size + self.auxiliary

    @property
    def root_places(self) -> slice:
        """Where the root's entries stand."""
        return slice(self.fixed, self.fixed + self.entries[0].size)

    def split(self, vector: FloatArray) -> ModelParameters:
        """Return the parameters of a vector, shape (k,)."""
        root = np.zeros((self.size, self.size))
        root[self.entries] = vector[self.root_places]
        return ModelParameters(vector[: self.fixed], root, vector[self.root_places.stop :])

    def join(self, parameters: ModelParameters) -> FloatArray:
        """Return the vector of parameters, shape (k,)."""
        free = parameters.root[self.entries]
        return np.concatenate([parameters.coef, free, parameters.auxiliary])

    def stacked(self, coef: FloatArray, root: FloatArray, auxiliary: FloatArray) -> FloatArray:
        """Stack derivatives by unit, of shapes (p, g), (q, q, g) and (m, g), to (k, g)."""
        return np.concatenate([coef, root[self.entries], auxiliary])
