"""Average marginal effects of the variables behind a model's regressors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from panelml._typing import FloatArray, IntArray
from panelml.arguments import checked
from panelml.core.block import Block
from panelml.core.links import IDENTITY
from panelml.core.row_values import RowValues
from panelml.data.sample import Sample
from panelml.engine.fold import capped, fold
from panelml.engine.varying import VariedRows
from panelml.errors import (
    IdentificationError,
    SpecificationError,
    UnknownNameError,
    listing,
    suggest,
)
from panelml.inference.covariance import CovLike, estimate_covariance
from panelml.inference.estimate import Estimate
from panelml.inference.wald import Wald
from panelml.results.base import Results
from panelml.results.fitted import Attached, named
from panelml.results.marginal.effects import (
    AverageEffects,
    EffectRows,
    MarginalEffects,
    effect_estimate,
)
from panelml.results.marginal.mean import FitMean
from panelml.results.marginal.sums import EffectRule
from panelml.results.marginal.variables import VariableContrast, contrasts_of, setting_of
from panelml.results.measures import NO_MEASURES
from panelml.results.show.frames import label_frame
from panelml.results.unit_means import UnitMeans

__all__ = ["slopes"]


@checked
@capped
def slopes(
    fit: Results,
    variables: str | Sequence[str] | None = None,
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, object] | None = None,
    type: Literal["response", "link", "censored"] = "response",  # noqa: A002
    covariates: Literal["fixed", "sampled"] = "fixed",
    cov: CovLike | None = None,
) -> MarginalEffects:
    """Average marginal effects: what a change of each variable does to the mean of the outcome.

    The derivative of the mean by a variable is averaged over the rows of the estimation sample,
    by the weights of the fit. For a variable that is 0 or 1, and for a category, it is the
    difference that the value makes. Interactions, powers and logarithms in the formula are
    followed: the variable is changed in the data, and the formula evaluated again.

    Parameters
    ----------
    fit : Results
        Of any estimator of one outcome.
    variables : str or sequence of str, optional
        Columns, categories as they stand in the formula, or single regressors as ``"L(x)"`` and
        ``"mean(x)"``. By default every column and category, and each regressor of lags or unit
        means.
    by : str or sequence of str, optional
        Columns for whose values averages are taken separately.
    at : mapping of str to value, optional
        Values of variables that all rows are given first.
    type : {"response", "link", "censored"}
        Effects on the mean, for ordered outcomes on the probability of each category; on the
        probability of being at a limit, for Tobit models; or on the linear index: log odds for the
        logit link; for the log link semi-elasticities, the change of the logarithm of the mean.
    covariates : {"fixed", "sampled"}
        Whether the rows are taken as given, which is the delta method, or as a sample too, as
        ``vce(unconditional)`` in Stata has it: then the deviations of their effects from the
        average add to the standard errors.
    cov : str or covariance, optional
        By default the one in use for the fit.

    Returns
    -------
    MarginalEffects
        Results with a parameter for each effect, and the covariance of the fit.

    Raises
    ------
    UnknownNameError
        If there is no such variable, or column.
    SpecificationError
        If the mean has no derivative in a row, or effects on it are not known.
    IdentificationError
        If no effect is left.
    DetachedResultError
        If the fit was pickled.

    Notes
    -----
    Unit means and lags of a variable stay what they are when a row of it changes. Source: Bartus
    (2005), *Stata Journal* 5, 309-329; for the sample part Wooldridge (2010), *Econometric
    Analysis of Cross Section and Panel Data*, problem 12.17.

    Examples
    --------
    >>> import panelml as pm
    >>> patents = pm.datasets.load("patents_rd")
    >>> firms = pm.Panel(patents, unit="fi", time="year")
    >>> fit = pm.Poisson("patent ~ rdexp * spil").fit(firms)
    >>> print(pm.slopes(fit).params.round(2).to_dict())
    {'rdexp': 49.18, 'spil': -5.4}
    """
    mean = FitMean.of(fit, type)
    sample = _steady(fit.attached.estimate.influence.sample)
    found = contrasts_of(sample, [variables] if isinstance(variables, str) else variables)
    if not found:
        raise IdentificationError(f"{fit.model} has no regressor, and so no marginal effect.")
    keys = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    sample, codes, notes = _grouped(sample, keys)
    setting = setting_of(at or {}, sample)
    rows = VariedRows(sample, setting, tuple(v.contrast for v in found))
    found, lost = _told(found, fit, mean, rows)
    rows = replace(rows, contrasts=tuple(v.contrast for v in found))
    rule = EffectRule(mean.response, mean.auxiliary, fit.predictor.coef, mean.index, rows.contrasts)
    notes = (*lost, *notes)
    effects = EffectRows(rows, rule, keys, codes)
    labels = _labels(found, mean.response.quantities, keys, codes, sample)
    return _assembled(fit, mean, effects, _Request(labels, covariates == "sampled", cov, notes, at))


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked for: labels, inference, notes, and values of variables."""

    labels: pd.DataFrame
    sampled: bool
    cov: CovLike | None
    notes: tuple[str, ...]
    at: Mapping[str, object] | None


