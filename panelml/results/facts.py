"""Facts of a fit: what kind of model it is, which tests go by instead of its printed title."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal, TypeAlias

from panelml.core.links import IDENTITY, Link
from panelml.data.formula.formula import Effect
from panelml.errors import SpecificationError

__all__ = ["Assumption", "Facts", "Kind"]

Kind: TypeAlias = Literal[
    "pooled",
    "between",
    "differences",
    "fixed",
    "random",
    "mundlak",
    "hybrid",
    "mixed",
    "policy",
    "other",
]


class Assumption(IntEnum):
    """What a fit assumes of effects, beside independent errors of equal variance.

    Each assumption implies those before it. Of two fits with the same regressors, the one that
    assumes more is efficient where its assumption holds (Hausman 1978, *Econometrica* 46).
    """

    ANY_EFFECTS = 0
    UNRELATED_MEANS = 1
    RANDOM_UNITS = 2
    RANDOM_UNITS_AND_PERIODS = 3
    NO_EFFECTS = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """What other fits, tests and tables may know of a model.

    Attributes
    ----------
    kind : str
        The family of the estimator.
    name : str
        Of the estimator, for titles.
    details : tuple of str
        What tells this fit from others of the estimator, in words.
    absorbed : tuple of Effect
        Effects that were absorbed.
    random : tuple of tuple of str
        Columns whose levels have random intercepts.
    assumption : Assumption, or None
        Under which the fit is efficient among those that assume less; None for models that are
        not ranked so.
    link : Link
        From the index to the mean of the outcome.
    """

    kind: Kind
    name: str
    details: tuple[str, ...] = ()
    absorbed: tuple[Effect, ...] = ()
    random: tuple[tuple[str, ...], ...] = ()
    assumption: Assumption | None = None
    link: Link = IDENTITY

    @property
    def title(self) -> str:
        """The estimator with its details."""
        return ", ".join((self.name, *self.details))

    @property
    def absorbed_words(self) -> str:
        """The absorbed effects as a formula has them; empty without."""
        return " + ".join(map(str, self.absorbed))

    @property
    def intercepts(self) -> frozenset[tuple[str, ...]]:
        """Columns whose levels have intercepts in the model, absorbed or random."""
        absorbed = (effect.columns for effect in self.absorbed if effect.intercept)
        return frozenset((*absorbed, *self.random))

    def require_linear(self, test: str) -> None:
        """Refuse a fit whose mean is no linear function of the regressors.

        Parameters
        ----------
        test : str
            What looks at residuals of a linear regression.

        Raises
        ------
        SpecificationError
        """
        if self.link != IDENTITY:
            raise SpecificationError(
                f"{test} looks at the residuals of a linear regression, but {self.title} has the "
                f"{self.link.name} link."
            )

    def detailed(self, detail: str) -> Facts:
        """Return the facts of a fit with another detail."""
        return replace(self, details=(*self.details, detail))
