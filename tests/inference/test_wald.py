"""Wald tests: reading restrictions, numbers against R and by hand, and degenerate covariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

import panelml as pm
from panelml.errors import FormulaError, IdentificationError, UnknownNameError
from panelml.inference.estimate import Covariance
from panelml.inference.restrictions import Restrictions, parse_restrictions
from panelml.inference.testing import TestResult
from panelml.inference.wald import Wald
from tests.panels import grunfeld10, wage

NAMES = [
    "Intercept",
    "x",
    "x1",
    "C(region)[T.b]",
    "C(region)[T.north west]",
    "np.log(z)",
    "L(x, 1)",
    "a",
    "b",
    "a:b",
    'C(g, contr.treatment(base="u"))[T.v]',
    "union[T.True]",
    "within(x)",
    "I(x**2)",
]


def row(**coefficients: float) -> np.ndarray:
    result = np.zeros(len(NAMES))
    for position, value in coefficients.items():
        result[int(position[1:])] = value
    return result


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        ("x", row(p1=1), 0),
        ("x = x1", row(p1=1, p2=-1), 0),
        ("x1 == 2", row(p2=1), 2),
        ("C(region)[T.b]", row(p3=1), 0),
        ("C(region)[T.b] = C(region)[T.north west]", row(p3=1, p4=-1), 0),
        ("np.log(z) = 1", row(p5=1), 1),
        ("L(x, 1) - x", row(p6=1, p1=-1), 0),
        ("a:b = a", row(p9=1, p7=-1), 0),
        ("a + b = 1", row(p7=1, p8=1), 1),
        ('C(g, contr.treatment(base="u"))[T.v] = 3', row(p10=1), 3),
        ("union[T.True] = -0.5", row(p11=1), -0.5),
        ("within(x) - x = 0", row(p12=1, p1=-1), 0),
        ("I(x**2)*2 = 1e-3", row(p13=2), 1e-3),
        ("2*x + 3*(x1 - 1) = 4", row(p1=2, p2=3), 7),
        ("-x / 4 + 1 = Intercept * 2 - 5", row(p1=-0.25, p0=-2), -6),
    ],
)
def test_restrictions_are_read(text: str, expected: np.ndarray, value: float) -> None:
    r, q, words = parse_restrictions([text], NAMES)
    assert r == pytest.approx(expected[None])
    assert q == pytest.approx([value])
    assert words == (text if "=" in text.replace('base="u"', "") else f"{text} = 0")


def test_spaces_within_names_do_not_matter() -> None:
    spaced, tight = (parse_restrictions([text], NAMES) for text in ("L(x, 1) = 0", "L(x,1) = 0"))
    assert tight[0] == pytest.approx(spaced[0])
    assert tight[2] == "L(x, 1) = 0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`1` = 1", [1, 0, 0, 0, 0]),
        ("`gdp per cap` + `1` = 1", [1, 1, 0, 0, 0]),
        ("2*L(`class`) - `class` = 1", [0, 0, -1, 2, 0]),
        ("`gdp per cap`:`class` = 1", [0, 0, 0, 0, 1]),
        ("gdp per cap:class = 1", [0, 0, 0, 0, 1]),
    ],
)
def test_names_may_stand_in_backticks(text: str, expected: list[float]) -> None:
    names = ["1", "gdp per cap", "class", "L(`class`)", "gdp per cap:class"]
    r, q, _ = parse_restrictions([text], names)
    assert r.tolist() == [expected]
    assert q.tolist() == [1]


def test_a_number_is_no_parameter_of_that_name() -> None:
    r, q, words = parse_restrictions(["`1` = 1"], ["1"])
    assert (r.tolist(), q.tolist(), words) == ([[1.0]], [1.0], "`1` = 1")


def test_chains_semicolons_and_lists_are_several_restrictions() -> None:
    one = parse_restrictions(["a = b = 0; x1"], NAMES)
    other = parse_restrictions(["a = b", "b = 0", "x1 = 0"], NAMES)
    assert one[0] == pytest.approx(other[0])
    assert one[0].shape == (3, len(NAMES))
    assert one[2] == "a = b = 0; x1 = 0"


@example(["a", " ", ":"], None)
@given(st.lists(st.sampled_from("abx: ()[].,1_"), min_size=1, max_size=8), st.data())
def test_any_name_can_be_restricted(characters: list[str], data: Any) -> None:
    """Names that begin with a letter and balance their brackets are found, whatever is in them."""
    name = "v" + "".join(characters).strip().replace("(", "").replace("[", "")
    name = name.replace(")", "(1)").replace("]", "[T.u]")
    names = ["v", name] if name != "v" else ["w", "v"]
    r, q, _ = parse_restrictions([f"3*{names[0]} - {name} = 2"], names)
    assert r == pytest.approx(np.array([[3.0, -1.0]]))
    assert q == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x2 = 0", UnknownNameError, r"No parameter 'x2'\. Did you mean 'x'"),
        ("C(region)[T.c]", UnknownNameError, r"No parameter .*T\.c.*Did you mean 'C\(region\)\[T"),
        ("np.log(x)", UnknownNameError, r"No parameter 'np\.log\(x\)'. Did you mean 'np\.log\(z\)"),
        ("L(x, 2)", UnknownNameError, r"Did you mean 'L\(x, 1\)'"),
        ("a:x", FormulaError, r"Cannot read 'a:x' in a restriction\. Did you mean 'a:b'"),
        ("x * x1 = 1", FormulaError, r"'x \* x1' is not linear"),
        ("x ** 2", FormulaError, "not linear"),
        ("1 / x", FormulaError, "not linear"),
        ("x / 0", FormulaError, "not linear"),
        ("x <= 2", FormulaError, "Cannot read 'x <'"),
        ("x +", FormulaError, "Cannot read"),
        ("", FormulaError, "Write a restriction"),
        ("; ", FormulaError, "Write a restriction"),
    ],
)
def test_restrictions_that_cannot_be_read(text: str, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        parse_restrictions([text], NAMES)


def wald_test(
    text: Any, names: list[str], params: np.ndarray, cov: np.ndarray, df: float
) -> TestResult:
    return Wald(params, Covariance(cov, df, "by hand", {})).test(Restrictions.read(text, names))


def small_test(text: Any, df: float = 10.0, cov: np.ndarray | None = None) -> Any:
    names = ["x", "x1", "z"]
    params = np.array([1.0, 2.0, -3.0])
    table = np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.2], [0.0, 0.2, 2.0]])
    return wald_test(text, names, params, table if cov is None else cov, df)


@pytest.mark.parametrize(
    "text", ["x = 1; x = 2", "x = x1; x1 = x", "x = x1; 2*x = 2*x1", ["x", "x1", "x - x1"]]
)
def test_redundant_and_contradicting_restrictions(text: Any) -> None:
    with pytest.raises(IdentificationError, match="redundant or contradict"):
        small_test(text)


@pytest.mark.parametrize("text", ["1 = 2", "x = x", "x; 0 = 0", np.zeros((1, 3))])
def test_restriction_without_parameter(text: Any) -> None:
    with pytest.raises(IdentificationError, match="has no parameter"):
        small_test(text)


def test_statistic_by_hand_for_f_and_chi_squared() -> None:
    r = np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    gap = np.array([-1.0, -3.0])
    cov = r @ np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.2], [0.0, 0.2, 2.0]]) @ r.T
    wald = float(gap @ np.linalg.inv(cov) @ gap)
    f = small_test("x = x1; z")
    assert f.statistic == pytest.approx(wald / 2, rel=1e-13)
    assert f.df == (2, 10.0)
    assert f.distribution == "F(2, 10)"
    assert f.pvalue == pytest.approx(stats.f.sf(wald / 2, 2, 10), rel=1e-12)
    chi2 = small_test("x = x1; z", df=np.inf)
    assert chi2.statistic == pytest.approx(wald, rel=1e-13)
    assert chi2.distribution == "chi2(2)"
    assert chi2.pvalue == pytest.approx(stats.chi2.sf(wald, 2), rel=1e-12)
    matrix = small_test(r)
    assert matrix.statistic == pytest.approx(f.statistic, rel=1e-13)
    assert f.null == "x = x1; z = 0"
    assert matrix.null == "2 linear restrictions"


def test_matrix_of_the_wrong_width() -> None:
    with pytest.raises(FormulaError, match="has 2 columns for 3 parameters"):
        small_test(np.eye(2))


@pytest.mark.parametrize(
    "cov",
    [
        np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),  # two clusters
        np.diag([1.0, 0.0, 2.0]),  # a parameter without variance
        np.diag([1e-20, 1.0, 1e20]) - np.diag([1e-20, 0.0, 0.0]),
    ],
)
def test_singular_covariance_gives_no_statistic_and_says_why(cov: np.ndarray) -> None:
    found = small_test("x; x1; z", cov=cov)
    assert np.isnan(found.statistic)
    assert np.isnan(found.pvalue)
    rank = np.linalg.matrix_rank(cov / np.sqrt(np.outer(*[np.maximum(np.diag(cov), 1e-30)] * 2)))
    assert f"has rank {rank} for 3 restrictions" in found.notes[0]


def test_badly_scaled_covariance_is_no_obstacle() -> None:
    scale = np.diag([1e-9, 1.0, 1e9])
    table = np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.2], [0.0, 0.2, 2.0]])
    names = ["x", "x1", "z"]
    params = np.array([1.0, 2.0, -3.0])
    found = wald_test("x; x1; z", names, scale @ params, scale @ table @ scale, 10.0)
    assert found.statistic == pytest.approx(small_test("x; x1; z").statistic, rel=1e-12)


def test_more_restrictions_than_clusters_allow() -> None:
    frame = grunfeld10().query("firm <= 3").assign(trend=lambda d: d["year"] - 1935.0)
    fit = pm.PooledOLS("inv ~ value + capital + trend").fit(
        pm.Panel(frame, unit="firm", time="year")
    )
    whole = fit.model_test()
    assert whole is not None
    assert np.isnan(whole.pvalue)
    assert "at most one rank less than there are clusters" in whole.notes[0]
    assert fit.wald_test("value = capital = 0").statistic > 0


def test_one_restriction_is_the_squared_t() -> None:
    fit = pm.FixedEffects("lwage ~ union + married + expersq").fit(
        pm.Panel(wage(), unit="nr", time="year")
    )
    found = fit.wald_test("union")
    assert found.statistic == pytest.approx(fit.tstats["union"] ** 2, rel=1e-12)
    assert found.pvalue == pytest.approx(fit.pvalues["union"], rel=1e-9)
    assert found.df == (1, 544)


def test_names_from_formulas() -> None:
    frame = grunfeld10().assign(region=lambda d: np.array(["a", "b c", "d"])[d["firm"] % 3])
    fit = pm.PooledOLS("inv ~ np.log(value) * C(region) + L(capital, 1)").fit(
        pm.Panel(frame, unit="firm", time="year")
    )
    for name in fit.params.index:
        one = fit.wald_test(f"{name} = 0")
        assert one.statistic == pytest.approx(fit.tstats[name] ** 2, rel=1e-11)
        assert name in one.null
    joint = [name for name in fit.params.index if name.startswith("C(region)")]
    assert len(joint) == 2
    cov = fit.cov.loc[joint, joint].to_numpy()
    gap = fit.params[joint].to_numpy()
    assert fit.wald_test(joint).statistic * 2 == pytest.approx(
        gap @ np.linalg.inv(cov) @ gap, rel=1e-10
    )


def test_results_agree_with_linearmodels() -> None:
    from linearmodels.panel import PanelOLS

    frame = grunfeld10()
    indexed = frame.set_index(["firm", "year"])
    other = PanelOLS.from_formula("inv ~ value + capital + EntityEffects", indexed).fit()
    wald = other.wald_test(formula=["value = 0.1", "capital = 0.3"])
    fit = pm.FixedEffects("inv ~ value + capital", cov="iid").fit(
        pm.Panel(frame, unit="firm", time="year")
    )
    found = fit.wald_test("value = 0.1; capital = 0.3")
    assert found.statistic * 2 == pytest.approx(float(wald.stat), rel=1e-10)
    assert found.df == (2, 188)


def test_restriction_prints_in_words() -> None:
    text = str(small_test("x = x1"))
    assert "H0: x = x1" in text
    assert "F(1, 10) = " in text
    assert isinstance(pd.Series([small_test("x")._repr_html_()])[0], str)
