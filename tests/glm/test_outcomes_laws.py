"""Laws of pooled models of outcomes that are not continuous, and what they answer and refuse."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit, ndtr

import panelml as pm
from panelml.errors import IdentificationError, PanelmlError, SpecificationError


def frame(units: int = 40, seed: int = 0) -> pd.DataFrame:
    """An unbalanced panel with an outcome of each kind, from one latent variable."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 8, units)
    unit = np.repeat(np.arange(units), sizes)
    n = unit.size
    x1, x2 = rng.normal(size=n), rng.normal(size=n) + 0.3 * rng.normal(size=units)[unit]
    latent = 0.3 + 0.8 * x1 - 0.5 * x2 + 0.4 * rng.normal(size=units)[unit] + rng.logistic(size=n)
    mean = np.exp(0.5 + 0.4 * x1 - 0.2 * x2)
    return pd.DataFrame(
        {
            "unit": unit,
            "time": np.concatenate([np.arange(size) for size in sizes]),
            "x1": x1,
            "x2": x2,
            "off": 0.2 * rng.normal(size=n),
            "f": rng.integers(1, 4, n),
            "yes": (latent > 0).astype(float),
            "level": np.digitize(latent, [-1.0, 0.5, 1.5]).astype(float),
            "count": rng.poisson(mean * rng.gamma(2.0, 0.5, n)).astype(float),
            "seen": np.clip(latent, 0.0, 2.0),
        }
    )


FRAME = frame()
LIMITS: dict[str, Any] = {"lower": 0, "upper": 2}
MODELS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "logit": (pm.Logit, "yes", {}),
    "probit": (pm.Probit, "yes", {}),
    "cloglog": (pm.Cloglog, "yes", {}),
    "ordered logit": (pm.OrderedLogit, "level", {}),
    "ordered probit": (pm.OrderedProbit, "level", {}),
    "negative binomial": (pm.NegativeBinomial, "count", {}),
    "tobit": (pm.Tobit, "seen", LIMITS),
}
EVERY = pytest.mark.parametrize("name", MODELS)


def fit(name: str, right: str = "x1 + x2", data: Any = FRAME, **options: Any) -> Any:
    make, outcome, given = MODELS[name]
    spec = make(f"{outcome} ~ {right}", **{**given, **options})
    return spec.fit(pm.Panel(data, unit="unit", time="time"))


def same(a: Any, b: Any, rtol: float = 1e-9) -> None:
    assert np.allclose(a.params, b.params, rtol=rtol, atol=1e-10)
    assert np.allclose(a.std_errors, b.std_errors, rtol=rtol, atol=1e-10)
    assert np.isclose(a.loglik, b.loglik, rtol=1e-12)


@EVERY
def test_the_gradient_of_the_likelihood_is_zero(name: str) -> None:
    """Scores sum to zero over units at the estimates."""
    result = fit(name)
    psi = result.attached.estimate.influence.sums(("unit",)).sums
    assert np.abs(psi.sum(axis=1)).max() < 1e-8 * np.abs(psi).max() * psi.shape[1]


@EVERY
def test_the_order_of_rows_and_the_kind_of_frame_do_not_matter(name: str) -> None:
    result = fit(name)
    shuffled = FRAME.sample(frac=1, random_state=1)
    same(fit(name, data=shuffled), result)
    same(fit(name, data=pl.from_pandas(shuffled)), result)
    small = FRAME.astype({"yes": "int8", "level": "int32", "count": "int16", "x1": "float64"})
    same(fit(name, data=small), result)


@EVERY
def test_regressors_may_be_moved_and_scaled(name: str) -> None:
    result = fit(name)
    moved = FRAME.assign(x1=FRAME["x1"] * 1e-4, x2=FRAME["x2"] + 1e5)
    other = fit(name, data=moved)
    assert np.isclose(other.params["x1"] * 1e-4, result.params["x1"], rtol=1e-8)
    assert np.isclose(other.std_errors["x1"] * 1e-4, result.std_errors["x1"], rtol=1e-8)
    assert np.isclose(other.params["x2"], result.params["x2"], rtol=1e-7)
    assert np.isclose(other.loglik, result.loglik, rtol=1e-10)


