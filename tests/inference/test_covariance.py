"""Covariances against other packages, by brute force, and where they must refuse or warn."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import linalg

import panelml as pm
from panelml.errors import (
    IdentificationError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
)
from panelml.inference.clusters import FEW, semidefinite
from panelml.inference.correction import PRESETS, SmallSample
from panelml.inference.covariance import (
    HC1,
    Clustered,
    DriscollKraay,
    Iid,
    NeweyWest,
    parse,
)
from panelml.results.base import Results
from tests.golden import Case, assert_close, load
from tests.panels import PANELS, grunfeld10, grunfeld10_unbalanced

PLAIN = SmallSample(scale="none", groups=False, multiway="each", robust=False)


@cache
def panel(name: str) -> pm.Panel:
    frame, unit, time = PANELS[name]
    return pm.Panel(frame(), unit=unit, time=time)


@cache
def fixed_effects(name: str, formula: str, weights: str | None, singletons: Any) -> Results:
    return pm.FixedEffects(formula, weights=weights, singletons=singletons).fit(panel(name))


def rule_of(case: Case) -> str | SmallSample:
    """The small-sample rule of a reference value, in our terms."""
    spec = case.spec
    package = spec.get("correction", "fixest")
    rule = PRESETS[package]
    if spec.get("type") == "HC0" or spec["cov"] == "HC0" or spec.get("small_sample") == "CR0":
        return "none"
    if spec.get("type") == "HC1":
        return replace(rule, scale="n", groups=False)
    if spec.get("small_sample") == "CR1":
        return replace(rule, scale="none")
    if spec.get("small_sample") == "CR1S":
        return "plm"
    if package == "linearmodels" and spec.get("group_debias"):
        rule = replace(rule, scale="n-1", groups=True)
    if package == "linearmodels" and spec.get("intercept"):
        rule = replace(rule, implied_constant=True)
    if spec.get("nested_effects_in_k") or spec.get("k_fixef") == "full":
        rule = replace(rule, effects="all")
    if spec.get("k_fixef") == "none":
        rule = replace(rule, effects="none", implied_constant=False)
    if spec.get("G_df") == "conventional":
        rule = replace(rule, multiway="each")
    return rule


def covariance_of(case: Case) -> Any:
    spec, rule = case.spec, rule_of(case)
    data = panel(case.data)
    kind, _, rest = spec["cov"].partition(":")
    roles = {"unit": data.unit, "time": data.time}
    lags = spec.get("lags", spec.get("bandwidth"))
    if case.tool == "linearmodels" and lags is None:
        lags = "newey-west"
    if kind == "cluster":
        columns = [roles[role] for role in rest.split("+") if role]
        return Clustered(*columns, small_sample=rule)
    return {
        "iid": Iid(),
        "HC0": HC1(small_sample=rule),
        "HC1": HC1(small_sample=rule),
        "driscoll-kraay": DriscollKraay(lags, small_sample=rule),
        "newey-west": NeweyWest(lags, small_sample=rule),
    }[kind]


def is_comparable(case: Case) -> bool:
    spec = case.spec
    if "cov" not in spec or "std_errors" not in case.value:
        return False
    if spec["cov"] in ("HC2", "HC3") or spec.get("small_sample") in ("CR2", "CR3"):
        return False
    # With gaps, rows next to each other are not one period apart: ours counts periods.
    return not (spec.get("lag") == "row" and "unbalanced" in case.data)


def slopes(value: Any) -> Any:
    """Leave the constant out, which linearmodels reports where a constant is a regressor."""
    if not isinstance(value, dict):
        return value
    return {name: slopes(item) for name, item in value.items() if name != "Intercept"}


FIXED = [case for case in load("fe") if is_comparable(case)]


@pytest.mark.parametrize("case", FIXED, ids=lambda case: case.id)
def test_fixed_effects_against_other_packages(case: Case) -> None:
    spec, value = case.spec, {name: slopes(item) for name, item in case.value.items()}
    fit = fixed_effects(
        case.data, spec["formula"], spec.get("weights"), spec.get("singletons", "keep")
    ).with_cov(covariance_of(case))
    assert_close(fit.std_errors, value["std_errors"], case.tolerance, "std_errors")
    if "cov" in value:
        assert_close(fit.cov, value["cov"], case.tolerance, "cov")
    if "tstats" in value:
        assert_close(fit.tstats, value["tstats"], 10 * case.tolerance, "tstats")
    if "df_t" in value and not isinstance(covariance_of(case), DriscollKraay):
        assert_close(fit.df_t, value["df_t"], case.tolerance, "df_t")


def test_reference_values_cover_every_covariance_and_preset() -> None:
    seen = {(case.spec["cov"].partition(":")[0], case.spec.get("correction")) for case in FIXED}
    for kind in ("cluster", "driscoll-kraay"):
        assert {(kind, preset) for preset in ("fixest", "plm", "linearmodels")} <= seen
    assert ("cluster", "stata") in seen
    assert {("newey-west", preset) for preset in ("fixest", "plm", "linearmodels")} <= seen
    assert len(FIXED) > 500


# Grunfeld's ten firms, `inv ~ value + capital | firm`, to the digits that were published:
# standard errors of value and capital.
TABLE = {
    "G/(G-1)": (
        Clustered(small_sample=replace(PRESETS["plm"], scale="none")),
        (0.015117947, 0.052486018),
    ),
    "plm sss": (Clustered(small_sample="plm"), (0.015156075, 0.052618392)),
    "xtreg": (Clustered(small_sample="stata"), (0.015194494, 0.052751772)),
    "areg": (
        Clustered(small_sample=replace(PRESETS["stata"], effects="all")),
        (0.015553940, 0.053999687),
    ),
    "linearmodels": (Clustered(small_sample="linearmodels"), (0.014414397, 0.050043455)),
    "two-way fixest": (Clustered("firm", "year"), (0.011711179, 0.043589990)),
    "two-way conventional": (
        Clustered("firm", "year", small_sample=replace(PRESETS["fixest"], multiway="each")),
        (0.012611860, 0.045048096),
    ),
    "two-way linearmodels": (
        Clustered("firm", "year", small_sample="linearmodels"),
        (0.011401566, 0.042437586),
    ),
    "two-way plm HC0": (Clustered("firm", "year", small_sample="none"), (0.011054229, 0.041144766)),
    "two-way plm sss": (Clustered("firm", "year", small_sample="plm"), (0.012579971, 0.044934194)),
    "time fixest": (Clustered("year"), (0.017327915, 0.032278881)),
    "time linearmodels": (
        Clustered("year", small_sample="linearmodels"),
        (0.016931544, 0.031540511),
    ),
    "DK linearmodels": (DriscollKraay(small_sample="linearmodels"), (0.018241750, 0.035914239)),
    "DK fixest": (DriscollKraay(2), (0.018668793, 0.036754999)),
    "DK fixest 0.12": (DriscollKraay(2, small_sample="fixest-0.12"), (0.018668793, 0.036754999)),
    "DK plm HC0": (DriscollKraay(2, small_sample="none"), (0.017686033, 0.034820147)),
    "DK plm sss": (DriscollKraay(2, small_sample="plm"), (0.018191251, 0.035814817)),
    "NW fixest 0.12": (NeweyWest(2, small_sample="fixest-0.12"), (0.022125373, 0.050629121)),
    "NW fixest 0.14": (NeweyWest(2), (0.022648779, 0.051826821)),
    "NW plm HC0": (NeweyWest(2, small_sample="none"), (0.021456505, 0.049098561)),
}


@pytest.mark.parametrize(("cov", "expected"), TABLE.values(), ids=TABLE)
def test_published_standard_errors_of_grunfeld(cov: Any, expected: tuple[float, float]) -> None:
    fit = fixed_effects("grunfeld10", "inv ~ value + capital | firm", None, "keep").with_cov(cov)
    assert fit.std_errors.to_numpy() == pytest.approx(expected, abs=6e-10)


def assert_same(found: pd.DataFrame, expected: np.ndarray, rel: float = 1e-9) -> None:
    """Compare covariances entry by entry, relative to the standard errors."""
    length = np.sqrt(np.diag(expected))
    assert np.abs((found.to_numpy() - expected) / np.outer(length, length)).max() < rel


# --- by brute force: least squares with dummies, scores summed by pandas ---------------------


def with_groups(frame: pd.DataFrame) -> pd.DataFrame:
    """Clusters coarser than firms, and clusters that cut across firms."""
    return frame.assign(
        state=frame["firm"] % 4,
        cut=(frame["firm"] + frame["year"] // 3) % 5,
        text=np.where(frame["year"] % 2 == 0, "even", "odd") + (frame["firm"] % 3).astype(str),
    )


def dummies(frame: pd.DataFrame, column: str) -> np.ndarray:
    return pd.get_dummies(frame[column]).to_numpy(np.float64)


def influences(frame: pd.DataFrame, effects: list[str], weights: str | None) -> np.ndarray:
    """Influences of the constant (without effects), value and capital, shape (n, 3) or (n, 2)."""
    z = frame[["inv", "value", "capital"]].to_numpy(np.float64)
    w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy(np.float64)
    root = np.sqrt(w)[:, None]
    if effects:
        d = root * np.concatenate([dummies(frame, effect) for effect in effects], axis=1)
        z = root * z - d @ np.linalg.lstsq(d, root * z, rcond=None)[0]
    else:
        z = root * np.insert(z, 1, 1.0, axis=1)
    y, x = z[:, 0], z[:, 1:]
    coef = np.linalg.lstsq(x, y, rcond=None)[0]
    return (x * (y - x @ coef)[:, None]) @ np.linalg.inv(x.T @ x)


def brute_multiway(psi: np.ndarray, frame: pd.DataFrame, columns: list[str]) -> np.ndarray:
    total = np.zeros((psi.shape[1], psi.shape[1]))
    for size in range(1, len(columns) + 1):
        for subset in combinations(columns, size):
            sums = pd.DataFrame(psi).groupby([frame[c].to_numpy() for c in subset]).sum()
            total += (-1) ** (size + 1) * sums.to_numpy().T @ sums.to_numpy()
    return total


def mended(matrix: np.ndarray, measure: np.ndarray) -> np.ndarray:
    """Leave negative eigenvalues relative to a measure out: ``V b = l S b``, ``b' S b = 1``."""
    values, vectors = linalg.eigh(matrix, measure)
    back = (measure @ vectors)[:, values > 0]
    return np.asarray((back * values[values > 0]) @ back.T)


