"""Results, tables and adapters ask the inference: a second kind of it shows everywhere."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import panelml as pm
from panelml.errors import DetachedResultError, SpecificationError
from panelml.inference.restrictions import Restrictions
from panelml.inference.wald import Wald
from panelml.results.base import Results
from panelml.results.show.formats import number
from panelml.results.show.frames import term_rows
from tests.contract.conftest import make_messy
from tests.did.test_laws import data as policy_data
from tests.inference.percentiles import Percentiles
from tests.panels import wage


@pytest.fixture(scope="module")
def fit() -> Results:
    return pm.FixedEffects("lwage ~ union + married").fit(pm.Panel(wage(), unit="nr", time="year"))


@pytest.fixture(scope="module")
def drawn(fit: Results) -> Results:
    return fit.with_inference(Percentiles())


def test_numbers_are_those_of_the_inference(fit: Results, drawn: Results) -> None:
    draws = drawn.inference.draws  # type: ignore[attr-defined]
    estimates = fit.params.to_numpy()
    np.testing.assert_array_equal(drawn.std_errors, draws.std(axis=0))
    np.testing.assert_allclose(drawn.std_errors, fit.std_errors, rtol=0.1)
    np.testing.assert_array_equal(drawn.tstats, estimates / draws.std(axis=0))
    ends = estimates + np.quantile(draws, [0.05, 0.95], axis=0)
    np.testing.assert_array_equal(drawn.conf_int(0.9).to_numpy().T, ends)
    shares = (np.abs(draws) >= np.abs(estimates)).mean(axis=0)
    np.testing.assert_array_equal(drawn.pvalues, shares)
    assert drawn.wald_test("union = 0").pvalue == pytest.approx(shares[0], abs=1e-12)
    test = drawn.model_test()
    assert test is not None and test.distribution == "draws" and test.name == "Test of the model"
    assert np.isinf(drawn.df_t) and np.isinf(drawn.df_terms).all()


def test_views_and_adapters_show_it(drawn: Results) -> None:
    text = str(drawn.summary())
    assert "Standard errors: signs of units; percentiles of 999 draws" in " ".join(text.split())
    assert "Percentiles were drawn." in drawn.notes and "Percentiles were drawn." in text
    row, interval = term_rows(drawn, 0.95)[0], drawn.conf_int().iloc[0]
    assert (row.conf_low, row.conf_high) == (interval["lower"], interval["upper"])
    assert row.p_value == drawn.pvalues.iloc[0]
    assert drawn.glance().loc[0, "covariance"] == "signs of units"
    table = pm.compare(drawn, below="conf_int")
    labels = [row for band in table.grid().bands for row in band]
    assert ("Standard errors", "by nr") in labels and ("Clusters", "545") in labels
    assert f"[{number(interval['lower'])}, {number(interval['upper'])}]" in str(table)
    coefficients = drawn.__maketables_coef_table__
    assert coefficients["ci95l"].iloc[0] == interval["lower"]
    assert drawn.__maketables_vcov_info__["clustervar"] == "nr"


def test_what_needs_a_covariance_says_so(drawn: Results) -> None:
    for ask in (lambda: drawn.cov, lambda: drawn.covariance):
        with pytest.raises(SpecificationError, match="Percentiles of draws have no covariance"):
            ask()


def test_a_result_stays_and_comes_back(fit: Results, drawn: Results) -> None:
    assert isinstance(fit.inference, Wald) and drawn.params is fit.params
    assert drawn.with_cov("cluster").cov.equals(fit.cov)
    again: Results = pickle.loads(pickle.dumps(drawn))
    assert str(again.summary()) == str(drawn.summary())
    with pytest.raises(DetachedResultError, match="pickled without its data"):
        again.with_inference(Percentiles())


def test_effects_change_with_their_average() -> None:
    panel = pm.Panel(policy_data(), unit="unit", time="time")
    fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort", control="not-yet").fit(panel)
    events = fit.aggregate("event").with_inference(Percentiles(199))
    assert events.overall is not None
    assert events.overall.inference.reference == "percentiles of 199 draws"
    low, high = events.overall.conf_int().iloc[0]
    words = " ".join(str(events.summary()).split())
    assert f"95% interval {number(low)} to {number(high)}" in words
    assert events.pretrend_test().distribution == "draws"
    frame = events.event_frame(band=False)
    np.testing.assert_array_equal(frame["low"], events.conf_int()["lower"])
    with pytest.raises(SpecificationError, match="no covariance"):
        events.conf_band()
    for ask in (fit.with_inference(Percentiles()).aggregate, lambda: events.limited(0, 2)):
        with pytest.raises(SpecificationError, match="Average effects, or limit their horizons"):
            ask()


@pytest.mark.parametrize("wrong", ["cluster", Percentiles, pm.cov.HC1(), None])
def test_what_is_no_kind_of_inference_is_refused(fit: Results, wrong: object) -> None:
    with pytest.raises(SpecificationError, match=r"infer\(estimates, fit\).*with_cov takes cov"):
        fit.with_inference(wrong)  # type: ignore[arg-type]


def test_linear_functions_have_inference_of_their_own(fit: Results, drawn: Results) -> None:
    rows = np.array([[1.0, -1.0], [0.0, 2.0]])
    wald, draws = fit.inference.mapped(rows), drawn.inference.mapped(rows)
    np.testing.assert_allclose(wald.errors**2, np.diag(rows @ fit.cov.to_numpy() @ rows.T))
    assert wald.errors[1] == 2 * fit.std_errors["married"]
    np.testing.assert_array_equal(wald.interval(0.9)[1], 2 * fit.conf_int(0.9).loc["married"])
    deviations = drawn.inference.draws @ rows.T  # type: ignore[attr-defined]
    np.testing.assert_array_equal(draws.errors, deviations.std(axis=0))


@pytest.mark.parametrize("cov", ["cluster", "CR2", "satterthwaite", "kenward-roger"])
def test_contrasts_have_the_degrees_of_freedom_of_their_tests(cov: str) -> None:
    panel = pm.Panel(make_messy(), unit="unit", time="time")
    fit = pm.Hybrid("y ~ x1 + x2", random="x1").fit(panel).with_cov(cov)
    rows = np.array([[0.0, -1, 0, 1, 0], [0, 0, -1, 0, 1]])
    mapped = fit.inference.mapped(rows)
    for pvalue, name in zip(mapped.pvalues, ("x1", "x2"), strict=True):
        assert pvalue == pytest.approx(fit.wald_test(f"between({name}) = within({name})").pvalue)
    both = mapped.test(Restrictions.read(np.eye(2), ["x1", "x2"]))
    assert both.pvalue == pytest.approx(fit.wald_test(rows).pvalue)
    one = fit.inference.mapped(np.eye(5)[[3]])
    assert one.df == fit.df_terms["between(x1)"] and one.errors[0] == fit.std_errors["between(x1)"]


def test_effects_within_and_between_units_take_it() -> None:
    fit = pm.Hybrid("y ~ x1 + x2").fit(pm.Panel(make_messy(), unit="unit", time="time"))
    drawn = fit.with_inference(Percentiles())
    found = pm.within_between(drawn, level=0.9)
    rows = np.array([[0.0, -1, 0, 1, 0], [0, 0, -1, 0, 1]])
    deviations = drawn.inference.draws @ rows.T  # type: ignore[attr-defined]
    ends = rows @ fit.params.to_numpy() + np.quantile(deviations, [0.05, 0.95], axis=0)
    np.testing.assert_allclose([found.lower, found.upper], ends, rtol=1e-12)
    assert found.test.distribution == "draws"
