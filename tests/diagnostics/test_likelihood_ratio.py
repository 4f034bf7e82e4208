"""Likelihood-ratio tests: which fits may be compared, pooled least squares among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import chi2

import panelml as pm
from panelml.data.panel.agreement import same_sample
from panelml.diagnostics.residuals_within import residuals_within
from panelml.errors import SpecificationError
from panelml.mixed.snijders_bosker import snijders_bosker
from tests.mixed.mixed_data import MIXED

SAME = r"fitted to the same rows and outcome\."
NULL, WIDE = "y ~ 1 + (1 | id)", "y ~ x + (1 | id)"


def scores(seed: int = 0, groups: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    unit, time = np.repeat(np.arange(groups), 6), np.tile(np.arange(6), groups)
    frame = pd.DataFrame({"id": unit, "t": time, "x": rng.normal(size=unit.size)})
    frame["y"] = rng.normal(size=groups)[unit] + 0.3 * frame["x"] + rng.normal(size=unit.size)
    frame["pass"] = (frame["y"] > 0) * 1.0
    frame["w"] = rng.choice([1.0, 0.5], unit.size)
    frame["z"] = rng.normal(size=unit.size)
    return frame


def ml(formula: str, data: Any, weights: str | None = None) -> Any:
    return pm.MixedModel(formula, reml=False, weights=weights).fit(data)


def without(frame: pd.DataFrame, period: int) -> pd.DataFrame:
    return frame[frame["t"] != period]


OTHERS: dict[str, Callable[[pd.DataFrame], tuple[Any, Any]]] = {
    "weights": lambda d: (ml(NULL, d, "w"), ml(WIDE, d)),
    "other weights": lambda d: (ml(NULL, d, "w"), ml(WIDE, d.assign(w=d["w"] ** 2), "w")),
    "waves": lambda d: (ml(NULL, d[d["t"] < 3]), ml(WIDE, d[d["t"] >= 3])),
    "outcome": lambda d: (ml(NULL, d.assign(y=3 * d["y"])), ml(WIDE, d)),
    "one outcome": lambda d: (ml(NULL, d), ml(WIDE, d.assign(y=d["y"].where(d.index != 7, 0.0)))),
    "missing": lambda d: (
        ml(NULL, without(d, 3)),
        ml(WIDE, d.assign(x=d["x"].where(d["t"] != 2))),
    ),
    "panels": lambda d: (
        ml(NULL, pm.Panel(without(d, 3), unit="id", time="t")),
        ml(WIDE, pm.Panel(without(d, 2), unit="id", time="t")),
    ),
    "waves of a yes or no": lambda d: (
        ml("p ~ 1 + (1 | id)", without(d.assign(p=(d["id"] + d["t"]) // 2 % 2 * 1.0), 3)),
        ml("p ~ x + (1 | id)", without(d.assign(p=(d["id"] + d["t"]) // 2 % 2 * 1.0), 2)),
    ),
    "a regressor of both": lambda d: (
        ml("y ~ x + (1 | id)", pm.Panel(d.assign(x=1000 * d["x"]), unit="id", time="t")),
        ml("y ~ x + z + (1 | id)", pm.Panel(d, unit="id", time="t")),
    ),
    "polars": lambda d: (
        ml(NULL, pl.from_pandas(without(d, 3))),
        ml(WIDE, pl.from_pandas(without(d, 2))),
    ),
    "pooled": lambda d: (
        pm.PooledOLS("y ~ 1 + z").fit(pm.Panel(without(d, 3), unit="id", time="t")),
        ml("y ~ z + (1 | id)", without(d, 2)),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_samples_are_refused(name: str) -> None:
    small, large = OTHERS[name](scores())
    assert small.nobs == large.nobs
    with pytest.raises(SpecificationError, match=SAME):
        pm.lr_test(small, large)
    if small.model != "Pooled OLS":
        with pytest.raises(SpecificationError, match=SAME):
            snijders_bosker(small, large)


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "shuffled": lambda d: d.sample(frac=1, random_state=1),
    "nullable": lambda d: d.convert_dtypes(),
    "polars": pl.from_pandas,
    "pyarrow": lambda d: pa.Table.from_pandas(d, preserve_index=False),
    "panel": lambda d: pm.Panel(d.sample(frac=1, random_state=2), unit="id", time="t"),
    "single precision": lambda d: d.assign(z=d["z"].astype("float32")),
    "other columns": lambda d: d.assign(x=d["x"], extra=1.0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_rows_and_the_kind_of_frame_do_not_matter(kind: str) -> None:
    frame = scores()
    one, other = ("y ~ z + (1 | id)", "y ~ x + z + (1 | id)")
    small, large = ml(one, frame), ml(other, KINDS[kind](frame))
    expected = pm.lr_test(small, ml(other, frame))
    found = pm.lr_test(small, large)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-7)


def test_variables_of_one_fit_and_units_of_weights_may_change() -> None:
    """Only the ratios of analytic weights matter, and a regressor may be measured anew."""
    frame = scores()
    changed = frame.assign(x=frame["x"] / 100, w=3 * frame["w"])
    small, large = ml(NULL, frame, "w"), ml(WIDE, changed, "w")
    assert same_sample(small._sample, large._sample)
    assert pm.lr_test(small, large).df == (1,)
    ones = ml(NULL, frame.assign(one=2.0), "one")
    assert pm.lr_test(ones, ml(WIDE, frame)).df == (1,)


# --- pooled least squares ---------------------------------------------------------------------


AR1, EQUAL = pm.residual.AR1, pm.residual.Exchangeable
VARYING = pm.residual.Heteroskedastic("g")
APART = {
    "residuals": ("(1 | id)", AR1(), "(1 + x | id)", None),
    "variances": ("(1 | id)", VARYING, "(1 + x | id)", AR1()),
    "forms": ("(1 | id)", AR1(), "(1 + x | id)", pm.residual.MA1()),
    "lags": ("(1 | id)", AR1(), "(1 | id)", pm.residual.Toeplitz(2)),
    "correlations": ("(1 + x | id)", None, "(1 + x + z + v || id)", None),
}


@pytest.mark.parametrize("name", APART)
def test_models_of_which_neither_contains_the_other_are_refused(name: str) -> None:
    """They have different numbers of parameters, and the larger number the higher likelihood."""
    frame = scores().assign(v=np.random.default_rng(1).normal(size=240))
    frame["g"] = np.where(frame["t"] < 3, "early", "late")
    frame["y"] += frame["id"] % 5 * frame["x"]
    panel = pm.Panel(frame, unit="id", time="t")
    one, structure, other, wider = APART[name]
    small = pm.MixedModel(f"y ~ x + {one}", reml=False, residual=structure).fit(panel)
    large = pm.MixedModel(f"y ~ x + {other}", reml=False, residual=wider).fit(panel)
    with pytest.raises(SpecificationError, match="contain"):
        pm.lr_test(small, large)


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        (None, AR1(), True),
        (AR1(), AR1(by="g"), True),
        (AR1(by="g"), AR1(by="h"), False),
        (AR1(by="g"), AR1(), False),
        (AR1(), AR1(time="wave"), False),
        (AR1(time="t"), pm.residual.Unstructured(), True),
        (VARYING, AR1(variance_by="g"), True),
        (VARYING, AR1(by="g"), True),
        (pm.residual.Heteroskedastic("t"), pm.residual.Unstructured(), True),
        (pm.residual.Heteroskedastic(covariates="x"), AR1(covariates=("z", "x")), True),
        (pm.residual.Heteroskedastic(covariates="x"), AR1(covariates="z"), False),
        (EQUAL(), pm.residual.Toeplitz(), True),
        (EQUAL(group="id"), pm.residual.Toeplitz(group="school"), False),
        (pm.residual.MA1(), pm.residual.Toeplitz(1), True),
        (pm.residual.Toeplitz(1), pm.residual.Toeplitz(3), True),
        (pm.residual.Toeplitz(), pm.residual.Toeplitz(3), False),
    ],
)
def test_structures_of_residuals_contain_others(small: Any, large: Any, expected: bool) -> None:
    assert residuals_within(small, large, "t") is expected
    if expected:
        assert not residuals_within(large, small, "t")


def test_the_order_of_names_in_random_terms_does_not_matter() -> None:
    frame = scores().assign(g=lambda d: d["t"] % 2)
    one, other = ("(1 + x:z | g:id)", "(1 + z:x + x | id:g)")
    found = pm.lr_test(ml(f"y ~ x + {one}", frame), ml(f"y ~ x + {other}", frame))
    assert found.df == (2, 3)
    assert found.statistic >= 0


def test_is_a_random_intercept_needed() -> None:
    frame = scores()
    panel = pm.Panel(frame, unit="id", time="t")
    pooled, mixed = pm.PooledOLS("y ~ x").fit(panel), ml(WIDE, frame)
    slope, constant = np.polyfit(frame["x"], frame["y"], 1)
    variance = np.mean((frame["y"] - slope * frame["x"] - constant) ** 2)
    statistic = 2 * (mixed.loglik + 120 * (np.log(2 * np.pi * variance) + 1))
    found = pm.lr_test(pooled, mixed)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert found.pvalue == pytest.approx(chi2.sf(statistic, 1) / 2, rel=1e-6)
    assert found.df == (0, 1)
    slopes = pm.lr_test(pooled, ml("y ~ x + (1 + x | id)", frame))
    assert "2 variances are tested on the boundary" in slopes.notes[0]
    assert pm.lr_test(pm.PooledOLS("y ~ 1 + z").fit(panel), ml("y ~ z + x + (1|id)", frame)).df == (
        1,
        2,
    )


@pytest.mark.parametrize("weights", [None, "w"])
def test_restricted_likelihood_is_that_of_a_mixed_model_without_variance(
    weights: str | None,
) -> None:
    """Where the variance is estimated at zero the mixed model is pooled least squares."""
    frame = scores()
    rng = np.random.default_rng(5)
    frame["y"] = rng.normal(size=len(frame)) + frame["x"]
    frame["y"] -= frame.groupby("id")["y"].transform("mean")
    panel = pm.Panel(frame, unit="id", time="t")
    pooled = pm.PooledOLS("y ~ x + z", weights=weights).fit(panel)
    for reml in (True, False):
        mixed = pm.MixedModel("y ~ x + z + (1 | id)", reml=reml, weights=weights).fit(frame)
        assert mixed.random.parts[0].cov[0, 0] == 0
        found = pm.lr_test(pooled, mixed)
        assert found.statistic == pytest.approx(0.0, abs=1e-7)
        assert found.pvalue == 1.0


def test_bootstrap_against_pooled_least_squares() -> None:
    frame = scores(groups=9)
    panel = pm.Panel(frame, unit="id", time="t")
    pooled, mixed = pm.PooledOLS("y ~ x").fit(panel), pm.MixedModel(WIDE).fit(panel)
    found = pm.lr_test(pooled, mixed, method="bootstrap", reps=99, seed=1)
    assert found.statistic == pytest.approx(pm.lr_test(pooled, mixed).statistic)
    assert found.pvalue == 0.01
    shuffled = pm.MixedModel(WIDE).fit(frame.sample(frac=1, random_state=0))
    with pytest.raises(SpecificationError, match="fit them to one data frame"):
        pm.lr_test(pooled, shuffled, method="bootstrap")


def test_few_groups_are_noted() -> None:
    frame = scores(groups=9)
    found = pm.lr_test(
        pm.PooledOLS("y ~ x").fit(pm.Panel(frame, unit="id", time="t")), ml(WIDE, frame)
    )
    assert found.notes[1].startswith("Only 9 groups of id:")
    assert "method='bootstrap'" in found.notes[1]
    many = scores(groups=60)
    found = pm.lr_test(
        pm.PooledOLS("y ~ x").fit(pm.Panel(many, unit="id", time="t")), ml(WIDE, many)
    )
    assert len(found.notes) == 1
    assert pm.lr_test(ml(NULL, frame), ml(WIDE, frame)).notes == ()


def test_few_groups_make_the_mixture_conservative() -> None:
    """What the note says, by the closed form of the balanced one-way model."""
    rng = np.random.default_rng(0)
    between, within = rng.chisquare(8, 100_000), rng.chisquare(45, 100_000)
    ratio = np.maximum((between / 9) / (within / 45), 1)
    statistic = 54 * np.log((between + within) / (between / ratio + within)) - 9 * np.log(ratio)
    assert np.mean(chi2.sf(statistic, 1) / 2 < 0.05) == pytest.approx(0.025, abs=0.004)


def test_fits_of_other_kinds_are_refused_in_words() -> None:
    frame = scores()
    panel = pm.Panel(frame, unit="id", time="t")
    fe, mixed = pm.FixedEffects("y ~ x").fit(panel), ml(WIDE, frame)
    for small, large in ((fe, mixed), (mixed, fe), (fe, fe)):
        with pytest.raises(SpecificationError, match=r"mixed models are compared.*Fixed effects"):
            pm.lr_test(small, large)
    with pytest.raises(SpecificationError, match="Pooled OLS is the smaller model"):
        pm.lr_test(mixed, pm.PooledOLS("y ~ x").fit(panel))
    with pytest.raises(SpecificationError, match=r"mixed models with one random .*Pooled OLS"):
        pm.snijders_bosker(pm.PooledOLS("y ~ 1 + x").fit(panel), mixed)


def test_variance_function_at_numbers() -> None:
    frame = MIXED["sleepstudy"]()
    fit = pm.MixedModel("Reaction ~ Days + (1 + Days | Subject)").fit(frame)
    one, several = fit.variance_at({"Days": 3}), fit.variance_at({"Days": [3, 4]})
    assert one["total"].iloc[0] == pytest.approx(several["total"].iloc[0])
    assert len(fit.variance_at({"Days": [1, 2], "other": 0})) == 2
    with pytest.raises(SpecificationError, match="Days"):
        fit.variance_at({"Days": [1, 2], "other": [1, 2, 3]})
