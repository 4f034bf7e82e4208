"""Effects within and between units side by side, and the test that they are the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.augment import SplitMeans
from panelml.diagnostics.estimable import Directions, directions_of, estimable
from panelml.diagnostics.pairs import require_regression
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.inference.testing import TestResult
from panelml.results.base import Results
from panelml.results.show.formats import number, pvalue
from panelml.results.show.grid import Grid

__all__ = ["WithinBetween", "within_between"]


@dataclass(frozen=True, slots=True)
class WithinBetween:
    """Effects of the regressors that vary within and between units.

    Attributes
    ----------
    names : tuple of str
        The k regressors.
    within, between : FloatArray, shape (k,)
        Their effects.
    difference : FloatArray, shape (k,)
        Between less within: the contextual effects, of a unit's mean given its own value.
    std_errors : FloatArray, shape (k,)
        Of the differences.
    lower, upper : FloatArray, shape (k,)
        Confidence interval of the difference.
    pvalues : FloatArray, shape (k,)
        Of the hypothesis that the difference is zero, one regressor at a time.
    level : float
        Of the intervals.
    test : TestResult
        Of the hypothesis that all differences are zero.
    """

    names: tuple[str, ...]
    within: FloatArray
    between: FloatArray
    difference: FloatArray
    std_errors: FloatArray
    lower: FloatArray
    upper: FloatArray
    pvalues: FloatArray
    level: float
    test: TestResult

    def __str__(self) -> str:
        return f"{self.grid().text()}\n\n{self.test}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<div>{self.grid().html()}<br>{self.test._repr_html_()}</div>"

    def grid(self) -> Grid:
        """Return the cells as texts."""
        heads = (
            "",
            "Within",
            "Between",
            "Difference",
            "Std. error",
            f"{100 * self.level:g}% low",
            f"{100 * self.level:g}% high",
            "P",
        )
        columns = (
            self.within,
            self.between,
            self.difference,
            self.std_errors,
            self.lower,
            self.upper,
        )
        rows = tuple(
            (name, *(number(column[i]) for column in columns), pvalue(self.pvalues[i]))
            for i, name in enumerate(self.names)
        )
        return Grid(heads, (rows,))


@checked
def within_between(fit: Results, *, level: float = 0.95) -> WithinBetween:
    """Compare effects within units with effects between units.

    Parameters
    ----------
    fit : Results
        Of Hybrid, of Mundlak, or of any regression with ``within(x)`` and ``between(x)``, or with
        ``x`` and ``mean(x)``, among its parameters. Tests and intervals are those of its inference.
    level : float
        Of the confidence intervals.

    Raises
    ------
    SpecificationError
        If the fit has no such pair of parameters, or the level is not between 0 and 1.
    IdentificationError
        If no effect within units can be told from the one between them.

    Notes
    -----
    Compared are the differences that are estimable. A regressor that is collinear with others
    within units, as experience is with period dummies, has no effect of its own there.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Hybrid("lwage ~ union").fit(panel)
    >>> print(pm.within_between(fit))
            Within  Between  Difference  Std. error  95% low  95% high    P
    --------------------------------------------------------------------------
    union  0.07468   0.2528    0.1781     0.05269    0.07458   0.2816   0.0008
    <BLANKLINE>
    Test of within = between
      H0: effects within and between units are the same: union
      F(1, 544) = 11.4234, p = 0.0008
    """
    require_regression(fit)
    params: FloatArray = np.asarray(fit.params, dtype=np.float64)
    pairs = _pairs(fit)
    names, own, basis = pairs.names, pairs.own, pairs.basis
    rows = basis[: len(names)]
    difference = rows @ params
    inference = fit.inference.mapped(rows)
    lower, upper = inference.interval(level).T
    test = fit.wald_test(basis)
    null = f"effects within and between units are the same: {pairs.words}"
    return WithinBetween(
        names,
        params[own],
        params[own] + difference,
        difference,
        inference.errors,
        lower,
        upper,
        inference.pvalues,
        level,
        replace(
            test,
            name="Test of within = between",
            null=null,
            notes=(*test.notes, *pairs.notes),
        ),
    )


@dataclass(frozen=True, slots=True)
class EffectContrasts:
    """What of within and between effects a fit can tell apart.

    Attributes
    ----------
    names : tuple of str, length k
        Regressors whose two effects are compared one by one.
    own : list of int
        Places of the ones within units among the parameters.
    basis : FloatArray, shape (r, parameters)
        Between less within: of each regressor, then of combinations of collinear ones.
    words : str
        What is compared.
    notes : tuple of str
        What is not, and why.
    """

    names: tuple[str, ...]
    own: list[int]
    basis: FloatArray
    words: str
    notes: tuple[str, ...]


def _pairs(fit: Results) -> EffectContrasts:
    """Find regressors with both effects, and the differences of these that are estimable."""
    found = directions_of(fit)
    place = {name: j for j, name in enumerate(found.names)}
    centred = _centred_products(fit)
    names, own, other, sign, left_out = [], [], [], [], []
    for name in found.names:
        split = name.startswith("within(") and name.endswith(")")
        plain = name[len("within(") : -1] if split else name
        partner = f"between({plain})" if split else f"mean({plain})"
        if partner in place and plain in centred:
            left_out.append(plain)
        elif partner in place:
            names.append(plain)
            own.append(place[name])
            other.append(place[partner])
            sign.append(-1.0 if split else 0.0)
    if not names and left_out:
        raise IdentificationError(_centred_note(left_out))
    if not names:
        raise SpecificationError(
            f"{fit.model} has no effect both within and between units. Fit Hybrid or Mundlak."
        )
    basis, single = estimable(found.null[:, own], found.null[:, other])
    if not len(basis):
        raise IdentificationError(
            f"Within and between effects of {listing(names, most=8)} cannot be told apart: they do "
            "not vary between units, or are collinear with others within units."
        )
    at = {str(name): j for j, name in enumerate(fit.params.index)}
    contrasts = np.zeros((len(basis), len(at)))
    for column, i, j, times in zip(basis.T, own, other, sign, strict=True):
        for factor, place_ in ((times, i), (1.0, j)):
            if found.names[place_] in at:
                contrasts[:, at[found.names[place_]]] += factor * column
    alone = tuple(name for name, one in zip(names, single, strict=True) if one)
    own_places = [at[found.names[i]] for i, one in zip(own, single, strict=True) if one]
    words, notes = _words(names, alone, basis, found)
    if left_out:
        notes += (_centred_note(left_out),)
    return EffectContrasts(alone, own_places, contrasts, words, notes)


def _centred_products(fit: Results) -> tuple[str, ...]:
    """Find products of deviations, and what they are made of.

    The coefficient of a factor is its effect where the others are zero: at their unit means for
    deviations, and at zero for the means of products.
    """
    terms = fit.predictor.design.regressors
    splits = [step for step in fit.predictor.steps if isinstance(step, SplitMeans)]
    products = [
        set(terms.components[split.varying[place]])
        for split in splits
        for place, _ in split.products
    ]
    return tuple(
        name
        for name, factors in zip(terms.names, terms.components, strict=True)
        if any(set(factors) <= product for product in products)
    )


def _centred_note(names: list[str]) -> str:
    return (
        f"Not compared: {listing(names, most=8)}. In products of deviations their effects within "
        "units are those at unit means of the other factors, and between units those at zero. Fit "
        "Hybrid(..., interactions='demeaned') to compare them."
    )


def _words(
    names: list[str], alone: tuple[str, ...], basis: FloatArray, found: Directions
) -> tuple[str, tuple[str, ...]]:
    lost = [n for n in names if {f"between({n})", f"mean({n})"} & found.lost]
    tied = [name for name in names if name not in alone and name not in lost]
    notes: tuple[str, ...] = ()
    if lost:
        notes = (f"Not compared, for want of variation between units: {listing(lost, most=8)}.",)
    if tied:
        are = "They are" if len(tied) > 1 else "It is"
        notes += (
            f"Not compared one by one: {listing(tied, most=8)}. {are} collinear within units or "
            "between them, so that each coefficient depends on which of them is left out.",
        )
    combinations = len(basis) - len(alone)
    parts = list(alone)
    if combinations:
        count = f"{combinations} combination{'s' if combinations > 1 else ''}"
        parts.append(f"{count} of {listing(tied, most=8)}")
    return ", ".join(parts), notes
