"""Blocks of made-up rows."""

from __future__ import annotations

import numpy as np

from panelml.core.block import Block


def block_of(
    sizes: list[int], periods: list[int] | None = None, weights: list[float] | None = None
) -> Block:
    n = sum(sizes)
    z = np.random.default_rng(n).normal(size=(3, n))
    time = np.array(periods if periods is not None else [t for s in sizes for t in range(s)])
    return Block(
        z=z,
        starts=np.concatenate([[0], np.cumsum(sizes)]),
        first_unit=0,
        time=time,
        steps=np.arange(time.max() + 1),
        weights=None if weights is None else np.array(weights),
        keys={},
        slopes={},
    )
