"""Randomisation inference: the effect against those of dates of adoption dealt out anew."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from panelml._typing import IntArray
from panelml.data.adoption import Adoption, read_adoption
from panelml.data.panel import Panel, rows_of
from panelml.did.base import PolicyModel, average_effect
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.engine.sampling import require_panel
from panelml.errors import (
    IdentificationError,
    SpecificationError,
    check_choice,
    check_count,
    listing,
)
from panelml.results.effects import EffectResults
from panelml.results.randomization import RandomizationTest

__all__ = ["randomization_test"]

Statistic = Literal["t", "effect"]


@capped
def randomization_test(
    model: PolicyModel,
    data: Any,
    *,
    seed: int,
    draws: int = 499,
    statistic: Statistic = "t",
    groups: str | None = None,
) -> RandomizationTest:
    """Test whether the policy had no effect on any unit, by dealing its dates out anew.

    The dates of adoption are permuted among units, or among groups that adopt as a whole, and
    the model is fitted to each permutation.

    Parameters
    ----------
    model : estimator of policy effects
        With one average effect, such as ``CallawaySantAnna`` or ``TWFE``.
    data : Panel or DataFrame
    seed : int
        Draw ``k`` depends on ``seed`` and ``k`` alone.
    draws : int
    statistic : {"t", "effect"}
        The average effect over its standard error, which also holds its size in large samples
        where effects differ but are zero on average; or the effect itself.
    groups : str, optional
        Column of the groups that adopt as a whole.

    Returns
    -------
    RandomizationTest

    Raises
    ------
    SpecificationError
        If units of a group adopt at different times.
    IdentificationError
        If the model has no single average effect, if all units adopt at the same time, so that
        there is nothing to deal out, or if no draw can be estimated.

    Notes
    -----
    Source: Phipson and Smyth (2010), *Statistical Applications in Genetics and Molecular Biology*
    9, 39, for the p-value; Wu and Ding (2021), *JASA* 116, 1898-1913, for studentising.
    """
    check_choice("statistic", statistic, Statistic)
    check_count("draws", draws)
    panel = require_panel(data)
    adoption = read_adoption(panel, model.cohort, model.treatment)
    member, first = _groups(panel, adoption, groups)
    if np.unique(adoption.start).size < 2:
        raise IdentificationError("All units adopt at the same time: no dates can be dealt out.")
    result = model.fit(panel)
    whole = average_effect(result)
    found = []
    for draw in counted(draws, "Randomisation test"):
        order = np.random.default_rng([seed, draw]).permutation(first.size)
        try:
            dealt = average_effect(_fit_with(model, panel, adoption, first[order][member]))
        except IdentificationError as error:
            found.append(np.nan)
            reason = str(error)
        else:
            found.append(_value(dealt, statistic))
            reason = "its standard error is zero"
    values = np.array(found)
    known = np.isfinite(values)
    if not known.any():
        raise IdentificationError(f"No draw could be estimated. Of the last one: {reason}")
    among = panel.unit if groups is None else groups
    return RandomizationTest(
        result.model, float(whole.params.iloc[0]), _value(whole, statistic), values[known],
        int((~known).sum()), statistic == "t", f"{first.size:,} levels of {among}",
    )  # fmt: skip


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


def _fit_with(model: Any, panel: Panel, adoption: Adoption, donor: IntArray) -> EffectResults:
    """Fit with the date of another unit for each."""
    index = panel.index
    column = str(model.cohort or model.treatment)
    values: Any
    if model.cohort is None:
        treated = index.steps[index.time] >= adoption.start[donor][index.unit]
        values = index.unsort(treated.astype(np.float64))
    else:
        values = rows_of(panel, column, index.starts[:-1][donor][index.unit], column)
    result: EffectResults = model.fit(panel.assign(**{column: values}))
    return result


def _value(result: EffectResults, statistic: Statistic) -> float:
    values = result.params if statistic == "effect" else result.tstats
    return float(values.iloc[0])
