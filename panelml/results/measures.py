"""Goodness of fit: the statistics that a model declares, in order, with their definitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from panelml.errors import MissingMeasureError, UnknownNameError, listing, suggest

__all__ = ["Measure", "Measures", "Place", "measure"]

Place: TypeAlias = Literal["fit", "below", "none"]


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


@dataclass(frozen=True, slots=True)
class Measures(Mapping[str, Measure]):
    """The fit statistics of a model, by their keys.

    Attributes
    ----------
    declared : tuple of Measure
    """

    declared: tuple[Measure, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, float | None]) -> Measures:
        """Declare values of known measures, and of others whose names say what they are.

        What is None is not declared.
        """
        return cls(tuple(measure(k, value) for k, value in values.items() if value is not None))

    def __getitem__(self, key: str) -> Measure:
        for known in self.declared:
            if known.key == key:
                return known
        raise UnknownNameError(f"No measure {key!r}.{suggest(key, self)}")

    def __iter__(self) -> Iterator[str]:
        return iter([known.key for known in self.declared])

    def __len__(self) -> int:
        return len(self.declared)

    def at(self, place: Place) -> tuple[Measure, ...]:
        """Return the measures that the summary shows in one place, in order."""
        return tuple(known for known in self.declared if known.place == place)

    def updated(self, values: Mapping[str, float]) -> Measures:
        """Return the measures with other values, further ones last."""
        kept = [replace(known, value=values.get(known.key, known.value)) for known in self.declared]
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


def measure(key: str, value: float) -> Measure:
    """Return a measure: of a known name with its label and definition, another as it is called."""
    known = _FIT.get(key)
    if known is not None:
        return replace(known, value=value)
    definition, compared = _BELOW.get(key, ("", True))
    label = f"{definition} ({key})" if definition else key
    return Measure(key, label, value, definition or key, "below", compared)


def _fit(measures: Iterable[Measure]) -> dict[str, Measure]:
    return {known.key: known for known in measures}


_NONE = float("nan")
_FIT = _fit(
    [
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
    ]
)

# What models report beyond the coefficients: in words, and whether it belongs in comparisons.
_BELOW: dict[str, tuple[str, bool]] = {
    "sigma": ("Standard deviation of the errors", False),
    "sigma_u": ("Standard deviation of the unit effects", True),
    "sigma_t": ("Standard deviation of the time effects", True),
    "sigma_e": ("Standard deviation of the errors", True),
    "rho": ("Share of the variance due to unit effects", True),
    "theta": ("Share of the unit means taken out", True),
    "theta_min": ("Share of the unit means taken out: smallest", False),
    "theta_median": ("Share of the unit means taken out: median", True),
    "theta_max": ("Share of the unit means taken out: largest", False),
    "corr_u_xb": ("Correlation of the unit effects with xb", False),
    "constant": ("Constant: mean of the effects", False),
    "rsquared_inclusive": ("R-squared with the effects", False),
}