FRAMES = {
    "balanced": with_groups(grunfeld10()),
    "unbalanced": with_groups(grunfeld10_unbalanced()).sample(frac=1, random_state=3),
}
DIMENSIONS = [
    ["firm"],
    ["state"],
    ["cut"],
    ["text"],
    ["firm", "year"],
    ["state", "cut"],
    ["state", "year"],
    ["firm", "year", "cut"],
    ["state", "cut", "text"],
    ["firm", "year", "state", "cut"],
]


@pytest.mark.parametrize("weights", [None, "w_obs"])
@pytest.mark.parametrize("effects", [[], ["firm"], ["firm", "year"]], ids=str)
@pytest.mark.parametrize("columns", DIMENSIONS, ids="+".join)
@pytest.mark.parametrize("data", FRAMES)
def test_clusters_by_brute_force(
    data: str, columns: list[str], effects: list[str], weights: str | None
) -> None:
    frame = FRAMES[data]
    formula = "inv ~ value + capital"
    model: Any = pm.PooledOLS(formula, weights=weights)
    if effects:
        model = pm.FixedEffects(f"{formula} | {' + '.join(effects)}", weights=weights)
    fit = model.fit(pm.Panel(frame, unit="firm", time="year"))
    found = fit.with_cov(Clustered(*columns, small_sample=PLAIN))
    expected = brute_multiway(influences(frame, effects, weights), frame, columns)
    expected = mended(expected, fit.with_cov("iid").cov.to_numpy())
    assert_same(found.cov, expected)
    assert found.covariance.clusters == {c: frame[c].nunique() for c in columns}


