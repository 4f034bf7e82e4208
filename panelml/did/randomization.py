"""Randomisation inference: the effect against those of dates of adoption dealt out anew."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np

from panelml._typing import AnyArray, IntArray
from panelml.data.adoption import Adoption, read_adoption
from panelml.data.panel import Panel
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.errors import IdentificationError, SpecificationError, check_choice, listing
from panelml.results.effects import EffectResults
from panelml.results.randomization import RandomizationTest

__all__ = ["randomization_test"]

Statistic = Literal["t", "effect"]


class _Model(Protocol):
    """An estimator of the effects of a policy."""

    @property
    def cohort(self) -> str | None: ...

    @property
    def treatment(self) -> str | None: ...

    def fit(self, data: Any) -> EffectResults: ...


@capped
def randomization_test(
    model: _Model,
    data: Panel,
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
    data : Panel
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
        If the model has no single average effect, or units of a group adopt at different times.
    IdentificationError
        If all units adopt at the same time, so that there is nothing to deal out.

    Notes
    -----
    Source: Phipson and Smyth (2010), *Statistical Applications in Genetics and Molecular Biology*
    9, 39, for the p-value; Wu and Ding (2021), *JASA* 116, 1898-1913, for studentising.
    """
    check_choice("statistic", statistic, Statistic)
    if draws < 1:
        raise SpecificationError(f"draws is a positive number, not {draws!r}.")
    adoption = read_adoption(data, model.cohort, model.treatment)
    member, first = _groups(data, adoption, groups)
    if np.unique(adoption.start).size < 2:
        raise IdentificationError("All units adopt at the same time: no dates can be dealt out.")
    result = model.fit(data)
    whole = _average(result)
    found, failed = [], 0
    for draw in counted(draws, "Randomisation test"):
        order = np.random.default_rng([seed, draw]).permutation(first.size)
        try:
            found.append(_average(_fit_with(model, data, adoption, first[order][member])))
        except IdentificationError:
            failed += 1
    values = np.array([_value(result, statistic) for result in found])
    among = data.unit if groups is None else groups
    return RandomizationTest(
        result.model, float(whole.params.iloc[0]), _value(whole, statistic), values, failed,
        statistic == "t", f"{first.size:,} levels of {among}",
    )  # fmt: skip


def _groups(panel: Panel, adoption: Adoption, column: str | None) -> tuple[IntArray, IntArray]:
    """Return each unit's group, and of each group its first unit."""
    n_units = panel.index.units.size
    if column is None:
        return np.arange(n_units), np.arange(n_units)
    codes, starts = panel.codes((column,)), panel.index.starts[:-1]
    low, high = np.minimum.reduceat(codes, starts), np.maximum.reduceat(codes, starts)
    if (low != high).any():
        units = listing(panel.index.units[low != high].tolist())
        raise SpecificationError(f"{column!r} varies within {panel.unit} {units}.")
    _, first, member = np.unique(low, return_index=True, return_inverse=True)
    apart = adoption.start != adoption.start[first][member]
    if apart.any():
        units = listing(panel.index.units[apart].tolist())
        raise SpecificationError(
            f"Units of the same {column} adopt at different times, {panel.unit} {units} among "
            "them: deal dates out among units, or among groups that adopt as a whole."
        )
    return member, first


def _fit_with(model: Any, panel: Panel, adoption: Adoption, donor: IntArray) -> EffectResults:
    """Fit with the date of another unit for each."""
    index = panel.index
    values: AnyArray
    if model.cohort is None:
        treated = index.steps[index.time] >= adoption.start[donor][index.unit]
        name, values = model.treatment, np.asarray(index.unsort(treated.astype(np.float64)))
    else:
        name = model.cohort
        rows = index.starts[:-1][donor][index.unit]
        values = _gather(panel, name, index.unsort(rows))
    result: EffectResults = model.fit(panel.assign(**{name: values}))
    return result


def _gather(panel: Panel, column: str, rows: IntArray) -> AnyArray:
    """Return a column's values at sorted rows."""
    order = panel.index.order
    return np.asarray(panel.series(column).to_numpy())[rows if order is None else order[rows]]


def _average(result: EffectResults) -> EffectResults:
    """Return the single average effect on the treated."""
    if result.cells is not None:
        return result.aggregate("simple")
    if len(result.params) == 1:
        return result
    if result.overall is not None:
        return result.overall
    raise SpecificationError(f"{result.model} has no single average effect to test.")


def _value(result: EffectResults, statistic: Statistic) -> float:
    values = result.params if statistic == "effect" else result.tstats
    return float(values.iloc[0])
