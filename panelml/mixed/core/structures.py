"""How residuals of the same unit depend on each other: frozen values, and their shorthands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

from panelml.arguments import checked
from panelml.errors import SpecificationError, shown, suggest
from panelml.mixed.core.residual_forms import Kind

__all__ = [
    "AR1",
    "CAR1",
    "MA1",
    "Exchangeable",
    "Heteroskedastic",
    "ResidualLike",
    "ResidualStructure",
    "Toeplitz",
    "Unstructured",
    "parse",
]


@checked
@dataclass(frozen=True, slots=True)
class ResidualStructure:
    """Covariance of the residuals of a unit; one of the structures below.

    Parameters
    ----------
    time : str, optional
        Column with the time of rows; the panel's by default.
    by : str, optional
        Column, constant within units, whose levels have a correlation and a variance each.
    variance_by : str, optional
        Column whose levels have a residual variance each, with one correlation for all.
    group : str, optional
        Whose rows depend on each other, where the formula has no random term; the panel's unit by
        default.
    covariates : str or tuple of str
        Numeric columns in which the logarithm of the residual standard deviation is linear.

    Raises
    ------
    SpecificationError
        If both ``by`` and ``variance_by`` are given.

    Examples
    --------
    >>> import panelml as pm
    >>> isinstance(pm.residual.AR1(time="year"), pm.residual.ResidualStructure)
    True
    """

    kind: ClassVar[Kind] = "independent"
    words: ClassVar[str] = "independent"
    timed: ClassVar[bool] = True

    time: str | None = None
    by: str | None = None
    variance_by: str | None = None
    group: str | None = None
    covariates: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.by and self.variance_by:
            raise SpecificationError(
                "Residuals by groups of units already have a variance for each group: give 'by' "
                "or 'variance_by', not both."
            )

    @property
    def order(self) -> int | None:
        """Longest lag, where it is chosen."""
        return None

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Columns on which the variance depends."""
        given = self.covariates
        return (given,) if isinstance(given, str) else tuple(given)


@checked
@dataclass(frozen=True, slots=True)
class AR1(ResidualStructure):
    """First-order autoregression: residuals d periods apart have the correlation rho^d.

    Times are whole numbers; a gap counts.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union", residual=pm.residual.AR1()).fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.622, 'union': 0.085}
    """

    kind: ClassVar[Kind] = "ar1"
    words: ClassVar[str] = "AR(1)"


@checked
@dataclass(frozen=True, slots=True)
class CAR1(ResidualStructure):
    """Autoregression in continuous time: the correlation rho^d, rho positive, for any distance d.

    Source: Jones (1993), *Longitudinal Data with Serial Correlation*.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union", residual=pm.residual.CAR1()).fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.622, 'union': 0.085}
    """

    kind: ClassVar[Kind] = "car1"
    words: ClassVar[str] = "continuous-time AR(1)"


@checked
@dataclass(frozen=True, slots=True)
class MA1(ResidualStructure):
    """First-order moving average: residuals more than a period apart are independent.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union", residual=pm.residual.MA1()).fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.616, 'union': 0.123}
    """

    kind: ClassVar[Kind] = "ma1"
    words: ClassVar[str] = "MA(1)"


@checked
@dataclass(frozen=True, slots=True)
class Toeplitz(ResidualStructure):
    """Toeplitz form: a correlation for each lag up to ``order``, by default all, and none beyond.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union", residual=pm.residual.Toeplitz(2)).fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.615, 'union': 0.122}
    """

    kind: ClassVar[Kind] = "toeplitz"
    words: ClassVar[str] = "Toeplitz"

    lags: int | None = None

    def __init__(
        self,
        order: int | None = None,
        time: str | None = None,
        by: str | None = None,
        variance_by: str | None = None,
        group: str | None = None,
        covariates: str | tuple[str, ...] = (),
    ) -> None:
        for name, value in (
            ("time", time),
            ("by", by),
            ("variance_by", variance_by),
            ("group", group),
            ("covariates", covariates),
            ("lags", order),
        ):
            object.__setattr__(self, name, value)
        ResidualStructure.__post_init__(self)
        if order is not None and (not isinstance(order, int) or order < 1):
            raise SpecificationError(
                f"The order of a Toeplitz form is 1, 2, ..., not {shown(order)}."
            )

    @property
    def order(self) -> int | None:
        """Longest lag, where it is chosen."""
        return self.lags