def test_combination_of_columns_is_one_cluster_dimension() -> None:
    frame = FRAMES["unbalanced"]
    fit = pm.PooledOLS("inv ~ value + capital").fit(pm.Panel(frame, unit="firm", time="year"))
    one = fit.with_cov(Clustered("state^cut"))
    joined = frame.assign(joined=frame["state"].astype(str) + "/" + frame["cut"].astype(str))
    other = pm.PooledOLS("inv ~ value + capital", cov="cluster:joined").fit(
        pm.Panel(joined, unit="firm", time="year")
    )
    assert one.std_errors.to_numpy() == pytest.approx(other.std_errors.to_numpy(), rel=1e-12)
    assert list(one.covariance.clusters) == ["state^cut"]


@pytest.mark.parametrize("columns", [["firm", "year"], ["firm", "year", "cut"]], ids="+".join)
def test_rows_told_apart_by_unit_and_time_need_no_keys(columns: list[str]) -> None:
    """The shortcut over single rows is the same as sums by a key that numbers the rows."""
    frame = FRAMES["unbalanced"]
    numbered = frame.assign(row=np.arange(len(frame)))
    fit = pm.FixedEffects("inv ~ value + capital").fit(pm.Panel(numbered, unit="firm", time="year"))
    influence = fit.attached.estimate.influence
    single = influence.sums(("row",)).sums
    assert_same(pd.DataFrame(influence.row_products()), single @ single.T, 1e-12)
    rule = replace(PRESETS["fixest"], multiway="each")
    found = fit.with_cov(Clustered("firm", "year", small_sample=rule)).cov
    n = len(frame)
    factor = (n - 1) / (n - fit.df_model - 1)
    terms = [influence.sums((name,)).sums for name in ("firm", "year")]
    expected = sum(h @ h.T * h.shape[1] / (h.shape[1] - 1) for h in terms)
    expected = factor * (expected - single @ single.T * n / (n - 1))
    assert_same(found, expected, 1e-11)


