"""Gauss-Hermite quadrature: nodes and weights for integrals over normal random effects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from panelml._typing import FloatArray
from panelml.core.links import IDENTITY, LOG, PROBIT, Link

__all__ = ["Nodes", "averaged", "normal_nodes"]

# Nodes for means, whose integrands are smooth and bounded.
MEAN_NODES = 60


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes of a product rule, for integrals over q standard normal variables.

    Attributes
    ----------
    points : FloatArray, shape (q, Q)
        Where the integrand is evaluated.
    log_weights : FloatArray, shape (Q,)
        Logarithms of the weights over the normal density at the nodes, but for its constant: the
        integral of ``(2 pi)^(-q/2) f`` is the sum of ``exp(log_weights) f(points)``.
    """

    points: FloatArray
    log_weights: FloatArray

    @classmethod
    def of(cls, points: int, dimensions: int) -> Nodes:
        """Return the product rule of so many points in each dimension.

        Parameters
        ----------
        points : int
            One is Laplace's approximation, once the rule is centred at modes.
        dimensions : int
        """
        if dimensions == 0:
            return cls(np.zeros((0, 1)), np.zeros(1))
        z, log_weights = normal_nodes(points)
        grid = np.meshgrid(*[np.arange(z.size)] * dimensions, indexing="ij")
        places = np.stack([axis.ravel() for axis in grid])
        inflated = log_weights + z**2 / 2
        return cls(z[places], inflated[places].sum(axis=0))

    @property
    def size(self) -> int:
        """Number of nodes."""
        return int(self.log_weights.size)

    @property
    def dimensions(self) -> int:
        """Number of variables that are integrated out."""
        return int(self.points.shape[0])


@lru_cache(maxsize=32)
def normal_nodes(points: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes for a standard normal variable, and the logarithms of weights that sum to one.

    Parameters
    ----------
    points : int
    """
    if points == 1:
        return np.zeros(1), np.zeros(1)
    z, weights = np.polynomial.hermite_e.hermegauss(points)
    return z, np.log(weights) - np.log(2 * np.pi) / 2


def averaged(link: Link, index: FloatArray, variance: FloatArray) -> FloatArray:
    """Population-averaged mean: that of an outcome whose index has a normal part of its own.

    Parameters
    ----------
    link : Link
    index : FloatArray, shape (n,)
        Without the normal part.
    variance : FloatArray, shape (n,)
        Of the normal part.

    Notes
    -----
    In closed form for the identity, the logarithm and probit; by quadrature otherwise. Source:
    Zeger, Liang and Albert (1988), *Biometrics* 44, 1049-1060.
    """
    if link == IDENTITY:
        return index
    if link == LOG:
        return np.exp(index + variance / 2)
    if link == PROBIT:
        return link.inverse(index / np.sqrt(1 + variance))
    z, log_weights = normal_nodes(MEAN_NODES)
    deviation, total = np.sqrt(variance), np.zeros_like(index)
    for node, log_weight in zip(z, log_weights, strict=True):
        total += np.exp(log_weight) * link.inverse(index + node * deviation)
    return total
