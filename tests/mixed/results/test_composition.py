"""What a mixed fit has: its random part and its refits, with the names of the fit forwarding."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import DetachedResultError, SpecificationError
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.random_part import RandomPart
from panelml.mixed.results.refitting import Refitting
from tests.mixed.mixed_data import orthodont

RANDOM = {
    "variance": "variance",
    "random_effects": "effects",
    "icc": "icc",
    "icc_table": "icc_table",
    "variance_at": "variance_at",
    "rsquared_decomposition": "shares",
    "plot_rsquared": "plot_shares",
    "plot_effects": "plot",
    "plot_growth": "curves",
    "plot_variance": "plot_variance",
    "plot_diagnostics": "plot_diagnostics",
}
REFITS = {
    "simulate": "simulate",
    "bootstrap": "bootstrap",
    "profile": "profile",
    "influence": "without",
}
FORWARDS = [
    *((name, RandomPart, "random", there) for name, there in RANDOM.items()),
    *((name, Refitting, "refits", there) for name, there in REFITS.items()),
]


@pytest.fixture(scope="module")
def growth() -> MixedResults:
    return pm.MixedModel("distance ~ age * male + (1 + age | Subject)").fit(orthodont())


@pytest.mark.parametrize(("name", "part", "attribute", "there"), FORWARDS)
def test_a_forward_has_the_signature_and_names_the_place(
    name: str, part: type, attribute: str, there: str
) -> None:
    forward, method = getattr(MixedResults, name), getattr(part, there)
    assert inspect.signature(forward) == inspect.signature(method)
    assert f"see ``{attribute}.{there}``" in inspect.getdoc(forward)
    assert "see ``" not in inspect.getdoc(method)


def test_every_method_of_the_parts_has_a_forward() -> None:
    for part, names in ((RandomPart, RANDOM), (Refitting, REFITS)):
        methods = {
            name
            for name, member in vars(part).items()
            if inspect.isfunction(member) and not name.startswith("_")
        }
        assert methods == set(names.values())


def test_forwards_return_what_the_part_returns(growth: MixedResults) -> None:
    random, refits = growth.random, growth.refits
    at = {"age": [8.0, 14.0]}
    for one, two in [
        (growth.variance(0.9), random.variance(0.9)),
        (growth.icc_table(0.9), random.icc_table(0.9)),
        (growth.variance_at(at), random.variance_at(at)),
        (growth.rsquared_decomposition(), random.shares()),
        (growth.random_effects(sd=True)["Subject"], random.effects(sd=True)["Subject"]),
        (growth.simulate(2, seed=3), refits.simulate(2, seed=3)),
        (growth.influence().params, refits.without().params),
    ]:
        pd.testing.assert_frame_equal(one, two, check_exact=True)
    pd.testing.assert_series_equal(growth.icc(), random.icc(), check_exact=True)


def test_the_parts_show_themselves_shortly(growth: MixedResults) -> None:
    names = ["group", "term", "other", "variance", "sd"]
    assert repr(growth.random).splitlines()[0].split() == names
    assert repr(growth.random).splitlines()[-1].split()[0] == "residual"
    assert growth.formula in repr(growth.refits)


def test_the_parts_of_a_pickled_fit(growth: MixedResults) -> None:
    back: MixedResults = pickle.loads(pickle.dumps(growth))
    pd.testing.assert_series_equal(back.random.icc(), growth.random.icc(), check_exact=True)
    known = ["group", "term", "variance", "sd"]
    pd.testing.assert_frame_equal(back.random.variance()[known], growth.random.variance()[known])
    assert back.random.certificate == growth.random.certificate
    at = {"age": [8.0]}
    pd.testing.assert_frame_equal(back.random.variance_at(at), growth.random.variance_at(at))
    asks: list[Callable[[], Any]] = [
        lambda: back.rsquared_marginal,
        back.random.effects,
        back.random.shares,
        lambda: back.random.curves("age"),
        lambda: back.refits.simulate(seed=1),
        back.refits.profile,
        back.refits.without,
    ]
    for ask in asks:
        with pytest.raises(DetachedResultError, match="pickled without its data: fit again"):
            ask()


def test_another_covariance_keeps_the_random_part(growth: MixedResults) -> None:
    robust = growth.with_cov("cluster")
    assert robust.random.fit is robust
    np.testing.assert_array_equal(robust.random.parts[0].cov, growth.random.parts[0].cov)


def test_the_parts_hold_arguments_to_their_annotations(growth: MixedResults) -> None:
    with pytest.raises(SpecificationError, match=r"level must lie between 0 and 1, .*95"):
        growth.random.variance(95)
    with pytest.raises(SpecificationError, match="sd takes True or False"):
        growth.random.effects(sd="yes")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="reps"):
        growth.refits.bootstrap("many", seed=1)  # type: ignore[arg-type]