def test_frequency_weights_keep_equal_rows_in_one_cluster() -> None:
    """A row that stands for three is one cell of unit and time, as if it were written thrice."""
    frame = with_groups(grunfeld10())
    fit = pm.PooledOLS("inv ~ value + capital", weights="frequency:w_freq").fit(
        pm.Panel(frame, unit="firm", time="year")
    )
    copies = frame.loc[frame.index.repeat(frame["w_freq"])].assign(cell=lambda d: d.index)
    psi = influences(copies, [], None)
    for columns in (["firm", "year"], ["firm"], ["cut", "year"]):
        expected = mended(brute_multiway(psi, copies, columns), fit.with_cov("iid").cov.to_numpy())
        found = fit.with_cov(Clustered(*columns, small_sample=PLAIN)).cov
        assert_same(found, expected)
    assert fit.nobs == len(copies)
    found = fit.with_cov(HC1(small_sample="none")).cov
    assert_same(found, psi.T @ psi)


def test_driscoll_kraay_and_newey_west_by_brute_force() -> None:
    frame = FRAMES["unbalanced"].sort_values(["firm", "year"])
    psi = influences(frame, ["firm"], None)
    fit = pm.FixedEffects("inv ~ value + capital").fit(pm.Panel(frame, unit="firm", time="year"))
    h = pd.DataFrame(psi).groupby(frame["year"].to_numpy()).sum().to_numpy()
    kraay, west = h.T @ h, psi.T @ psi
    apart = frame["year"].to_numpy()[:, None] - frame["year"].to_numpy()[None]
    same = frame["firm"].to_numpy()[:, None] == frame["firm"].to_numpy()[None]
    for lag in (1, 2, 3):
        weight = 1 - lag / 4
        cross = h[lag:].T @ h[:-lag]
        kraay += weight * (cross + cross.T)
        cross = psi.T @ (same & (apart == lag)) @ psi
        west += weight * (cross + cross.T)
    found = fit.with_cov(DriscollKraay(3, small_sample="none")).cov
    assert_same(found, kraay)
    found = fit.with_cov(NeweyWest(3, small_sample="none")).cov
    assert_same(found, west)


@pytest.mark.parametrize(
    ("cov", "k"),
    [
        ("cluster:firm", 3),  # firm effects are nested in firms, one constant is left
        ("cluster:state", 3),  # and in states, which are groups of firms
        ("cluster:cut", 2 + 10),  # but not in clusters that cut across firms
        ("cluster:cut+state", 3),  # one dimension that contains them is enough
    ],
)
def test_effects_nested_in_clusters_do_not_count(cov: str, k: int) -> None:
    fit = pm.FixedEffects("inv ~ value + capital", cov=cov).fit(
        pm.Panel(FRAMES["balanced"], unit="firm", time="year")
    )
    columns = cov.partition(":")[2].split("+")
    bare = fit.with_cov(Clustered(*columns, small_sample=PLAIN))
    g = min(bare.covariance.clusters.values())
    n = fit.nobs
    factor = g / (g - 1) * (n - 1) / (n - k)
    assert_same(fit.cov, factor * bare.cov.to_numpy(), 1e-12)
    assert fit.df_t == g - 1


