"""The cases in panelml."""

from __future__ import annotations

from typing import Any

import pandas as pd

import panelml as pm
from benchmarks.cases import LAGS, REGRESSORS, Case
from benchmarks.fits.estimates import Estimates, event_study
from panelml.inference.correction import SmallSample
from panelml.inference.covariance import Clustered, DriscollKraay

__all__ = ["conventions", "fit"]

POLICY_MODELS: dict[str, Any] = {
    "group-time": pm.CallawaySantAnna("y ~ x + z", cohort="cohort"),
    "bootstrap": pm.CallawaySantAnna("y ~ x + z", cohort="cohort"),
    "imputation": pm.BorusyakJaravelSpiess("y ~ z", cohort="cohort"),
    "sun-abraham": pm.SunAbraham("y ~ z", cohort="cohort"),
    "two-stage": pm.TwoStageDiD("y ~ 1", cohort="cohort", effects="event"),
    "synthetic": pm.SyntheticDiD("y ~ 1", cohort="cohort"),
}
FORMULA = f"y ~ {' + '.join(REGRESSORS)}"


def fit(case: Case, frame: pd.DataFrame, package: str = "fixest") -> Estimates:
    """Fit with the conventions of a package; panelml's own are fixest's."""
    if case.model == "mixed":
        residual = pm.residual.AR1(case.serial) if case.serial else None
        mixed = pm.MixedModel(case.formula, residual=residual).fit(frame)
        return Estimates(mixed.params.to_dict(), mixed.std_errors.to_dict())
    if case.model == "sensitivity":
        return _sensitivity(frame)
    panel = pm.Panel(frame, unit=case.unit, time="time")
    if case.model in POLICY_MODELS:
        return _policy(case, panel)
    if case.model == "hausman":
        fixed = pm.FixedEffects(FORMULA, cov="iid").fit(panel)
        random = pm.RandomEffects(FORMULA, cov="iid", method=_method(package)).fit(panel)
        return Estimates({"statistic": pm.hausman(fixed, random).statistic}, {})
    result = _specification(case, package).fit(panel)
    return Estimates(result.params.to_dict(), result.std_errors.to_dict())


def _sensitivity(frame: pd.DataFrame) -> Estimates:
    study = event_study(frame)
    made_elsewhere = pm.EventStudyEstimates(study.beta, study.sigma, study.horizons)
    found = pm.honest_did(made_elsewhere, m=study.sizes)
    ends = {}
    for size, low, high in found.intervals[["m", "lower", "upper"]].itertuples(index=False):
        ends |= {f"low {size}": float(low), f"high {size}": float(high)}
    return Estimates(ends, {})


def _policy(case: Case, panel: pm.Panel) -> Estimates:
    """Estimate effects, average them by horizon, and return the overall one."""
    fit = POLICY_MODELS[case.model].fit(panel)
    event = fit if fit.cells is None else fit.aggregate("event")
    if case.model == "bootstrap":
        event.with_cov(pm.cov.MultiplierBootstrap(reps=999)).conf_band()
    overall = fit.aggregate("simple") if fit.cells is not None else event
    if case.model == "two-stage":
        overall = pm.TwoStageDiD("y ~ 1", cohort="cohort").fit(panel)
    return Estimates(
        {"att": float(overall.params.iloc[0])}, {"att": float(overall.std_errors.iloc[0])}
    )


def conventions(case: Case, frame: pd.DataFrame) -> dict[str, Estimates]:
    """Fit as each of the case's other packages does."""
    found = {}
    for package in case.packages:
        if package == "plm" and case.model == "difference":
            # It takes differences between successive rows of a unit, across gaps too.
            frame = frame.assign(time=frame.groupby(case.unit).cumcount())
        if package != "panelml":
            found[package] = fit(case, frame, package)
    return found


def _specification(case: Case, package: str) -> Any:
    cov: Any = "iid"
    if case.cov == "cluster":
        cov = Clustered(*case.clusters, small_sample=_small_sample(case, package))
    elif case.cov == "driscoll-kraay":
        cov = DriscollKraay(LAGS, small_sample=_small_sample(case, package))
    if case.model == "fixed":
        return pm.FixedEffects(f"{FORMULA} | {' + '.join(case.effects)}", cov=cov)
    if case.model == "random":
        return pm.RandomEffects(FORMULA, cov=cov, method=_method(package))
    model = {"pooled": pm.PooledOLS, "between": pm.Between, "difference": pm.FirstDifference}
    return model[case.model](FORMULA, cov=cov)


def _small_sample(case: Case, package: str) -> str | SmallSample:
    """Name the rule of a package's default standard errors."""
    if package == "pyfixest":
        # Under Driscoll-Kraay it counts the coefficients of time too, which fixest does not.
        return SmallSample(effects="all") if case.cov == "driscoll-kraay" else "fixest"
    if package == "linearmodels" and set(case.effects) - {"unit", "time"}:
        return "none"  # its AbsorbingLS
    return package


def _method(package: str) -> Any:
    """Swamy and Arora's variance of the unit effects, for unbalanced panels."""
    return "baltagi-chang" if package == "plm" else "swamy-arora"