@EVERY
def test_frequency_weights_are_repeated_rows(name: str) -> None:
    repeated = FRAME.loc[FRAME.index.repeat(FRAME["f"])].copy()
    repeated["time"] = np.arange(len(repeated))
    weighted = fit(name, weights="frequency:f", cov="cluster")
    same(weighted, fit(name, data=repeated))
    assert weighted.nobs == len(repeated)
    half = fit(name, weights="frequency:f", cov="HC1")
    assert np.allclose(half.std_errors, fit(name, data=repeated, cov="HC1").std_errors, rtol=1e-9)


@EVERY
def test_an_offset_is_a_regressor_with_coefficient_one(name: str) -> None:
    with_offset = fit(name, offset="off")
    free = fit(name, "x1 + x2 + off")
    shifted = fit(name, "x1 + x2 + off", offset="off")
    assert np.isclose(shifted.params["off"], free.params["off"] - 1, rtol=1e-8)
    assert with_offset.loglik < free.loglik


@EVERY
@pytest.mark.parametrize("effects", [None, "random"])
def test_an_offset_that_is_the_same_in_every_row_moves_the_constant(
    name: str, effects: str | None
) -> None:
    plain = fit(name, effects=effects)
    moved = fit(name, effects=effects, offset="far", data=FRAME.assign(far=300.0))
    assert np.isclose(moved.loglik, plain.loglik, rtol=1e-9)
    assert np.allclose(moved.params[["x1", "x2"]], plain.params[["x1", "x2"]], rtol=1e-5)


@EVERY
def test_influence_is_the_change_without_a_unit(name: str) -> None:
    """To first order: the largest units move the estimates as their psi says."""
    data = frame(300, seed=3)
    result = fit(name, data=data)
    psi = result.attached.estimate.influence.sums(("unit",)).sums
    for unit in np.argsort(-np.abs(psi[0]))[:3]:
        without = fit(name, data=data[data["unit"] != unit])
        change = np.asarray(result.params - without.params)
        assert np.allclose(change, psi[:, unit], atol=0.12 * np.abs(psi[:, unit]).max())


@EVERY
def test_covariances_and_tables(name: str) -> None:
    result = fit(name)
    for cov in ("iid", "HC1", "cluster", "cluster:unit+time", "newey-west", "driscoll-kraay"):
        assert np.isfinite(result.with_cov(cov).std_errors).all()
    assert result.aic == 2 * len(result.params) - 2 * result.loglik
    assert 0 < result.pseudo_rsquared < 1
    assert result.model_test().df[0] == 2
    for text in (str(result.summary()), result.to_latex(), str(pm.compare(result))):
        assert "x1" in text
    loaded = pickle.loads(pickle.dumps(result))
    assert loaded.params.equals(result.params)
    with pytest.raises(PanelmlError):
        result.with_cov("CR2")
    with pytest.raises(SpecificationError, match="link"):
        pm.wooldridge_test(result)


@EVERY
def test_collinear_regressors_are_dropped_with_a_note(name: str) -> None:
    result = fit(name, "x1 + x2 + twice", data=FRAME.assign(twice=2 * FRAME["x1"] + 1))
    same(result, fit(name))
    assert any("'twice'" in note and "collinear" in note for note in result.notes)


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog", "ordered logit", "tobit"])
def test_separated_rows_are_dropped_with_a_note(name: str) -> None:
    """An indicator of rows that all have the highest outcome has no finite coefficient."""
    top = {"tobit": FRAME["seen"] >= 2, "ordered logit": FRAME["level"] == 3}
    high = top.get(name, FRAME["yes"] == 1)
    some = high & (FRAME["time"] % 2 == 0)
    data = FRAME.assign(d=some.astype(float))
    result = fit(name, "x1 + x2 + d", data=data)
    same(result, fit(name, data=data[~some]))
    assert "d" not in result.params and "separated" in result.notes[0]
    assert result.nobs == (~some).sum()


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog"])
def test_complete_separation_is_refused(name: str) -> None:
    data = FRAME.assign(yes=(FRAME["x1"] + FRAME["x2"] > 0.1).astype(float))
    with pytest.raises(IdentificationError, match="'x1', 'x2'"):
        fit(name, data=data)


