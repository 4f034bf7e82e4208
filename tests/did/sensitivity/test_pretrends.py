"""Power of tests of pre-trends: diff-diff, other integration, and simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm, truncnorm

import panelml as pm
from panelml.core.math.normal_box import box_mean, box_probability
from panelml.did.core.pretrends import passed_test
from panelml.errors import IdentificationError, SpecificationError

PEERS = json.loads((Path(__file__).parent / "pretrends.json").read_text(encoding="utf-8"))
STUDIES = {case["data"]: pm.EventStudyEstimates(**case["spec"]["study"]) for case in PEERS}


def horizons(study: pm.EventStudyEstimates) -> list[int]:
    return list(np.asarray(study.horizons).tolist())


@pytest.mark.parametrize("case", PEERS, ids=lambda case: case["id"])
def test_slopes_and_power_equal_diff_diff(case: dict[str, Any]) -> None:
    """Its integrals have an error of 1e-5, the default of SciPy's."""
    spec, value = case["spec"], case["value"]
    found = pm.pretrends_power(STUDIES[case["data"]], slope=spec["slope"], power=[spec["power"]])
    assert found.power == pytest.approx(value["power"], abs=3e-5)
    assert found.slopes[spec["power"]] == pytest.approx(value["slope"], rel=1e-4)


@pytest.mark.parametrize("name", STUDIES)
def test_expected_estimates_given_a_passed_test_equal_simulated_ones(name: str) -> None:
    study = STUDIES[name]
    found = pm.pretrends_power(study)
    assert found.power == pytest.approx(0.5, abs=1e-9)
    sigma = np.array(study.sigma)
    trend = found.table["trend"].to_numpy()
    pre = int((np.array(study.horizons) < -1).sum())
    drawn = np.random.default_rng(1).multivariate_normal(trend, sigma, 400_000)
    half = norm.ppf(0.975) * np.sqrt(sigma.diagonal()[:pre])
    passed = drawn[(np.abs(drawn[:, :pre]) <= half).all(axis=1)]
    error = passed.std(axis=0) / np.sqrt(len(passed))
    assert (np.abs(passed.mean(axis=0) - found.table["if_passed"]) < 4 * error).all()
    assert len(passed) / len(drawn) == pytest.approx(1 - found.power, abs=4 * 0.5 / 400_000**0.5)


def test_passing_makes_the_bias_larger_where_only_the_reference_is_shared() -> None:
    """Proposition 2 of Roth (2022): equal variances, and a monotone departure."""
    found = pm.pretrends_power(
        pm.EventStudyEstimates(np.zeros(5), np.eye(5) + 1, [-4, -3, -2, 0, 1]), slope=0.5
    )
    after = found.table[found.table["horizon"] >= 0]
    assert (after["if_passed"] > after["trend"] + 0.05).all()


def test_ratios_are_those_of_normal_densities() -> None:
    study = STUDIES["mpdta"]
    found = pm.pretrends_power(study, slope=0.02)
    beta, sigma = np.array(study.betahat)[:3], np.array(study.sigma)[:3, :3]
    trend = found.table["trend"].to_numpy()[:3]
    np.testing.assert_allclose(trend, [-0.06, -0.04, -0.02])
    under = [multivariate_normal(mean, sigma) for mean in (trend, np.zeros(3))]
    assert found.likelihood_ratio == pytest.approx(under[0].pdf(beta) / under[1].pdf(beta), 1e-9)
    half = norm.ppf(0.975) * np.sqrt(sigma.diagonal())
    passes = [box_probability(mean, sigma, -half, half) for mean in (trend, np.zeros(3))]
    assert found.bayes_factor == pytest.approx(passes[0] / passes[1], 1e-12)
    assert found.power == pytest.approx(1 - passes[0], 1e-12)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_boxes_equal_another_integration(k: int) -> None:
    rng = np.random.default_rng(k)
    root = rng.standard_normal((k, k + 2))
    sigma, mean = root @ root.T, rng.standard_normal(k)
    half = 1.5 * np.sqrt(sigma.diagonal())
    other = multivariate_normal(mean, sigma, seed=1)
    # Its limits are no arguments of some versions.
    other.maxpts, other.abseps, other.releps = 10**6, 1e-8, 1e-8
    expected = other.cdf(half, lower_limit=-half)
    assert box_probability(mean, sigma, -half, half) == pytest.approx(expected, abs=2e-6)


