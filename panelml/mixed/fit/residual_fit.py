"""From the structure of residuals and a sample to the fit: what the data must have, and labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.core.moments import CONSTANT, CrossProducts
from panelml.data.sample import Sample
from panelml.data.source.source import Source
from panelml.engine.fold import fold
from panelml.engine.progress import evaluations
from panelml.errors import ConvergenceError, IdentificationError, SpecificationError, listing
from panelml.mixed.core.blup import CrossedPrediction, UnitPrediction
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.residual_crossed import CrossedResidualProblem, ResidualLayout
from panelml.mixed.core.residual_forms import ResidualForm
from panelml.mixed.core.residual_optimum import (
    FLAT,
    ResidualOptimum,
    maximise_residual,
)
from panelml.mixed.core.residual_rows import UnitRows
from panelml.mixed.core.structures import ResidualLike, ResidualStructure, parse
from panelml.mixed.core.whitening import Ranks, RowFacts, Whitening
from panelml.mixed.core.working_columns import WorkingColumns
from panelml.mixed.fit.multilevel import LevelsFit, require_dense

__all__ = ["ResidualFit", "ResidualPlan", "fit_residual"]

# Whole numbers of periods.
WHOLE = ("ar1", "ma1", "toeplitz")
# Inverse hyperbolic tangent of a parameter that counts as one where the deviance is flat: 0.995.
EDGE = 3.0


@dataclass(frozen=True, slots=True)
class ResidualPlan:
    """A structure of residuals, and where its columns are.

    Attributes
    ----------
    structure : ResidualStructure
    time : str, or None
        Column of time; empty for the panel's own axis; None where time does not matter.
    """

    structure: ResidualStructure
    time: str | None

    @classmethod
    def of(cls, structure: ResidualStructure, data: object, source: Source) -> ResidualPlan:
        """Find the time of rows.

        Parameters
        ----------
        structure : ResidualStructure
        data : Source or data frame
            The user's.
        source : Source
            The rows as they are laid out.

        Raises
        ------
        SpecificationError
            If no time is given and the data have none.
        """
        if not structure.timed:
            return cls(structure, None)
        if structure.time is not None:
            if structure.kind != "unstructured":
                source.require_numbers(structure.time, "The time of the residuals")
            return cls(structure, structure.time)
        if not isinstance(data, Source):
            raise SpecificationError(
                f"{structure.words} residuals need the time of rows, and a data frame has none: "
                f"name its column, as {type(structure).__name__}(time='year'), or pass a Panel."
            )
        same = source is data and structure.kind != "unstructured"
        return cls(structure, "" if same else data.time)

    @classmethod
    def parse(cls, residual: ResidualLike, data: object, source: Source) -> ResidualPlan | None:
        """Read the structure of residuals, if there is one; as ``of``."""
        structure = parse(residual)
        return None if structure is None else cls.of(structure, data, source)

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Columns whose codes the rows carry."""
        s = self.structure
        period = self.time if s.kind == "unstructured" else None
        return tuple((name,) for name in (period, s.by, s.variance_by) if name)

    @property
    def slopes(self) -> tuple[str, ...]:
        """Columns whose values the rows carry."""
        timed = self.time and self.structure.kind != "unstructured"
        names = (*((self.time,) if timed else ()), *self.structure.covariate_names)
        return tuple(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True, slots=True)
class ResidualFit:
    """The estimated covariance of residuals.

    Attributes
    ----------
    structure : ResidualStructure
    form : ResidualForm
    optimum : ResidualOptimum
    layout : ResidualLayout
    periods, levels, strata : tuple of str
        Labels.
    covariates : tuple of (str, float, float)
        On which variances depend, with means and standard deviations.
    mean : float
        Average variance of rows over that of the first level.
    """

    structure: ResidualStructure
    form: ResidualForm
    optimum: ResidualOptimum
    layout: ResidualLayout
    periods: tuple[str, ...]
    levels: tuple[str, ...]
    strata: tuple[str, ...]
    covariates: tuple[tuple[str, float, float], ...]
    mean: float


