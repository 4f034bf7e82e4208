"""The adapter against slopes, comparisons and tests worked out from the coefficients."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import MissingDependencyError, SpecificationError
from panelml.results.base import Results
from tests.panels import wage

if importlib.util.find_spec("marginaleffects") is None:
    pytest.skip("marginaleffects is not installed", allow_module_level=True)
if int(version("polars").split(".")[0]) >= 2:
    pytest.skip("marginaleffects 0.6 fails under polars 2", allow_module_level=True)

import marginaleffects as me

# marginaleffects calls what polars 1.44 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*cat.get_categories:DeprecationWarning")

# Derivatives are taken numerically. In the parameters they are exact for a step of any length,
# and free of rounding error for a long one.
EXACT = {"eps_vcov": 1.0}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    frame = wage().assign(
        region=lambda d: d["nr"].mod(3).map({0: "north", 1: "south", 2: "west"}),
        block=lambda d: d["nr"] % 4,
        exper=lambda d: d["exper"].astype(float),
    )
    frame.loc[[3, 700], "educ"] = np.nan
    return frame.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def random(frame: pd.DataFrame) -> Results:
    formula = "lwage ~ union * exper + I(exper**2) + educ + C(block) + region"
    return pm.RandomEffects(formula).fit(pm.Panel(frame, unit="nr", time="year"))


@pytest.fixture(scope="module")
def fixed(frame: pd.DataFrame) -> Results:
    return pm.FixedEffects("lwage ~ union * exper | nr + year").fit(
        pm.Panel(frame, unit="nr", time="year")
    )


def weighted(result: Results, **weights: float) -> tuple[float, float]:
    """Return a linear combination of parameters and its standard error."""
    w = pd.Series(weights).reindex(result.params.index).fillna(0.0)
    return float(w @ result.params), float(np.sqrt(w @ result.cov @ w))


def read(found: Any, **match: Any) -> dict[str, Any]:
    rows = [row for row in found.to_dicts() if all(row[k] == v for k, v in match.items())]
    assert len(rows) == 1
    return dict(rows[0])


def test_average_slopes(random: Results) -> None:
    rows = random.panel.frame.to_native().dropna(subset="educ")
    found = me.avg_slopes(random.to_marginaleffects(), **EXACT)
    slope = read(found, term="exper")
    expected = weighted(
        random,
        exper=1.0,
        **{"I(exper ** 2)": 2 * rows["exper"].mean(), "union:exper": rows["union"].mean()},
    )
    assert (slope["estimate"], slope["std_error"]) == pytest.approx(expected, rel=1e-4)
    union = read(found, term="union")
    expected = weighted(random, union=1.0, **{"union:exper": rows["exper"].mean()})
    assert (union["estimate"], union["std_error"]) == pytest.approx(expected, rel=1e-6)
    assert union["contrast"] == "1 - 0"


def test_categories_are_compared_with_the_first(random: Results) -> None:
    found = me.avg_slopes(random.to_marginaleffects(), **EXACT)
    for term, contrast, name in (
        ("block", "2 - 0", "C(block)[T.2]"),
        ("region", "west - north", "region[T.west]"),
    ):
        row = read(found, term=term, contrast=contrast)
        expected = (random.params[name], random.std_errors[name])
        assert (row["estimate"], row["std_error"]) == pytest.approx(expected, rel=1e-6)


def test_inference_has_the_degrees_of_freedom_of_the_result(random: Results) -> None:
    row = read(me.avg_slopes(random.to_marginaleffects(), variables="educ", **EXACT))
    low, high = random.conf_int().loc["educ"]
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((low, high), rel=1e-5)
    assert row["statistic"] == pytest.approx(random.tstats["educ"], rel=1e-5)


def test_predictions_are_those_of_the_result(random: Results) -> None:
    new = (
        wage()
        .iloc[:5]
        .assign(region="south", block=1)[["union", "exper", "educ", "region", "block"]]
    )
    new = new.assign(region=pd.Categorical(new["region"], ["north", "south", "west"]))
    found = me.predictions(random.to_marginaleffects(), newdata=new, **EXACT)
    np.testing.assert_allclose(found["estimate"], random.predict(new), rtol=1e-12)
    first = new.iloc[0]
    names = {
        "Intercept": 1.0,
        "union": first["union"],
        "exper": first["exper"],
        "educ": first["educ"],
        "I(exper ** 2)": first["exper"] ** 2,
        "union:exper": first["union"] * first["exper"],
        "C(block)[T.1]": 1.0,
        "region[T.south]": 1.0,
    }
    assert found["std_error"][0] == pytest.approx(weighted(random, **names)[1], rel=1e-5)


def test_predictions_average_over_the_estimation_sample(random: Results) -> None:
    found = me.avg_predictions(random.to_marginaleffects())
    inside = random.fitted(effects=False).dropna()
    assert inside.size == random.nobs
    assert found["estimate"][0] == pytest.approx(inside.mean(), rel=1e-12)


def test_other_covariances(random: Results) -> None:
    model = random.to_marginaleffects()
    for cov in ("HC1", "cluster:year", pm.cov.DriscollKraay(1)):
        row = read(me.avg_comparisons(model, variables={"educ": 1}, vcov=cov, **EXACT))
        assert row["std_error"] == pytest.approx(random.with_cov(cov).std_errors["educ"], rel=1e-6)
    assert "std_error" not in me.avg_slopes(model, vcov=False).columns


def test_slopes_of_fixed_effects(fixed: Results) -> None:
    model = fixed.to_marginaleffects()
    grid = me.datagrid(model=model, exper=[1.0, 5.0])
    found = me.slopes(model, variables="union", newdata=grid, **EXACT)
    for exper in (1.0, 5.0):
        row = read(found, exper=exper)
        expected = weighted(fixed, union=1.0, **{"union:exper": exper})
        assert (row["estimate"], row["std_error"]) == pytest.approx(expected, rel=1e-6)


def test_hypotheses(fixed: Results, random: Results) -> None:
    row = read(me.hypotheses(random.to_marginaleffects(), "union = educ"))
    test = random.wald_test("union = educ")
    assert row["statistic"] ** 2 == pytest.approx(test.statistic, rel=1e-6)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-5)
    names = me.hypotheses(fixed.to_marginaleffects())["term"].to_list()
    assert names == list(fixed.params.index)


@pytest.mark.parametrize(
    "spec", [pm.FixedEffects("lwage ~ union"), pm.FirstDifference("lwage ~ union", drift=True)]
)
def test_predictions_without_a_level_are_refused(
    frame: pd.DataFrame, spec: pm.FixedEffects
) -> None:
    model = spec.fit(pm.Panel(frame, unit="nr", time="year")).to_marginaleffects()
    with pytest.raises(SpecificationError, match="the level of the outcome is not among"):
        me.predictions(model)
    assert me.avg_slopes(model)["std_error"][0] > 0


@pytest.mark.parametrize("spec", [pm.Hybrid("lwage ~ union"), pm.PooledOLS("lwage ~ L(union)")])
def test_slopes_through_other_rows_are_refused(frame: pd.DataFrame, spec: pm.PooledOLS) -> None:
    result = spec.fit(pm.Panel(frame, unit="nr", time="year"))
    model = result.to_marginaleffects()
    with pytest.raises(SpecificationError, match=r"tie a row to others of its unit"):
        me.avg_slopes(model)
    assert me.hypotheses(model)["std_error"].to_list() == pytest.approx(list(result.std_errors))


def test_a_model_without_regressors(frame: pd.DataFrame) -> None:
    result = pm.PooledOLS("lwage ~ 1").fit(pm.Panel(frame, unit="nr", time="year"))
    found = me.hypotheses(result.to_marginaleffects())
    assert found["std_error"].to_list() == pytest.approx(list(result.std_errors))


def test_adapting_registers_nothing(random: Results) -> None:
    from marginaleffects.classes import ModelAbstract

    random.to_marginaleffects()
    assert not isinstance(random, ModelAbstract)


def test_without_marginaleffects(random: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "panelml.results.adapters.marginaleffects", raising=False)
    monkeypatch.setitem(sys.modules, "marginaleffects.classes", None)
    with pytest.raises(MissingDependencyError, match=r"panelml\[marginaleffects\]"):
        random.to_marginaleffects()


ORDERS: dict[str, tuple[Any, str, list[str]]] = {
    "ordered": (
        pd.CategoricalDtype(["lo", "mid", "hi"], ordered=True),
        "g",
        ["mid - lo", "hi - lo"],
    ),
    "declared": (pd.CategoricalDtype(["lo", "mid", "hi"]), "g", ["mid - lo", "hi - lo"]),
    "unused level": (pd.CategoricalDtype(["a", "mid", "hi", "lo"]), "g", ["hi - mid", "lo - mid"]),
    "text": ("object", "g", ["lo - hi", "mid - hi"]),
    "reference": ("object", "C(g, Treatment('mid'))", ["hi - mid", "lo - mid"]),
    "integers": (pd.CategoricalDtype([1, 2, 3]), "k", ["2 - 1", "3 - 1"]),
}


@pytest.mark.parametrize("name", ORDERS)
def test_contrasts_are_against_the_reference_of_the_fit(name: str) -> None:
    dtype, term, contrasts = ORDERS[name]
    rng = np.random.default_rng(0)
    k = rng.integers(0, 3, 240)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(40), 6),
            "t": np.tile(np.arange(6), 40),
            "k": k + 1,
            "g": np.array(["lo", "mid", "hi"])[k],
            "y": k + 0.1 * rng.normal(size=240),
        }
    )
    column = "k" if term == "k" else "g"
    frame[column] = frame[column].astype(dtype)
    result = pm.PooledOLS(f"y ~ {term}").fit(pm.Panel(frame, unit="id", time="t"))
    found = me.avg_comparisons(result.to_marginaleffects(), variables=column)
    assert found["contrast"].to_list() == contrasts
    means = frame.groupby(frame[column].astype(str))["y"].mean()
    expected = [means[a] - means[b] for a, b in (text.split(" - ") for text in contrasts)]
    np.testing.assert_allclose(found["estimate"].to_list(), expected, rtol=1e-8)


def test_versions_that_do_not_go_together_are_named() -> None:
    from panelml.results.adapters.marginaleffects import _require_versions

    _require_versions("0.6.0", "1.44.2")
    with pytest.raises(MissingDependencyError, match=r"0\.6\.0 does not work with polars 2\.1\.0"):
        _require_versions("0.6.0", "2.1.0")


@pytest.mark.parametrize("spec", [pm.Logit, pm.Probit, pm.Cloglog])
def test_effects_on_probabilities_are_those_of_slopes(spec: Any, frame: pd.DataFrame) -> None:
    fit = spec("union ~ married * exper + educ").fit(pm.Panel(frame, unit="nr", time="year"))
    found, ours = me.avg_slopes(fit.to_marginaleffects(), eps_vcov=1e-5), pm.slopes(fit)
    for term in ours.params.index:
        row = read(found, term=term)
        expected = (ours.params[term], ours.std_errors[term])
        assert (row["estimate"], row["std_error"]) == pytest.approx(expected, rel=1e-4)


def test_outcomes_whose_mean_is_not_the_links_are_refused(frame: pd.DataFrame) -> None:
    rows = frame.assign(third=(frame["lwage"] > 1.4).astype(int) + (frame["lwage"] > 1.9))
    fit = pm.OrderedLogit("third ~ educ").fit(pm.Panel(rows, unit="nr", time="year"))
    with pytest.raises(SpecificationError, match=r"panelml\.slopes"):
        fit.to_marginaleffects()
