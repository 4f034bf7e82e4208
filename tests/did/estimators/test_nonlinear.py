"""Policies that act on counts and yes/no outcomes, against R's glm with the delta method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, PanelmlError, SpecificationError
from tests.did.published import mpdta
from tests.golden import Case, assert_close, load

CR0 = pm.cov.Clustered(small_sample="CR0")


def counties(rows: str | None = None) -> pd.DataFrame:
    frame = mpdta()
    frame = frame.assign(emp=np.exp(frame["lemp"]), large=(frame["lemp"] > 5.8).astype(float))
    if rows == "gaps":
        frame = frame[(frame["id"] + 3 * frame["t"]) % 11 != 0]
    return frame.reset_index(drop=True)


def fit(formula: str, frame: pd.DataFrame, **options: Any) -> Any:
    panel = pm.Panel(frame, unit="id", time="t")
    return pm.ExtendedTWFE(formula, cohort="g", **options).fit(panel)


@pytest.mark.parametrize("case", load("did_nonlinear"), ids=lambda case: case.id)
def test_effects_on_the_mean_have_the_reference_values(case: Case) -> None:
    spec = dict(case.spec)
    spec.pop("estimator")
    frame = counties(spec.pop("rows", None))
    effects = fit(spec.pop("formula"), frame, cov=CR0, **spec)
    average = effects.aggregate()
    params = {**effects.params, "att": average.params["att"]}
    errors = {**effects.std_errors, "att": average.std_errors["att"]}
    found = {"params": params, "std_errors": errors, "nobs": effects.nobs}
    assert_close(found, {key: case.value[key] for key in found}, case.tolerance)


def test_with_unit_effects_counts_have_the_same_effects() -> None:
    """Without covariates and in balanced panels Poisson regression with unit effects agrees."""
    frame = counties()
    cells = [(g, t) for g in (2004, 2006, 2007) for t in range(2004, 2008) if t >= g]
    names = [f"d{g}{t}" for g, t in cells]
    for name, (g, t) in zip(names, cells, strict=True):
        frame[name] = ((frame["g"] == g) & (frame["t"] == t)).astype(float)
    panel = pm.Panel(frame, unit="id", time="t")
    poisson = pm.Poisson(f"emp ~ {' + '.join(names)} | id + t").fit(panel)
    effects = fit("emp ~ 1", frame, family="poisson")
    treated = [frame["emp"][frame[name] == 1].mean() for name in names]
    assert np.allclose(effects.params, treated * (1 - np.exp(-poisson.params)), rtol=1e-8)


def test_a_linear_outcome_in_two_cells_is_the_same_for_every_link() -> None:
    """With all cells saturated (one cohort, two periods), effects are differences of means."""
    frame = counties()
    frame = frame[frame["t"].isin([2003, 2004]) & frame["g"].isin([0, 2004])]
    means = frame.groupby(["g", "t"])["emp"].mean()
    ratio = means[2004, 2003] * means[0, 2004] / means[0, 2003]
    effect = fit("emp ~ 1", frame, family="poisson").params.iloc[0]
    assert np.isclose(effect, means[2004, 2004] - ratio, rtol=1e-10)


def test_tables_event_studies_and_other_covariances() -> None:
    effects = fit("emp ~ lpop", counties(), family="poisson", control="never")
    event = effects.aggregate("event")
    assert event.params.index[0] == "horizon -4" and event.overall is not None
    assert effects.pretrend_test().df[0] == 5
    assert np.isfinite(effects.with_cov("HC1").std_errors).all()
    assert "poisson" in str(effects.summary()) and "log link" in str(effects.summary())
    assert "att" in effects.aggregate().to_latex()
    shuffled = counties().sample(frac=1, random_state=0)
    other = fit("emp ~ lpop", shuffled, family="poisson", control="never")
    assert np.allclose(effects.params, other.params, rtol=1e-9)


def test_refusals() -> None:
    frame = counties()
    with pytest.raises(SpecificationError, match="has no link 'probit'"):
        pm.ExtendedTWFE("emp ~ 1", cohort="g", family="poisson", link="probit")
    with pytest.raises(SpecificationError, match="goes with family"):
        pm.ExtendedTWFE("emp ~ 1", cohort="g", link="logit")
    with pytest.raises(SpecificationError, match="are indicators"):
        fit("emp ~ 1 | id + t", frame, family="poisson")
    with pytest.raises(SpecificationError, match="to be 0 or 1"):
        fit("emp ~ 1", frame, family="binomial")
    with pytest.raises(PanelmlError, match="negative in"):
        fit("emp ~ 1", frame.assign(emp=-frame["emp"]), family="poisson")
    always = frame.assign(
        large=np.where((frame["g"] == 2006) & (frame["t"] == 2007), 1, frame.large)
    )
    with pytest.raises(IdentificationError, match="separated"):
        fit("large ~ 1", always, family="binomial")
