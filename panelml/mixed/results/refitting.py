"""Simulation from a mixed model, and inference by fitting it again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.linalg import covariance_root
from panelml.core.row_values import RowValues
from panelml.engine.fold import capped, fold
from panelml.errors import (
    UnknownNameError,
    suggest,
)
from panelml.inference.distributions import normal_critical
from panelml.mixed.core.blup import CrossedPrediction, UnitPrediction
from panelml.mixed.core.working_rows import Truth
from panelml.mixed.fit.multilevel import require_dense
from panelml.mixed.fit.refit import AnyRefitter, Refit, Refitter, ResidualRefitter
from panelml.mixed.fit.residual_fit import ResidualPlan
from panelml.mixed.results.case_deletion import CaseDeletion, Refittable, delete_levels
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.parametric_bootstrap import (
    Bootstrap,
    Replicate,
    Statistic,
    draw_bootstrap,
    replicate,
)
from panelml.mixed.results.profile import Profile
from panelml.mixed.results.profile_curve import profile_curves
from panelml.mixed.results.residual_part import ResidualPart, require_independent
from panelml.results.base import Results

__all__ = ["Refitting", "Simulated", "any_refitter", "independent_refitter", "truth_of"]

Simulated: TypeAlias = Literal["new", "predicted"]


@checked_methods
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Refitting:
    """Simulation from a mixed model, and inference by fitting it again.

    Attributes
    ----------
    fit : Results
        The fit whose model is fitted again.
    coefficients : RandomCoefficients
    residual : ResidualPart, or None
        The covariance of the residuals within units, where they are dependent.
    """

    fit: Results
    coefficients: RandomCoefficients
    residual: ResidualPart | None

    def __repr__(self) -> str:
        return f"Refits of {self.fit.formula}: simulate, bootstrap, profile, without"

    @capped
    def simulate(self, reps: int = 1, *, seed: int, effects: Simulated = "new") -> pd.DataFrame:
        """Simulate outcomes from the fitted model, in the user's row order.

        Parameters
        ----------
        reps : int
            Number of outcomes; column ``k`` depends on ``seed`` and ``k`` alone, and for a Panel
            not on the order of its rows. Other data frames have no order of time, so that rows
            of the same level are told apart by their order.
        seed : int
        effects : {"new", "predicted"}
            Draw new random coefficients for all levels, or hold them at their predictions.

        Returns
        -------
        DataFrame, shape (rows, reps)
            Missing for rows that are not in the sample.

        Raises
        ------
        SpecificationError
            If an option is none of the above.
        DetachedResultError
            If the result was pickled.
        """
        refitter, truth = any_refitter(self), truth_of(self)
        given = _predicted(self) if effects == "predicted" else None
        sample = self.fit._sample
        values = {
            f"y{rep}": sample.scatter(refitter.draw(truth, seed, rep, given)) for rep in range(reps)
        }
        return pd.DataFrame(values, index=self.fit.panel.row_labels())

    @capped
    def bootstrap(
        self, reps: int = 999, *, seed: int, statistic: Statistic | None = None
    ) -> Bootstrap:
        """Parametric bootstrap: fit the model again to outcomes simulated from it.

        Draw ``k`` is the estimate from column ``k`` of ``simulate``. Runs that take more than two
        seconds report on standard error.

        Parameters
        ----------
        reps : int
            Number of draws.
        seed : int
        statistic : callable, optional
            From a Replicate (``params``, ``cov``, ``components``, ``icc``, ``loglik``) to a
            number or several with names. By default fixed effects, standard deviations,
            correlations and intraclass correlations.

        Raises
        ------
        SpecificationError
            If ``reps`` is less than two.
        ConvergenceError
            If fewer than two refits converge.
        DetachedResultError
            If the result was pickled.
        """
        refitter, truth = any_refitter(self), truth_of(self)

        def named(refit: Refit) -> Replicate:
            return replicate(self.coefficients, self.residual, self.fit.params.index, refit)

        def simulated(rep: int) -> FloatArray:
            return refitter.draw(truth, seed, rep)

        return draw_bootstrap(refitter, simulated, reps, named, _estimates(self), statistic)

    @capped
    def profile(self, parameters: list[str] | None = None, *, level: float = 0.99) -> Profile:
        """Profile likelihood: its maximum with one parameter held at each of several values.

        The likelihood is that of maximum likelihood for fits by REML too, as in lme4, since the
        restricted one is none of the fixed effects.

        Parameters
        ----------
        parameters : list of str, optional
            As in ``bootstrap``: fixed effects, ``sd(Intercept | id)``,
            ``corr(Intercept, t | id)``, ``sd(residual)``; all by default.
        level : float
            Of the widest interval that is asked of the profile.

        Raises
        ------
        UnknownNameError
            If there is no such parameter.
        DetachedResultError
            If the result was pickled.
        """
        _require_dense(self, "A profile")
        outcome = fold(self.fit._sample, lambda block: RowValues(block.outcome[None])).values[0]
        refitter = replace(independent_refitter(self, "A profile"), restricted=False)
        curves = profile_curves(
            refitter,
            outcome,
            self.coefficients,
            [str(name) for name in self.fit.params.index],
            parameters,
            normal_critical(level),
        )
        return Profile(curves, level)

    @capped
    def without(self, group: str | None = None) -> CaseDeletion:
        """Case-deletion diagnostics: fit without each level of a grouping factor in turn.

        Parameters
        ----------
        group : str, optional
            Grouping factor; that with most levels by default.

        Raises
        ------
        UnknownNameError
            If there is no such grouping factor.
        DetachedResultError
            If the result was pickled.
        """
        model = _refittable(self)
        groups = {":".join(columns): columns for columns in model.groups}
        name = next(iter(groups)) if group is None else group
        if name not in groups:
            raise UnknownNameError(f"No grouping factor {name!r}.{suggest(name, list(groups))}")
        _require_dense(self, "The influence of units")
        components = pd.Series(self.fit.extras, dtype=float)
        full = pd.concat([self.fit.params, components]).rename("estimate")
        return delete_levels(model, groups[name], full, self.fit.with_cov("iid").cov)


def any_refitter(refits: Refitting) -> AnyRefitter:
    """Prepare a fitted model for other outcomes."""
    random = refits.coefficients
    if refits.residual is None:
        return independent_refitter(refits)
    return ResidualRefitter.of(
        refits.fit._sample, random.columns, refits.residual.layout, restricted=random.restricted
    )


def _refittable(refits: Refitting) -> Refittable:
    """Take what a fit to fewer rows needs."""
    random, sample, plan = refits.coefficients, refits.fit._sample, None
    groups = tuple(part.group for part in random.parts)
    if refits.residual is not None:
        whitening = random.prediction.basis.whitening
        assert whitening is not None
        plan = ResidualPlan(refits.residual.structure, whitening.facts.time)
        if not refits.residual.layout.factors.first.random.size:
            groups = (tuple(sample.source.unit.split(":")), *groups)
    return Refittable(sample, groups, random.restricted, plan)


def independent_refitter(refits: Refitting, what: str = "This") -> Refitter:
    """Prepare a fitted model with independent residuals for other outcomes.

    Raises
    ------
    SpecificationError
        If its residuals are dependent.
    """
    require_independent(refits.residual, what)
    random = refits.coefficients
    return Refitter.of(
        refits.fit._sample,
        random.columns,
        tuple(part.factor for part in random.parts),
        random.relative,
        restricted=random.restricted,
    )


def _require_dense(refits: Refitting, what: str) -> None:
    if isinstance(refits.coefficients.prediction, CrossedPrediction):
        require_dense(refits.coefficients.prediction.factors, what)


def truth_of(refits: Refitting) -> Truth:
    """Take the estimates for the model that outcomes come from."""
    random, sample = refits.coefficients, refits.fit._sample
    units, prediction = int((sample.unit_rows > 0).sum()), random.prediction
    if isinstance(prediction, CrossedPrediction):
        randoms = prediction.factors.randoms
        levels = (units, *(other.levels for other in prediction.factors.others))
    else:
        randoms, levels = (np.arange(prediction.basis.n_random),), (units,)
    return Truth(
        random.columns.to_working(refits.fit.params.to_numpy().astype(np.float64)),
        tuple(covariance_root(random.relative[np.ix_(places, places)]) for places in randoms),
        float(np.sqrt(random.sigma2)),
        randoms,
        levels,
    )


def _estimates(refits: Refitting) -> Replicate:
    names: pd.Index[Any] = refits.fit.params.index
    cov = refits.fit.with_cov("iid").cov.to_numpy()
    estimates = Refit(
        refits.fit.params.to_numpy().astype(np.float64),
        cov,
        refits.coefficients.relative,
        refits.coefficients.sigma2,
        refits.fit.loglik,
        True,
        refits.residual.optimum.theta if refits.residual else np.zeros(0),
    )
    return replicate(refits.coefficients, refits.residual, names, estimates)


def _predicted(refits: Refitting) -> tuple[FloatArray, ...]:
    prediction, sample = refits.coefficients.prediction, refits.fit._sample
    if isinstance(prediction, UnitPrediction):
        return (fold(sample, lambda block: RowValues(prediction.coefficients(block))).values,)
    return prediction.levels
