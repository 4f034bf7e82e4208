"""California's Proposition 99: the published effects, weights and predictors."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.did.core.synthetic import Penalties, noise_level, weigh

FOUR = ["log_income", "price", "age_15_to_24", "beer"]


@functools.cache
def panel() -> pm.Panel:
    data = json.loads((Path(__file__).parent / "prop99.json").read_text())
    rows = [
        {
            "state": state,
            "year": year,
            "packs": packs,
            **{name: values[name] for name in FOUR},
            "banned": int(state == "California" and year >= 1989),
        }
        for state, values in data["states"].items()
        for year, packs in zip(data["years"], values["packs"], strict=True)
    ]
    return pm.Panel(pd.DataFrame(rows), unit="state", time="year")


def panel_table() -> pd.DataFrame:
    data = json.loads((Path(__file__).parent / "prop99.json").read_text())
    return pd.DataFrame({s: v["packs"] for s, v in data["states"].items()}, index=data["years"])


@functools.cache
def fit(kind: str, predictors: bool = False) -> Any:
    wanted = dict.fromkeys(FOUR) | {"packs": [1975, 1980, 1988]}
    options: dict[str, Any] = {"predictors": wanted} if predictors else {}
    return getattr(pm, kind)("packs ~ 1", treatment="banned", **options).fit(panel())


def test_synthetic_did() -> None:
    """synthdid 0.0.9, which stops short of the optimum in the fourth digit."""
    found = fit("SyntheticDiD")
    assert found.aggregate().params["att"] == pytest.approx(-15.60382787, abs=2e-3)
    units, periods = found.unit_weights["1989"], found.time_weights["1989"]
    published = {"Nevada": 0.1245, "New Hampshire": 0.1050, "Connecticut": 0.0783}
    for state, weight in (published | {"Delaware": 0.0704}).items():
        assert units[state] == pytest.approx(weight, abs=6e-4)
    for year, weight in {1988: 0.4271, 1986: 0.3665, 1987: 0.2065}.items():
        assert periods[year] == pytest.approx(weight, abs=2e-4)
    assert found.aggregate().std_errors["att"] == pytest.approx(8.4, abs=1.2)  # 200 draws there


def test_penalty_and_equal_weights() -> None:
    table = panel_table()
    treated, others = table["California"].to_numpy(), table.drop(columns="California").to_numpy().T
    penalties = Penalties.of("sdid", noise_level(others[:, :19]), 1, 12)
    assert penalties.units == pytest.approx(10.22623, abs=1e-4)
    did = weigh(others, treated, 19, "did", penalties)
    assert did.effects.mean() == pytest.approx(-27.34911108, rel=1e-7)


def test_synthetic_control_by_outcomes() -> None:
    """synthdid 0.0.9 has -19.61966347, and stops short of the optimum: no unit gains from more."""
    found = fit("SyntheticControl")
    assert found.aggregate().params["att"] == pytest.approx(-19.61966347, abs=0.15)
    table = panel_table()
    others = table.drop(columns="California")
    weights = found.unit_weights["1989"].reindex(others.columns).fillna(0.0).to_numpy()
    before = others.to_numpy()[:19]
    slope = before.T @ (before @ weights - table["California"].to_numpy()[:19])
    assert slope.min() > weights @ slope - 1e-4 * abs(weights @ slope)


def test_synthetic_control_with_the_predictors_of_the_paper() -> None:
    """Abadie, Diamond and Hainmueller (2010), tables 1 and 2; 26 packs in 2000."""
    found = fit("SyntheticControl", predictors=True)
    weights = found.unit_weights["1989"]
    published = {
        "Utah": 0.334,
        "Nevada": 0.234,
        "Montana": 0.199,
        "Colorado": 0.164,
        "Connecticut": 0.069,
    }
    assert set(weights.index[weights > 5e-4]) == set(published)
    for state, weight in published.items():
        assert weights[state] == pytest.approx(weight, abs=5e-3)
    balance = found.predictors.set_index("predictor")
    treated = [10.08, 89.42, 0.174, 24.28, 127.10, 120.20, 90.10]
    synthetic = [9.86, 89.41, 0.174, 24.20, 126.99, 120.43, 91.62]
    # The share of the young is 17.35 in these data, and printed as 17.40.
    np.testing.assert_allclose(balance["treated"], treated, rtol=3e-3)
    np.testing.assert_allclose(balance["synthetic"], synthetic, rtol=3e-3)
    assert found.params.iloc[-1] == pytest.approx(-26, abs=0.5)
    assert found.aggregate().params["att"] == pytest.approx(-19, abs=0.5)
    lines = found.trajectories
    wide = panel_table()
    theirs = wide["California"] - sum(w * wide[state] for state, w in published.items())
    ours = (lines["treated"] - lines["synthetic"]).to_numpy()
    assert (ours[:19] ** 2).mean() <= (theirs.to_numpy()[:19] ** 2).mean()


@pytest.mark.slow
def test_no_placebo_has_a_larger_ratio() -> None:
    """The paper's p-value is 1/39 = 0.026."""
    placebos = pm.placebo_in_space(fit("SyntheticControl", predictors=True))
    assert placebos.ratios.index[0] == "California"
    assert placebos.pvalue == pytest.approx(1 / 39)
