"""Where the iteration of a mixed model with several grouping factors starts."""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.mixed.core.criterion import unit_changes
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor

__all__ = ["moment_start"]


def moment_start(
    products: CrossedProducts, factors: CrossedFactors, free: tuple[IntArray, IntArray]
) -> FloatArray:
    """Estimate the relative covariance, shape (q, q), from products of least squares residuals.

    MINQUE(0) as if the residuals r had the covariance of the errors, V = s I + sum_k psi_k V_k:
    solves r' V_k r = tr(V_k V) for s and psi. The result need not be positive definite.

    Source: Rao (1971), *Journal of Multivariate Analysis* 1, 257-275.
    """
    randoms, others = factors.randoms, factors.others
    size = sum(random.size for random in randoms)
    fourth, total, score = np.zeros((size,) * 4), np.zeros((size, size)), np.zeros((size, size))
    own = products.own.toarray()
    for a, one in enumerate(randoms):
        for b, two in enumerate(randoms[: a + 1]):
            if not one.size * two.size:
                continue
            cells = _cells(products, own, others, a, b)
            flat = cells.reshape(len(cells), -1)
            table = (flat.T @ flat).reshape(cells.shape[1:] * 2)
            fourth[np.ix_(one, two, one, two)] = table
            fourth[np.ix_(two, one, two, one)] = table.transpose(1, 0, 3, 2)
        z = _residual_sums(products, others, a)
        score[np.ix_(one, one)] = z.T @ z
        total[np.ix_(one, one)] = _squares(products, own, others, a)
    change, n = unit_changes(free, size), products.units.n
    trace = np.einsum("kab,ab->k", change, total)
    system = np.block(
        [
            [np.full((1, 1), float(n)), trace[None]],
            [trace[:, None], np.einsum("kab,bcad,lcd->kl", change, fourth, change)],
        ]
    )
    rss = float(products.units.m[-1, -1])
    right = np.append(rss, np.einsum("kab,ab->k", change, score))
    found = np.linalg.lstsq(system, right, rcond=1e-10)[0]
    return np.asarray(np.einsum("k,kab->ab", found[1:], change) / max(found[0], 0.05 * rss / n))


def _cells(
    products: CrossedProducts, own: FloatArray, others: tuple[GroupingFactor, ...], a: int, b: int
) -> FloatArray:
    """Z_i' Z_j of levels of factors a and b <= a that meet, shape (pairs, q_a, q_b)."""
    if a == 0:
        return np.moveaxis(products.units.s, 2, 0)
    one = others[a - 1]
    if b == 0:
        columns = products.cross[0].indices
        inside = (columns >= one.first) & (columns < one.first + one.size)
        data = np.stack([part.data[inside] for part in products.cross], axis=-1)
        return data.reshape(-1, one.random.size, len(products.cross))
    two = others[b - 1]
    block = own[one.span, two.span].reshape(
        one.levels, one.random.size, two.levels, two.random.size
    )
    return block.transpose(0, 2, 1, 3).reshape(-1, one.random.size, two.random.size)


def _squares(
    products: CrossedProducts, own: FloatArray, others: tuple[GroupingFactor, ...], a: int
) -> FloatArray:
    """Sum over the levels of a factor of Z_j' Z_j, shape (q, q)."""
    if a == 0:
        return np.asarray(products.units.s.sum(axis=2))
    return np.asarray(np.einsum("jajb->ab", others[a - 1].blocks(own)))


def _residual_sums(
    products: CrossedProducts, others: tuple[GroupingFactor, ...], a: int
) -> FloatArray:
    """Z_j' r of each level of a factor, shape (levels, q)."""
    if a == 0:
        return products.units.c[:, -1].T
    one = others[a - 1]
    return products.right[one.span, -1].reshape(one.levels, -1)
