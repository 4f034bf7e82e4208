"""Tests of effects, of serial correlation and of cross-section dependence."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import panelml as pm
from panelml.diagnostics.dependence import pesaran_cd
from panelml.diagnostics.effects import (
    breusch_pagan,
    effects_test,
    gourieroux_holly_monfort,
    honda,
    king_wu,
)
from panelml.diagnostics.serial import wooldridge_test
from panelml.errors import IdentificationError, SpecificationError, UnknownNameError
from panelml.inference.correction import SmallSample
from panelml.inference.testing import TestResult
from tests.golden import Case, assert_close, load
from tests.panels import PANELS, grunfeld10, grunfeld10_unbalanced, wage

# plm's default in its tests: no small-sample factor, residual degrees of freedom.
PLM = SmallSample(scale="none", groups=False, df="residual")
EFFECTS: dict[str, Any] = {"individual": "unit", "time": "time", "twoways": "twoway"}
KINDS: dict[str, Any] = {"cd": "cd", "lm": "lm", "sclm": "scaled-lm"}


@cache
def panel(name: str) -> pm.Panel:
    frame, unit, time = PANELS[name]
    return pm.Panel(frame(), unit=unit, time=time)


def grunfeld(frame: pd.DataFrame | None = None) -> pm.Panel:
    return pm.Panel(grunfeld10() if frame is None else frame, unit="firm", time="year")


FORMULA = "inv ~ value + capital"


def multiplier_test(spec: dict[str, Any], formula: str, data: pm.Panel) -> TestResult:
    effect = EFFECTS[spec["effects"]]
    if spec["type"] == "bp":
        return breusch_pagan(formula, data, effect=effect)
    if spec["type"] == "honda" or effect != "twoway":
        return honda(formula, data, effect=effect)
    return (
        king_wu(formula, data)
        if spec["type"] == "kw"
        else (gourieroux_holly_monfort(formula, data))
    )


def run(case: Case) -> TestResult:
    spec, data = case.spec, panel(case.data)
    formula = spec["formula"]
    match spec["test"]:
        case "lm":
            return multiplier_test(spec, formula, data)
        case "f":
            effects = data.unit if spec["effects"] == "individual" else f"{data.unit} + {data.time}"
            return effects_test(pm.FixedEffects(f"{formula} | {effects}").fit(data))
        case "wooldridge-within":
            fit = pm.PooledOLS(formula).fit(data)
            return wooldridge_test(fit, errors="within", small_sample=PLM)
        case "wooldridge-difference":
            fit = pm.FirstDifference(formula, drift=True).fit(data)
            errors: Any = {"fd": "differences", "fe": "levels"}[spec["h0"]]
            return wooldridge_test(fit, errors=errors, small_sample=PLM)
        case "pesaran":
            estimator: Any = {"FixedEffects": pm.FixedEffects, "Pooled": pm.PooledOLS}
            fit = estimator[spec["estimator"]](formula).fit(data)
            return pesaran_cd(fit, kind=KINDS[spec["type"]])
    raise AssertionError(spec["test"])


TESTS = ("lm", "f", "wooldridge-within", "wooldridge-difference", "pesaran")
CASES = [c for c in load("specification") if c.spec["test"] in TESTS and "gaps" not in c.spec]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_against_plm(case: Case) -> None:
    found, expected = run(case), case.value
    assert_close(found.statistic, expected["statistic"], case.tolerance, "statistic")
    if expected["pvalue"] > 1e-290:
        # Far in the tail, p-values magnify the rounding of the statistic.
        rtol = case.tolerance * max(1.0, abs(np.log(expected["pvalue"])))
        assert_close(found.pvalue, expected["pvalue"], rtol, "pvalue")
    if "df" in expected:
        assert_close(
            found.df, expected["df"][:3] if len(expected["df"]) > 3 else expected["df"], 1e-12, "df"
        )


def test_reference_values_cover_every_test() -> None:
    assert {case.spec["test"] for case in CASES} == set(TESTS)
    assert {case.data for case in CASES} >= {"grunfeld10", "grunfeld10_unbalanced", "wage"}
    assert len(CASES) > 60


# --- effects ----------------------------------------------------------------------------------


def test_result_and_formula_give_the_same_multipliers() -> None:
    data = grunfeld(grunfeld10_unbalanced())
    expected = breusch_pagan(FORMULA, data, effect="twoway").statistic
    for fit in (
        pm.PooledOLS(FORMULA),
        pm.FixedEffects(FORMULA),
        pm.RandomEffects(FORMULA),
        pm.FirstDifference(FORMULA),
        pm.Between(FORMULA),
    ):
        found = breusch_pagan(fit.fit(data), effect="twoway")  # type: ignore[attr-defined]
        assert found.statistic == pytest.approx(expected, rel=1e-12)
        assert found.df == (2,)


def test_multipliers_without_a_constant() -> None:
    frame = grunfeld10()
    x = frame[["value", "capital"]].to_numpy()
    y = frame["inv"].to_numpy()
    error = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    by_firm = pd.Series(error).groupby(frame["firm"]).sum()
    lm = np.sqrt(200 / (2 * 19)) * ((by_firm**2).sum() / (error @ error) - 1)
    found = honda(pm.PooledOLS(f"{FORMULA} - 1").fit(grunfeld()))
    assert found.statistic == pytest.approx(lm, rel=1e-11)


def test_breusch_pagan_squares_honda() -> None:
    fit = pm.PooledOLS("lwage ~ union + married").fit(panel("wage"))
    effects: list[Any] = ["unit", "time"]
    for effect in effects:
        one = honda(fit, effect=effect).statistic
        assert breusch_pagan(fit, effect=effect).statistic == pytest.approx(one**2, rel=1e-13)


def test_multipliers_below_zero_count_nothing_in_the_mixture() -> None:
    """Units whose residuals sum to zero exactly: a negative multiplier is no evidence."""
    frame = pd.DataFrame({"i": np.repeat(range(20), 2), "t": np.tile([0, 1], 20)})
    rng = np.random.default_rng(1)
    half = rng.normal(size=20)
    frame["y"] = np.column_stack([half, -half]).ravel()
    frame["x"] = rng.normal(size=40)
    data = pm.Panel(frame, unit="i", time="t")
    assert honda("y ~ x", data).statistic < -3
    assert honda("y ~ x", data).pvalue > 0.99
    assert breusch_pagan("y ~ x", data).pvalue < 0.01
    mixture = gourieroux_holly_monfort("y ~ x", data)
    time = max(honda("y ~ x", data, effect="time").statistic, 0.0) ** 2
    assert mixture.statistic == pytest.approx(time)
    if time == 0:
        assert mixture.pvalue == 1.0


def test_f_test_by_brute_force_on_several_effects() -> None:
    frame = grunfeld10_unbalanced().assign(group=lambda d: (d["firm"] + d["year"] // 4) % 3)
    fit = pm.FixedEffects(f"{FORMULA} | firm + year + group").fit(grunfeld(frame))
    found = effects_test(fit)

    def rss(*effects: str) -> tuple[float, int]:
        parts = [np.ones((len(frame), 1)), frame[["value", "capital"]].to_numpy()]
        parts += [pd.get_dummies(frame[e]).to_numpy(np.float64) for e in effects]
        x = np.concatenate(parts, axis=1)
        coef, _, rank, _ = np.linalg.lstsq(x, frame["inv"], rcond=1e-12)
        return float(((frame["inv"] - x @ coef) ** 2).sum()), int(rank)

    (full, k), (none, few) = rss("firm", "year", "group"), rss()
    n = len(frame)
    expected = (none - full) / (k - few) / (full / (n - k))
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.df == (k - few, n - k)
    some, middle = rss("firm")
    partial = effects_test(fit, pm.FixedEffects(FORMULA).fit(grunfeld(frame)))
    assert partial.statistic == pytest.approx(
        (some - full) / (k - middle) / (full / (n - k)), rel=1e-9
    )
    assert partial.df == (k - middle, n - k)
    assert partial.null == "the effects of firm + year + group add nothing to those of firm"
    pooled = effects_test(fit, pm.PooledOLS(FORMULA).fit(grunfeld(frame)))
    assert pooled.statistic == pytest.approx(found.statistic, rel=1e-9)


def test_f_test_keeps_only_regressors_that_vary_within_units() -> None:
    fit = pm.FixedEffects("lwage ~ union + married + educ").fit(panel("wage"))
    found = effects_test(fit)
    assert found.df == (544, 4360 - 545 - 2)
    without = effects_test(pm.FixedEffects("lwage ~ union + married").fit(panel("wage")))
    assert found.statistic == pytest.approx(without.statistic, rel=1e-11)
    assert "independent errors of equal variance" in found.notes[0]
    assert found.advice.startswith("Rejected")


def test_f_test_with_weights_is_that_of_weighted_dummies() -> None:
    from statsmodels.formula.api import wls

    frame = grunfeld10()
    fit = pm.FixedEffects(FORMULA, weights="w_obs").fit(grunfeld())
    full = wls(f"{FORMULA} + C(firm)", frame, weights=frame["w_obs"]).fit()
    restricted = wls(FORMULA, frame, weights=frame["w_obs"]).fit()
    statistic, pvalue, df = full.compare_f_test(restricted)
    found = effects_test(fit)
    assert found.statistic == pytest.approx(statistic, rel=1e-10)
    assert found.pvalue == pytest.approx(pvalue, rel=1e-8)
    assert found.df == (df, full.df_resid)


def test_refusals_of_effects_tests() -> None:
    data = grunfeld()
    pooled = pm.PooledOLS(FORMULA).fit(data)
    fe = pm.FixedEffects(FORMULA).fit(data)
    with pytest.raises(SpecificationError, match="Pooled OLS absorbs no effects"):
        effects_test(pooled)
    for other in (
        pm.RandomEffects(FORMULA).fit(data),
        pm.FixedEffects(FORMULA).fit(data),
        pm.PooledOLS("inv ~ value").fit(data),
        pm.FixedEffects(f"{FORMULA} | firm + year").fit(data),
    ):
        with pytest.raises(SpecificationError, match="must have the same rows and regressors"):
            effects_test(fe, other)
    with pytest.raises(SpecificationError, match=r"effect is not 'units'\. Did you mean 'unit'"):
        breusch_pagan(pooled, effect="units")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="leave data out"):
        honda(pooled, data)
    with pytest.raises(SpecificationError, match="formula needs data"):
        honda(FORMULA)
    with pytest.raises(SpecificationError, match="leave out what follows"):
        honda(f"{FORMULA} | firm", data)
    with pytest.raises(SpecificationError, match="not defined for weighted"):
        king_wu(pm.PooledOLS(FORMULA, weights="w_obs").fit(data))
    with pytest.raises(UnknownNameError, match="valeu"):
        honda("inv ~ valeu", data)
    with pytest.raises(IdentificationError, match="No two rows share an effect"):
        honda(FORMULA, grunfeld(grunfeld10().query("year == 1940")))


# --- serial correlation -----------------------------------------------------------------------


def lagged_regression(frame: pd.DataFrame, error: np.ndarray, null: float) -> tuple[float, int]:
    """F of the coefficient of the lag, by pandas: HC0 by firm times G/(G-1) (N-1)/(N-2)."""
    rows = frame[["firm", "year"]].assign(e=error)
    before = rows.assign(year=rows["year"] + 1).rename(columns={"e": "lag"})
    both = rows.merge(before, on=["firm", "year"])
    x = np.column_stack([np.ones(len(both)), both["lag"]])
    bread = np.linalg.inv(x.T @ x)
    coef = bread @ x.T @ both["e"]
    scores = pd.DataFrame(x * (both["e"] - x @ coef).to_numpy()[:, None])
    sums = scores.groupby(both["firm"].to_numpy()).sum().to_numpy()
    g, n = len(sums), len(both)
    variance = (bread @ sums.T @ sums @ bread)[1, 1] * g / (g - 1) * (n - 1) / (n - 2)
    return float((coef[1] - null) ** 2 / variance), g


@pytest.mark.parametrize("null", [-0.5, 0.0])
def test_wooldridge_by_brute_force_with_gaps(null: float) -> None:
    frame = grunfeld10_unbalanced().sort_values(["firm", "year"])
    before = frame.assign(year=frame["year"] + 1)
    both = frame.merge(before, on=["firm", "year"], suffixes=("", "_before"))
    names = ["inv", "value", "capital"]
    d = both[names].to_numpy() - both[[f"{n}_before" for n in names]].to_numpy()
    error = d[:, 0] - d[:, 1:] @ np.linalg.lstsq(d[:, 1:], d[:, 0], rcond=None)[0]
    expected, g = lagged_regression(both, error, null)
    errors: Any = "levels" if null else "differences"
    for fit in (pm.PooledOLS(FORMULA), pm.FixedEffects(FORMULA), pm.FirstDifference(FORMULA)):
        found = wooldridge_test(fit.fit(grunfeld(frame)), errors=errors)  # type: ignore[attr-defined]
        assert found.statistic == pytest.approx(expected, rel=1e-9)
        assert found.df == (1, g - 1)
        assert found.pvalue == pytest.approx(stats.f.sf(expected, 1, g - 1), rel=1e-8)


def test_wooldridge_finds_what_is_there() -> None:
    rng = np.random.default_rng(8)
    shocks = rng.normal(size=(300, 8))
    series = shocks.copy()
    for t in range(1, 8):
        series[:, t] += 0.6 * series[:, t - 1]
    frame = pd.DataFrame({"i": np.repeat(range(300), 8), "t": np.tile(range(8), 300)})
    frame["x"] = rng.normal(size=2400)
    errors: list[Any] = ["levels", "within"]
    for noise, related in ((shocks, False), (series, True)):
        data = pm.Panel(frame.assign(y=frame["x"] + noise.ravel()), unit="i", time="t")
        fit = pm.FixedEffects("y ~ x").fit(data)
        for error in errors:
            assert (wooldridge_test(fit, errors=error).pvalue < 1e-6) is related
        advice = wooldridge_test(fit).advice
        assert ("cluster by unit" in advice) is related


def test_refusals_of_the_serial_test() -> None:
    fit = pm.FixedEffects(FORMULA).fit(grunfeld(grunfeld10_unbalanced()))
    with pytest.raises(SpecificationError, match="needs a balanced panel"):
        wooldridge_test(fit, errors="within")
    with pytest.raises(SpecificationError, match=r"errors is not 'level'\. Did you mean 'levels'"):
        wooldridge_test(fit, errors="level")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="not defined for weighted"):
        wooldridge_test(pm.FixedEffects(FORMULA, weights="w_obs").fit(grunfeld()))
    short = grunfeld(grunfeld10().query("year <= 1936"))
    with pytest.raises(IdentificationError, match="Too few residuals have one in the period"):
        wooldridge_test(pm.PooledOLS(FORMULA).fit(short))


# --- cross-section dependence -----------------------------------------------------------------


def test_correlations_with_pairs_equal_those_without() -> None:
    fit = pm.FixedEffects("lwage ~ union + married + expersq").fit(panel("wage"))
    from panelml.diagnostics import dependence

    table = dependence._error_table(fit.attached.estimate.influence)
    quick, slow = dependence._balanced(table), dependence._pairwise(table)
    assert quick.pairs == slow.pairs == 545 * 544 // 2
    assert quick.weighted == pytest.approx(slow.weighted, rel=1e-9)


def test_pairs_without_shared_periods_are_left_out() -> None:
    frame = grunfeld10().query(
        "firm > 2 or (firm == 1 and year < 1940) or (firm == 2 and year > 1940)"
    )
    fit = pm.FixedEffects(FORMULA).fit(grunfeld(frame))
    found = pesaran_cd(fit)
    assert found.notes == ("1 pairs of units without two varying periods in common are left out.",)
    wide = fit.residuals().to_frame().assign(firm=frame["firm"], year=frame["year"])
    wide = wide.pivot(index="year", columns="firm", values="residual")
    rho, total = wide.corr(min_periods=2), 0.0
    for i in range(1, 11):
        for j in range(i + 1, 11):
            if (i, j) != (1, 2):
                total += np.sqrt(wide[[i, j]].notna().all(axis=1).sum()) * rho.loc[i, j]
    assert found.statistic == pytest.approx(total / np.sqrt(44), rel=1e-9)


def test_units_without_variation_are_left_out() -> None:
    """One unit is fitted exactly by its own dummy variable's slope."""
    frame = grunfeld10().assign(own=lambda d: d["inv"].where(d["firm"] == 1, 0.0))
    fit = pm.FixedEffects("inv ~ own + value").fit(grunfeld(frame.query("firm <= 5")))
    exact = pesaran_cd(pm.FixedEffects("inv ~ value").fit(grunfeld(frame.query("firm <= 5"))))
    assert exact.notes == ()
    assert np.isfinite(pesaran_cd(fit).statistic)