def test_nested_effects_among_several() -> None:
    """Of firm and year effects, those of the firm are nested in states; one constant is kept."""
    fit = pm.FixedEffects("inv ~ value + capital | firm + year", cov="cluster:state").fit(
        pm.Panel(FRAMES["balanced"], unit="firm", time="year")
    )
    bare = fit.with_cov(Clustered("state", small_sample=PLAIN))
    factor = 4 / 3 * 199 / (200 - (2 + 20))
    assert_same(fit.cov, factor * bare.cov.to_numpy(), 1e-12)


def test_first_differences_count_only_units_with_a_change() -> None:
    frame = with_groups(grunfeld10()).query("firm > 1 or year == 1940")
    fit = pm.FirstDifference("inv ~ value + capital").fit(pm.Panel(frame, unit="firm", time="year"))
    assert fit.covariance.clusters == {"firm": 9}
    assert fit.with_cov("cluster:state").covariance.clusters == {"state": 4}
    labelled = frame.assign(label=frame["firm"].astype(str))
    other = pm.FirstDifference("inv ~ value + capital", cov="cluster:label").fit(
        pm.Panel(labelled, unit="firm", time="year")
    )
    assert fit.std_errors.to_numpy() == pytest.approx(other.std_errors.to_numpy(), rel=1e-12)


# --- refusals and notes -----------------------------------------------------------------------


def grunfeld_fit(**columns: Any) -> Results:
    frame = grunfeld10().assign(**columns)
    return pm.FixedEffects("inv ~ value + capital").fit(pm.Panel(frame, unit="firm", time="year"))


def test_missing_cluster_values_are_named_by_row() -> None:
    frame = grunfeld10()
    fit = grunfeld_fit(state=np.where(frame.index == 17, np.nan, frame["firm"] % 3))
    with pytest.raises(MissingValueError, match=r"'state' is missing in 1 rows .*\(row 17\)"):
        fit.with_cov("cluster:state")
    with pytest.raises(MissingValueError, match="'state'"):
        fit.with_cov("cluster:firm+state")


def test_rows_outside_the_sample_may_lack_a_cluster() -> None:
    frame = grunfeld10()
    columns = {
        "inv": frame["inv"].where(frame.index != 17),
        "state": np.where(frame.index == 17, np.nan, frame["firm"] % 3),
    }
    assert grunfeld_fit(**columns).with_cov("cluster:state").covariance.clusters == {"state": 3}


def test_one_cluster_is_refused() -> None:
    with pytest.raises(IdentificationError, match="'one' has a single value"):
        grunfeld_fit(one=1).with_cov("cluster:one")


def test_unknown_cluster_column_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'capital'"):
        grunfeld_fit().with_cov("cluster:capitla")


def test_few_clusters_are_noted() -> None:
    fit = pm.FixedEffects("lwage ~ union + married").fit(panel("wage"))
    assert fit.covariance.notes == ()
    (note,) = fit.with_cov("cluster:nr+year").covariance.notes
    assert note.startswith("Only 8 clusters (year): with fewer than 20 clusters")
    frame = grunfeld10()
    enough = np.arange(len(frame)) % FEW
    assert grunfeld_fit(group=enough).with_cov("cluster:group").covariance.notes == ()
    assert grunfeld_fit(group=enough % (FEW - 1)).with_cov("cluster:group").covariance.notes


def test_indefinite_two_way_covariance_is_repaired_and_noted() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(6), 5),
            "time": np.tile(np.arange(5), 6),
            **{name: rng.normal(size=30) for name in ("y", "a", "b", "c")},
        }
    )
    fit = pm.PooledOLS("y ~ a + b + c", cov="cluster:unit+time").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assert any("not positive semi-definite" in note for note in fit.covariance.notes)
    values = np.linalg.eigvalsh(fit.cov.to_numpy())
    assert values.min() > -1e-14
    assert fit.std_errors.notna().all()


def test_repair_does_not_depend_on_units_of_measurement() -> None:
    matrix = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, -0.7], [0.2, -0.7, 1.0]])
    scale = np.diag([1.0, 1e-6, 1e5])
    measure, names = np.diag([1.0, 2.0, 0.5]), ["a", "b", "c"]
    first, notes = semidefinite(matrix, measure, names)
    second, _ = semidefinite(scale @ matrix @ scale, scale @ measure @ scale, names)
    assert notes
    assert first == pytest.approx(mended(matrix, measure), rel=1e-12)
    assert scale @ first @ scale == pytest.approx(second, rel=1e-9)
    assert semidefinite(np.eye(3) * 4, measure, names) == (pytest.approx(np.eye(3) * 4), ())