def _steady(sample: Sample) -> Sample:
    """Return the sample with its unit means known, so that they stay when rows change."""
    means = UnitMeans.of(sample)
    units = sample.unit_labels
    known = means.of_calls(sample.source.index.units) if means.calls else None
    return replace(sample, known=known, steps=means.of_steps(sample.steps, units))


def _grouped(sample: Sample, keys: tuple[str, ...]) -> tuple[Sample, IntArray, tuple[str, ...]]:
    """Find the groups of rows, which the sample then carries."""
    if not keys:
        return sample, np.zeros(1, dtype=np.int64), ()
    for name in keys:
        if name not in sample.source.columns:
            raise UnknownNameError(
                f"No column {name!r} to average by.{suggest(name, sample.source.columns)}"
            )
    codes = sample.codes(keys)
    groups = np.unique(codes[codes >= 0])
    if not groups.size:
        raise SpecificationError(f"{' and '.join(keys)} is missing in every row.")
    missing = int((codes < 0).sum())
    words = f"{missing:,} rows have no value of {' and '.join(keys)} and are in no group."
    return sample.with_keys(keys), groups, (words,) if missing else ()


def _told(
    found: tuple[VariableContrast, ...], fit: Results, mean: FitMean, rows: VariedRows
) -> tuple[tuple[VariableContrast, ...], tuple[str, ...]]:
    """Leave out variables whose regressors were dropped, so that nothing is known of them.

    Raises
    ------
    IdentificationError
        If none is left.
    """
    k, estimated = fit.predictor.coef.size, mean.slopes[1:].any(axis=1)

    def moves(block: Block) -> RowValues:
        moved, first = [], 1 + 2 * k
        for contrast in rows.contrasts:
            part = block.z[first : first + contrast.width(k)]
            first += contrast.width(k)
            change = part if contrast.rate else part[k:] - part[:k]
            moved.append(float((change[estimated] != 0).any()))
        return RowValues(np.array(moved)[:, None])

    values: FloatArray = fold(rows, moves).values
    known = [bool(told) for told in values.max(axis=1)]
    lost = [v.name for v, told in zip(found, known, strict=True) if not told]
    if not lost:
        return found, ()
    words = (
        f"No effect of {listing(lost, most=8)}: no regressor that was kept moves with it, or the "
        "formula is flat in every row"
    )
    if not any(known):
        raise IdentificationError(f"{words}, and there is no other variable.")
    return tuple(v for v, told in zip(found, known, strict=True) if told), (f"{words}.",)


def _labels(
    found: tuple[VariableContrast, ...],
    quantities: tuple[str, ...],
    keys: tuple[str, ...],
    codes: IntArray,
    sample: Sample,
) -> pd.DataFrame:
    """Name every effect: of each contrast, each quantity, each group."""
    groups = [""]
    if keys:
        groups = [str(sample.source.labels(keys)[code]) for code in codes]
    rows = [(v, quantity, group) for v in found for quantity in quantities for group in groups]
    names = [
        (f"{quantity}: " if quantity else "")
        + v.name
        + (f" | {'^'.join(keys)}={group}" if keys else "")
        for v, quantity, group in rows
    ]
    columns = {
        "variable": [v.variable for v, _, _ in rows],
        "contrast": [v.words for v, _, _ in rows],
    }
    if quantities != ("",):
        columns["outcome"] = [quantity for _, quantity, _ in rows]
    if keys:
        columns["^".join(keys)] = [group for _, _, group in rows]
    return label_frame(names, columns)


