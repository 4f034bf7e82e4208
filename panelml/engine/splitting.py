"""Splitting regressors into what varies within units and between them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from panelml._typing import BoolArray, IntArray, InteractionCentring
from panelml.core.augment import SplitMeans
from panelml.core.moments import PanelMoments
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError

__all__ = ["split_means"]


def split_means(
    sample: Sample, form: Literal["within-between", "mundlak"],
    interactions: InteractionCentring = "demeaned",
) -> Sample:  # fmt: skip
    """Find the regressors that vary within units and split them.

    Random regressors, which stand last, become deviations from unit means where they vary.

    Parameters
    ----------
    sample : Sample
    form : {"within-between", "mundlak"}
    interactions : {"demeaned", "double-demeaned", "raw"}
        What is split: the product; the product of deviations, in its within part; or nothing.

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
    step = SplitMeans(varying, others, form, products, random, random[moves[random]])
    return sample.then((*first, *second, *names[others], *last), step)


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
