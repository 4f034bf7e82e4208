"""Every numerical module has a test that calls it: at its own place, or beside a neighbour's.

Numerical are the modules of core/, of every room's core/, and of inference/.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "panelml"

#: Modules that the test of a neighbour calls.
BESIDE = {
    "core/absorb": "core/test_absorbed_leverage.py",
    "core/absorb_plan": "core/test_absorbed_leverage.py",
    "core/augment": "core/test_rows.py",
    "core/equations": "inference/test_influence.py",
    "core/family/binomial": "core/family/test_family.py",
    "core/family/censored": "core/family/test_family.py",
    "core/family/choice": "core/family/test_family.py",
    "core/family/counts": "core/family/test_family.py",
    "core/family/interval": "core/family/test_family.py",
    "core/family/ordered": "core/family/test_family.py",
    "core/family/outcome": "core/family/test_family.py",
    "core/groups": "core/test_rows.py",
    "core/keyed": "core/test_rows.py",
    "core/links": "results/test_facts.py",
    "core/math/lattice": "core/math/test_extreme_rays.py",
    "core/math/normal_box": "did/sensitivity/test_pretrends.py",
    "core/moments": "laws/test_merge.py",
    "core/pair": "laws/test_merge.py",
    "core/row_values": "laws/test_merge.py",
    "core/transforms": "core/test_rows.py",
    "did/core/decomposition": "did/describe/test_decomposition.py",
    "did/core/fixed_length": "did/sensitivity/test_honest.py",
    "did/core/honest": "did/sensitivity/test_honest.py",
    "did/core/moment_inequalities": "did/sensitivity/test_honest.py",
    "did/core/pretrends": "did/sensitivity/test_pretrends.py",
    "glm/core/row_likelihood": "laws/test_merge.py",
    "inference/bands": "inference/test_bootstrap.py",
    "inference/estimate": "inference/test_wald.py",
    "inference/restrictions": "inference/test_wald.py",
    "inference/testing": "inference/test_wald.py",
    "mixed/core/collapse": "laws/test_mixed_collapse.py",
    "mixed/core/crossed_information": "mixed/core/test_information.py",
    "mixed/core/residual_crossed": "mixed/core/test_residual_rows.py",
    "mixed/core/structures": "mixed/test_residual_dense.py",
    "mixed/core/working_rows": "laws/test_merge.py",
    "random/core/likelihood": "random/core/test_components.py",
    "random/core/twoway_likelihood": "random/core/test_twoway.py",
}
#: Modules that only fits call so far.
THROUGH_FITS = {
    "inference/heteroskedasticity",
    "inference/small_samples",
    "mixed/core/crossed_state",
    "random/core/outcome",
}


def numerical_modules() -> list[str]:
    paths = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(
        str(path.with_suffix(""))
        for path in paths
        if path.stem != "__init__" and (path.parts[0] == "inference" or "core" in path.parts[:2])
    )


def mirror(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}.py"


def calls(test: str, module: str) -> bool:
    """Whether a test imports from a module."""
    path = TESTS / test
    dotted = "panelml." + module.replace("/", ".")
    return path.is_file() and f"from {dotted} import" in path.read_text(encoding="utf-8")


def untested(modules: Iterable[str]) -> list[str]:
    return [
        module
        for module in modules
        if not (TESTS / mirror(module)).exists()
        and not calls(BESIDE.get(module, ""), module)
        and module not in THROUGH_FITS
    ]


def test_every_numerical_module_is_called_by_a_test() -> None:
    assert untested(numerical_modules()) == []


def test_the_lists_name_no_module_that_is_gone() -> None:
    assert {*BESIDE, *THROUGH_FITS} - set(numerical_modules()) == set()


@pytest.mark.parametrize("module", ["core/new", "did/core/new", "inference/new"])
def test_a_new_module_without_a_test_is_seen(module: str) -> None:
    assert untested([module]) == [module]
