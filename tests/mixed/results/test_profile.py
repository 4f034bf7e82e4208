"""Profile likelihoods of mixed models, against dense matrices and lme4."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

import panelml as pm
from panelml.errors import SpecificationError, UnknownNameError
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.profile import Profile
from tests.mixed.mixed_data import MIXED

CHI2 = 3.841458820694124  # its 95 % quantile with one degree of freedom

# confint(method = "profile") of lme4 1.1-31, which interpolates by splines: four digits.
LME4 = {
    ("sleepstudy", "Reaction ~ Days + (1 + Days | Subject)"): {
        "sd(Intercept | Subject)": (14.381418160773, 37.715995318287),
        "corr(Intercept, Days | Subject)": (-0.481500758281, 0.684986273295),
        "sd(Days | Subject)": (3.801164053259, 8.753380753055),
        "sd(residual)": (22.898266882081, 28.857996511425),
        "Intercept": (237.680695505234, 265.129514680174),
        "Days": (7.358653275117, 13.575918751708),
    },
    ("dyestuff", "Yield ~ 1 + (1 | Batch)"): {
        "sd(Intercept | Batch)": (12.1985352131, 84.0630467108),
        "sd(residual)": (38.2299848826, 67.6576962448),
        "Intercept": (1486.4514999688, 1568.5484943681),
    },
    ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"): {
        "sd(Intercept | plate)": (0.633565966937, 1.182103991432),
        "sd(Intercept | sample)": (1.095789188180, 3.556291636840),
        "sd(residual)": (0.485845400184, 0.629453478454),
        "Intercept": (21.266627383624, 24.677817616174),
    },
    ("pastes", "strength ~ 1 + (1 | batch/cask)"): {
        "sd(Intercept | batch:cask)": (2.157933708229, 4.05358894411),
        "sd(Intercept | batch)": (0.0, 2.94659109690),
        "sd(residual)": (0.652023359343, 1.08544810373),
        "Intercept": (58.663650378658, 61.44301636842),
    },
}


@pytest.mark.parametrize(("name", "formula"), LME4)
def test_intervals_of_lme4(name: str, formula: str) -> None:
    found = pm.MixedModel(formula).fit(MIXED[name]()).profile().conf_int()
    expected = LME4[name, formula]
    assert set(found.index) == set(expected)
    for parameter, bounds in expected.items():
        ours = found.loc[parameter, ["conf_low", "conf_high"]].to_numpy(float)
        assert ours == pytest.approx(bounds, rel=2e-4), parameter


class Growth:
    """Likelihood of ``y ~ t + (1 + t | id)`` by n x n matrices."""

    def __init__(self, y: pd.Series, t: pd.Series, unit: pd.Series) -> None:
        self.y, self.x = y.to_numpy(float), np.column_stack([np.ones(len(t)), t])
        self.same = unit.to_numpy()[:, None] == unit.to_numpy()

    def deviance(self, sds: np.ndarray, corr: float, sigma: float, beta: np.ndarray) -> float:
        d = np.outer(sds, sds) * np.array([[1, corr], [corr, 1]])
        v = np.where(self.same, self.x @ d @ self.x.T, 0.0) + sigma**2 * np.eye(len(self.y))
        root = np.linalg.cholesky(v)
        left = np.linalg.solve(root, self.y - self.x @ beta)
        return float(2 * np.log(np.diag(root)).sum() + left @ left + len(left) * np.log(2 * np.pi))

    def least(self, held: int, value: float, start: np.ndarray) -> float:
        """Least deviance over (sd, sd, corr, sigma, beta, beta) with one of them held."""
        free = np.delete(np.arange(6), held)
        scale = np.array([5.0, 1.0, 0.2, 1.0, 5.0, 1.0])[free]

        def of(x: np.ndarray) -> float:
            full = np.empty(6)
            full[held], full[free] = value, x * scale
            if abs(full[2]) > 1:
                return 1e10
            return self.deviance(full[:2], full[2], full[3], full[4:])

        found = optimize.minimize(of, start[free] / scale, method="BFGS")
        polished = optimize.minimize(
            of,
            found.x,
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000},
        )
        return float(polished.fun)


def test_endpoints_solve_the_dense_likelihood() -> None:
    frame = MIXED["sleepstudy"]()
    model = Growth(frame["Reaction"], frame["Days"], frame["Subject"])
    fit = pm.MixedModel("Reaction ~ Days + (1 + Days | Subject)").fit(frame)
    found = fit.profile().conf_int()
    order = [
        "sd(Intercept | Subject)",
        "sd(Days | Subject)",
        "corr(Intercept, Days | Subject)",
        "sd(residual)",
        "Intercept",
        "Days",
    ]
    best = found.loc[order, "estimate"].to_numpy(float)
    least = model.deviance(best[:2], best[2], best[3], best[4:])
    ml = pm.MixedModel("Reaction ~ Days + (1 + Days | Subject)", reml=False).fit(frame)
    assert least == pytest.approx(-2 * ml.loglik, abs=1e-8)
    for held, name in enumerate(order):
        for side in ("conf_low", "conf_high"):
            value = float(found.loc[name, side])
            gain = model.least(held, value, best) - least
            # A relative error e of the endpoint moves the statistic by about 4 e times
            # its distance from the estimate in half widths.
            assert gain == pytest.approx(CHI2, abs=2e-6), (name, side)


def dyestuff_deviance(sd: float, sigma: float, mean: float | None = None) -> float:
    frame = MIXED["dyestuff"]()
    same = frame["Batch"].to_numpy()[:, None] == frame["Batch"].to_numpy()
    v = sd**2 * same + sigma**2 * np.eye(len(frame))
    y, one = frame["Yield"].to_numpy(float), np.ones(len(frame))
    inverse = np.linalg.inv(v)
    beta = one @ inverse @ y / (one @ inverse @ one) if mean is None else mean
    left = y - beta
    return float(np.linalg.slogdet(v)[1] + left @ inverse @ left + len(y) * np.log(2 * np.pi))


def test_dyestuff_endpoints_to_eight_digits() -> None:
    found = pm.MixedModel("Yield ~ 1 + (1 | Batch)").fit(MIXED["dyestuff"]()).profile().conf_int()

    def inner(of: Callable[[float], float], low: float, high: float) -> float:
        bounds, options = (low, high), {"xatol": 1e-9}
        return float(
            optimize.minimize_scalar(of, bounds=bounds, method="bounded", options=options).fun
        )

    least = dyestuff_deviance(*found["estimate"].iloc[:2])

    def excess(sd: float) -> float:
        return inner(lambda s: dyestuff_deviance(sd, s), 20, 150) - least - CHI2

    expected = [optimize.brentq(excess, *bracket, xtol=1e-10) for bracket in [(5, 30), (50, 150)]]
    bounds = ["conf_low", "conf_high"]
    assert found.loc["sd(Intercept | Batch)", bounds].tolist() == pytest.approx(expected, rel=1e-7)


@pytest.fixture(scope="module")
def zero() -> Profile:
    fit: MixedResults = pm.MixedModel("Yield ~ 1 + (1 | Batch)").fit(MIXED["dyestuff2"]())
    return fit.profile()


def test_a_variance_at_zero_has_an_upper_end_and_says_where_the_lower_one_is(zero: Profile) -> None:
    row = zero.conf_int().loc["sd(Intercept | Batch)"]
    assert row["estimate"] == row["conf_low"] == 0
    assert row["boundary"] == "low"
    assert 0 < row["conf_high"] < 5


def test_a_correlation_reaches_its_end() -> None:
    fit = pm.MixedModel("y ~ t + (1 + t | id)").fit(MIXED["corr_plus"]())
    row = fit.profile(["corr(Intercept, t | id)"]).conf_int().iloc[0]
    assert row["conf_high"] == 1
    assert row["boundary"] == "high"
    assert 0 < row["conf_low"] < 1


def test_units_of_measurement_do_not_matter() -> None:
    frame = MIXED["sleepstudy"]()
    plain = pm.MixedModel("Reaction ~ Days + (1 + Days | Subject)").fit(frame)
    moved = frame.assign(Days=frame["Days"] * 1e-3, Reaction=frame["Reaction"] * 1e4)
    other = pm.MixedModel("Reaction ~ Days + (1 + Days | Subject)").fit(moved)
    scale = np.array([1e4, 1e7, 1, 1e4, 1e4, 1e7])
    bounds = ["conf_low", "conf_high"]
    ours = other.profile().conf_int()[bounds].to_numpy(float) / scale[:, None]
    expected = plain.profile().conf_int()[bounds].to_numpy(float)
    assert np.allclose(ours, expected, rtol=1e-6)


def test_levels_and_names_are_checked(zero: Profile) -> None:
    with pytest.raises(SpecificationError, match=r"levels up to 0\.99"):
        zero.conf_int(0.999)
    fit = pm.MixedModel("Yield ~ 1 + (1 | Batch)").fit(MIXED["dyestuff"]())
    with pytest.raises(UnknownNameError, match="No parameter 'sd'"):
        fit.profile(["sd"])
    with pytest.raises(UnknownNameError, match="No parameter 'b'"):
        zero.plot(["b"])


def test_narrower_levels_are_inside_and_zeta_increases() -> None:
    profile = pm.MixedModel("Yield ~ 1 + (1 | Batch)").fit(MIXED["dyestuff"]()).profile()
    wide, narrow = profile.conf_int(0.99), profile.conf_int(0.5)
    assert (wide["conf_low"] < narrow["conf_low"]).all()
    assert (narrow["conf_high"] < wide["conf_high"]).all()
    for _, curve in profile.table.groupby("parameter"):
        assert (np.diff(curve["value"]) > 0).all()
        assert (np.diff(curve["zeta"]) > 0).all()


def test_plot_draws_a_panel_for_each_parameter() -> None:
    pytest.importorskip("matplotlib").use("Agg")

    profile = pm.MixedModel("Yield ~ 1 + (1 | Batch)").fit(MIXED["dyestuff"]()).profile()
    panels = profile.plot()
    assert [axes.get_title() for axes in panels] == list(profile.curves)
    line = panels[0].get_lines()[1].get_xydata()
    assert line[0, 0] == pytest.approx(profile.curves["sd(Intercept | Batch)"].values[0])


def test_a_correlation_has_an_end_where_a_deviation_shrinks_to_zero_on_the_way() -> None:
    """Beyond zero the profile was that of the opposite correlation, with no end."""
    rng = np.random.default_rng(1)
    unit = np.repeat(np.arange(30), 6)
    x = rng.normal(size=180)
    b = rng.multivariate_normal([0, 0], [[0.3, 0.1], [0.1, 0.1]], 30)[unit]
    y = 1 + x + b[:, 0] + b[:, 1] * x + rng.normal(size=180)
    frame = pd.DataFrame({"unit": unit, "x": x, "y": y})
    name = "corr(Intercept, x | unit)"
    profile = pm.MixedModel("y ~ x + (1 + x | unit)").fit(frame).profile([name])
    assert -0.9 < profile.conf_int()["conf_low"].iloc[0] < 0.0
    assert (np.diff(profile.table["zeta"]) > 0).all()
