"""Overlap: whether the comparison group has units that are like the treated ones."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.linalg import independent_columns
from panelml.did.core.propensity import PERFECT
from panelml.errors import ConvergenceError, IdentificationError, listing

__all__ = ["cohort_labels", "comparable_columns", "require_more_than_cohorts"]


# Share of a covariate in a direction of unit length, beyond rounding.
PART = 1e-4


class _Covariates(Protocol):
    """Covariates of the units, and when they adopt."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def start(self) -> IntArray: ...

    @property
    def first(self) -> FloatArray: ...

    @property
    def fixed(self) -> BoolArray: ...


def comparable_columns(
    x: FloatArray, treated: BoolArray, w: FloatArray, names: tuple[str, ...]
) -> IntArray:
    """Covariates that are no combination of those before them.

    Raises
    ------
    ConvergenceError
        If treated rows are not among what the comparison group's rows span: along some direction
        only they vary.
    """
    others = independent_columns(x[~treated], w[~treated])
    if others.size == x.shape[1]:
        return others
    columns = independent_columns(x, w)
    spanned = columns[independent_columns(x[~treated][:, columns], w[~treated])]
    if spanned.size < columns.size:
        apart = columns[_related(x[:, columns], ~treated, columns.size - spanned.size)]
        words = listing(repr(names[j]) for j in apart if j > 0)
        raise ConvergenceError(f"{PERFECT}: nobody in the comparison group is like them in {words}")
    return columns


def _related(x: FloatArray, others: BoolArray, directions: int) -> BoolArray:
    """Covariates that have part in the directions in which the others do not vary, shape (k,)."""
    length = np.sqrt((x**2).sum(axis=0))
    scaled = x[others] / length
    vectors = np.linalg.eigh(scaled.T @ scaled)[1]
    return np.asarray(np.abs(vectors[:, :directions]).max(axis=1) > PART)


def require_more_than_cohorts(data: _Covariates) -> None:
    """Refuse covariates that are the cohort itself.

    Raises
    ------
    IdentificationError
        Naming them.
    """
    first = data.first
    label = cohort_labels(first, data.start)
    if label.any():
        label = cohort_labels(np.where(data.fixed, first, np.nan), data.start)
    if label.any():
        names = listing(repr(name) for name, is_it in zip(data.names, label, strict=True) if is_it)
        raise IdentificationError(
            f"Covariates predict treatment perfectly: {names} is the same in all units of a cohort "
            "and tells cohorts apart, so that nobody is comparable. Leave it out of the formula."
        )


def cohort_labels(x: FloatArray, start: IntArray) -> BoolArray:
    """Covariates that together say no more, and no less, than which cohort a unit is of.

    Parameters
    ----------
    x : FloatArray, shape (units, k)
        Values that do not change over time, missing where they do.
    start : IntArray, shape (units,)

    Returns
    -------
    BoolArray, shape (k,)
        None of them where they do not tell all cohorts apart, or where cohorts are single units.
    """
    order = np.argsort(start, kind="stable")
    first = np.flatnonzero(np.diff(start[order], prepend=-1))
    size = np.diff(first, append=order.size)
    nothing: BoolArray = np.zeros(x.shape[1], dtype=bool)
    if size[-1] == 1 or (size[:-1] == 1).all():
        return nothing
    values = x[order[first]]
    second = np.minimum(first + 1, first + size - 1)
    labels = (values == x[order[second]]).all(axis=0) & (values != values[0]).any(axis=0)
    if labels.any():
        labels &= (x[order] == np.repeat(values, size, axis=0)).all(axis=0)
    apart = labels.any() and len(np.unique(values[:, labels], axis=0)) == first.size
    return np.asarray(labels) if apart else nothing