def test_first_differences_and_random_effects_have_residuals_too() -> None:
    data = panel("wage")
    formula = "lwage ~ union + married"
    for fit in (pm.FirstDifference(formula), pm.RandomEffects(formula)):
        assert np.isfinite(pesaran_cd(fit.fit(data)).statistic)
    one_way = pesaran_cd(pm.FixedEffects(formula).fit(data))
    assert one_way.notes == ()
    assert "Driscoll-Kraay" in one_way.advice


@pytest.mark.parametrize("unbalanced", [False, True])
@pytest.mark.parametrize("kind", ["cd", "lm", "scaled-lm"])
def test_effects_of_periods_leave_nothing_to_test(unbalanced: bool, kind: Any) -> None:
    """Residuals that add up to zero in each period are correlated between units."""
    frame = grunfeld10_unbalanced() if unbalanced else grunfeld10()
    data = pm.Panel(frame.assign(sector=frame["firm"] % 3), unit="firm", time="year")
    fits = [
        pm.FixedEffects(f"{FORMULA} | firm + year"),
        pm.FixedEffects(f"{FORMULA} | year"),
        pm.FixedEffects(f"{FORMULA} | firm + sector^year"),
        pm.FixedEffects(f"{FORMULA} + C(year)"),
        pm.RandomEffects(f"{FORMULA} + C(year)", method="ml"),
        pm.PooledOLS(f"{FORMULA} + C(year)"),
        pm.RandomEffects(FORMULA, time_effects=True),
    ]
    for fit in fits:
        with pytest.raises(SpecificationError, match=r"Effects of year are taken out.*without"):
            pesaran_cd(fit.fit(data), kind=kind)
    early = pm.Panel(frame.query("year < 1941"), unit="firm", time="year")
    crossed = pm.MixedModel(f"{FORMULA} + (1 | firm) + (1 | year)")
    with pytest.raises(SpecificationError, match="Effects of year are taken out"):
        pesaran_cd(crossed.fit(early), kind=kind)
    # With more years than firms the rows are laid out by years.
    with pytest.raises(SpecificationError, match="laid out by year, without periods"):
        pesaran_cd(crossed.fit(data), kind=kind)
    trend = pm.FixedEffects(f"{FORMULA} + year").fit(data)
    assert np.isfinite(pesaran_cd(trend, kind=kind).statistic)


