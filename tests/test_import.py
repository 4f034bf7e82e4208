"""Importing the package: nothing is loaded before it is needed, and only public names are seen."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import panelml as pm

STUB = Path(pm.__file__).with_suffix(".pyi")

FIRST_FIT = """
import pandas as pd
rows = {"unit": [1, 1, 2, 2, 3, 3], "time": [1, 2] * 3, "y": [1., 2, 4, 3, 5, 8]}
panel = pm.Panel(pd.DataFrame(rows).assign(x=[0., 1, 1, 0, 1, 2]), unit="unit", time="time")
str(pm.FixedEffects("y ~ x").fit(panel))
"""


def loaded(code: str) -> set[str]:
    """Return the names of all modules that a program has loaded at its end."""
    program = f"import panelml as pm\n{code}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_importing_loads_no_package_and_none_of_our_modules() -> None:
    modules = loaded("dir(pm)")
    assert {name for name in modules if name.startswith("panelml")} == {"panelml"}
    assert not modules & {"numpy", "pandas", "narwhals", "scipy", "formulaic"}


def test_a_first_fit_loads_neither_other_rooms_nor_what_it_does_not_use() -> None:
    modules = loaded(FIRST_FIT)
    rooms = {name.split(".")[1] for name in modules if name.startswith("panelml.")}
    assert "linear" in rooms
    assert not rooms & {"mixed", "random", "did", "diagnostics", "datasets", "simulate"}
    unused = {"matplotlib", "linearmodels", "statsmodels", "scipy.stats", "scipy.optimize"}
    assert not modules & unused


def test_a_panel_is_made_without_formulas() -> None:
    modules = loaded(FIRST_FIT.rpartition("str(")[0])
    assert "panelml.data.panel.panel" in modules
    assert not modules & {"formulaic", "scipy"}


def stub_homes() -> dict[str, str]:
    """Return the module from which the stub imports each name; for a module, its own name."""
    imports = [
        node
        for node in ast.parse(STUB.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
    ]
    return {
        alias.name: f"panelml.{alias.name}" if node.module == "panelml" else str(node.module)
        for node in imports
        for alias in node.names
        if alias.asname == alias.name
    }


def test_type_checkers_see_the_names_that_exist() -> None:
    homes = {name: f"panelml.{home}" for name, home in vars(pm)["_HOMES"].items()}
    modules = {name: f"panelml.{name}" for name in vars(pm)["_MODULES"]}
    assert stub_homes() == homes | modules


def test_every_name_is_defined_where_the_table_says() -> None:
    for name, home in vars(pm)["_HOMES"].items():
        assert getattr(pm, name).__module__ == f"panelml.{home}"


def test_only_public_names_are_listed() -> None:
    assert dir(pm) == pm.__all__ == sorted(stub_homes())


@pytest.mark.parametrize("module", ["cov", "residual", "simulate", "datasets", "errors"])
def test_public_modules_are_importable_and_list_names_that_exist(module: str) -> None:
    facade = getattr(pm, module)
    assert facade is sys.modules[f"panelml.{module}"]
    assert [name for name in facade.__all__ if not hasattr(facade, name)] == []


def test_unknown_names_raise_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'panelml' has no attribute 'FixedEffect'"):
        pm.FixedEffect  # noqa: B018


def test_values_of_public_modules_pickle() -> None:
    for value in (pm.cov.Clustered("state"), pm.residual.AR1(), pm.FixedEffects("y ~ x")):
        assert pickle.loads(pickle.dumps(value)) == value
