"""Random intercepts of very many levels: the sparse system against the dense one and lme4."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.sparse_crossed import SparseCrossedModel
from panelml.mixed.fit import multilevel
from tests.golden import Case, assert_close, load
from tests.mixed.mixed_data import MIXED


@pytest.fixture
def sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multilevel, "MOST_DENSE", 0)
    monkeypatch.setattr(multilevel, "LEAST_SPARSE", 0)


def draw() -> pd.DataFrame:
    """Workers who move between neighbouring firms, in regions."""
    rng = np.random.default_rng(0)
    worker, home = np.repeat(np.arange(200), 6), rng.integers(0, 60, 200)
    moves = np.cumsum((rng.random((200, 6)) < 0.3) * rng.integers(-3, 4, (200, 6)), axis=1)
    firm = ((home[:, None] + moves) % 60).ravel()
    effects = rng.normal(size=200)[worker] + 0.6 * rng.normal(size=60)[firm]
    frame = pd.DataFrame({"worker": worker, "firm": firm, "region": firm % 7})
    return frame.assign(
        x=rng.normal(size=1200),
        w=rng.uniform(0.5, 2, 1200),
        y=lambda d: 1 + 0.5 * d["x"] + effects + rng.normal(size=1200),
    )


FORMULAS = {
    "two": "y ~ x + (1 | worker) + (1 | firm)",
    "three": "y ~ x + (1 | worker) + (1 | firm) + (1 | region)",
}


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", FORMULAS)
def test_equals_the_dense_system(
    name: str, reml: bool, weights: str | None, request: pytest.FixtureRequest
) -> None:
    spec = pm.MixedModel(FORMULAS[name], reml=reml, weights=weights)
    dense = spec.fit(draw())
    request.getfixturevalue("sparse")
    found = spec.fit(draw())
    assert found.converged
    assert found.loglik == pytest.approx(dense.loglik, rel=1e-12)
    np.testing.assert_allclose(found.params, dense.params, rtol=1e-8)
    np.testing.assert_allclose(found.cov, dense.cov, rtol=1e-6)
    columns = ["variance", "std_error"]
    np.testing.assert_allclose(found.variance()[columns], dense.variance()[columns], rtol=1e-5)
    for group, table in dense.random_effects().items():
        np.testing.assert_allclose(found.random_effects()[group], table, rtol=1e-6, atol=1e-8)
    clustered = [fit.with_cov("cluster:region").std_errors for fit in (found, dense)]
    np.testing.assert_allclose(*clustered, rtol=1e-6)


def intercepts() -> list[Any]:
    cases = [
        case
        for case in load("mixed")
        if set(case.value["random"])
        and all(list(part) == ["Intercept"] for part in case.value["random"].values())
        and len(case.value["random"]) > 1
    ]
    assert cases
    return [pytest.param(case, id=case.id) for case in cases]


@pytest.mark.usefixtures("sparse")
@pytest.mark.parametrize("case", intercepts())
def test_optimum_of_lme4(case: Case) -> None:
    spec = case.spec
    model = pm.MixedModel(spec["formula"], reml=spec["reml"], weights=spec.get("weights"))
    result = model.fit(MIXED[case.data]())
    assert result.converged
    assert -2 * result.loglik <= -2 * case.value["loglik"] + 1e-7
    assert_close(result.params, case.value["params"], case.tolerance, "params")
    assert_close(result.std_errors, case.value["std_errors"], case.tolerance, "std_errors")


@pytest.mark.usefixtures("sparse")
def test_a_variance_of_zero_is_a_boundary() -> None:
    frame = draw()
    frame["y"] -= frame.groupby("region")["y"].transform("mean")
    found = pm.MixedModel(FORMULAS["three"]).fit(frame)
    assert found.converged
    assert found.random.parts[-1].cov[0, 0] == 0
    assert any("between region is estimated at 0" in note for note in found.notes)


@pytest.mark.usefixtures("sparse")
def test_levels_without_rows_change_nothing() -> None:
    frame = draw()
    holes = frame.assign(y=frame["y"].where(frame["firm"] > 3))
    spec = pm.MixedModel(FORMULAS["two"])
    found, expected = spec.fit(holes), spec.fit(frame[frame["firm"] > 3])
    assert found.loglik == pytest.approx(expected.loglik, rel=1e-12)
    np.testing.assert_allclose(found.std_errors, expected.std_errors, rtol=1e-7)


@pytest.mark.parametrize(
    ("core", "dense", "expected"),
    [
        (10**6, 0, SparseCrossedModel),
        (0, 10**6, CrossedModel),
    ],
)
def test_the_system_is_sparse_where_its_factor_is(
    core: int, dense: int, expected: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    choose = multilevel.fitted_model
    monkeypatch.setattr(multilevel, "LEAST_SPARSE", 0)
    monkeypatch.setattr(multilevel, "MOST_CORE", core)
    monkeypatch.setattr(multilevel, "MOST_DENSE", dense)
    monkeypatch.setattr(multilevel, "fitted_model", lambda m: chosen.append(choose(m)) or chosen[0])
    pm.MixedModel(FORMULAS["two"]).fit(draw())
    assert isinstance(chosen[0], expected)


@pytest.mark.usefixtures("sparse")
def test_an_interwoven_system_too_large_to_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multilevel, "MOST_CORE", 0)
    with pytest.raises(SpecificationError, match=r"so interwoven.*60, more than 0.*firm after the"):
        pm.MixedModel(FORMULAS["two"]).fit(draw())


@pytest.mark.usefixtures("sparse")
def test_what_takes_a_dense_system_is_refused() -> None:
    with pytest.raises(SpecificationError, match="or use random intercepts"):
        pm.MixedModel("y ~ x + (1 + x | worker) + (1 | firm)").fit(draw())
    found = pm.MixedModel(FORMULAS["two"]).fit(draw())
    with pytest.raises(SpecificationError, match="conditional standard deviation takes a dense"):
        found.random_effects(sd=True)
    with pytest.raises(SpecificationError, match="A profile takes a dense"):
        found.profile(["x"])