def test_boxes_of_independent_variables_are_products() -> None:
    mean, sd = np.linspace(-1, 1, 9), np.linspace(0.5, 2, 9)
    low, high = np.full(9, -1.0), np.full(9, 2.0)
    expected = np.prod(norm.cdf((high - mean) / sd) - norm.cdf((low - mean) / sd))
    assert box_probability(mean, np.diag(sd**2), low, high) == pytest.approx(expected, 1e-10)
    single = truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd).mean()
    np.testing.assert_allclose(box_mean(mean, np.diag(sd**2), low, high), single, rtol=1e-9)


def test_one_period_before_is_in_closed_form() -> None:
    sigma = np.array([[0.04, 0.01], [0.01, 0.09]])
    found = passed_test(np.zeros(2), sigma, 1, np.array([-0.3, 0.3]), 0.05)
    z = norm.ppf(0.975)
    assert found.power == pytest.approx(1 - norm.cdf(z + 1.5) + norm.cdf(-z + 1.5), 1e-12)
    inside = truncnorm(-z + 1.5, z + 1.5, -0.3, 0.2).mean()
    np.testing.assert_allclose(found.mean, [inside, 0.3 + 0.25 * (inside + 0.3)], rtol=1e-9)


def test_shown_and_drawn() -> None:
    study = STUDIES["medicaid"]
    found = pm.pretrends_power(study, trend=dict.fromkeys(horizons(study), 0.01))
    assert (found.table["trend"] == 0.01).all()
    assert "is detected with probability" in str(found)
    assert "<table" in found._repr_html_()
    axes = found.plot()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "estimate",
        "departure",
        "expected if the test is passed",
    ]


def test_results_are_taken_and_power_grows_with_the_slope() -> None:
    frame = pm.simulate.staggered(200, 8, {5: 0.4}, effect=1.0, seed=2)
    event = pm.EventStudy("y ~ 1", cohort="cohort").fit(pm.Panel(frame, unit="unit", time="time"))
    found = pm.pretrends_power(event)
    assert found.slopes[0.5] < found.slopes[0.8]
    weaker = pm.pretrends_power(event, slope=0.5 * found.slopes[0.5])
    assert weaker.power < 0.5
    opposite = pm.pretrends_power(event, slope=-found.slopes[0.8])
    assert opposite.power == pytest.approx(0.8, abs=1e-6)


def test_what_makes_no_sense_is_refused() -> None:
    study = STUDIES["mpdta"]
    with pytest.raises(SpecificationError, match="either slope or trend"):
        pm.pretrends_power(study, slope=1, trend=dict.fromkeys(horizons(study), 1))
    with pytest.raises(SpecificationError, match="every horizon but the reference -1"):
        pm.pretrends_power(study, trend={-2: 1})
    with pytest.raises(SpecificationError, match="power must lie between"):
        pm.pretrends_power(study, power=[1.5])
    with pytest.raises(SpecificationError, match="level must lie between"):
        pm.pretrends_power(study, level=95)
    with pytest.raises(SpecificationError, match="slope must be a number"):
        pm.pretrends_power(study, slope=np.nan)
    singular = np.ones((3, 3)) + np.diag([0, 0, 1.0])
    with pytest.raises(IdentificationError, match="is singular"):
        pm.pretrends_power(pm.EventStudyEstimates([0, 0, 1], singular, [-3, -2, 0]))
