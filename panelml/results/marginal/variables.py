"""Which variables a model's regressors are made of, and what a change of each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.augment import SplitMeans
from panelml.core.row_values import RowValues
from panelml.data.formula.category import Category
from panelml.data.formula.changes import Change
from panelml.data.formula.design import Column, Terms
from panelml.data.formula.expression import Expression
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.varying import ChangeOfRows, Setting
from panelml.errors import SpecificationError, UnknownNameError, listing, shown, suggest

__all__ = ["VariableContrast", "contrasts_of", "setting_of"]


@dataclass(frozen=True, slots=True)
class VariableContrast:
    """A change of one variable.

    Attributes
    ----------
    name : str
        For tables: the variable, with the level in brackets for a category.
    variable : str
    words : str
        ``"dy/dx"``, or the two values that are compared.
    contrast : ChangeOfRows
    """

    name: str
    variable: str
    words: str
    contrast: ChangeOfRows


def contrasts_of(sample: Sample, variables: Sequence[str] | None) -> tuple[VariableContrast, ...]:
    """Find the variables of a formula, or those that are named, and their changes.

    Parameters
    ----------
    sample : Sample
    variables : sequence of str, optional
        Columns, categories as they stand in the formula, or regressors such as ``L(x)``. By
        default all columns and categories, and each regressor of lags or unit means.

    Raises
    ------
    UnknownNameError
        If there is no such variable.
    """
    terms = sample.design.regressors
    known = _known(terms, sample.names)
    if variables is not None:
        choices = [*known, *sample.names]
        for name in variables:
            if name not in choices:
                raise UnknownNameError(
                    f"The regressors are made of no variable {name!r}.{suggest(name, choices)}"
                )
    wanted = list(known) if variables is None else list(dict.fromkeys(variables))
    return tuple(
        contrast
        for name in wanted
        for contrast in (
            _category(name, terms, sample) if known.get(name) == "category"
            else [_column(name, terms, sample)] if known.get(name) == "number"
            else [_regressor(name, sample)]
        )
    )  # fmt: skip


def _known(terms: Terms, names: tuple[str, ...]) -> dict[str, str]:
    """Return each variable with what it is: a number, a category or a regressor."""
    found: dict[str, str] = {}
    for text, factor in terms.factors.items():
        if isinstance(factor, Category):
            found[factor.source if isinstance(factor.source, str) else text] = "category"
        elif isinstance(factor, Column):
            found.setdefault(factor.name, "number")
        elif isinstance(factor, Expression):
            for column in factor.columns.values():
                found.setdefault(column, "number")
            if factor.calls:
                found |= {name: "regressor" for name in factor.names if name in names}
    return found


def _column(name: str, terms: Terms, sample: Sample) -> VariableContrast:
    """Change a column of numbers: its rate, or from 0 to 1 where it has no other value."""
    if not sample.source.is_numeric(name):
        raise SpecificationError(
            f"The column {name!r} holds no numbers, and the formula computes with it. Name the "
            "variables whose effects are wanted, or add what is computed to the data."
        )
    values = sample.column(name)
    if _is_binary(values):
        low, high = (Setting({name: Change(value)}) for value in (0.0, 1.0))
        return VariableContrast(name, name, "1 - 0", ChangeOfRows(low, high, rate=False))
    linear = not any(isinstance(step, SplitMeans) and step.products for step in sample.steps)
    for factor in terms.factors.values():
        if isinstance(factor, Expression) and name in factor.columns.values():
            linear = False
    high = Setting({name: Change(step=1.0)})
    return VariableContrast(name, name, "dy/dx", _rate(high, values, linear=linear))


def _rate(high: Setting, values: FloatArray, *, linear: bool) -> ChangeOfRows:
    # Exact steps are large beside the values, the first of a search as large as their spread.
    size = np.abs(values).max(initial=0.0) if linear else values.std()
    scale = 2.0 ** np.ceil(np.log2(size)) if size > 0 else 1.0
    return ChangeOfRows(Setting(), high, rate=True, scale=float(scale), linear=linear)


def _regressor(name: str, sample: Sample) -> VariableContrast:
    """Change one regressor alone, whatever it is made of."""
    place = sample.names.index(name)
    values = fold(sample, lambda block: RowValues(block.regressors[place : place + 1])).values[0]
    if _is_binary(values):
        low, high = (Setting(regressors={place: Change(value)}) for value in (0.0, 1.0))
        return VariableContrast(name, name, "1 - 0", ChangeOfRows(low, high, rate=False))
    high = Setting(regressors={place: Change(step=1.0)})
    return VariableContrast(name, name, "dy/dx", ChangeOfRows(Setting(), high, rate=True))


def _category(name: str, terms: Terms, sample: Sample) -> list[VariableContrast]:
    """Compare each level of a category with the reference."""
    factors = {
        text: factor
        for text, factor in terms.factors.items()
        if isinstance(factor, Category) and name in (factor.source, text)
    }
    first = next(iter(factors.values()))
    coded = first.reduced.matrix.any(axis=0)
    order = [first.levels[j] for j in np.argsort(coded, kind="stable")]
    low = _at(order[0], factors, terms, name)
    return [
        VariableContrast(
            f"{name}[{level}]",
            name,
            f"{level} - {order[0]}",
            ChangeOfRows(low, _at(level, factors, terms, name), rate=False),
        )
        for level in order[1:]
    ]


def _at(level: object, factors: Mapping[str, Category], terms: Terms, name: str) -> Setting:
    """Put all rows at a level of a category, and its column at the number if it is one."""
    levels = {text: list(factor.levels).index(level) for text, factor in factors.items()}
    numeric = any(
        (isinstance(factor, Column) and factor.name == name)
        or (isinstance(factor, Expression) and name in factor.columns.values())
        for factor in terms.factors.values()
    )
    return Setting({name: Change(float(level))} if numeric else {}, levels)  # type: ignore[arg-type]


def _is_binary(values: FloatArray) -> bool:
    return bool(((values == 0) | (values == 1)).all()) and np.unique(values).size == 2


def setting_of(at: Mapping[str, object], sample: Sample) -> Setting:
    """Read the values at which all rows are put.

    Raises
    ------
    UnknownNameError
        If the regressors are made of no such variable.
    SpecificationError
        If a value is none of the variable.
    """
    terms, setting = sample.design.regressors, Setting()
    known = _known(terms, sample.names)
    for name, value in at.items():
        if known.get(name) not in ("number", "category"):
            choices = [n for n, kind in known.items() if kind != "regressor"]
            raise UnknownNameError(
                f"at names {name!r}, and no regressor is made of such a variable."
                f"{suggest(name, choices)}"
            )
        setting = _value(name, value, terms, known[name]).over(setting)
    return setting


def _value(name: str, value: object, terms: Terms, kind: str) -> Setting:
    if kind == "number":
        if isinstance(value, str) or not np.isscalar(value) or not np.isfinite(float(value)):  # type: ignore[arg-type]
            raise SpecificationError(f"at puts {name!r} at {shown(value)}, which is no number.")
        return Setting({name: Change(float(value))})  # type: ignore[arg-type]
    factors = {
        text: factor
        for text, factor in terms.factors.items()
        if isinstance(factor, Category) and name in (factor.source, text)
    }
    levels = list(next(iter(factors.values())).levels)
    if value not in levels:
        raise SpecificationError(
            f"at puts {name!r} at {shown(value)}, which is no level of it: {listing(levels)}."
        )
    return _at(value, factors, terms, name)
