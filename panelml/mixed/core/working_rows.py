"""The rows of a mixed model in working columns, to draw outcomes and to fit them again.

A new outcome changes the products with the outcome alone: those of the regressors, fixed and
random, and the factorisation of each unit's random regressors are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import group_sums, spread
from panelml.mixed.core.collapse import collapse
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.crossed_moments import CrossedProducts, level_codes, level_design
from panelml.mixed.core.factors import GroupingFactor
from panelml.mixed.core.optimum import SingleFactor
from panelml.mixed.core.unit_products import MixedBasis, MixedMoments, solve_root
from panelml.mixed.core.whitening import RowPatterns, Whitening

__all__ = ["Truth", "WorkingRows", "crossed_problem", "draw_effects", "single_problem"]


@dataclass(frozen=True, slots=True)
class WorkingRows:
    """Rows in working columns, sorted by the units of the first grouping factor.

    Attributes
    ----------
    x : FloatArray, shape (p, n)
        Fixed regressors times root weights.
    z : FloatArray, shape (q, n)
        Random regressors times root weights.
    base : FloatArray, shape (n,)
        What the working outcome leaves out of the user's.
    root : FloatArray, shape (n,)
        Root weights.
    sizes : IntArray, shape (g,)
        Rows of each unit.
    codes : IntArray, shape (factors - 1, n)
        Levels of the other grouping factors.
    design : sparse array, shape (n, m), or None
        Random regressors of the other factors, a column for each coefficient.
    whitening : Whitening, or None
        How residuals of the rows depend on each other.
    patterns : RowPatterns, or None
        What their covariance depends on.
    """

    x: FloatArray
    z: FloatArray
    base: FloatArray
    root: FloatArray
    sizes: IntArray
    codes: IntArray
    design: sparse.csr_array | None
    whitening: Whitening | None = None
    patterns: RowPatterns | None = None

    @classmethod
    def of(cls, block: Block, basis: MixedBasis, others: tuple[GroupingFactor, ...]) -> WorkingRows:
        """Compute one block's rows."""
        whitening, columns = basis.whitening, basis.plain.columns(block)
        root = np.sqrt(block.row_weights)
        base = block.outcome - columns.outcome / root
        patterns = whitening.facts.of(block) if whitening else None
        design = level_design(block, columns.random, others) if others else None
        return cls(
            columns.fixed,
            columns.random,
            base,
            root,
            np.diff(block.starts),
            level_codes(block, others),
            design,
            whitening,
            patterns,
        )

    def __add__(self, other: WorkingRows) -> WorkingRows:
        def join(name: str) -> FloatArray:
            pair = [getattr(self, name), getattr(other, name)]
            return np.concatenate(pair, axis=-1)

        design = None
        if self.design is not None and other.design is not None:
            design = sparse.csr_array(sparse.vstack([self.design, other.design], format="csr"))
        return WorkingRows(
            join("x"),
            join("z"),
            join("base"),
            join("root"),
            np.concatenate([self.sizes, other.sizes]),
            np.concatenate([self.codes, other.codes], axis=1),
            design,
            self.whitening,
            self.patterns + other.patterns if self.patterns and other.patterns else None,
        )

    @property
    def starts(self) -> IntArray:
        """First row of each unit, and the number of rows, shape (g + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    @property
    def unit(self) -> IntArray:
        """Unit of each row, shape (n,)."""
        return np.repeat(np.arange(self.sizes.size), self.sizes)

    def to_working(self, outcome: FloatArray) -> FloatArray:
        """Return the working outcome of a user's, times root weights, shape (n,)."""
        return np.asarray((outcome - self.base) * self.root)

    def to_outcome(self, working: FloatArray) -> FloatArray:
        """Return the user's outcome of a working one, shape (n,)."""
        return np.asarray(working / self.root + self.base)

    def residuals(self, independent: FloatArray) -> FloatArray:
        """Give independent residuals, shape (n,), the dependence of the rows'."""
        if self.whitening is None or self.patterns is None:
            return independent
        coloured = self.whitening.colour(independent[None], self.starts, self.patterns)
        return np.asarray(coloured[0])


