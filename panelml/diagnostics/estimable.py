"""Estimable functions: the combinations of coefficients that a fit tells apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from panelml._typing import BoolArray, FloatArray
from panelml.core.block import Block
from panelml.core.links import IDENTITY
from panelml.core.moments import Gram, PanelMoments
from panelml.core.pair import Pair
from panelml.data.formula.category import Category
from panelml.data.formula.design import Terms
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.inference.influence import Influence
from panelml.results.base import Results

__all__ = ["Directions", "canonical", "directions_of", "estimable", "recoded"]

# Share of a column in a combination below which it is rounding.
LEAST_SHARE = 1e-6
# How much larger sums of squares are that several steps of a transform leave of rounding.
STEPS = 256
_WRAPPED = re.compile(r"(within|between|mean)\((.*)\)")


@dataclass(frozen=True, slots=True)
class Directions:
    """Changes of coefficients that leave a fit as it is: a basis of its null space.

    Attributes
    ----------
    names : tuple of str, length p
        The regressors, those that were dropped included.
    null : FloatArray, shape (d, p)
        One direction for each regressor that was dropped; d is zero where all were kept.
    """

    names: tuple[str, ...]
    null: FloatArray

    @property
    def lost(self) -> frozenset[str]:
        """Regressors of which nothing is left to estimate a coefficient from."""
        single = self.null[(self.null != 0).sum(axis=1) == 1]
        return frozenset(self.names[int(np.flatnonzero(row)[0])] for row in single)

    @property
    def tied(self) -> tuple[str, ...]:
        """Regressors whose coefficients depend on which collinear one was dropped."""
        lost = self.lost
        several = (self.null != 0).any(axis=0)
        return tuple(
            name
            for name, any_ in zip(self.names, several, strict=True)
            if any_ and name not in lost
        )


def directions_of(fit: Results) -> Directions:
    """Find which coefficients of a fit are not identified; in one pass, where any was dropped.

    Notes
    -----
    A linear function c'b of the coefficients is estimable if and only if it is orthogonal to every
    direction. Source: Searle (1971), *Linear Models*, section 5.4.
    """
    predictor = fit.predictor
    n_random = sum(len(part.names) for part in predictor.design.random)
    names = predictor.names[: len(predictor.names) - n_random]
    kept: BoolArray = np.array([name in fit.params.index for name in names], dtype=bool)
    if kept.all():
        return Directions(names, np.zeros((0, len(names))))
    estimate = fit.attached.estimate
    by_unit = fit.facts.absorbed == (Effect((predictor.unit,)),)
    if fit.facts.link != IDENTITY and by_unit:
        gram, rounding = _within_units(estimate.influence.sample)
    elif estimate.curvature is not None or fit.facts.link != IDENTITY:
        gram, rounding = _in_levels(estimate.influence.sample)
    else:
        gram, rounding = _transformed(estimate.rows)
    p = len(names)
    return Directions(names, _null_space(gram[:p, :p], rounding[:p], kept))


def _in_levels(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Cross-products of all regressors, about their means beside a constant, and rounding.

    Mixed models identify what the levels do, and their working columns are others.
    """
    overall = fold(sample, PanelMoments.of).overall
    gram = overall.centred
    if not sample.design.formula.intercept:
        gram = gram + overall.weight * np.outer(overall.mean, overall.mean)
    return gram[1:, 1:], overall.rounding[1:]


