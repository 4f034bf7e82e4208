"""Effects of a policy in the years before it came, when there should be none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from panelml.arguments import checked
from panelml.data.panel.panel import Panel
from panelml.did.core.adoption import NEVER, Adoption, read_adoption
from panelml.did.estimators.base import PolicyModel
from panelml.did.inference.synthetic_placebos import synthetic_in_time
from panelml.did.results.averages import label_text
from panelml.did.results.effects import EffectResults, require_effects
from panelml.did.results.placebos import PlaceboInTime
from panelml.did.results.synthetic import SyntheticResults
from panelml.engine.fold import capped
from panelml.errors import IdentificationError, SpecificationError, listing

__all__ = ["placebo_in_time"]

# The column of the made-up treatment, beside the user's own.
MADE_UP = "(placebo)"


@checked
@capped
def placebo_in_time(
    fit: EffectResults, *, start: Any = None, earlier: int | None = None
) -> EffectResults | PlaceboInTime:
    """Placebo in time: an estimate as if the policy had come earlier, from periods before it.

    Parameters
    ----------
    fit : EffectResults
        Of any estimator of policy effects.
    start : label
        First period of the made-up policy, for synthetic comparisons of a single cohort.
    earlier : int
        By how many periods to move each adoption, for all others: 1 or more. Periods from the
        first true adoption on are left out, so that nobody is treated; cohorts whose made-up
        adoption falls there count as never treated.

    Returns
    -------
    EffectResults, or PlaceboInTime of synthetic comparisons
        Effects that should be zero.

    Raises
    ------
    SpecificationError
        If it is no fit of policy effects, or the wrong one of ``start`` and ``earlier`` is given.
    IdentificationError
        If the periods left do not identify an effect.
    DetachedResultError
        If the result was pickled.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel)
    >>> placebo = pm.placebo_in_time(fit, earlier=1)
    >>> print(placebo.aggregate().params.round(2).to_dict())
    {'att': 0.36}
    """
    require_effects(fit, "placebo_in_time")
    if isinstance(fit, SyntheticResults):
        if earlier is not None:
            raise SpecificationError(
                f"{fit.model} takes start=, the first period of the made-up policy."
            )
        return synthetic_in_time(fit, start)
    if start is not None or earlier is None:
        raise SpecificationError(
            f"{fit.model} takes earlier= for start=: by how many periods each adoption is moved."
        )
    spec, panel = cast(PolicyModel, fit.spec), fit.attached.estimate.influence.sample.panel
    adoption = read_adoption(panel, spec.cohort, spec.treatment, absorbing=False)
    _require_moveable(adoption)
    made_up = _moved(panel, adoption, earlier)
    found = replace(cast(Any, spec), cohort=None, treatment=MADE_UP).fit(made_up)
    notes = (*_moved_notes(adoption, earlier), *found.fit_notes)
    placebo = replace(found, facts=found.facts.detailed("placebo in time"), fit_notes=notes)
    return cast(EffectResults, placebo)


def _require_moveable(adoption: Adoption) -> None:
    """Refuse treatments that end again, and panels in which nobody adopts.

    Raises
    ------
    IdentificationError
        Saying which.
    """
    if adoption.stops.any():
        raise IdentificationError(
            "Placebos in time move the adoption of policies that stay, but treatment ends again in "
            f"{int(adoption.stops.sum()):,} units."
        )
    if not adoption.cohorts.size:
        raise IdentificationError("No unit adopts after the first period: nothing was before.")


def _moved(panel: Panel, adoption: Adoption, earlier: int) -> Panel:
    """Return the rows before the first adoption, with the status of a policy that came earlier."""
    index, first = panel.index, int(adoption.cohorts[0])
    step, begins = index.steps[index.time], adoption.start[index.unit]
    moved = np.where(begins == NEVER, NEVER, begins - earlier)
    kept = (step < first) & (begins > index.steps[0])
    status = index.unsort((step >= moved).astype(np.float64))
    return panel.assign(**{MADE_UP: status}).filter(index.unsort(kept))


def _moved_notes(adoption: Adoption, earlier: int) -> tuple[str, ...]:
    """Say what is moved, and which cohorts are left without a made-up adoption."""
    first = int(adoption.cohorts[0])
    periods = "period" if earlier == 1 else "periods"
    words = (
        f"Placebo: adoption {earlier} {periods} earlier, on the periods before "
        f"{label_text(adoption.label(first))}, in which nobody is treated."
    )
    late = [label_text(adoption.label(g)) for g in adoption.cohorts if g - earlier >= first]
    if not late:
        return (words,)
    return words, f"Cohorts that count as never treated: {listing(late)}."