def fit_residual(
    sample: Sample,
    columns: WorkingColumns,
    factors: tuple[GroupingFactor, ...],
    plan: ResidualPlan,
    group: tuple[str, ...],
    *,
    intercept: bool,
    restricted: bool,
) -> tuple[LevelsFit, WorkingColumns, ResidualFit]:
    """Maximise the likelihood over the residuals' covariance too.

    Parameters
    ----------
    sample : Sample
        With the plan's keys and slopes.
    columns : WorkingColumns
    factors : tuple of GroupingFactor
    plan : ResidualPlan
    group : tuple of str
        Whose rows depend on each other: the sample is laid out by it.
    intercept : bool
        Whether it has a random intercept.
    restricted : bool

    Raises
    ------
    SpecificationError
        If the data have not what the structure needs.
    IdentificationError
        If its parameters cannot be told apart, or from the random part.
    ConvergenceError
        If the likelihood was not maximised with a certificate.
    """
    layout = _layout(sample, columns, factors, group)
    facts, labels = _facts(sample, plan)
    rows = fold(
        sample, lambda block: UnitRows.of(block, columns.basis, facts, layout.factors.others)
    )
    _check(rows, sample, plan)
    form = _form(rows, plan, labels)
    if intercept:
        _refuse_intercept(form, plan, rows)
    problem = layout.likelihood(rows, form)
    with evaluations("Mixed model") as evaluated:
        optimum = maximise_residual(
            problem, columns.structure, restricted=restricted, evaluated=evaluated
        )
    _require_certificate(optimum, form, plan)
    whitening = Whitening(form, optimum.theta, facts)
    columns = replace(columns, basis=replace(columns.basis, whitening=whitening))
    at, n = optimum.mixed.criterion, int(rows.sizes.sum())
    prediction: UnitPrediction | CrossedPrediction
    if isinstance(problem, CrossedResidualProblem):
        prediction = _predicted(problem, optimum, columns, restricted=restricted)
    else:
        prediction = UnitPrediction(columns.basis, at.coef, at.factor @ at.factor.T)
    mean = float(whitening.variances(rows.patterns).mean())
    periods, levels, strata = labels
    found = ResidualFit(
        plan.structure, form, optimum, layout, periods, levels, strata, facts.covariates, mean
    )
    return LevelsFit(optimum.mixed, prediction, n), columns, found


def _layout(
    sample: Sample,
    columns: WorkingColumns,
    factors: tuple[GroupingFactor, ...],
    group: tuple[str, ...],
) -> ResidualLayout:
    nothing: IntArray = np.zeros(0, dtype=np.int64)
    first = GroupingFactor(group, sample.source.levels(group), nothing)
    for factor in factors:
        if factor.group == group:
            first = factor
    crossed = CrossedFactors.of(first, (f for f in factors if f.group != group))
    require_dense(crossed, "A model with dependent residuals")
    return ResidualLayout(crossed, columns.structure)


def _predicted(
    problem: CrossedResidualProblem,
    optimum: ResidualOptimum,
    columns: WorkingColumns,
    *,
    restricted: bool,
) -> CrossedPrediction:
    model, factor = problem.whiten(optimum.theta).likelihood, optimum.mixed.criterion.factor
    levels = model.evaluate(factor, restricted=restricted).coefficients()
    return CrossedPrediction(columns.basis, model.factors, levels, factor @ factor.T)


def _facts(sample: Sample, plan: ResidualPlan) -> tuple[RowFacts, tuple[tuple[str, ...], ...]]:
    s = plan.structure
    period = plan.time if s.kind == "unstructured" else None
    level = s.variance_by or s.by
    ranks, labels = zip(*(_ranks(sample, name) for name in (period, level, s.by)), strict=True)
    periods, levels, strata = ranks
    scales = _scales(sample, s.covariate_names)
    return RowFacts(plan.time, periods, levels, strata, scales), labels


def _scales(sample: Sample, names: tuple[str, ...]) -> tuple[tuple[str, float, float], ...]:
    """Return covariates of the variance with their means and standard deviations."""
    if not names:
        return ()
    found = fold(sample, lambda b: CrossProducts.of(np.stack([b.slopes[name] for name in names])))
    spread = np.diag(found.centred)
    for name, variation, mean in zip(names, spread, found.mean, strict=True):
        if variation <= CONSTANT * found.weight * mean**2:
            raise IdentificationError(
                f"{name!r} is constant: the residual variance cannot depend on it. Leave it out."
            )
    size = np.sqrt(spread / found.weight)
    return tuple(zip(names, found.mean.tolist(), size.tolist(), strict=True))


def _ranks(sample: Sample, column: str | None) -> tuple[Ranks | None, tuple[str, ...]]:
    """Number the levels that occur, in the order of their labels."""
    if column is None:
        return None, ("",)
    names = (column,)
    present = np.unique(sample.codes(names))
    labels: AnyArray = np.asarray(sample.source.labels(names))[present]
    order = np.argsort(labels, kind="stable")
    number: IntArray = np.full(sample.source.levels(names), -1, dtype=np.int64)
    number[present[order]] = np.arange(present.size)
    if present.size < 2:
        raise IdentificationError(
            f"{column!r} has one level, by which residuals are to differ. Leave it out."
        )
    return Ranks("^".join(names), number), tuple(str(label) for label in labels[order])


