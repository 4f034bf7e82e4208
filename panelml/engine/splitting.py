"""Splitting regressors into what varies within units and between them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from panelml._typing import AnyArray, BoolArray, IntArray, InteractionCentring
from panelml.core.augment import SplitMeans
from panelml.core.linalg import RANK_TOLERANCE, solve_normal
from panelml.core.moments import PanelMoments
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError, listing

__all__ = ["split_means"]


def split_means(
    sample: Sample, form: Literal["within-between", "mundlak"],
    interactions: InteractionCentring = "demeaned",
) -> tuple[Sample, tuple[str, ...]]:  # fmt: skip
    """Find the regressors that vary within units and split them.

    Random regressors, which stand last, become deviations from unit means where they vary.

    Parameters
    ----------
    sample : Sample
    form : {"within-between", "mundlak"}
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
    within = np.diag(moments.within)[1:]
    moves: BoolArray = within > RANK_TOLERANCE * moments.overall.variation[1:]
    fixed = len(sample.design.regressors.names)
    if not moves[:fixed].any():
        raise IdentificationError(
            f"No regressor varies within {sample.panel.unit}: there is no within effect to "
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
    dependent, notes = _dependent(moments, varying, names)
    if form == "within-between":
        dependent = dependent[:0]
    step = SplitMeans(varying, others, form, products, random, random[moves[random]], dependent)
    late = [first[j] for j in dependent]
    early = [name for name in first if name not in late]
    notes = (*_product_notes(names[varying], components, varying, moves, interactions), *notes)
    return sample.then((*early, *second, *names[others], *late, *last), step), notes


def _dependent(
    moments: PanelMoments, varying: IntArray, names: AnyArray
) -> tuple[IntArray, tuple[str, ...]]:
    """Find split regressors that are collinear within units with earlier ones, and say which."""
    use = np.append(0, 1 + varying)
    solved = solve_normal(moments.within[np.ix_(use, use)], moments.overall.variation[1 + varying])
    dependent = np.array(sorted(solved.dropped), dtype=np.int64)
    notes = []
    for j, others in sorted(solved.dropped.items()):
        last = names[varying[j]]
        tied = listing((names[varying[i]] for i in others), most=8)
        notes.append(
            f"Within units {last} cannot be told from {tied}: as in fixed effects, their effects "
            f"within units are those with {last} at zero, and are not comparable with effects "
            "between units."
        )
    return dependent, tuple(notes)


def _product_notes(
    names: AnyArray, components: tuple[tuple[str, ...], ...], varying: IntArray, moves: BoolArray,
    interactions: InteractionCentring,
) -> tuple[str, ...]:  # fmt: skip
    """Say what the within part of a product of regressors that vary within units is."""
    constant = {own[0] for own, moved in zip(components, moves, strict=False)
                if len(own) == 1 and not moved}  # fmt: skip
    products = [
        name for name, column in zip(names, varying, strict=True)
        if sum(factor not in constant for factor in components[column]) > 1
    ]  # fmt: skip
    if not products or interactions == "raw":
        return ()
    what = "the deviation of the product from its unit mean, as in fixed effects"
    if interactions == "double-demeaned":
        what = "the product of deviations from unit means, made a deviation itself"
    return (
        f"The within part of {listing(products, most=8)} is {what}: interactions="
        f"{interactions!r}. The default is 'double-demeaned' with random=, and 'demeaned' without.",
    )


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
