"""Event studies of several estimators side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panelml.arguments import checked
from panelml.did.results.effects import (
    EffectResults,
    estimator_name,
    plot_event_studies,
    require_effects,
)
from panelml.errors import SpecificationError

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["event_study_plot"]


@checked
def event_study_plot(
    *results: EffectResults,
    level: float = 0.95,
    band: bool = True,
    ax: Axes | None = None,
    **named: EffectResults,
) -> Axes:
    """Draw event studies of several estimators on common axes, side by side at each horizon.

    Parameters
    ----------
    *results : EffectResults
        By horizon.
    level : float
    band : bool
        Whether to show intervals that cover all effects of an estimator at once.
    ax : matplotlib Axes, optional
    **named : EffectResults
        Results with their names, as ``event_study_plot(twfe=a, imputation=b)``.

    Raises
    ------
    SpecificationError
        Without results, or if one has no effects by horizon.
    MissingDependencyError
        If matplotlib is not installed.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> event = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel).aggregate("horizon")
    >>> axes = pm.event_study_plot(event)
    >>> print(axes.get_xlabel())
    Periods since adoption
    """
    for result in (*results, *named.values()):
        require_effects(result, "event_study_plot")
    studies = {**{estimator_name(result): result for result in results}, **named}
    if len(studies) < max(len(results) + len(named), 1):
        raise SpecificationError(
            "Name results of the same estimator: event_study_plot(a=..., b=...)."
        )
    return plot_event_studies(studies, level=level, band=band, ax=ax)