def _assembled(
    fit: Results, mean: FitMean, effects: EffectRows, request: _Request
) -> MarginalEffects:
    """Average effects, and put results together."""
    sums = effects.sums()
    averages = AverageEffects.of(sums, mean)
    _require_finite(averages.value, request.labels, fit)
    added = projection = None
    if request.sampled:
        added = effects.deviations(averages.value, sums.weight)
    if mean.absorbed is not None:
        projection = mean.absorbed.projected(effects.rows.sample, effects.through(sums.weight))
    estimate = effect_estimate(
        tuple(map(str, request.labels.index)),
        fit.attached.estimate,
        averages,
        added,
        projection,
        mean.slopes,
    )
    inference = _inferred(
        fit, averages, estimate, request.cov, by_rows=added is not None or projection is not None
    )
    counts = fit.counts
    facts = replace(fit.facts, kind="other", details=(), assumption=None, link=IDENTITY)
    return MarginalEffects(
        facts=replace(facts, name=f"Average marginal effects, {fit.model}"),
        spec=fit.spec,
        params=named(averages.value, estimate.names, "param"),
        inference=inference,
        counts=replace(counts, slopes=counts.slopes + counts.constant, constant=False),
        statistics=replace(fit.statistics, measures=NO_MEASURES),
        predictor=fit.predictor,
        depvar=fit.depvar,
        formula=fit.formula,
        weights=fit.weights,
        fit_notes=(*_words(effects, request), *fit.fit_notes),
        _attached=Attached(estimate, None),
        labels=request.labels,
    )


def _inferred(
    fit: Results,
    averages: AverageEffects,
    estimate: Estimate,
    cov: CovLike | None,
    *,
    by_rows: bool,
) -> Wald:
    """Infer by a covariance, or by the one in use; ``by_rows`` if parameters are not enough."""
    cov = _cov_in_use(fit) if cov is None else cov
    if cov is not None:
        return Wald(averages.value, estimate_covariance(cov, estimate))
    if not by_rows:
        return _mapped(fit, averages)
    raise SpecificationError(
        "These standard errors go back to the rows, and the covariance in use is not that of the "
        "specification. Say which it is: cov='cluster'."
    )


def _mapped(fit: Results, averages: AverageEffects) -> Wald:
    """Carry the inference in use over to the averages: the delta method."""
    mapped = fit.inference.mapped(averages.jacobian)
    if not isinstance(mapped, Wald):
        raise SpecificationError(
            "Standard errors of marginal effects come from a covariance, which this inference has "
            "not. Give one: cov='cluster'."
        )
    return replace(mapped, estimates=averages.value)


def _cov_in_use(fit: Results) -> CovLike | None:
    """Return the covariance of the specification if it is the one in use, else None.

    Of the rows it keeps digits that a covariance of constant and slopes far from zero has not.
    """
    cov: CovLike | None = getattr(fit.spec, "cov", None)
    if cov is None or not isinstance(fit.inference, Wald):
        return None
    known = estimate_covariance(cov, fit.attached.estimate)
    return cov if np.array_equal(known.matrix, fit.covariance.matrix, equal_nan=True) else None


def _require_finite(values: FloatArray, labels: pd.DataFrame, fit: Results) -> None:
    """Refuse effects that some row does not have."""
    names = [str(name) for name, value in zip(labels.index, values, strict=True) if np.isnan(value)]
    if names:
        raise SpecificationError(
            f"The index of {fit.model} has no derivative in some row by {listing(names)}: its "
            "formula has no value on one side, as sqrt(x) at zero has none. Name the variables "
            "whose effects are wanted."
        )


def _words(effects: EffectRows, request: _Request) -> tuple[str, ...]:
    """Say what was averaged."""
    contrasts = effects.rows.contrasts
    words = []
    if any(not contrast.rate for contrast in contrasts):
        words.append(
            "Effects of variables with two values, and of levels, are differences: see labels."
        )
    if request.at:
        put = ", ".join(f"{name} = {value}" for name, value in request.at.items())
        words.append(f"All rows were put at {put}.")
    if request.sampled:
        words.append("Standard errors take the rows as a sample of the covariates too.")
    return (*words, *request.notes)
