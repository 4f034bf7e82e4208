"""Two fits of the same outcome: what they share, and which of them is the efficient one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.arguments import checked_methods
from panelml.data.panel import Panel
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.results.base import Results

__all__ = ["Pair", "make_pair"]

Relation: TypeAlias = Literal["efficient", "independent", "unranked"]

# Later ones are efficient under assumptions that the earlier ones do without.
ORDER = ("Fixed effects", "Between", "Random effects", "Pooled OLS")


@checked_methods
@dataclass(frozen=True, slots=True)
class Pair:
    """Two fits and the coefficients they have in common.

    Attributes
    ----------
    first, second : Results
        The second is efficient where the relation is "efficient"; otherwise as they were given.
    names : tuple of str
        Coefficients that are compared.
    relation : {"efficient", "independent", "unranked"}
        Whether, with independent errors of equal variance, the second is efficient, the two are
        independent (within and between), or neither.
    """

    first: Results
    second: Results
    names: tuple[str, ...]
    relation: Relation

    def positions(self, fit: Results) -> IntArray:
        """Return the places of the common coefficients among a fit's parameters."""
        return np.array([fit.params.index.get_loc(name) for name in self.names])

    @property
    def gap(self) -> FloatArray:
        """First less second estimates, shape (k,)."""
        names = list(self.names)
        return np.asarray(
            self.first.params[names].to_numpy() - self.second.params[names].to_numpy()
        )

    def model_cov(self, fit: Results) -> FloatArray:
        """Return the covariance that a fit's model implies for the coefficients, (k, k)."""
        at = self.positions(fit)
        return fit.attached.estimate.iid_cov[np.ix_(at, at)]

    def bread(self, fit: Results) -> FloatArray:
        """Return a fit's inverse cross-products for the coefficients, (k, k)."""
        at = self.positions(fit)
        return fit.attached.estimate.rows.bread[np.ix_(at, at)]

    def error_variance(self, fit: Results) -> float:
        """Return the variance by which a fit's model scales its inverse cross-products."""
        return float(self.model_cov(fit)[0, 0] / self.bread(fit)[0, 0])

    @property
    def same_rows(self) -> bool:
        """Whether both fits use the same rows with the same weights."""
        a, b = (fit.attached.estimate.rows.sample for fit in (self.first, self.second))
        kept, other = (np.ones(s.panel.nobs, bool) if s.keep is None else s.keep for s in (a, b))
        return a.weights == b.weights and bool(np.array_equal(kept, other))

    @property
    def unshared(self) -> tuple[str, ...]:
        """Slopes that only one of the fits has."""
        names = [*self.first.params.index, *self.second.params.index]
        return tuple(
            name for name in dict.fromkeys(names) if name not in (*self.names, "Intercept")
        )


def make_pair(a: Results, b: Results) -> Pair:
    """Pair two fits.

    Raises
    ------
    SpecificationError
        If they explain different outcomes or come from different panels.
    IdentificationError
        If they have no slope in common.
    """
    if a.depvar != b.depvar:
        raise SpecificationError(
            f"The fits explain different outcomes, {a.depvar!r} and {b.depvar!r}."
        )
    if not _same_index(a.panel, b.panel):
        raise SpecificationError(
            "The fits come from different panels. Fit both on the same Panel object."
        )
    names = tuple(n for n in a.params.index if n in b.params.index and n != "Intercept")
    if not names:
        raise IdentificationError(
            f"The fits have no slope in common: {listing(a.params.index, most=8)} against "
            f"{listing(b.params.index, most=8)}."
        )
    first, second, relation = _rank(a, b)
    return Pair(first, second, names, relation)


def _same_index(a: Panel, b: Panel) -> bool:
    if a is b:
        return True
    return (a.unit, a.time, a.nobs) == (b.unit, b.time, b.nobs) and all(
        np.array_equal(getattr(a.index, part), getattr(b.index, part))
        for part in ("units", "times", "starts", "time")
    )


def _rank(a: Results, b: Results) -> tuple[Results, Results, Relation]:
    effects = {id(fit): frozenset(fit.counts.effects) for fit in (a, b)}
    for one, other in ((a, b), (b, a)):
        if {one.model, other.model} <= {"Fixed effects", "Pooled OLS"}:
            if effects[id(other)] < effects[id(one)]:
                return one, other, "efficient"
            continue
        absorbs_unit = one.model != "Fixed effects" or (one.panel.unit,) in effects[id(one)]
        if one.model not in ORDER or other.model not in ORDER or not absorbs_unit:
            continue
        if (one.model, other.model) == ("Fixed effects", "Between"):
            return one, other, "independent"
        if ORDER.index(one.model) < ORDER.index(other.model):
            return one, other, "efficient"
    return a, b, "unranked"
