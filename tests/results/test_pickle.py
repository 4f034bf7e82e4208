from __future__ import annotations

import math
import pickle
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import DetachedResultError
from panelml.results.base import Results

UNITS, PERIODS = 400, 6
RICH = "y ~ x * C(g) + np.log(z) + L(x) + center(z)"
SPECS = {
    "pooled": pm.PooledOLS(RICH),
    "between": pm.Between("y ~ x + C(g) + np.log(z)", weights="w"),
    "fd": pm.FirstDifference("y ~ x + np.log(z)"),
    "fe": pm.FixedEffects(RICH),
    "crossed": pm.FixedEffects("y ~ x + I(z**2) | u + t + g^t"),
    "slopes": pm.FixedEffects("y ~ x | u[z] + t"),
    "re": pm.RandomEffects(RICH),
    "ml": pm.RandomEffects("y ~ x + C(g)", method="ml"),
    "mundlak": pm.Mundlak(RICH, weights="w"),
    "hybrid": pm.Hybrid(RICH),
    "twoway": pm.RandomEffects("y ~ x + C(g)", time_effects=True),
    "mixed": pm.MixedModel("y ~ x + C(g) + (1 + z | u)"),
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = UNITS * PERIODS
    frame = pd.DataFrame(
        {
            "u": np.repeat(np.arange(UNITS), PERIODS),
            "t": np.tile(np.arange(PERIODS), UNITS),
            "x": rng.normal(size=n),
            "z": rng.random(n) + 1,
            "w": rng.random(n) + 0.1,
            "g": rng.choice(list("abc"), n),
        }
    )
    frame["y"] = frame["x"] + np.repeat(rng.normal(size=UNITS), PERIODS) + rng.normal(size=n)
    return frame


@pytest.fixture(scope="module", params=SPECS)
def fit(request: pytest.FixtureRequest, frame: pd.DataFrame) -> Results:
    result: Results = SPECS[request.param].fit(pm.Panel(frame, unit="u", time="t"))
    return result


@pytest.fixture(scope="module")
def restored(fit: Results) -> Results:
    result: Results = pickle.loads(pickle.dumps(fit))
    return result


def test_a_pickle_holds_no_rows(fit: Results) -> None:
    regressors = len(fit.params) if type(fit.spec) in (pm.Mundlak, pm.Hybrid) else 0
    unit_means = 8 * UNITS * (1 + regressors / 2)  # and the labels of the units
    assert len(pickle.dumps(fit)) < 8 * UNITS * PERIODS / 2 + unit_means


def test_a_restored_result_is_shown_as_before(fit: Results, restored: Results) -> None:
    assert str(restored) == str(fit)
    assert restored._repr_html_() == fit._repr_html_()
    pd.testing.assert_frame_equal(restored.tidy(), fit.tidy())
    pd.testing.assert_frame_equal(restored.glance(), fit.glance())
    assert str(pm.compare(restored)) == str(pm.compare(fit))
    name = str(fit.params.index[-1]).replace("`", "")
    assert restored.wald_test([name]) == fit.wald_test([name])


def test_a_restored_result_predicts_new_rows(
    fit: Results, restored: Results, frame: pd.DataFrame
) -> None:
    new = frame.sample(frac=0.5, random_state=0)
    pd.testing.assert_series_equal(restored.predict(new), fit.predict(new))
    assert restored.predict(new).notna().any()


@pytest.mark.parametrize(
    "ask",
    [
        lambda r: r.predict(),
        lambda r: r.residuals(),
        lambda r: r.fitted(),
        lambda r: r.effects(),
        lambda r: r.with_cov("HC1"),
        lambda r: r.panel,
    ],
)
def test_a_restored_result_says_that_the_rows_are_gone(
    restored: Results, ask: Callable[[Results], Any]
) -> None:
    with pytest.raises(DetachedResultError, match="pickled without its data"):
        ask(restored)


def test_pickling_leaves_the_result_attached(fit: Results) -> None:
    pickle.dumps(fit)
    assert fit.residuals().notna().any()


def held(root: object) -> Iterator[tuple[str, int]]:
    """Walk an object graph, panels left out: path and size of every array and pandas object."""
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("result", root)]
    while stack:
        path, item = stack.pop()
        if id(item) in seen or isinstance(item, (pm.Panel, type, types.ModuleType)):
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray | pd.Series | pd.DataFrame | pd.Index):
            yield path, math.prod(item.shape)
        if isinstance(item, types.FunctionType):
            stack += [(f"{path}.closure", cell.cell_contents) for cell in item.__closure__ or ()]
        if isinstance(item, dict):
            stack += [(f"{path}[{key!r}]", value) for key, value in item.items()]
        if isinstance(item, list | tuple | set | frozenset):
            stack += [(f"{path}[]", value) for value in item]
        slots = [name for c in type(item).__mro__ for name in getattr(c, "__slots__", ())]
        names = [*getattr(item, "__dict__", {}), *slots]
        stack += [(f"{path}.{name}", getattr(item, name)) for name in names if hasattr(item, name)]


def test_a_result_holds_nothing_of_the_length_of_the_data(fit: Results) -> None:
    # Lags drop the first rows of units: the one mask of those that are left.
    mask = "result._attached.estimate.influence.sample.keep"
    large = [path for path, size in held(fit) if size >= UNITS * PERIODS]
    assert large == ([mask] if "L(x)" in fit.formula else [])
    restored = pickle.loads(pickle.dumps(fit))
    # Of its rows nothing; of its units the means of the regressors, by which rows are predicted.
    large = [path for path, size in held(restored) if size >= UNITS * PERIODS]
    assert all(path.startswith("result.predictor.means.steps") for path in large)
    assert len(large) == (type(fit.spec) in (pm.Mundlak, pm.Hybrid))


def test_the_walk_finds_what_is_hidden(fit: Results) -> None:
    array = np.zeros(UNITS * PERIODS)
    hidden = types.SimpleNamespace(a=[{"b": lambda: array}])
    assert [size for _, size in held(hidden)] == [array.size]