def test_refusals_of_the_dependence_test() -> None:
    with pytest.raises(SpecificationError, match="means of units have no periods"):
        pesaran_cd(pm.Between(FORMULA).fit(grunfeld()))
    with pytest.raises(SpecificationError, match="not defined for weighted"):
        pesaran_cd(pm.PooledOLS(FORMULA, weights="w_obs").fit(grunfeld()))
    with pytest.raises(SpecificationError, match="kind is not 'CD'"):
        pesaran_cd(pm.PooledOLS(FORMULA).fit(grunfeld()), kind="CD")  # type: ignore[arg-type]
    with pytest.raises(IdentificationError, match="No two units vary over two periods"):
        pesaran_cd(pm.PooledOLS(FORMULA).fit(grunfeld(grunfeld10().query("year == 1940"))))


def test_results_of_any_chunking_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over many chunks, by pairs of units that straddle them."""
    frame = wage()[["nr", "year", "lwage", "union", "married"]]
    data = pm.Panel(frame.drop(index=range(0, 4000, 7)), unit="nr", time="year")
    fit = pm.FixedEffects("lwage ~ union + married").fit(data)
    tests: Any = [
        lambda: breusch_pagan(fit, effect="twoway"),
        lambda: wooldridge_test(fit),
        lambda: pesaran_cd(fit),
    ]
    whole = [test().statistic for test in tests]
    from panelml.data import sample as module
    from panelml.diagnostics import dependence

    split = module.split_units
    monkeypatch.setattr(module, "split_units", lambda starts, rows: split(starts, 100))
    monkeypatch.setattr(dependence, "UNITS_AT_ONCE", 37)
    for test, expected in zip(tests, whole, strict=True):
        assert test().statistic == pytest.approx(expected, rel=1e-9)


def test_advice_and_notes_are_printed() -> None:
    found = replace(breusch_pagan(FORMULA, grunfeld()), notes=("A note.",))
    text = str(found)
    for part in (
        "Breusch-Pagan test, unit",
        "H0: the effects of units have no variance",
        "chi2(1) = 798.1615",
        "RandomEffects or FixedEffects",
        "A note.",
    ):
        assert part in text


# --- what a fit knows of periods --------------------------------------------------------------


def careers() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.repeat(np.arange(60), 6), "t": np.tile(np.arange(6), 60)})
    frame["tenure"] = rng.integers(0, 9, 60)[frame["id"]] + frame["t"]
    frame["x"], frame["educ"] = rng.normal(size=360), rng.normal(size=60)[frame["id"]]
    frame["y"] = frame["x"] + 0.1 * frame["tenure"] + rng.normal(size=60)[frame["id"]]
    frame["y"] += rng.normal(size=360)
    frame["wave"], frame["school"] = "wave " + frame["t"].astype(str), frame["id"] % 10
    return frame.drop(index=[3, 17, 40, 111])


def test_f_test_does_not_depend_on_which_collinear_regressor_was_dropped() -> None:
    """Tenure is collinear with period dummies within units, and not in pooled least squares."""
    frame = careers()
    panel = pm.Panel(frame, unit="id", time="t")
    dummies = pd.get_dummies(frame["t"]).to_numpy(np.float64)
    units = pd.get_dummies(frame["id"]).to_numpy(np.float64)
    pooled = np.column_stack([frame[["x", "tenure"]], dummies])
    rss, rank = [], []
    for x in (pooled, np.column_stack([pooled, units])):
        coef, _, r, _ = np.linalg.lstsq(x, frame["y"], rcond=1e-10)
        rss.append(float(((frame["y"] - x @ coef) ** 2).sum()))
        rank.append(int(r))
    df = (rank[1] - rank[0], len(frame) - rank[1])
    expected = (rss[0] - rss[1]) / df[0] / (rss[1] / df[1])
    for formula in (
        "y ~ x + tenure + C(t)",
        "y ~ C(t) + tenure + x",
        "y ~ x + tenure + C(t) + educ",
    ):
        found = effects_test(pm.FixedEffects(formula).fit(panel))
        assert found.df == df
        assert found.statistic == pytest.approx(expected, rel=1e-9)


def test_residuals_after_copies_of_the_periods_are_refused() -> None:
    """Effects of another column that tells periods apart are effects of periods."""
    panel = pm.Panel(careers(), unit="id", time="t")
    for effects in ("id + wave", "id + school^wave"):
        with pytest.raises(SpecificationError, match="Effects of t are taken out"):
            pm.pesaran_cd(pm.FixedEffects(f"y ~ x | {effects}").fit(panel))
    with pytest.raises(SpecificationError, match="Effects of t are taken out"):
        pm.pesaran_cd(pm.MixedModel("y ~ x + (1 | id) + (1 | wave)").fit(panel))
    for effects in ("id", "id + school", "id + wave[[educ]]"):
        assert pm.pesaran_cd(pm.FixedEffects(f"y ~ x | {effects}").fit(panel)).pvalue > 0
    assert pm.pesaran_cd(pm.MixedModel("y ~ x + (1 | id) + (0 + x | wave)").fit(panel)).pvalue > 0


def test_rows_without_periods_have_no_tests_of_periods() -> None:
    frame = careers()
    for data in (frame, pm.Panel(frame, unit="id", time="t")):
        fit = pm.MixedModel("y ~ x + (1 | school)").fit(data)
        for test in (pm.wooldridge_test, pm.pesaran_cd, pm.king_wu):
            with pytest.raises(SpecificationError, match="laid out by school, without periods"):
                test(fit)
        for effect in ("time", "twoway"):
            with pytest.raises(SpecificationError, match="laid out by school, without periods"):
                breusch_pagan(fit, effect=effect)
        assert breusch_pagan(fit).df == (1,)


def test_f_test_of_slopes_beside_intercepts() -> None:
    """The effects without slopes are a restriction of those with them."""
    frame = careers()
    panel = pm.Panel(frame, unit="id", time="t")
    wide, narrow = (pm.FixedEffects(f"y ~ x | {text}").fit(panel) for text in ("id[t]", "id"))
    units = pd.get_dummies(frame["id"]).to_numpy(np.float64)
    rss = []
    for extra in (units, np.column_stack([units, units * frame[["t"]].to_numpy()])):
        x = np.column_stack([frame["x"], extra])
        left = frame["y"] - x @ np.linalg.lstsq(x, frame["y"], rcond=1e-10)[0]
        rss.append(float((left**2).sum()))
    found = effects_test(wide, narrow)
    assert found.df == (60, len(frame) - 121)
    expected = (rss[0] - rss[1]) / 60 / (rss[1] / (len(frame) - 121))
    assert found.statistic == pytest.approx(expected, rel=1e-8)
