"""Two fits of the same outcome: what they share, and which of them is the efficient one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.data.panel.agreement import changed_variables, same_outcome, same_rows
from panelml.data.panel.grouping import ROW
from panelml.data.source.source import Source
from panelml.diagnostics.estimable import Directions, canonical, directions_of, estimable, recoded
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.inference.influence import Influence
from panelml.results.base import Results

__all__ = ["FitPair", "make_pair", "require_regression"]

Relation: TypeAlias = Literal["efficient", "independent", "unranked"]


@dataclass(frozen=True, slots=True)
class FitPair:
    """Two fits, and the functions of their common coefficients that both of them identify.

    Attributes
    ----------
    first, second : Results
        The second is efficient where the relation is "efficient"; otherwise as they were given.
    names : tuple of str, length k
        The regressors that both have, as the first fit names them.
    basis : FloatArray, shape (r, k)
        The functions of their coefficients that are compared: those that are estimable in both.
    single : tuple of str
        Coefficients that are compared one by one; they come first in the basis.
    relation : {"efficient", "independent", "unranked"}
        Whether, with independent errors of equal variance, the second is efficient, the two are
        independent (within and between), or neither.
    notes : tuple of str
        What is not compared, and why.
    """

    first: Results
    second: Results
    names: tuple[str, ...]
    basis: FloatArray
    single: tuple[str, ...]
    relation: Relation
    notes: tuple[str, ...]

    def functions(self, fit: Results) -> FloatArray:
        """Return the compared functions of a fit's parameters, shape (r, parameters)."""
        place = {canonical(name): j for j, name in enumerate(fit.params.index)}
        found = np.zeros((len(self.basis), len(fit.params)))
        for column, name in zip(self.basis.T, self.names, strict=True):
            # A collinear regressor that was dropped counts as zero: estimable functions allow it.
            if canonical(name) in place:
                found[:, place[canonical(name)]] = column
        return found

    @property
    def gap(self) -> FloatArray:
        """First less second estimates, shape (r,)."""
        first, second = (
            self.functions(fit) @ fit.params.to_numpy() for fit in (self.first, self.second)
        )
        return np.asarray(first - second)

    def model_cov(self, fit: Results) -> FloatArray:
        """Return the covariance that a fit's model implies for the functions, (r, r)."""
        functions = self.functions(fit)
        return functions @ fit.attached.estimate.iid_cov @ functions.T

    def bread(self, fit: Results) -> FloatArray:
        """Return a fit's inverse cross-products for the functions, (r, r)."""
        functions = self.functions(fit)
        return functions @ fit.attached.estimate.rows.bread @ functions.T

    def error_variance(self, fit: Results) -> float:
        """Return the variance by which a fit's model scales its inverse cross-products.

        It is one where units count as a whole: likelihoods have no scale beside their own.
        """
        if not isinstance(fit.attached.estimate.influence, Influence):
            return 1.0
        return float(self.model_cov(fit)[0, 0] / self.bread(fit)[0, 0])

    @property
    def titles(self) -> tuple[str, str]:
        """Names of the two fits; with what they absorb, where the models are of one kind."""
        fits = (self.first, self.second)
        alike = self.first.facts.kind == self.second.facts.kind
        if not alike or not all(fit.facts.absorbed for fit in fits):
            return self.first.model, self.second.model
        first, second = (f"{fit.model} of {fit.effects_absorbed}" for fit in fits)
        return first, second

    @property
    def same_rows(self) -> bool:
        """Whether both fits use the same rows with the same weights."""
        return same_rows(
            *(fit.attached.estimate.influence.sample for fit in (self.first, self.second))
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what is compared, one for each row of the basis."""
        others = len(self.basis) - len(self.single)
        return (*self.single, *(f"combination {i + 1}" for i in range(others)))

    @property
    def words(self) -> str:
        """What is compared."""
        combinations = len(self.basis) - len(self.single)
        if not combinations:
            return listing(self.single, most=12)
        tied = [name for name in self.names if name not in self.single]
        count = f"{combinations} combination{'s' if combinations > 1 else ''}"
        own = [listing(self.single, most=12)] if self.single else []
        return " and ".join([*own, f"{count} of {listing(tied, most=8)}"])


def make_pair(a: Results, b: Results) -> FitPair:
    """Pair two fits.

    Raises
    ------
    SpecificationError
        If one is no regression, or they explain different outcomes, come from different panels,
        or from data in which a variable of both has other values.
    IdentificationError
        If they have no slope in common that both identify.
    """
    for fit in (a, b):
        require_regression(fit)
    if a.depvar != b.depvar:
        raise SpecificationError(
            f"The fits explain different outcomes, {a.depvar!r} and {b.depvar!r}."
        )
    one, other = (fit.attached.estimate.influence.sample for fit in (a, b))
    if not _same_index(one.source, other.source):
        largest = (
            ""
            if ROW not in (one.source.time, other.source.time)
            else (", whose unit is the grouping factor with most levels")
        )
        raise SpecificationError(
            f"The fits come from different panels. Fit both on the same Panel object{largest}."
        )
    if not same_outcome(one, other):
        raise SpecificationError(
            f"The fits explain different outcomes: the values of {a.depvar!r} differ between the "
            "data they were fitted to. Fit both on the same Panel object."
        )
    changed = changed_variables(one, other)
    if changed:
        raise SpecificationError(
            f"The data that the fits were fitted to differ in {listing(changed, most=8)}, so that "
            "coefficients of the same name do not mean the same. Fit both on the same Panel object."
        )
    if a.facts.link != b.facts.link:
        words = " and ".join(f"{fit.model} has the {fit.facts.link.name} link" for fit in (a, b))
        raise SpecificationError(
            f"The coefficients are on different scales: {words}. Compare fits with the same link."
        )
    first, second, relation = _rank(a, b)
    return _compare(first, second, relation)


def require_regression(fit: object) -> None:
    """Refuse results that are no regression on the rows of a panel.

    Raises
    ------
    SpecificationError
        Saying what to compare instead.
    """
    if not isinstance(fit, Results):
        name = getattr(fit, "model", type(fit).__name__)
        raise SpecificationError(
            f"Coefficients of regressors are compared, and {name} has none: it estimates effects "
            "of a treatment. Fit regressions of the outcome, as FixedEffects with the treatment "
            "among its regressors."
        )


def _compare(first: Results, second: Results, relation: Relation) -> FitPair:
    """Find the functions of common coefficients that both fits identify."""
    fits = (first, second)
    found = [directions_of(fit) for fit in fits]
    known = [
        {canonical(name): j for j, name in enumerate(each.names) if name not in each.lost}
        for each in found
    ]
    designs = [fit.attached.estimate.influence.sample.design.regressors for fit in fits]
    changed = recoded(*designs)
    names = tuple(
        name
        for name in found[0].names
        if canonical(name) in known[0].keys() & known[1].keys() - changed
    )
    basis, single = np.zeros((0, len(names))), np.zeros(len(names), dtype=bool)
    if names:
        nulls = [
            each.null[:, [place[canonical(name)] for name in names]]
            for each, place in zip(found, known, strict=True)
        ]
        basis, single = estimable(*nulls)
    alone = tuple(name for name, own in zip(names, single, strict=True) if own)
    notes = _not_compared(fits, found, names, alone, changed)
    if not len(basis):
        raise IdentificationError(
            f"The fits have no slope in common: {listing(first.params.index, most=8)} against "
            f"{listing(second.params.index, most=8)}."
            + "".join(f" {note}" for note in notes if names or changed)
        )
    return FitPair(first, second, names, basis, alone, relation, notes)


def _not_compared(
    fits: tuple[Results, Results],
    found: list[Directions],
    names: tuple[str, ...],
    single: tuple[str, ...],
    changed: frozenset[str],
) -> tuple[str, ...]:
    """Say which coefficients are not compared, and why."""
    notes = []
    for fit, each in zip(fits, found, strict=True):
        tied = [name for name in names if name in each.tied and name not in single]
        if tied:
            are = "They are" if len(tied) > 1 else "It is"
            notes.append(
                f"Not compared one by one: {listing(tied, most=12)}. {are} collinear in "
                f"{fit.model}, so that each coefficient depends on which of them is left out; only "
                "combinations that do not are compared."
            )
    every = [name for each in found for name in each.names]
    shared = {canonical(name) for name in names}
    if changed:
        words = [name for name in dict.fromkeys(every) if canonical(name) in changed]
        notes.append(
            f"Not compared, as levels are missing from one of the samples and coefficients refer "
            f"to another level: {listing(words, most=8)}."
        )
    alone = [n for n in dict.fromkeys(every) if canonical(n) not in shared | changed]
    if alone:
        notes.append(f"Not compared, in one fit only: {listing(alone, most=8)}.")
    return tuple(notes)


def _same_index(a: Source, b: Source) -> bool:
    if a is b:
        return True
    if (a.unit, a.time, a.nobs) != (b.unit, b.time, b.nobs):
        return False
    alike = all(
        np.array_equal(getattr(a.index, part), getattr(b.index, part))
        for part in ("units", "times", "starts")
    )
    return alike and np.array_equal(a.codes((a.time,)), b.codes((b.time,)))


def _absorbs(one: Results, other: Results) -> bool:
    """Whether one fit absorbs all effects that the other does."""
    return all(
        any(
            larger.columns == effect.columns
            and set(effect.slopes) <= set(larger.slopes)
            and effect.intercept <= larger.intercept
            for larger in one.facts.absorbed
        )
        for effect in other.facts.absorbed
    )


def _rank(a: Results, b: Results) -> tuple[Results, Results, Relation]:
    for one, other in ((a, b), (b, a)):
        kinds = one.facts.kind, other.facts.kind
        if set(kinds) <= {"fixed", "pooled"}:
            if _absorbs(one, other) and not _absorbs(other, one):
                return one, other, "efficient"
            continue
        less, more = one.facts.assumption, other.facts.assumption
        needed = {(one.predictor.unit,)} | other.facts.intercepts
        comparable = kinds[0] != "fixed" or needed <= one.facts.intercepts
        if less is None or more is None or not comparable:
            continue
        if kinds == ("fixed", "between"):
            return one, other, "independent"
        if less < more:
            return one, other, "efficient"
    return a, b, "unranked"
