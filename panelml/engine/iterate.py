"""Passes over the same rows again and again: formulas are evaluated once, and blocks held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from panelml._typing import BoolArray
from panelml.core.block import Block
from panelml.data.sample import Sample
from panelml.engine.fold import fold

__all__ = ["HeldBlocks", "hold"]


@dataclass(frozen=True, slots=True)
class HeldBlocks:
    """Blocks of a sample in memory, which ``fold`` takes in place of the sample.

    Any statistic of them has the bits that it has of the sample: they are the same blocks, in the
    same order.

    Attributes
    ----------
    blocks : tuple of Block
    steps : tuple of callables
        Block to Block, applied in turn in each pass.
    """

    blocks: tuple[Block, ...]
    steps: tuple[Callable[[Block], Block], ...] = ()

    def chunks(self, rows: int | None = None) -> Iterator[Block]:
        """Return the blocks as they were cut when they were evaluated, whatever ``rows`` says."""
        return iter(self.blocks)

    def block(self, chunk: Block) -> Block:
        """Return a block after the steps."""
        for step in self.steps:
            chunk = step(chunk)
        return chunk

    def only(self, keep: BoolArray) -> HeldBlocks:
        """Return the blocks with some of their rows, told before any step, shape (n,)."""
        blocks, first_row, first_unit = [], 0, 0
        for block in self.blocks:
            rows = keep[first_row : first_row + block.n]
            first_row += block.n
            if rows.any():
                part, units = block.subset(rows)
                blocks.append(replace(part, first_unit=first_unit))
                first_unit += units.size
        return replace(self, blocks=tuple(blocks))

    def then(self, step: Callable[[Block], Block]) -> HeldBlocks:
        """Return the blocks with a further step."""
        return replace(self, steps=(*self.steps, step))

    def after(self, step: Callable[[Block], Block]) -> HeldBlocks:
        """Hold what a step gives in place of the blocks."""
        return HeldBlocks(fold(self.then(step), _alone))


def hold(sample: Sample) -> HeldBlocks:
    """Evaluate the design of a sample once, for several passes.

    This takes as much memory as all variables of the sample: it is for rows that are in memory
    anyway, and pays where a formula has functions. A sample from elsewhere is read again in each
    pass.
    """
    return HeldBlocks(fold(sample, _alone))


def _alone(block: Block) -> tuple[Block, ...]:
    return (block,)
