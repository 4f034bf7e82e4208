"""Families of distributions: the log-likelihood of a row, given its linear index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from panelml._typing import FloatArray
from panelml.core.links import Link

__all__ = ["NOTHING", "Derivatives", "Family", "filled"]

NOTHING: FloatArray = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Log-likelihoods of rows, with derivatives by the index and m auxiliary parameters.

    Attributes
    ----------
    value : FloatArray, shape (..., n)
        With all constants.
    first : FloatArray, shape (1 + m, ..., n)
        By the index, and by each auxiliary parameter.
    second : FloatArray, shape (1 + m, 1 + m, ..., n)
    third : FloatArray, shape (1 + m, ..., n)
        Of the second derivative by the index. What is beyond the order that was asked for is
        empty.
    """

    value: FloatArray
    first: FloatArray
    second: FloatArray
    third: FloatArray


class Family(Protocol):
    """A distribution of the outcome: a frozen value.

    The response has r rows of values, shape (r, n); the index has any leading axes beside that of
    the rows, shape (..., n), as quadrature has one for its nodes.
    """

    @property
    def name(self) -> str:
        """As a specification has it."""
        ...

    @property
    def link(self) -> Link:
        """From the index to the mean."""
        ...

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the auxiliary parameters, on the scale on which any value is allowed."""
        ...

    def loglik(self, response: FloatArray, index: FloatArray, auxiliary: FloatArray) -> FloatArray:
        """Return the log-likelihood of each row, with all constants, shape (..., n)."""
        ...

    def derivatives(
        self, response: FloatArray, index: FloatArray, auxiliary: FloatArray, order: int = 2
    ) -> Derivatives:
        """Return the log-likelihood of each row and its derivatives up to an order of 1 to 3."""
        ...

    def summary(self, response: FloatArray) -> FloatArray:
        """Return what of each row the starting values need the averages of, shape (s, n)."""
        ...

    def start(self, averages: FloatArray) -> tuple[float, FloatArray]:
        """Return a constant and auxiliary parameters, shape (m,), near those without regressors.

        Parameters
        ----------
        averages : FloatArray, shape (s,)
            Of the summary.
        """
        ...


def filled(order: int, value: FloatArray, first: FloatArray, *beyond: FloatArray) -> Derivatives:
    """Return the derivatives of a family without auxiliary parameters.

    Parameters
    ----------
    order : int
    value, first : FloatArray, shape (..., n)
    *beyond : FloatArray, shape (..., n)
        Second and third derivative by the index, as far as the order goes.
    """
    second = beyond[0][None, None] if order > 1 else NOTHING
    third = beyond[1][None] if order > 2 else NOTHING
    return Derivatives(value, first[None], second, third)