@dataclass(frozen=True, slots=True)
class Truth:
    """The model outcomes are drawn from.

    Attributes
    ----------
    coef : FloatArray, shape (p,)
        Working fixed effects.
    roots : tuple of FloatArray, each (q, q)
        Factor of the relative covariance of the working coefficients of each grouping factor.
    sigma : float
        Residual standard deviation.
    randoms : tuple of IntArray
        Positions of each factor's regressors among all random ones.
    levels : tuple of int
        Of each grouping factor.
    """

    coef: FloatArray
    roots: tuple[FloatArray, ...]
    sigma: float
    randoms: tuple[IntArray, ...]
    levels: tuple[int, ...]

    def draw(
        self, rows: WorkingRows, seed: int, rep: int, given: tuple[FloatArray, ...] | None = None
    ) -> FloatArray:
        """Draw the working outcome, times root weights, shape (n,).

        Parameters
        ----------
        rows : WorkingRows
        seed, rep : int
            Draws depend on these two and on the order of levels, and on nothing else.
        given : tuple of FloatArray, each (q, levels), optional
            Random coefficients; new ones by default.
        """
        rng = np.random.default_rng([seed, rep])
        noise = rows.residuals(self.sigma * rng.standard_normal(rows.root.size))
        effects = draw_effects(self, rng) if given is None else given
        total = self.coef @ rows.x + noise
        for place, (random, values) in enumerate(zip(self.randoms, effects, strict=True)):
            codes = rows.codes[place - 1] if place else rows.unit
            total += (rows.z[random] * spread(values, codes)).sum(axis=0)
        return total


def draw_effects(truth: Truth, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    """Draw the coefficients of all levels, each (q, levels)."""
    return tuple(
        truth.sigma * (root @ rng.standard_normal((levels, len(root))).T)
        for root, levels in zip(truth.roots, truth.levels, strict=True)
    )


def single_problem(rows: WorkingRows, moments: MixedMoments, y: FloatArray) -> SingleFactor:
    """Replace the outcome of a model with one grouping factor.

    Parameters
    ----------
    rows : WorkingRows
    moments : MixedMoments
        Of the same rows, not collapsed.
    y : FloatArray, shape (n,)
        Working outcome times root weights.
    """
    lower = moments.r.swapaxes(0, 1)
    own = solve_root(lower, group_sums(rows.z * y, rows.starts)[:, None])[:, 0]
    left = y - (rows.z * spread(_solve_transposed(lower, own), rows.unit)).sum(axis=0)
    within, c = moments.within.copy(), moments.c.copy()
    within[-1, :-1] = within[:-1, -1] = rows.x @ left
    within[-1, -1] = left @ left
    c[:, -1] = own
    return SingleFactor(collapse(replace(moments, c=c, within=within, imprecise=False)))


def crossed_problem(rows: WorkingRows, model: CrossedModel, y: FloatArray) -> CrossedModel:
    """Replace the outcome of a model with several grouping factors.

    Parameters
    ----------
    rows : WorkingRows
    model : CrossedModel
        Of the same rows.
    y : FloatArray, shape (n,)
        Working outcome times root weights.
    """
    products = model.products
    units, design = products.units, rows.design
    assert design is not None
    c, m, right = units.c.copy(), units.m.copy(), products.right.copy()
    c[:, -1] = group_sums(rows.z[model.factors.first.random] * y, rows.starts)
    m[-1, :-1] = m[:-1, -1] = rows.x @ y
    m[-1, -1] = y @ y
    right[:, -1] = design.T @ y
    changed = CrossedProducts(
        replace(units, c=c, m=m), products.cross, products.own, np.asarray(right)
    )
    return replace(model, products=changed)


def _solve_transposed(lower: FloatArray, c: FloatArray) -> FloatArray:
    """Solve L' x = c by back substitution, with zero for zero pivots: (q, g)."""
    x = np.zeros_like(c)
    for i in reversed(range(len(c))):
        rest = c[i] - (lower[i + 1 :, i] * x[i + 1 :]).sum(axis=0)
        used = lower[i, i] > 0
        x[i] = np.where(used, rest / np.where(used, lower[i, i], 1.0), 0.0)
    return x