def _form(rows: UnitRows, plan: ResidualPlan, labels: tuple[tuple[str, ...], ...]) -> ResidualForm:
    kind, order = plan.structure.kind, plan.structure.order
    periods, scale = len(labels[0]), 1.0
    if kind == "toeplitz":
        longest = int(_spans(rows).max())
        if order is not None and order > longest:
            raise SpecificationError(
                f"The Toeplitz form has lags up to {order}, but no two rows of a unit are more "
                f"than {longest} periods apart."
            )
        periods = order or longest
    if kind == "car1":
        gaps = np.diff(np.sort(rows.patterns.time))
        scale = float(_spans(rows).mean()) or float(gaps.max())
    covariates = len(plan.structure.covariate_names)
    return ResidualForm(kind, periods, len(labels[2]), len(labels[1]), scale, covariates)


def _spans(rows: UnitRows) -> FloatArray:
    starts = rows.starts[:-1]
    return np.maximum.reduceat(rows.patterns.time, starts) - np.minimum.reduceat(
        rows.patterns.time, starts
    )


def _check(rows: UnitRows, sample: Sample, plan: ResidualPlan) -> None:
    s, starts = plan.structure, rows.starts
    if s.kind in WHOLE and not (rows.patterns.time == np.rint(rows.patterns.time)).all():
        raise SpecificationError(
            f"{s.words} residuals count periods, but {plan.time!r} is not whole in some rows. Use "
            "pm.residual.CAR1, which takes any distance."
        )
    unit = np.repeat(np.arange(rows.sizes.size), rows.sizes)
    if s.timed:
        order = np.lexsort((rows.patterns.time, unit))
        when = rows.patterns.time[order]
        twice = (np.diff(when) == 0) & (np.diff(unit[order]) == 0)
        if twice.any():
            _refuse_units(sample, unit[order][1:], twice, f"two rows at the same {_clock(plan)}")
    if s.by is not None:
        first = rows.patterns.stratum[starts[:-1]]
        _refuse_units(
            sample, unit, rows.patterns.stratum != first[unit], f"several levels of {s.by!r}"
        )


def _clock(plan: ResidualPlan) -> str:
    return repr(plan.time) if plan.time else "time"


def _refuse_units(sample: Sample, unit: IntArray, wrong: BoolArray, what: str) -> None:
    units = np.unique(unit[wrong])
    if units.size:
        names = listing([str(label) for label in sample.unit_labels[units]])
        raise SpecificationError(
            f"{units.size} units of {sample.source.unit!r} have {what} ({names}): their residuals' "
            "covariance is not defined."
        )


def _refuse_intercept(form: ResidualForm, plan: ResidualPlan, rows: UnitRows) -> None:
    """Refuse what is in the random part already."""
    whole = form.kind == "toeplitz" and form.periods >= int(_spans(rows).max())
    if form.kind in ("exchangeable", "unstructured") or whole:
        raise IdentificationError(
            f"A random intercept and {plan.structure.words} residuals of the same group are one "
            "and the same: the data cannot tell them apart. Leave out one of them; a formula "
            "without a random term takes residuals alone."
        )


def _require_certificate(optimum: ResidualOptimum, form: ResidualForm, plan: ResidualPlan) -> None:
    words = plan.structure.words
    correlations = form.strata_of(optimum.theta)
    bounded = form.kind not in ("unstructured", "car1") and correlations.size
    if optimum.least < FLAT and bounded and float(np.abs(correlations).max()) > EDGE:
        raise IdentificationError(
            f"A parameter of {words} residuals is estimated at the end of its range, 1 or -1. Use "
            "another structure, as pm.residual.Toeplitz(1) for MA(1), or other random terms."
        )
    if optimum.least < FLAT:
        raise IdentificationError(
            f"The data cannot tell the parameters of {words} residuals: they are estimated at the "
            "end of their range, or are the same as the random part or as each other. Use a "
            "simpler structure, or leave out a random coefficient."
        )
    if not optimum.converged:
        raise ConvergenceError(
            f"The likelihood was not maximised over the parameters of {words} residuals: one more "
            f"step would gain {optimum.decrement:.2g} in deviance. Use a simpler structure."
        )
