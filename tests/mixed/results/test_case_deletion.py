"""Mixed models without each of their units, against lme4's fits to the rest."""

from __future__ import annotations

import numpy as np
import pytest

import panelml as pm
from panelml.errors import SpecificationError, UnknownNameError
from tests.mixed.mixed_data import MIXED

SLEEP = "Reaction ~ Days + (1 + Days | Subject)"

# lme4 1.1-31 with tight limits on sleepstudy without one subject: intercept and slope of Days,
# their standard deviations and correlation, residual standard deviation.
LME4 = {
    308: (
        251.829365775402,
        9.802732049911,
        26.34625760223979,
        5.52035785063486,
        0.05597219403218,
        23.64696241593140,
    ),
    309: (
        254.13158481283,
        10.94996245989,
        22.596647761488,
        5.735268642957,
        -0.118428566444,
        26.245646516740,
    ),
    335: (
        250.72101144385,
        11.25248124777,
        25.3941490458190,
        5.0590646275735,
        0.1551331346233,
        26.1885005270650,
    ),
}
# Cook's distances by their formula on lme4's fits.
COOK = {308: 0.09241704451522, 309: 0.14852478069584, 310: 0.11052209707395}


def test_fits_of_lme4_without_a_subject() -> None:
    found = pm.MixedModel(SLEEP).fit(MIXED["sleepstudy"]()).influence()
    assert len(found.params) == 18
    for subject, expected in LME4.items():
        assert found.params.loc[subject].tolist() == pytest.approx(expected[:2], rel=1e-10)
        assert found.components.loc[subject].tolist() == pytest.approx(expected[2:], rel=1e-6)
    for subject, distance in COOK.items():
        assert found.cooks_distance[subject] == pytest.approx(distance, rel=1e-6)


def test_changes_are_from_the_whole_fit() -> None:
    fit = pm.MixedModel(SLEEP).fit(MIXED["sleepstudy"]())
    found = fit.influence()
    assert found.dfbeta.loc[308, "Days"] == pytest.approx(9.802732049911 - fit.params["Days"])
    scaled = found.dfbeta.loc[308, "Days"] / fit.std_errors["Days"]
    assert found.dfbetas.loc[308, "Days"] == pytest.approx(scaled)
    change = 23.64696241593140 - np.sqrt(fit.sigma2)
    assert found.component_change.loc[308, "sd(residual)"] == pytest.approx(change, rel=1e-5)
    assert found.summary(3)["cooks_distance"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("name", "formula", "group", "level", "expected"),
    [
        (
            "pastes",
            "strength ~ 1 + (1 | batch/cask)",
            "batch",
            "A",
            {
                "Intercept": 59.80740740741,
                "sd(Intercept | batch:cask)": 3.0531101605894,
                "sd(Intercept | batch)": 1.1210113748925,
                "sd(residual)": 0.8124038385934,
            },
        ),
        (
            "penicillin",
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            "sample",
            "A",
            {
                "Intercept": 22.53333333334,
                "sd(Intercept | plate)": 0.8546547687166,
                "sd(Intercept | sample)": 1.7949707395925,
                "sd(residual)": 0.5542980958044,
            },
        ),
    ],
)
def test_levels_of_other_factors(
    name: str, formula: str, group: str, level: str, expected: dict[str, float]
) -> None:
    found = pm.MixedModel(formula).fit(MIXED[name]()).influence(group)
    row = {**found.params.loc[level], **found.components.loc[level]}
    assert row == pytest.approx(expected, rel=1e-6)


def test_a_level_that_is_needed_is_named() -> None:
    frame = MIXED["sleepstudy"]()
    alone = frame.assign(one=(frame["Subject"] == 308) * 1.0)
    found = pm.MixedModel("Reaction ~ Days + one + (1 | Subject)").fit(alone).influence()
    assert np.isnan(found.params.loc[308, "one"])
    assert found.params.loc[309].notna().all()


def test_options_are_checked() -> None:
    frame = MIXED["sleepstudy"]()
    with pytest.raises(UnknownNameError, match="No grouping factor 'subject'"):
        pm.MixedModel(SLEEP).fit(frame).influence("subject")
    panel = pm.Panel(frame, unit="Subject", time="Days")
    serial = pm.MixedModel(SLEEP, residual="ar1").fit(panel)
    with pytest.raises(SpecificationError, match="independent residuals"):
        serial.profile()