def test_random_designs_are_separated_as_linear_programming_says() -> None:
    from scipy.optimize import linprog

    rng = np.random.default_rng(5)
    seen = {True: 0, False: 0}
    for _ in range(60):
        n = 24
        x = rng.integers(-1, 2, (n, 3)).astype(float)
        y = (x @ [1.5, 1.0, 0.0] + rng.logistic(size=n) * 0.6 > 0).astype(float)
        if y.min() == y.max():
            continue
        signed = (2 * y - 1)[:, None] * np.column_stack([np.ones(n), x])
        bound = linprog(-signed.sum(axis=0), -signed, np.zeros(n), bounds=[(-1, 1)] * 4)
        separated = -bound.fun > 1e-9
        seen[separated] += 1
        data = pd.DataFrame(x, columns=["a", "b", "c"]).assign(
            yes=y, unit=np.arange(n) // 4, time=np.arange(n) % 4
        )
        try:
            notes = fit("logit", "a + b + c", data=data).notes
            found = any("separated" in note for note in notes)
        except IdentificationError:
            found = True
        assert found == separated
    assert min(seen.values()) > 10


def test_predictions_are_probabilities_and_means() -> None:
    logit, probit = fit("logit"), fit("probit")
    x = np.column_stack([np.ones(len(FRAME)), FRAME[["x1", "x2"]]])
    assert np.allclose(logit.predict(), expit(x @ logit.params))
    assert np.allclose(probit.predict(), ndtr(x @ probit.params))
    assert np.isclose(logit.residuals().sum(), 0, atol=1e-8)
    ordered = fit("ordered logit")
    table = ordered.probabilities()
    assert list(table.columns) == ["0", "1", "2", "3"]
    assert np.allclose(table.sum(axis=1), 1)
    cuts = ordered.params[["0|1", "1|2", "2|3"]].to_numpy()
    index = FRAME[["x1", "x2"]].to_numpy() @ ordered.params[["x1", "x2"]]
    assert np.allclose(table.to_numpy()[:, 0], expit(cuts[0] - index))
    assert np.allclose(table.to_numpy()[:, 3], expit(index - cuts[2]))
    assert np.allclose(ordered.probabilities(FRAME.head(3)), table.head(3))
    with pytest.raises(SpecificationError, match="no mean"):
        ordered.residuals()
    tobit = fit("tobit")
    rng = np.random.default_rng(0)
    index = tobit.predict(FRAME.head(1), type="link").iloc[0]
    draws = np.clip(index + tobit.params["sigma"] * rng.normal(size=2_000_000), 0, 2)
    assert np.isclose(tobit.predict(FRAME.head(1)).iloc[0], draws.mean(), atol=3e-3)
    censored = tobit.predict(FRAME.head(1), type="censored").iloc[0]
    assert np.isclose(censored, ((draws == 0) | (draws == 2)).mean(), atol=2e-3)


def test_limits_may_be_columns() -> None:
    data = FRAME.assign(low=0.0, high=2.0)
    by_column = fit("tobit", data=data, lower="low", upper="high")
    same(by_column, fit("tobit"))
    assert np.allclose(by_column.predict(data), fit("tobit").predict())
    assert by_column.measures["n_below"].value == (FRAME["seen"] <= 0).sum()


