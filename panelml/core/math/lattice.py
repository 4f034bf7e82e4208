"""Points spread evenly over the unit cube and over the sphere, without a random seed."""

from __future__ import annotations

import numpy as np
from scipy import special

from panelml._typing import FloatArray

__all__ = ["directions", "lattice"]

# Generating vector of rank-1 lattices with 2^10 to 2^20 points, weights of order 2. Source:
# Cools, Kuo and Nuyens (2006), SIAM Journal on Scientific Computing 28, 2162-2188.
GENERATOR = (
    1,
    182667,
    469891,
    498753,
    110745,
    446247,
    250185,
    118627,
    245333,
    283199,
    408519,
    391023,
    246327,
    126539,
    399185,
    461527,
    300343,
    69681,
    516695,
    436179,
    106383,
    238523,
    413283,
    70841,
    47719,
    300129,
    113029,
    123925,
    410745,
    211325,
    17489,
    511893,
    40767,
    186077,
    519471,
    255369,
    101819,
    243573,
    66189,
    152143,
)


def lattice(n: int, k: int) -> FloatArray:
    """Spread points over the unit cube.

    Parameters
    ----------
    n : int
        A power of two from 2^10 to 2^20.
    k : int

    Returns
    -------
    FloatArray, shape (n, k)
        Strictly between 0 and 1. Beyond 40 dimensions, multiples of square roots of primes.
    """
    if k > len(GENERATOR):
        steps = np.sqrt(np.array(_primes(k), dtype=np.float64))
        return np.outer(np.arange(1, n + 1), steps) % 1.0
    # Whole numbers, so that the points are exact.
    multiples = np.outer(np.arange(n), np.array(GENERATOR[:k], dtype=np.int64)) % n
    points: FloatArray = (multiples + 0.5) / n
    return points


def directions(n: int, k: int) -> FloatArray:
    """Spread points over the unit sphere.

    Returns
    -------
    FloatArray, shape (n, k)
    """
    normal = special.ndtri(lattice(n, k))
    found: FloatArray = normal / np.sqrt((normal**2).sum(axis=1, keepdims=True))
    return found


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found