def test_unit_means_refuse_clusters_within_units() -> None:
    fit = pm.Between("inv ~ value + capital").fit(
        pm.Panel(with_groups(grunfeld10()), unit="firm", time="year")
    )
    assert fit.with_cov("cluster:state").covariance.clusters == {"state": 4}
    for cov in ("cluster:cut", "cluster:year", "DK", "NW", "cluster:firm+year"):
        with pytest.raises(SpecificationError, match="means of firm, which belong to several"):
            fit.with_cov(cov)


@pytest.mark.parametrize("bandwidth", [-1, 20])
def test_bandwidth_must_fit_the_periods(bandwidth: Any) -> None:
    for kind in (DriscollKraay, NeweyWest):
        with pytest.raises(SpecificationError, match="between 0 and the number of periods less"):
            grunfeld_fit().with_cov(kind(bandwidth))


@pytest.mark.parametrize("bandwidth", [2.5, "andrews"])
def test_bandwidth_is_a_number_of_periods_or_a_rule(bandwidth: Any) -> None:
    for kind in (DriscollKraay, NeweyWest):
        with pytest.raises(SpecificationError, match="bandwidth takes a whole number or 'newey-"):
            kind(bandwidth)


def test_one_period_has_no_serial_dependence() -> None:
    frame = grunfeld10().query("year == 1940")
    fit = pm.PooledOLS("inv ~ value + capital").fit(pm.Panel(frame, unit="firm", time="year"))
    with pytest.raises(IdentificationError, match="at least two periods"):
        fit.with_cov("DK")


def test_default_bandwidths() -> None:
    wage = pm.FixedEffects("lwage ~ married").fit(panel("wage"))
    assert "1 lags (8 periods)" in wage.with_cov("DK").covariance.description
    assert "2 lags" in wage.with_cov(DriscollKraay("newey-west")).covariance.description
    assert "2 lags (20 periods)" in grunfeld_fit().with_cov("DK").covariance.description


def test_shorthands() -> None:
    assert parse("cluster") == Clustered()
    assert parse("cluster:state + year") == Clustered("state", "year")
    assert parse("hc1") == HC1()
    assert parse("DK:3") == DriscollKraay(3)
    assert parse("NW") == NeweyWest()
    assert parse("iid") == Iid()
    value = Clustered("state", small_sample="stata")
    assert parse(value) is value
    with pytest.raises(UnknownNameError, match="Did you mean 'cluster'"):
        parse("clusters")
    with pytest.raises(UnknownNameError, match="No small-sample rule 'xtreg'"):
        grunfeld_fit().with_cov(Clustered(small_sample="xtreg"))
    with pytest.raises(SpecificationError, match="whole number"):
        parse("DK:two")


# --- what is written in another form, and what notes say -------------------------------------