def test_binary_models_agree_on_two_categories() -> None:
    two = FRAME.assign(level=FRAME["yes"])
    ordered, logit = fit("ordered logit", data=two), fit("logit")
    assert np.allclose(ordered.params[["x1", "x2"]], logit.params[["x1", "x2"]], rtol=1e-9)
    assert np.isclose(ordered.params["0|1"], -logit.params["Intercept"], rtol=1e-9)
    assert np.isclose(ordered.loglik, logit.loglik, rtol=1e-12)


MEMBER = pd.Categorical(np.where(FRAME["yes"] > 0, "member", "a"), categories=["member", "a"])
LEVELS = ["low", "fair", "good", "best"]
RATED = pd.Categorical.from_codes(FRAME["level"].astype(int), [*LEVELS, "never"], ordered=True)


@pytest.mark.parametrize("effects", [None, "conditional", "random"])
def test_yes_no_outcomes_may_be_truth_values_and_categories(effects: str | None) -> None:
    """The second level is the yes, in the order of a declared category or of the alphabet."""
    numbers = fit("logit", effects=effects)
    same(fit("logit", effects=effects, data=FRAME.assign(yes=FRAME["yes"] > 0)), numbers)
    texts = FRAME.assign(yes=np.where(FRAME["yes"] > 0, "member", "a"))
    by_text = fit("logit", effects=effects, data=texts)
    same(by_text, numbers)
    assert "'yes' is 'member' where the outcome is 1, and 'a' where it is 0." in by_text.notes
    reverse = fit("logit", effects=effects, data=FRAME.assign(yes=MEMBER))
    assert np.allclose(reverse.params[["x1", "x2"]], -numbers.params[["x1", "x2"]], rtol=1e-6)
    missing = FRAME.assign(yes=pd.Series(MEMBER).where(FRAME["time"] != 1))
    assert fit("logit", effects=effects, data=missing).nobs < numbers.nobs


@pytest.mark.parametrize("effects", [None, "random"])
def test_ordered_outcomes_may_be_declared_categories(effects: str | None) -> None:
    """Levels that do not occur, here the highest, are no categories."""
    numbers = fit("ordered logit", effects=effects)
    rated = FRAME.assign(level=RATED)
    named = fit("ordered logit", effects=effects, data=rated)
    same(named, numbers)
    assert list(named.params.index[2:5]) == ["low|fair", "fair|good", "good|best"]
    assert "in this order: 'low' < 'fair' < 'good' < 'best'." in named.notes[0]
    if effects is None:
        assert list(named.probabilities(FRAME.head(2)).columns) == LEVELS
        as_enum = pl.from_pandas(FRAME.drop(columns="level")).with_columns(
            pl.Series("level", RATED.astype(str).tolist(), dtype=pl.Enum(LEVELS))
        )
        same(fit("ordered logit", data=as_enum), numbers)


def test_categories_in_mixed_and_within_between_models() -> None:
    panel = pm.Panel(FRAME, unit="unit", time="time")
    named = pm.Panel(FRAME.assign(yes=FRAME["yes"] > 0, level=RATED), unit="unit", time="time")
    for spec in (
        pm.MixedModel("yes ~ x1 + (1 | unit)", family="binomial"),
        pm.MixedModel("level ~ x1 + (1 | unit)", family="ordered"),
        pm.Mundlak("yes ~ x1", family="binomial"),
    ):
        same(spec.fit(named), spec.fit(panel))


def test_categories_that_are_refused() -> None:
    texts = FRAME.assign(level=RATED.astype(str), yes=RATED.astype(str))
    with pytest.raises(PanelmlError, match="whose order is not known"):
        fit("ordered logit", data=texts)
    with pytest.raises(SpecificationError, match="has the levels 'best', 'fair'"):
        fit("logit", data=texts)
    with pytest.raises(IdentificationError, match="is 'no' in every row"):
        fit("logit", data=FRAME.assign(yes="no"))


