"""Randomisation inference: the effect against those of dates of adoption dealt out anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.arguments import checked
from panelml.data.panel.panel import Panel
from panelml.data.panel.variables import rows_of
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import Adoption, read_adoption
from panelml.did.estimators.base import PolicyModel, average_effect, require_model
from panelml.did.results.effects import EffectResults
from panelml.did.results.randomization import RandomizationTest, Shifted
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.engine.sampling import require_panel
from panelml.errors import (
    IdentificationError,
    SpecificationError,
    listing,
)

__all__ = ["randomization_test"]

Statistic = Literal["t", "effect"]
# The column of the treatment as it was, beside the user's own.
TREATED = "treated_as_it_was"
# How far effects are moved to see how the statistic follows, in standard errors.
STEP = 4.0


@checked
@capped
def randomization_test(
    model: PolicyModel,
    data: DataLike,
    *,
    seed: int,
    reps: int = 499,
    statistic: Statistic = "t",
    groups: str | None = None,
    intervals: bool = False,
) -> RandomizationTest:
    """Randomisation inference: a test of no effect on any unit, by dealing the dates out anew.

    The dates of adoption are permuted among units, or among groups that adopt as a whole, and
    the model is fitted to each permutation.

    Parameters
    ----------
    model : estimator of policy effects
        With one average effect, such as ``CallawaySantAnna`` or ``TWFE``.
    data : Panel or DataFrame
    seed : int
        Draw ``k`` depends on ``seed`` and ``k`` alone.
    reps : int
    statistic : {"t", "effect"}
        The average effect over its standard error, which also holds its size in large samples
        where effects differ but are zero on average; or the effect itself.
    groups : str, optional
        Column of the groups that adopt as a whole.
    intervals : bool
        Whether ``conf_int`` of the result is to be had: the effects, the same for all units from
        adoption on, that the test does not reject. Takes three fits for each draw.

    Returns
    -------
    RandomizationTest

    Raises
    ------
    SpecificationError
        If the model is no estimator of policy effects, units of a group adopt at different times,
        or intervals are asked of an estimator that is not linear in the outcome.
    IdentificationError
        If the model has no single average effect, if all units adopt at the same time, so that
        there is nothing to deal out, or if no draw can be estimated.

    Notes
    -----
    Source: Phipson and Smyth (2010), *Statistical Applications in Genetics and Molecular Biology*
    9, 39, for the p-value; Wu and Ding (2021), *JASA* 116, 1898-1913, for studentising.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> model = pm.TWFE("y ~ 1", cohort="cohort")
    >>> print(pm.randomization_test(model, panel, seed=1, reps=39).pvalue)
    0.025
    """
    require_model(model)
    panel = require_panel(data)
    adoption = read_adoption(panel, model.cohort, model.treatment)
    member, first = _groups(panel, adoption, groups)
    if np.unique(adoption.start).size < 2:
        raise IdentificationError("All units adopt at the same time: no dates can be dealt out.")
    result = model.fit(panel)
    whole = average_effect(result)
    steps = _steps(whole) if intervals else (0.0,)
    fits = _Fits.of(model, panel, adoption, steps)
    observed = fits.dealt(np.arange(adoption.start.size))
    dealt = _dealt_anew(fits, member, first, reps=reps, seed=seed)
    shifted = Shifted.of(np.array(steps), np.array([observed, *dealt]), statistic == "t")
    known = _with_statistic(shifted)
    if intervals and not shifted.linear:
        raise SpecificationError(
            f"{result.model} is not linear in the outcome: the test cannot be turned into an "
            "interval. Leave out intervals=True."
        )
    return RandomizationTest(
        result.model,
        float(whole.params.iloc[0]),
        shifted.only(known),
        reps - int(known[1:].sum()),
        statistic == "t",
        f"{first.size:,} levels of {panel.unit if groups is None else groups}",
    )


def _steps(whole: EffectResults) -> tuple[float, ...]:
    """Return effects to take from the outcomes: none, and one far off on either side."""
    estimate, error = float(whole.params.iloc[0]), float(whole.std_errors.iloc[0])
    scale = STEP * error if error > 0 else abs(estimate) or 1.0
    return (0.0, scale, -scale)


def _dealt_anew(
    fits: _Fits, member: IntArray, first: IntArray, *, reps: int, seed: int
) -> list[FloatArray]:
    """Estimate effects of dates dealt out anew among groups, where they can be estimated.

    Raises
    ------
    IdentificationError
        If there is no such draw.
    """
    dealt = []
    for draw in counted(reps, "Randomisation test"):
        order = np.random.default_rng([seed, draw]).permutation(first.size)
        try:
            dealt.append(fits.dealt(first[order][member]))
        except IdentificationError as error:
            reason = str(error)
    if not dealt:
        raise IdentificationError(f"No draw could be estimated. Of the last one: {reason}")
    return dealt


def _with_statistic(shifted: Shifted) -> BoolArray:
    """Mark the draws that have a statistic, and the dates as they were, first.

    Raises
    ------
    IdentificationError
        If there is no such draw.
    """
    known: BoolArray = np.isfinite(shifted.at(0.0))
    if not known[1:].any():
        raise IdentificationError(
            "No draw could be estimated. Of the last one: its standard error is zero"
        )
    known[0] = True
    return known


@dataclass(frozen=True, slots=True)
class _Fits:
    """Fits of outcomes from which an effect was taken, to dates that were dealt out anew.

    Attributes
    ----------
    models : tuple of estimators
        One for each effect that is taken from the outcomes of the treated.
    panel : Panel
        With the treatment as it was.
    adoption : Adoption
    """

    models: tuple[Any, ...]
    panel: Panel
    adoption: Adoption

    @classmethod
    def of(cls, model: Any, panel: Panel, adoption: Adoption, steps: tuple[float, ...]) -> _Fits:
        outcome, mark, rest = str(model.formula).partition("~")
        column = TREATED
        while column in panel.frame.columns:
            column += "_"
        formulas = (
            f"I({outcome.strip()} - {step!r} * {column}) {mark}{rest}" if step else model.formula
            for step in steps
        )
        index = panel.index
        treated = index.steps[index.time] >= adoption.start[index.unit]
        panel = panel.assign(**{column: index.unsort(treated.astype(np.float64))})
        models = tuple(replace(model, formula=formula) for formula in formulas)
        return cls(models, panel, adoption)

    def dealt(self, donor: IntArray) -> FloatArray:
        """Give each unit the date of another: effects and their standard errors, (steps, 2)."""
        index, model = self.panel.index, self.models[0]
        column = str(model.cohort or model.treatment)
        values: Any
        if model.cohort is None:
            treated = index.steps[index.time] >= self.adoption.start[donor][index.unit]
            values = index.unsort(treated.astype(np.float64))
        else:
            values = rows_of(self.panel, column, index.starts[:-1][donor][index.unit], column)
        panel = self.panel.assign(**{column: values})
        averages = (average_effect(model.fit(panel)) for model in self.models)
        return np.array([[a.params.iloc[0], a.std_errors.iloc[0]] for a in averages])


def _groups(panel: Panel, adoption: Adoption, column: str | None) -> tuple[IntArray, IntArray]:
    """Return each unit's group, and of each group its first unit."""
    n_units = panel.index.units.size
    if column is None:
        return np.arange(n_units), np.arange(n_units)
    codes = panel.codes((column,))
    varies = panel.index.varies_within(codes)
    if varies.any():
        units = listing(panel.index.units[varies])
        raise SpecificationError(f"{column!r} varies within {panel.unit} {units}.")
    _, first, member = np.unique(
        codes[panel.index.starts[:-1]], return_index=True, return_inverse=True
    )
    apart = adoption.start != adoption.start[first][member]
    if apart.any():
        units = listing(panel.index.units[apart])
        raise SpecificationError(
            f"Units of the same {column} adopt at different times, {panel.unit} {units} among "
            "them: deal dates out among units, or among groups that adopt as a whole."
        )
    return member, first
