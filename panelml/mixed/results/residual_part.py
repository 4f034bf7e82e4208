"""The covariance of residuals within units, in the user's terms, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.data.panel.panel import Panel
from panelml.data.sample import Sample
from panelml.errors import SpecificationError
from panelml.inference.distributions import normal_critical
from panelml.mixed.core.optimum import free_entries
from panelml.mixed.core.whitening import Ranks, RowFacts, Whitening
from panelml.mixed.core.working_columns import WorkingColumns
from panelml.mixed.fit.residual_fit import ResidualFit
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.component_errors import ComponentErrors, component_errors
from panelml.results.prediction import sample_values

__all__ = ["ResidualPart", "require_independent", "residual_table", "residual_variances"]

STEP = 1e-4
# More numbers than this are a table of their own, and not in the summary.
MOST_SHOWN = 10


@checked_methods
@dataclass(frozen=True, slots=True)
class ResidualPart(ResidualFit):
    """The estimated covariance of residuals, in words and tables; attributes as fitted."""

    @classmethod
    def of(cls, fit: ResidualFit) -> ResidualPart:
        """Take over what was fitted."""
        return cls(*(getattr(fit, field.name) for field in fields(fit)))

    @property
    def words(self) -> str:
        """The structure in words, as ``AR(1) residuals by sex``."""
        s = self.structure
        over = ", ".join(filter(None, [s.by or s.variance_by, *s.covariate_names]))
        varies = "by" if s.by or s.kind == "independent" else "variance by"
        return f"{s.words} residuals" + (f", {varies} {over}" if over else "")

    def table(self, level: float) -> pd.DataFrame:
        """Standard deviations and correlations with standard errors and intervals.

        Standard errors are by the delta method from the joint observed information; intervals are
        symmetric for the logarithm of standard deviations and for Fisher's transformation of
        correlations, and for slopes of the logarithm (``log_sd``).
        """
        names, values, errors = self._estimates()
        labels, natural, slope = _natural(names)
        half = normal_critical(level) * errors
        return labels.assign(
            estimate=natural(values),
            std_error=slope(values) * errors,
            conf_low=natural(values - half),
            conf_high=natural(values + half),
        )

    def extras(self) -> dict[str, float]:
        """Estimates by readable names, where they are few."""
        return self.extras_at(self.optimum.mixed.criterion.sigma2, self.optimum.theta)

    def extras_at(self, sigma2: float, theta: FloatArray) -> dict[str, float]:
        """Return the same numbers for other values of the residuals' parameters."""
        names, values = zip(*self._quantities(np.append(np.log(sigma2) / 2, theta)), strict=True)
        if len(names) > MOST_SHOWN:
            return {}
        table, natural, _ = _natural(names)
        table = table.assign(estimate=natural(np.array(values)))
        named = {}
        for name, group, first, second, value in table.itertuples(index=False):
            inside = ", ".join(text for text in ("residual", first, second) if text)
            named[f"{name}({inside}{f' | {group}' if group else ''})"] = float(value)
        if len(self.levels) > 1 or self.covariates or self.form.kind == "unstructured":
            return named
        return {name: value for name, value in named.items() if not name.startswith("sd(")}

    def notes(self) -> tuple[str, ...]:
        """What the residual variance is, where there are several."""
        first = self.periods[0] if self.form.kind == "unstructured" else ""
        of = [text for text in (first, self.levels[0]) if text]
        if self.covariates:
            of.append(f"the mean of {', '.join(name for name, _, _ in self.covariates)}")
        if not of:
            return ()
        return (
            f"The residual variance is that of {' and '.join(of)}; residual_structure() has the "
            "others.",
        )

    def row_variances(self, fitted: Whitening, rows: Sample) -> FloatArray:
        """Variances of the residuals of rows over the residual variance, in the user's order.

        Of any panel that has the columns; missing where a row has a level that was not fitted.
        """
        facts, panel = fitted.facts, rows.panel
        other = RowFacts(
            None,
            _numbered(panel, facts.period, self.periods),
            _numbered(panel, facts.level, self.levels),
            _numbered(panel, facts.stratum, self.strata),
            facts.covariates,
        )
        keys = ((r.key,) for r in (facts.period, facts.level, facts.stratum) if r is not None)
        names = tuple(name for name, _, _ in facts.covariates)
        carried = replace(rows.with_keys(*keys), slopes=names)
        return sample_values(carried, lambda block: fitted.variances(other.of(block)))

    def component_errors(self, columns: WorkingColumns) -> ComponentErrors:
        """Sampling covariance of the variance components."""
        free = free_entries(columns.structure)
        return component_errors(self.optimum.component_cov, free, columns.random_back)

    def _estimates(self) -> tuple[list[tuple[str, str, str, str]], FloatArray, FloatArray]:
        """Names, values on scales without bounds, and their standard errors."""
        optimum = self.optimum
        centre = np.append(np.log(optimum.mixed.criterion.sigma2) / 2, optimum.theta)
        names, values = zip(*self._quantities(centre), strict=True)
        slopes = []
        for j in range(centre.size):
            move = STEP * np.eye(1, centre.size, j)[0]
            ends = [
                np.array([v for _, v in self._quantities(centre + sign * move)]) for sign in (1, -1)
            ]
            slopes.append((ends[0] - ends[1]) / (2 * STEP))
        jacobian = np.array(slopes).T
        variance = np.einsum("ij,jk,ik->i", jacobian, optimum.joint_cov, jacobian)
        return list(names), np.array(values), np.sqrt(np.maximum(variance, 0.0))

    def _quantities(self, x: FloatArray) -> Iterator[tuple[tuple[str, str, str, str], float]]:
        """Yield name, group, first and second place, and the value on its scale."""
        log_sigma, theta = float(x[0]), x[1:]
        if self.form.kind == "unstructured":
            yield from self._unstructured(log_sigma, theta)
            return
        for level, ratio in zip(self.levels, self.form.ratios(theta), strict=True):
            yield ("sd", level, "", ""), log_sigma + float(np.log(ratio))
        for (name, _, size), slope in zip(self.covariates, self.form.slopes(theta), strict=True):
            yield ("log_sd", "", name, ""), float(slope) / size
        for label, stratum in zip(self.strata, self.form.strata_of(theta), strict=True):
            if self.form.kind == "car1":
                rate = float(np.exp(stratum[0])) / self.form.scale
                yield ("rate", label, "", ""), float(np.log(rate))
                yield ("corr", label, "distance 1", ""), float(np.arctanh(np.exp(-rate)))
                continue
            for lag, value in enumerate(stratum, start=1):
                place = {"exchangeable": "", "ma1": "coefficient"}.get(self.form.kind, f"lag {lag}")
                yield ("ma" if place == "coefficient" else "corr", label, place, ""), float(value)
            if self.form.kind == "ma1":
                psi = np.tanh(stratum[0])
                yield ("corr", label, "lag 1", ""), float(np.arctanh(psi / (1 + psi**2)))

    def _unstructured(
        self, log_sigma: float, theta: FloatArray
    ) -> Iterator[tuple[tuple[str, str, str, str], float]]:
        ratios, t = self.form.ratios(theta), len(self.periods)
        for label, root, place in zip(
            self.strata, self.form.roots(theta), range(len(self.strata)), strict=True
        ):
            cov = root @ root.T
            extra = float(np.log(ratios[place])) if len(ratios) > 1 else 0.0
            for a in range(t):
                value = log_sigma + extra + float(np.log(cov[a, a])) / 2
                yield ("sd", label, self.periods[a], ""), value
            for b in range(t):
                for a in range(b):
                    r = cov[a, b] / np.sqrt(cov[a, a] * cov[b, b])
                    yield ("corr", label, self.periods[a], self.periods[b]), float(np.arctanh(r))


