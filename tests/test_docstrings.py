"""The example of every public class and function runs, and prints what its docstring shows."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator

import matplotlib as mpl
import pytest

import panelml as pm

mpl.use("Agg")

RUNNER_OPTIONS = doctest.NORMALIZE_WHITESPACE


def public_names() -> Iterator[tuple[str, object]]:
    """Public classes and functions of the package and of its public modules."""
    for module in (pm, pm.cov, pm.residual, pm.simulate, pm.datasets):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                place = module.__name__.removeprefix("panelml").lstrip(".")
                yield f"{place}.{name}".lstrip("."), value


PUBLIC = dict(public_names())


def examples(name: str) -> list[doctest.DocTest]:
    """Find the examples of a public name in its own docstring."""
    text = inspect.getdoc(PUBLIC[name]) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    return [test] if test.examples else []


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_runs_and_prints_what_is_shown(name: str) -> None:
    tests = examples(name)
    assert tests, f"{name} has no example"
    shown: list[str] = []
    runner = doctest.DocTestRunner(optionflags=RUNNER_OPTIONS)
    for test in tests:
        runner.run(test, out=shown.append)
    assert runner.failures == 0, "".join(shown)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_prints_something(name: str) -> None:
    assert [example for test in examples(name) for example in test.examples if example.want]


def test_the_public_names_are_found() -> None:
    assert {"FixedEffects", "hausman", "cov.HC1", "residual.AR1", "simulate.panel"} <= set(PUBLIC)