def test_fractions_are_no_counts() -> None:
    result = fit("negative binomial", data=FRAME.assign(count=FRAME["count"] + 0.5))
    assert "no whole number in" in result.notes[0]


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("logit", {"yes": 1.0}, "1 in every row"),
        ("probit", {"yes": FRAME["yes"] + 1}, "to be 0 or 1, and is 2 in"),
        ("ordered logit", {"level": FRAME["x1"]}, "too many for ordered categories"),
        ("ordered probit", {"level": 2.0}, "one value"),
        ("negative binomial", {"count": FRAME["count"] - 1}, "negative in"),
        ("negative binomial", {"count": 0.0}, "zero in every row"),
        ("tobit", {"seen": 1.0}, "nothing is censored"),
        ("tobit", {"seen": 0.0}, "at a limit in every row"),
    ],
)
def test_impossible_outcomes_are_refused_in_words(
    name: str, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(PanelmlError, match=words):
        fit(name, data=FRAME.assign(**change))


def test_further_refusals() -> None:
    with pytest.raises(SpecificationError, match="needs a limit"):
        pm.Tobit("seen ~ x1")
    with pytest.raises(PanelmlError, match="No column 'lov'"):
        fit("tobit", data=FRAME.assign(low=0.0), lower="lov")
    with pytest.raises(SpecificationError, match="not below the upper"):
        fit("tobit", lower=2, upper=0)
    with pytest.raises(SpecificationError, match="absorbs no effects"):
        pm.Logit("yes ~ x1 | unit").fit(pm.Panel(FRAME, unit="unit", time="time"))
    poisson = FRAME.assign(count=np.random.default_rng(2).binomial(3, 0.5, len(FRAME)))
    with pytest.raises(PanelmlError, match="no more than a Poisson variable"):
        fit("negative binomial", data=poisson)


@pytest.mark.parametrize("name", ["tobit", "negative binomial", "ordered logit"])
def test_a_regressor_with_the_name_of_a_parameter_is_refused(name: str) -> None:
    own = {"tobit": "sigma", "negative binomial": "alpha", "ordered logit": "`0|1`"}[name]
    data = FRAME.assign(**{own.strip("`"): FRAME["x1"]})
    with pytest.raises(PanelmlError, match="has the name of a parameter"):
        fit(name, f"x2 + {own}", data=data)


@EVERY
def test_an_offset_of_text_is_refused(name: str) -> None:
    data = FRAME.assign(letter=np.where(FRAME["x1"] > 0, "a", "b"))
    with pytest.raises(PanelmlError, match="The offset 'letter'"):
        fit(name, data=data, offset="letter")


@pytest.mark.parametrize("unit", [1e-10, 1e-6, 1e8, 1e12])
def test_the_unit_of_a_censored_outcome_does_not_matter(unit: float) -> None:
    result = fit("tobit")
    scaled = FRAME.assign(seen=FRAME["seen"] * unit)
    other = fit("tobit", data=scaled, lower=0, upper=2 * unit)
    assert np.allclose(other.params / unit, result.params, rtol=1e-8)
    assert np.allclose(other.std_errors / unit, result.std_errors, rtol=1e-8)


def test_outcomes_beyond_a_limit_are_noted_and_count_as_at_it() -> None:
    beyond = FRAME.assign(seen=np.where(FRAME["seen"] <= 0, -3.0, FRAME["seen"]))
    result, clipped = fit("tobit", data=beyond), fit("tobit")
    same(result, clipped)
    assert any("beyond a limit" in note for note in result.notes)
    assert np.allclose(result.residuals(), clipped.residuals())


def test_all_levels_of_a_category_are_collinear_with_cut_points() -> None:
    data = FRAME.assign(g=np.where(FRAME["x2"] > 0, "a", "b"))
    with_constant = fit("ordered logit", "x1 + C(g)", data=data)
    assert np.isclose(fit("ordered logit", "x1 + C(g) - 1", data=data).loglik, with_constant.loglik)