def _numbered(panel: Panel, fitted: Ranks | None, known: tuple[str, ...]) -> Ranks | None:
    """Number the levels of another panel as those that were fitted; -1 where they were not."""
    if fitted is None:
        return None
    place = {label: number for number, label in enumerate(known)}
    labels = np.asarray(panel.labels((fitted.key,)))
    number = [place.get(str(label), -1) for label in labels]
    return Ranks(fitted.key, np.array(number, dtype=np.int64))


def _natural(
    names: Sequence[tuple[str, str, str, str]],
) -> tuple[pd.DataFrame, Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
    """Labels, the way from scales without bounds to the user's, and its derivative."""
    labels = pd.DataFrame(list(names), columns=["parameter", "group", "first", "second"])
    positive = labels["parameter"].isin(["sd", "rate"]).to_numpy(bool)
    plain = (labels["parameter"] == "log_sd").to_numpy(bool)

    def natural(x: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            bounded = np.where(positive, np.exp(np.where(positive, x, 0.0)), np.tanh(x))
        return np.where(plain, x, bounded)

    def slope(x: FloatArray) -> FloatArray:
        value = natural(x)
        return np.where(plain, 1.0, np.where(positive, value, 1 - value**2))

    return labels, natural, slope


def residual_table(part: ResidualPart | None, level: float) -> pd.DataFrame:
    """Standard deviations and correlations of residuals.

    Returns
    -------
    DataFrame
        ``parameter`` is sd, corr, ma (coefficient of a moving average), rate (of decay) or log_sd
        (slope of the logarithm of the standard deviation in the covariate ``first``); ``group``
        the level of ``by``; ``first`` and ``second`` the lag or the periods. With
        standard errors by the joint observed information, and intervals on the scales of the
        logarithm and of Fisher's transformation.

    Raises
    ------
    SpecificationError
        If the residuals are independent with one variance.
    """
    if part is None:
        raise SpecificationError(
            "The residuals are independent with one variance, which variance() has. Give a "
            "structure, as MixedModel(..., residual='ar1')."
        )
    return part.table(level)


def residual_variances(
    coefficients: RandomCoefficients, residual: ResidualPart | None, rows: Sample
) -> FloatArray:
    """Variance of the residual of each row of a sample, in the user's order."""
    whitening = coefficients.prediction.basis.whitening
    if residual is None or whitening is None:
        return np.full(rows.panel.nobs, coefficients.sigma2)
    return coefficients.sigma2 * residual.row_variances(whitening, rows)


def require_independent(residual: ResidualPart | None, what: str) -> None:
    """Refuse a structure of the residuals, by which their variance is not one number.

    Raises
    ------
    SpecificationError
        Naming the structure.
    """
    if residual is not None:
        raise SpecificationError(
            f"{what} needs independent residuals of one variance, but the fit has {residual.words}."
        )
