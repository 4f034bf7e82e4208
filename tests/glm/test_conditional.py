"""Fixed-effects logit: reference values, laws, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import linprog

import panelml as pm
from panelml.errors import IdentificationError, PanelmlError, SpecificationError
from tests.glm.outcome_data import OUTCOMES
from tests.golden import Case, assert_close, load

CR0 = pm.cov.Clustered(small_sample="CR0")


def fit(formula: str, frame: Any, unit: str = "unit", time: str = "time", **options: Any) -> Any:
    spec = pm.Logit(formula, effects="conditional", **options)
    return spec.fit(pm.Panel(frame, unit=unit, time=time))


def frame(units: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, units)
    unit = np.repeat(np.arange(units), sizes)
    x1, x2 = rng.normal(size=unit.size), rng.normal(size=unit.size)
    effect = 1.2 * rng.normal(size=units)[unit]
    y = (effect + 0.8 * x1 - 0.5 * x2 + rng.logistic(size=unit.size) > 0).astype(float)
    time = np.concatenate([np.arange(size) for size in sizes])
    off = 0.3 * rng.normal(size=unit.size)
    w = rng.integers(1, 4, units)[unit]
    return pd.DataFrame(
        {"unit": unit, "time": time, "y": y, "x1": x1, "x2": x2, "off": off, "w": w, "g": unit // 6}
    )


FRAME = frame()


@pytest.mark.parametrize("case", load("conditional"), ids=lambda case: case.id)
def test_estimates_have_the_reference_values(case: Case) -> None:
    read, unit, time = OUTCOMES[case.data]
    cov = case.spec.get("cov", "iid")
    spec = getattr(pm, case.spec["estimator"])
    result = spec(
        case.spec["formula"], effects="conditional", cov=CR0 if cov == "CR0" else cov
    ).fit(pm.Panel(read(), unit=unit, time=time))
    assert_close(result.params, case.value["params"], case.tolerance)
    assert_close(result.std_errors, case.value["std_errors"], case.tolerance)
    assert_close(result.loglik, case.value["loglik"], case.tolerance)


def test_clustered_errors_of_union_membership() -> None:
    """Sums of scores by man, in dense algebra: facts of the same data and formula."""
    read, unit, time = OUTCOMES["union"]
    result = fit("union ~ married + rur + poorhlth + exper", read(), unit, time, cov=CR0)
    expected = [0.1788952799, 0.3420458543, 0.5860002791, 0.0326488052]
    assert np.allclose(result.std_errors, expected, rtol=1e-8)


def test_two_periods_are_a_logit_of_differences() -> None:
    """Chamberlain (1980): of the units that change, whether they rise."""
    data = FRAME[FRAME["time"] < 2]
    data = data[data.groupby("unit")["y"].transform("size") == 2]
    result = fit("y ~ x1 + x2", data, cov="iid")
    wide = data.pivot(index="unit", columns="time", values=["y", "x1", "x2"])
    rises = wide["y"][1] - wide["y"][0]
    change = pd.DataFrame({name: wide[name][1] - wide[name][0] for name in ("x1", "x2")}).assign(
        up=(rises > 0).astype(float)
    )[rises != 0]
    change = change.reset_index().assign(time=0)
    logit = pm.Logit("up ~ 0 + x1 + x2", cov="iid").fit(pm.Panel(change, unit="unit", time="time"))
    assert np.allclose(result.params, logit.params, rtol=1e-9)
    assert np.allclose(result.std_errors, logit.std_errors, rtol=1e-9)
    assert np.isclose(result.loglik, logit.loglik, rtol=1e-10)


def test_units_that_never_change_and_constants_do_not_matter() -> None:
    result = fit("y ~ x1 + x2 + g", FRAME)
    share = FRAME.groupby("unit")["y"].transform("mean")
    changing = FRAME[(share > 0) & (share < 1)]
    other = fit("y ~ x1 + x2", changing)
    assert np.allclose(result.params, other.params, rtol=1e-10)
    assert result.nobs == len(changing) and result.n_units == changing["unit"].nunique()
    lost = FRAME["unit"].nunique() - result.n_units
    assert f"Dropped {lost} of 60 units" in result.notes[0]
    assert any("'g'" in note and "no variation within unit" in note for note in result.notes)
    assert list(result.params.index) == ["x1", "x2"]


@pytest.mark.parametrize("change", ["shuffled", "polars", "moved", "by unit"])
def test_what_does_not_matter(change: str) -> None:
    result, slope = fit("y ~ x1 + x2", FRAME), 1.0
    data: Any = FRAME.sample(frac=1, random_state=0)
    if change == "polars":
        data = pl.from_pandas(data)
    if change == "moved":
        data, slope = data.assign(x1=data["x1"] * 1e-3 + 1e4), 1e-3
    if change == "by unit":
        data = data.assign(x1=data["x1"] + 5 * data["unit"])
    other = fit("y ~ x1 + x2", data)
    assert np.allclose(other.params * [slope, 1], result.params, rtol=1e-8)
    assert np.allclose(other.std_errors * [slope, 1], result.std_errors, rtol=1e-8)
    assert np.isclose(other.loglik, result.loglik, rtol=1e-11)


def test_weights_are_repeated_units() -> None:
    copies = [
        FRAME[FRAME["w"] > k].assign(unit=lambda d, k=k: d["unit"] + 1000 * k) for k in range(3)
    ]
    repeated = fit("y ~ x1 + x2", pd.concat(copies), cov="iid")
    weighted = fit("y ~ x1 + x2", FRAME, weights="frequency:w", cov="iid")
    assert np.allclose(weighted.params, repeated.params, rtol=1e-10)
    assert np.allclose(weighted.std_errors, repeated.std_errors, rtol=1e-9)
    assert np.isclose(weighted.loglik, repeated.loglik, rtol=1e-12)
    with pytest.raises(SpecificationError, match="change within units"):
        fit("y ~ x1", FRAME.assign(w=FRAME["time"] + 1), weights="w")


def test_offsets_are_regressors_with_coefficient_one() -> None:
    free = fit("y ~ x1 + off", FRAME)
    shifted = fit("y ~ x1 + off", FRAME, offset="off")
    assert np.isclose(shifted.params["off"], free.params["off"] - 1, rtol=1e-8)


def test_influence_is_the_change_without_a_unit() -> None:
    data = frame(400, seed=2)
    result = fit("y ~ x1 + x2", data)
    influence = result.attached.estimate.influence
    units = influence.sample.unit_labels
    for place in np.argsort(-np.abs(influence.psi[0]))[:4]:
        without = fit("y ~ x1 + x2", data[data["unit"] != units[place]])
        change = np.asarray(result.params - without.params)
        assert np.allclose(change, influence.psi[:, place], atol=0.1 * np.abs(change).max())


def test_covariances_tables_and_predictions() -> None:
    result = fit("y ~ x1 + x2", FRAME)
    for cov in ("iid", "cluster", "cluster:g"):
        assert (result.with_cov(cov).std_errors > 0).all()
    index = FRAME[["x1", "x2"]].to_numpy() @ result.params.to_numpy()
    assert np.allclose(result.predict(FRAME, type="link"), index)
    assert np.allclose(result.predict(FRAME), 1 / (1 + np.exp(-index)))
    with pytest.raises(PanelmlError):
        result.with_cov("newey-west")
    assert "Conditional logit" in str(result.summary())
    assert "x1" in pm.compare(result, pm.Logit("y ~ x1").fit(result.panel)).to_latex()


def test_separated_units_are_found_as_by_linear_programming() -> None:
    rng = np.random.default_rng(4)
    seen = {True: 0, False: 0}
    for _ in range(60):
        unit = np.repeat(np.arange(6), 3)
        x = rng.integers(-1, 2, (18, 2)).astype(float)
        y = (x @ [1.5, 0.5] + 0.8 * rng.logistic(size=18) > 0).astype(float)
        pairs = [
            x[i] - x[j] for i in range(18) for j in range(18) if unit[i] == unit[j] and y[i] > y[j]
        ]
        d = np.array(pairs).reshape(-1, 2)
        if np.linalg.matrix_rank(d) < 2:
            continue
        best = linprog(-d.sum(axis=0), -d, np.zeros(len(d)), bounds=[(-1, 1)] * 2)
        separated = -best.fun > 1e-9
        seen[separated] += 1
        data = pd.DataFrame(x, columns=["a", "b"]).assign(
            y=y, unit=unit, time=np.tile(np.arange(3), 6)
        )
        try:
            found = any("separated" in note for note in fit("y ~ a + b", data).notes)
        except IdentificationError:
            found = True
        assert found == separated
    assert min(seen.values()) > 8


def test_separated_rows_leave_what_the_likelihood_has_at_infinity() -> None:
    """Rows that a combination does not tell apart go on being compared with each other."""
    rng = np.random.default_rng(3)
    data = frame(80, seed=5)
    data["a"] = ((data["y"] == 1) & (rng.uniform(size=len(data)) < 0.15)).astype(float)
    result = fit("y ~ x1 + x2 + a", data, cov="iid")
    limit = fit("y ~ x1 + x2", data.assign(o=60 * data["a"]), offset="o", cov="iid")
    assert np.allclose(result.params, limit.params, rtol=1e-9)
    assert np.allclose(result.std_errors, limit.std_errors, rtol=1e-9)
    assert np.isclose(result.loglik, limit.loglik, rtol=1e-11)
    assert any("16 separated rows of 14 units" in note for note in result.notes)


def ordered(data: Any, formula: str = "y ~ x1 + x2", **options: Any) -> Any:
    spec = pm.OrderedLogit(formula, effects="conditional", **options)
    return spec.fit(pm.Panel(data, unit="unit", time="time"))


def categories(units: int = 80, seed: int = 1) -> pd.DataFrame:
    data = frame(units, seed)
    rng = np.random.default_rng(seed)
    latent = data["x1"] - 0.5 * data["x2"] + 0.3 * data["unit"] % 2 + rng.logistic(size=len(data))
    return data.assign(y=np.searchsorted([-1.0, 0.2, 1.5], latent) ** 2.0)


def test_ordered_outcomes_are_conditional_logits_of_copies_of_the_units() -> None:
    data = categories()
    result = ordered(data, cov=CR0)
    copies = pd.concat(
        [
            data.assign(y=(data["y"] > cut).astype(float), copy=data["unit"] * 10 + place)
            for place, cut in enumerate((0.5, 2.5, 6.5))
        ]
    )
    stacked = pm.Logit(
        "y ~ x1 + x2", effects="conditional", cov=pm.cov.Clustered("unit", small_sample="CR0")
    ).fit(pm.Panel(copies, unit="copy", time="time"))
    assert np.allclose(result.params, stacked.params, rtol=1e-10)
    assert np.allclose(result.std_errors, stacked.std_errors, rtol=1e-9)
    assert np.isclose(result.loglik, stacked.loglik, rtol=1e-12)
    two = data.assign(y=(data["y"] > 2).astype(float))
    assert np.allclose(ordered(two).params, fit("y ~ x1 + x2", two).params, rtol=1e-12)


def test_ordered_influence_is_the_change_without_a_unit() -> None:
    data = categories(400, seed=3)
    result = ordered(data)
    influence = result.attached.estimate.influence
    for place in np.argsort(-np.abs(influence.psi[0]))[:3]:
        without = ordered(data[data["unit"] != influence.sample.unit_labels[place]])
        change = np.asarray(result.params - without.params)
        assert np.allclose(change, influence.psi[:, place], atol=0.1 * np.abs(change).max())


def test_ordered_outcomes_have_an_index_and_no_probabilities() -> None:
    data = categories()
    result = ordered(data, cov="iid")
    assert any("clustered by unit and not 'iid'" in note for note in result.notes)
    assert np.array_equal(result.std_errors, ordered(data).std_errors)
    index = data[["x1", "x2"]].to_numpy() @ result.params.to_numpy()
    assert np.allclose(result.predict(data), index)
    for refused in (lambda: result.predict(type="response"), result.fitted, result.residuals):
        with pytest.raises(SpecificationError, match="no mean"):
            refused()
    with pytest.raises(SpecificationError, match="absorbs effects"):
        pm.slopes(result)
    assert "Sum of log-likelihoods" in str(result)
    with pytest.raises(IdentificationError, match="no maximum"):
        ordered(data.assign(x1=data["y"] + 20 * data["unit"]), "y ~ x1")


@pytest.mark.parametrize("spec", [pm.Logit, pm.OrderedLogit])
def test_hausman_tests_that_reject_say_why(spec: Any) -> None:
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(300), 5)
    effect = 1.5 * rng.normal(size=300)[unit]
    x = effect + rng.normal(size=1500)
    data = pd.DataFrame({"unit": unit, "time": np.tile(np.arange(5), 300), "x": x, "z": unit % 3})
    latent = effect - 0.5 * x + rng.logistic(size=1500)
    data["y"] = (latent > 0).astype(float) + (latent > 2 if spec is pm.OrderedLogit else 0)
    panel = pm.Panel(data, unit="unit", time="time")
    fits = [spec("y ~ x + z", effects=effects).fit(panel) for effects in ("conditional", "random")]
    test = pm.hausman(*fits)
    assert test.pvalue < 1e-6
    assert "within units and between them" in str(test)


def test_refusals() -> None:
    with pytest.raises(IdentificationError, match="changes in none"):
        fit("y ~ x1", FRAME.assign(y=FRAME["unit"] % 2))
    with pytest.raises(SpecificationError, match="to be 0 or 1"):
        fit("y ~ x1", FRAME.assign(y=FRAME["y"] + 1))
    with pytest.raises(IdentificationError, match="No regressor is left"):
        fit("y ~ g", FRAME)
    with pytest.raises(IdentificationError, match="no maximum"):
        fit("y ~ x1", FRAME.assign(x1=FRAME["y"] + FRAME["unit"]))
