"""Splitting regressors into what varies within units and between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray, InteractionCentring
from panelml.core.augment import SplitMeans
from panelml.core.linalg import solve_normal
from panelml.core.moments import PanelMoments
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.least_squares import LeastSquares
from panelml.errors import IdentificationError, SpecificationError, listing

__all__ = ["as_mundlak", "split_means"]


def split_means(
    sample: Sample,
    form: Literal["within-between", "mundlak", "levels"],
    interactions: InteractionCentring = "demeaned",
) -> tuple[Sample, tuple[str, ...]]:
    """Find the regressors that vary within units and split them.

    Random regressors, which stand last, become deviations from unit means where they vary.

    Parameters
    ----------
    sample : Sample
    form : {"within-between", "mundlak", "levels"}
        Deviations and means; the same, to be read as the regressors and their means with
        ``as_mundlak``; or these themselves.
    interactions : {"demeaned", "double-demeaned", "raw"}
        What is split: the product; the product of deviations, in its within part; or nothing.

    Returns
    -------
    sample : Sample
    notes : tuple of str
        Which effects within units are not told apart, and what the within part of a product is.

    Raises
    ------
    IdentificationError
        If no regressor varies within units.
    SpecificationError
        If deviations are to be multiplied and a factor is not a regressor itself.
    """
    moments = fold(sample, PanelMoments.of)
    moves: BoolArray = (np.diag(moments.within) > moments.rounding)[1:]
    fixed = len(sample.design.regressors.names)
    if not moves[:fixed].any():
        raise IdentificationError(
            f"No regressor varies within {sample.source.unit}: there is no within effect to "
            "tell from the between effect. Use Between or PooledOLS."
        )
    split = moves[:fixed].copy()
    components = sample.design.regressors.components
    if interactions == "raw":
        split &= np.array([len(names) == 1 for names in components])
    varying, others = np.flatnonzero(split), np.flatnonzero(~split)
    products = _products(components, varying, moves) if interactions == "double-demeaned" else ()
    names = np.array(sample.names, dtype=object)
    labels = ("within({})", "between({})") if form == "within-between" else ("{}", "mean({})")
    first, second = ([label.format(name) for name in names[varying]] for label in labels)
    random = fixed + np.arange(names.size - fixed)
    last = [f"within({names[j]})" if moves[j] else names[j] for j in random]
    step = SplitMeans(varying, others, form, products, random, random[moves[random]])
    chosen = form == "within-between"  # Mundlak's products are always those of fixed effects
    notes = (
        *(_product_notes(names[varying], components, varying, moves, interactions) * chosen),
        *_tied_notes(moments, varying, names),
    )
    return sample.then((*first, *second, *names[others], *last), step), notes


def _tied_notes(moments: PanelMoments, varying: IntArray, names: AnyArray) -> tuple[str, ...]:
    """Say which split regressors are collinear within units with earlier ones."""
    use = np.append(0, 1 + varying)
    solved = solve_normal(moments.within[np.ix_(use, use)], moments.rounding[1 + varying])
    notes = []
    for j, others in sorted(solved.dropped.items()):
        last = names[varying[j]]
        tied = listing((names[varying[i]] for i in others), most=8)
        notes.append(
            f"Within units {last} cannot be told from {tied}: as in fixed effects, their effects "
            f"within units are those with {last} at zero, and are not comparable with effects "
            "between units."
        )
    return tuple(notes)


def _product_notes(
    names: AnyArray,
    components: tuple[tuple[str, ...], ...],
    varying: IntArray,
    moves: BoolArray,
    interactions: InteractionCentring,
) -> tuple[str, ...]:
    """Say what the within part of a product of regressors that vary within units is."""
    constant = {
        own[0] for own, moved in zip(components, moves, strict=False) if len(own) == 1 and not moved
    }
    products = [
        name
        for name, column in zip(names, varying, strict=True)
        if sum(factor not in constant for factor in components[column]) > 1
    ]
    if not products or interactions == "raw":
        return ()
    what = "the deviation of the product from its unit mean, as in fixed effects"
    if interactions == "double-demeaned":
        what = "the product of deviations from unit means, made a deviation itself"
    return (
        f"The within part of {listing(products, most=8)} is {what}: interactions="
        f"{interactions!r}. The default is 'double-demeaned' with random=, and 'demeaned' without.",
    )


def as_mundlak(
    solved: LeastSquares, gram: FloatArray, centre: FloatArray, names: tuple[str, ...]
) -> LeastSquares:
    """Read a regression on deviations and means as one on the regressors and their means.

    A deviation is the regressor less its mean, so that the mean's coefficient is how much the
    effect between units differs; the two regressors themselves may be collinear but for rounding.

    Parameters
    ----------
    solved : LeastSquares
        Of the deviations, then the means, then other regressors.
    gram : FloatArray, shape (1 + m, 1 + m)
        Of the transformed outcome and regressors, the constant first if there is one.
    centre : FloatArray, shape (p,)
    names : tuple of str
        Of the regressors.
    """
    varying = sum(name.startswith("mean(") for name in names)
    kept, first = solved.solution.kept, int(solved.constant)
    change = np.eye(kept.size)
    place = {int(j): i for i, j in enumerate(kept)}
    for j in range(first, first + varying):
        if j not in place:
            continue
        # The mean as a combination of the columns that were kept: of itself, if it was.
        share = solved.solution.bread @ gram[1 + kept, 1 + j + varying]
        if j + varying in place:
            share = np.eye(kept.size)[place[j + varying]]
        change[:, place[j]] -= share
    basis = solved.basis @ change
    if solved.constant:
        means = np.concatenate([centre[1 + varying : 1 + 2 * varying], centre[1 + varying :]])
        basis[0] = change[0]
        basis[0, :] -= np.concatenate([[0.0], means])[kept] @ change
    params = basis @ solved.solution.coef
    if solved.constant:
        params[0] += centre[0]
    return replace(solved, params=params, basis=basis, bread=basis @ solved.solution.bread)


def _products(
    components: tuple[tuple[str, ...], ...], varying: IntArray, moves: BoolArray
) -> tuple[tuple[int, IntArray], ...]:
    """Find the interactions, and the regressors that are their factors."""
    position = {names[0]: j for j, names in enumerate(components) if len(names) == 1}
    found = []
    for place, column in enumerate(varying):
        factors = components[column]
        if len(factors) == 1:
            continue
        missing = [name for name in factors if name not in position]
        if missing:
            whole = ":".join(factors)
            raise SpecificationError(
                f"The interaction {whole!r} is of deviations from unit means, for which "
                f"{missing[0]!r} must be a regressor itself: write {' * '.join(factors)}, or "
                "choose interactions='demeaned'."
            )
        places = np.array([position[name] for name in factors])
        # With one factor that varies, the product of deviations is the deviation of the product.
        if moves[places].sum() > 1:
            found.append((place, places))
    return tuple(found)
