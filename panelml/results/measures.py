"""Goodness of fit: the statistics that a model declares, in order, with their definitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from panelml.errors import MissingMeasureError, UnknownNameError, listing, suggest

__all__ = ["NO_MEASURES", "Measure", "Measures", "Place", "component", "measure"]

Place: TypeAlias = Literal["fit", "below", "none"]

_NONE = float("nan")


@dataclass(frozen=True, slots=True)
class Measure:
    """A fit statistic of a model.

    Attributes
    ----------
    key : str
        Name of the attribute, or of the entry in ``extras``.
    label : str
        In words, for tables.
    value : float
        Missing where the data do not define it, as a correlation with what does not vary.
    definition : str
    place : {"fit", "below", "none"}
        Where the summary shows it: beside the sizes, below the coefficients, or nowhere.
    compared : bool
        Whether tables of several models show it.
    """

    key: str
    label: str
    value: float
    definition: str
    place: Place = "below"
    compared: bool = True

    def valued(self, value: float) -> Measure:
        """Return the measure with another value."""
        return Measure(self.key, self.label, value, self.definition, self.place, self.compared)


@dataclass(frozen=True, slots=True)
class Measures(Mapping[str, Measure]):
    """The fit statistics of a model, by their keys.

    Attributes
    ----------
    declared : tuple of Measure
    """

    declared: tuple[Measure, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, float | None], defined: Iterable[Measure] = ()) -> Measures:
        """Declare values of measures.

        Parameters
        ----------
        values : dict of str to float
            What is None is not declared.
        defined : iterable of Measure
            Definitions of measures that other models do not have, whatever their values. Names
            that are defined neither here nor for all models say themselves what they are.
        """
        own = {known.key: known for known in defined}
        return cls(
            tuple(
                own[key].valued(value) if key in own else measure(key, value)
                for key, value in values.items()
                if value is not None
            )
        )

    def __getitem__(self, key: str) -> Measure:
        for known in self.declared:
            if known.key == key:
                return known
        raise UnknownNameError(f"No measure {key!r}.{suggest(key, self)}")

    def __iter__(self) -> Iterator[str]:
        return iter([known.key for known in self.declared])

    def __len__(self) -> int:
        return len(self.declared)

    def plus(self, further: Measures) -> Measures:
        """Return the measures with further ones last."""
        return Measures(self.declared + further.declared)

    def at(self, place: Place) -> tuple[Measure, ...]:
        """Return the measures that the summary shows in one place, in order."""
        return tuple(known for known in self.declared if known.place == place)

    def updated(self, values: Mapping[str, float]) -> Measures:
        """Return the measures with other values, further ones last."""
        kept = [known.valued(values.get(known.key, known.value)) for known in self.declared]
        new = [measure(key, value) for key, value in values.items() if key not in self]
        return Measures((*kept, *new))

    def number(self, key: str, model: str) -> float:
        """Return the value of a measure.

        Parameters
        ----------
        key : str
        model : str
            Name of the model, for the message.

        Raises
        ------
        MissingMeasureError
            If the model does not declare it.
        """
        if key in self:
            return self[key].value
        label = measure(key, 0.0).label.partition(",")[0]
        words = label if label.startswith("R-") else label[0].lower() + label[1:]
        known = f"it has {listing(self, most=12)}" if self else "it declares no measure of fit"
        raise MissingMeasureError(f"{model} has no {words}: {known}.")


NO_MEASURES = Measures()


def component(key: str, words: str, compared: bool = True) -> Measure:
    """Define a measure that stands below the coefficients, as a standard deviation of effects."""
    return Measure(key, f"{words} ({key})", _NONE, f"{words}.", "below", compared)


def measure(key: str, value: float) -> Measure:
    """Return a measure: one of all models with its definition, another as it is called."""
    known = _SHARED.get(key)
    return Measure(key, key, value, key) if known is None else known.valued(value)


_SHARED = {
    known.key: known
    for known in (
        Measure(
            "rsquared",
            "R-squared, regression",
            _NONE,
            "Of the regression that the estimator runs: overall for pooled and random effects, "
            "within for fixed effects, between for between.",
            "fit",
            False,
        ),
        Measure(
            "rsquared_within",
            "R-squared within",
            _NONE,
            "Squared correlation of xb and y within units; of fixed effects 1 - RSS/TSS after "
            "all of them are absorbed.",
            "fit",
        ),
        Measure(
            "rsquared_between",
            "R-squared between",
            _NONE,
            "Squared correlation of the unit means of xb and y.",
            "fit",
        ),
        Measure(
            "rsquared_overall",
            "R-squared overall",
            _NONE,
            "Squared correlation of xb and y over all rows.",
            "fit",
        ),
        Measure(
            "loglik",
            "Log-likelihood",
            _NONE,
            "Maximum of the normal (restricted) log-likelihood.",
            "fit",
            False,
        ),
        Measure(
            "rss",
            "Residual sum of squares",
            _NONE,
            "Of the transformed regression.",
            "none",
            False,
        ),
        Measure(
            "pseudo_rsquared",
            "Pseudo R-squared",
            _NONE,
            "1 - loglik / loglik of a constant alone (McFadden).",
            "fit",
        ),
        Measure("deviance", "Deviance", _NONE, "Twice what the log-likelihood lacks.", "fit"),
        Measure("aic", "AIC", _NONE, "2 parameters - 2 loglik (Akaike).", "fit"),
        Measure("bic", "BIC", _NONE, "log(nobs) parameters - 2 loglik (Schwarz).", "fit"),
        component("sigma", "Standard deviation of the errors", False),
        component("sigma_u", "Standard deviation of the unit effects"),
        component("sigma_e", "Standard deviation of the errors"),
        component("rho", "Share of the variance due to unit effects"),
    )
}
