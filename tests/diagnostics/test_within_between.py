"""Effects within and between units: against the fits they come from, and where there are none."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.diagnostics.within_between import within_between
from panelml.errors import DetachedResultError, IdentificationError, SpecificationError
from panelml.results.base import Results
from panelml.results.show.formats import number, pvalue
from tests.panels import grunfeld10_unbalanced, wage

FORMULA = "lwage ~ union + married + expersq + educ"
VARYING = ("union", "married", "expersq")


@pytest.fixture(scope="module")
def panel() -> pm.Panel:
    return pm.Panel(wage(), unit="nr", time="year")


@pytest.fixture(scope="module")
def hybrid(panel: pm.Panel) -> Results:
    return pm.Hybrid(FORMULA).fit(panel)


def test_within_is_fixed_effects_and_between_is_the_between_regression(
    panel: pm.Panel, hybrid: Results
) -> None:
    found = within_between(hybrid)
    assert found.names == VARYING
    within = pm.FixedEffects(FORMULA).fit(panel).params[list(VARYING)]
    between = pm.Between(FORMULA).fit(panel).params[list(VARYING)]
    np.testing.assert_allclose(found.within, within, rtol=1e-10)
    np.testing.assert_allclose(found.between, between, rtol=1e-10)


def test_differences_are_the_means_of_mundlak(panel: pm.Panel, hybrid: Results) -> None:
    mundlak = pm.Mundlak(FORMULA).fit(panel)
    means = [f"mean({name})" for name in VARYING]
    for found in (within_between(hybrid), within_between(mundlak)):
        np.testing.assert_allclose(found.difference, mundlak.params[means], rtol=1e-9)
        np.testing.assert_allclose(found.std_errors, mundlak.std_errors[means], rtol=1e-8)
        np.testing.assert_allclose(found.pvalues, mundlak.pvalues[means], rtol=1e-7)
        interval = mundlak.conf_int().loc[means]
        np.testing.assert_allclose(found.lower, interval["lower"], rtol=1e-8)
        np.testing.assert_allclose(found.upper, interval["upper"], rtol=1e-8)


@pytest.mark.parametrize("cov", ["iid", "cluster"])
def test_the_joint_test_is_the_wald_test_of_the_restrictions(hybrid: Results, cov: str) -> None:
    fit = hybrid.with_cov(cov)
    wald = fit.wald_test([f"within({name}) = between({name})" for name in VARYING])
    test = within_between(fit).test
    np.testing.assert_allclose(test.statistic, wald.statistic, rtol=1e-10)
    assert test.df == wald.df


def test_one_restriction_has_the_joint_p_value() -> None:
    panel = pm.Panel(grunfeld10_unbalanced(), unit="firm", time="year")
    found = within_between(pm.Hybrid("inv ~ value").fit(panel))
    np.testing.assert_allclose(found.pvalues[0], found.test.pvalue, rtol=1e-9)


def test_a_pickled_fit_that_kept_its_regressors_needs_no_data(hybrid: Results) -> None:
    again = within_between(pickle.loads(pickle.dumps(hybrid)))
    assert again.test == within_between(hybrid).test
    panel = pm.Panel(wage(), unit="nr", time="year")
    dropped = pm.Hybrid(f"{FORMULA} + exper + C(year)").fit(panel)
    with pytest.raises(DetachedResultError, match="pickled"):
        within_between(pickle.loads(pickle.dumps(dropped)))


def test_functions_of_the_formula_count_too(panel: pm.Panel) -> None:
    fit = pm.RandomEffects("lwage ~ within(union) + between(union) + educ").fit(panel)
    assert within_between(fit).names == ("union",)


def test_intervals_follow_the_level(hybrid: Results) -> None:
    wide, narrow = within_between(hybrid, level=0.99), within_between(hybrid, level=0.5)
    assert (wide.lower < narrow.lower).all() and (narrow.upper < wide.upper).all()
    np.testing.assert_allclose((wide.lower + wide.upper) / 2, narrow.difference, rtol=1e-12)


def test_it_prints_each_effect_and_the_test(hybrid: Results) -> None:
    found = within_between(hybrid)
    for text in (str(found), found._repr_html_()):
        assert all(name in text for name in VARYING)
        assert "effects within and between units are the same: union, married, expersq" in text
    shown = (
        found.within,
        found.between,
        found.difference,
        found.std_errors,
        found.lower,
        found.upper,
    )
    cells = [number(column[0]) for column in shown]
    assert str(found).splitlines()[2].split() == ["union", *cells, pvalue(found.pvalues[0])]


def test_a_fit_without_both_effects_is_refused(panel: pm.Panel) -> None:
    fit = pm.FixedEffects(FORMULA).fit(panel)
    with pytest.raises(SpecificationError, match=r"Fixed effects has no .* Fit Hybrid or Mundlak"):
        within_between(fit)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_outside_0_and_1_is_refused(hybrid: Results, level: float) -> None:
    with pytest.raises(SpecificationError, match="level must lie between 0 and 1"):
        within_between(hybrid, level=level)


def products(seed: int) -> pd.DataFrame:
    """Effects within and between units are the same, of x, z and their product."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(150), 5)
    frame = pd.DataFrame({"id": unit, "t": np.tile(np.arange(5), 150)})
    for name in ("x", "z", "v"):
        frame[name] = 3 + rng.normal(size=150)[unit] + rng.normal(size=unit.size)
    x, z = frame["x"], frame["z"]
    frame["y"] = x + z + frame["v"] + 0.5 * x * z + rng.normal(size=150)[unit]
    frame["y"] += rng.normal(size=unit.size)
    return frame


def test_products_of_deviations_are_not_compared_with_means_of_products() -> None:
    """Their factors' effects are at unit means within units, and at zero between them."""
    panel = pm.Panel(products(0), unit="id", time="t")
    for options in ({"random": "1"}, {"interactions": "double-demeaned"}):
        fit = pm.Hybrid("y ~ v + z * x", **options).fit(panel)
        found = within_between(fit)
        assert found.names == ("v",)
        assert "Not compared: z, x, z:x. In products of deviations" in found.test.notes[-1]
        assert within_between(pickle.loads(pickle.dumps(fit))).names == ("v",)
        assert fit.params["within(x)"] - fit.params["between(x)"] > 1
    with pytest.raises(IdentificationError, match="interactions='demeaned'"):
        within_between(pm.Hybrid("y ~ x * z", random="1").fit(panel))
    fixed = products(0).assign(k=lambda d: d["id"] % 3)
    with pytest.raises(IdentificationError, match=r"Not compared: x, z, x:z, x:k, z:k, x:z:k\."):
        within_between(
            pm.Hybrid("y ~ x * z * k", random="1").fit(pm.Panel(fixed, unit="id", time="t"))
        )


def test_products_that_are_demeaned_are_compared() -> None:
    rejected = 0
    for seed in range(20):
        panel = pm.Panel(products(seed), unit="id", time="t")
        found = within_between(pm.Hybrid("y ~ v + x * z", interactions="demeaned").fit(panel))
        assert found.names == ("v", "x", "z", "x:z")
        rejected += found.test.pvalue < 0.05
    assert rejected <= 4


def test_one_combination_is_singular() -> None:
    frame = products(1).assign(tenure=lambda d: d["id"] % 7 + d["t"]).drop(index=range(0, 300, 7))
    found = within_between(
        pm.Mundlak("y ~ tenure + t + x").fit(pm.Panel(frame, unit="id", time="t"))
    )
    assert found.test.null.endswith("the same: x, 1 combination of tenure, t")