def _within_units(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Cross-products of the regressors about their unit means, and rounding."""
    moments = fold(sample, PanelMoments.of)
    return moments.within[1:, 1:], moments.rounding[1:]


def _transformed(influence: Influence) -> tuple[FloatArray, FloatArray]:
    """Cross-products of the transformed regressors given the constant, and their rounding."""
    transform = influence.regression.transform

    def moments(block: Block) -> Pair[PanelMoments, Gram]:
        return Pair(PanelMoments.of(block), Gram.of(transform(block)))

    found = fold(influence.sample, moments)
    gram = found.second.products[1:, 1:]
    if transform.constant:
        gram = gram[1:, 1:] - np.outer(gram[0, 1:], gram[0, 1:]) / gram[0, 0]
    return gram, STEPS * found.first.rounding[1:]


def _null_space(gram: FloatArray, rounding: FloatArray, kept: BoolArray) -> FloatArray:
    """Write each dropped column as a combination of kept ones: null vectors, (dropped, p)."""
    own = np.diag(gram)
    length = np.sqrt(np.where(own > 0, own, 1.0))
    scaled = gram / np.outer(length, length)
    rows = []
    for j in np.flatnonzero(~kept):
        row = np.zeros(kept.size)
        if own[j] > rounding[j]:
            share = linalg.lstsq(scaled[np.ix_(kept, kept)], scaled[kept, j])[0]
            row[kept] = np.where(np.abs(share) > LEAST_SHARE, -share, 0.0)
        row[j] = 1.0
        rows.append(row * length[j] / length)
    return np.array(rows)


def estimable(*nulls: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Find the functions that are orthogonal to all null vectors.

    Parameters
    ----------
    *nulls : FloatArray, each of shape (d, k)

    Returns
    -------
    basis : FloatArray, shape (r, k)
        First single coefficients, then combinations of the others.
    single : BoolArray, shape (k,)
        Which coefficients can be estimated one by one.
    """
    null = np.concatenate(nulls)
    single: BoolArray = ~(null != 0).any(axis=0)
    if single.all():
        return np.eye(single.size), single
    rest = null[:, ~single]
    size = np.sqrt((rest**2).sum(axis=0))
    combinations = linalg.null_space(rest / size, rcond=LEAST_SHARE**1.5).T / size
    basis = np.zeros((int(single.sum()) + len(combinations), single.size))
    basis[: int(single.sum()), single] = np.eye(int(single.sum()))
    basis[int(single.sum()) :, ~single] = combinations
    return basis, single


def canonical(name: str) -> str:
    """Name a variable independently of the order of the factors of an interaction."""
    wrapped = _WRAPPED.fullmatch(name)
    if wrapped:
        return f"{wrapped[1]}({canonical(wrapped[2])})"
    depth, factors = 0, [""]
    for letter in name:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == ":" and depth == 0:
            factors.append("")
        else:
            factors[-1] += letter
    return ":".join(sorted(factors))


def recoded(one: Terms, other: Terms) -> frozenset[str]:
    """Find variables that mean something else in the other fit, as its categories are coded anew.

    A level that is missing from one sample changes the reference of its category, and with it the
    coefficients of the category and of what it interacts with.
    """
    changed = {
        text
        for text in one.factors.keys() & other.factors.keys()
        if _is_recoded(one.factors[text], other.factors[text])
    }
    if not changed:
        return frozenset()
    texts = [frozenset(text for text, _ in part.factors) for part in one.parts]
    whole = [factors for factors in texts if factors & changed]
    return frozenset(
        canonical(name)
        for part, factors in zip(one.parts, texts, strict=True)
        if any(factors <= larger for larger in whole)
        for name in part.names
    )


def _is_recoded(one: object, other: object) -> bool:
    if not (isinstance(one, Category) and isinstance(other, Category)):
        return False
    if np.array_equal(one.levels, other.levels):
        return not np.array_equal(one.reduced.matrix, other.reduced.matrix)
    mine, theirs = _coding(one), _coding(other)
    return any(mine[level] != theirs[level] for level in mine.keys() & theirs.keys())


def _coding(category: Category) -> dict[object, dict[str, float]]:
    coding = category.reduced
    return {
        level: {
            name: float(value) for name, value in zip(coding.names, column, strict=True) if value
        }
        for level, column in zip(category.levels, coding.matrix.T, strict=True)
    }