@pytest.mark.parametrize(
    ("cov", "words"),
    [
        (None, "write cov='iid'"),
        ({"CRV1": "firm"}, "not of type dict: write cov='cluster:firm'."),
        ({"CRV3": "firm"}, "write cov='CR3:firm'."),
        ({"CRV1": "firm + year"}, "write cov='cluster:firm.year'."),
        (["firm", "year"], "not of type list: write cov='cluster:firm.year'."),
        (("firm",), "not of type tuple: write cov='cluster:firm'."),
        (Clustered, r"is the class Clustered: write pm.cov.Clustered\(\)"),
        (grunfeld10()["firm"], "not of type Series: write cov='cluster', or 'cluster:column'"),
        (True, "not of type bool"),
    ],
)
def test_covariances_in_other_forms_say_what_to_write(cov: Any, words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        grunfeld_fit().with_cov(cov)
    with pytest.raises(SpecificationError, match=words):
        pm.FixedEffects("inv ~ value", cov=cov).fit(panel("grunfeld10"))


def test_clusters_and_rules_in_other_forms_are_refused() -> None:
    columns: Any = ["firm", "year"]
    for kind in (Clustered, pm.cov.MultiplierBootstrap):
        with pytest.raises(SpecificationError, match=r"list: write .state.|takes a text, not"):
            kind(columns)
    with pytest.raises(SpecificationError, match="small_sample takes a text"):
        Clustered(small_sample=columns)


@pytest.mark.parametrize("weights", [grunfeld10()["w_obs"], np.ones(200), ["w_obs"]])
def test_weights_are_named_by_their_column(weights: Any) -> None:
    for spec in (pm.FixedEffects, pm.PooledOLS, pm.RandomEffects, pm.MixedModel):
        formula = "inv ~ value" + (" + (1 | firm)" if spec is pm.MixedModel else "")
        with pytest.raises(SpecificationError, match=r"Put the values in a column of the data"):
            spec(formula, weights=weights).fit(panel("grunfeld10"))


@pytest.mark.parametrize("level", ["0.9", None, 95, True, np.nan])
def test_levels_in_other_forms_are_refused(level: Any) -> None:
    fit = grunfeld_fit()
    for call in (fit.conf_int, fit.summary, fit.tidy, lambda v: pm.compare(fit, level=v)):
        with pytest.raises(SpecificationError, match=r"level must lie between 0 and 1, as 0\.95"):
            call(level)


def noise(seed: int, names: tuple[str, ...] = ("x", "z", "v")) -> pm.Panel:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": np.repeat(np.arange(12), 5), "t": np.tile(np.arange(5), 12)})
    frame[[*names, "y"]] = rng.normal(size=(len(names) + 1, 60)).T
    return pm.Panel(frame, unit="id", time="t")


def test_mended_covariances_are_measured_by_the_model() -> None:
    """The raw variance of v is negative; its error stays of the size of the others."""
    spec = pm.FixedEffects("y ~ x + z + v | id + t", cov="cluster:id+t")
    fit = spec.fit(noise(374))
    assert "no positive variance of v: do not rely" in fit.notes[0]
    assert fit.notes[0] in fit.covariance.notes
    assert "positive semi-definite" in str(fit.summary())
    by_unit, iid = fit.with_cov("cluster"), fit.with_cov("iid")
    assert (fit.std_errors > 0.2 * iid.std_errors).all()
    assert not any("semi-definite" in note for note in by_unit.notes)
    assert by_unit.with_cov("cluster:id+t").notes == fit.notes


def test_an_estimate_without_variance_has_no_test() -> None:
    fit = pm.FixedEffects("y ~ x | id + t", cov="cluster:id+t").fit(noise(71, ("x",)))
    assert fit.std_errors["x"] == 0
    assert np.isnan([fit.tstats["x"], fit.pvalues["x"], *fit.conf_int().loc["x"]]).all()
    assert fit.wald_test("x").notes == (
        "The restriction has no variance, so that it cannot be tested.",
    )


def test_units_that_count_as_a_whole_are_named_where_clusters_divide_them() -> None:
    frame = pm.simulate.staggered(
        60, 6, {3: 0.3, 5: 0.3}, seed=1, sampling=pm.simulate.Sampling(n_clusters=10)
    )
    frame["moves"] = frame["cluster"] + (frame["time"] > 4)
    data = pm.Panel(frame, unit="unit", time="time")
    fits: list[Any] = [
        pm.TWFE("y ~ 1", cohort="cohort").fit(data),
        pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(data),
    ]
    for fit in fits:
        for cov, name in (
            ("DK", "time"),
            ("cluster:unit+time", "time"),
            ("cluster:moves", "moves"),
        ):
            words = "Each unit counts as a whole in this fit, but the rows of unit 1 have several "
            with pytest.raises(SpecificationError, match=f"{words}values of {name}"):
                fit.with_cov(cov)
        assert fit.with_cov("cluster:cluster").covariance.clusters == {"cluster": 10}


def test_notes_of_the_covariance_are_notes_of_the_fit() -> None:
    fit = pm.FixedEffects("lwage ~ union + married").fit(panel("wage"))
    assert fit.notes == fit.fit_notes
    for cov, words in (
        ("DK", "with 8, fewer than 20, they tend to be too small"),
        ("cluster:year", "Only 8 clusters (year)"),
        ("cluster:nr+year", "Only 8 clusters (year)"),
    ):
        robust = fit.with_cov(cov)
        [note] = [note for note in robust.notes if words in note]
        assert note in robust.covariance.notes
        assert note[:40] in str(robust.summary())
        assert note[:40] in str(pm.compare(robust))
        again = pm.FixedEffects("lwage ~ union + married", cov=cov).fit(panel("wage"))
        assert again.notes == robust.notes
        assert robust.with_cov("cluster").notes == fit.notes