@checked
@dataclass(frozen=True, slots=True)
class Unstructured(ResidualStructure):
    """Unstructured: a variance for each period and a correlation for each pair of periods.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union", residual=pm.residual.Unstructured()).fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.622, 'union': 0.089}
    """

    kind: ClassVar[Kind] = "unstructured"
    words: ClassVar[str] = "unstructured"

    def __post_init__(self) -> None:
        if self.variance_by or self.covariates:
            raise SpecificationError(
                "Unstructured residuals have a variance for each period: use 'by', not "
                "'variance_by' or 'covariates'."
            )


@checked
@dataclass(frozen=True, slots=True)
class Exchangeable(ResidualStructure):
    """Compound symmetry: the same correlation between any two residuals of a unit.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union", residual=pm.residual.Exchangeable()).fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.624, 'union': 0.102}
    """

    kind: ClassVar[Kind] = "exchangeable"
    words: ClassVar[str] = "exchangeable"
    timed: ClassVar[bool] = False


@checked
@dataclass(frozen=True, slots=True)
class Heteroskedastic(ResidualStructure):
    """Independent residuals whose variance differs by a column's levels or with covariates.

    Parameters
    ----------
    by : str, optional
        Column, of groups or of periods.
    group : str, optional
        As for the others.
    covariates : str or tuple of str
        Numeric columns in which the logarithm of the residual standard deviation is linear.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> by_race = pm.residual.Heteroskedastic(by="black")
    >>> fit = pm.MixedModel("lwage ~ union", residual=by_race).fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.608, 'union': 0.179}
    """

    kind: ClassVar[Kind] = "independent"
    words: ClassVar[str] = "heteroskedastic"
    timed: ClassVar[bool] = False

    def __init__(
        self,
        by: str | None = None,
        group: str | None = None,
        covariates: str | tuple[str, ...] = (),
    ) -> None:
        for name, value in (
            ("time", None),
            ("by", None),
            ("variance_by", by),
            ("group", group),
            ("covariates", covariates),
        ):
            object.__setattr__(self, name, value)
        if not (by or covariates):
            raise SpecificationError(
                "Say by what the residual variance differs: by='column' of groups or periods, or "
                "covariates='column' of numbers."
            )


_SHORTHANDS: dict[str, Callable[[str | None], ResidualStructure | None]] = {
    "independent": lambda _: None,
    "ar1": AR1,
    "car1": CAR1,
    "ma1": MA1,
    "toeplitz": lambda text: Toeplitz(_order(text)),
    "exchangeable": lambda _: Exchangeable(),
    "unstructured": Unstructured,
    "heteroskedastic": lambda text: Heteroskedastic(_column(text)),
}


@checked
def parse(residual: str | ResidualStructure | None) -> ResidualStructure | None:
    """Read ``"ar1"``, ``"ar1:year"``, ``"toeplitz:2"``, ``"heteroskedastic:sex"`` and the others.

    After the colon stands the column of time, the order of a Toeplitz form, or the column by which
    variances differ.

    Raises
    ------
    SpecificationError
        If there is no such structure.

    Examples
    --------
    >>> import panelml as pm
    >>> pm.residual.parse("ar1:year").time
    'year'
    """
    if residual is None or isinstance(residual, ResidualStructure):
        return residual
    name, _, text = str(residual).partition(":")
    if name not in _SHORTHANDS:
        raise SpecificationError(
            f"Unknown structure of residuals {shown(residual)}.{suggest(name, list(_SHORTHANDS))} "
            f"There are: {', '.join(_SHORTHANDS)}."
        )
    return _SHORTHANDS[name](text.strip() or None)


# A structure or its shorthand, read when a specification is made.
ResidualLike: TypeAlias = Annotated[str | ResidualStructure | None, parse]


def _order(text: str | None) -> int | None:
    if text is None or text.isdigit():
        return None if text is None else int(text)
    raise SpecificationError(f"The order of a Toeplitz form is a whole number, not {text!r}.")


def _column(text: str | None) -> str:
    if text is None:
        raise SpecificationError(
            "Name the column by which variances differ, as 'heteroskedastic:sex'."
        )
    return text
