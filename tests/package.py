"""The modules of panelml and what each imports, read off the syntax trees."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "panelml"

LAYERS = {
    "errors": 0,
    "_typing": 0,
    "arguments": 1,
    "core": 1,
    "simulate": 2,
    "data": 2,
    "datasets": 2,
    "engine": 3,
    "inference": 4,
    "results": 5,
    "linear": 6,
    "mixed": 6,
    "glm": 7,
    "random": 8,
    "did": 8,
    "diagnostics": 9,
    "cov": 10,
    "residual": 10,
    "__init__": 10,
    "__main__": 11,
}
# A topic with everything of its own inside; what others import of it is named here.
ROOMS = {"linear", "glm", "mixed", "random", "did"}
EDGES = {("glm", "mixed"), ("random", "mixed"), ("random", "glm"), ("did", "glm")}
# The order inside a room: each floor imports only from lower ones.
FLOORS = ("core", "fit", "results")


@dataclass(frozen=True)
class Module:
    """One module: its dotted name inside the package, and its text."""

    name: str
    text: str
    is_package: bool = False

    @property
    def stage(self) -> str:
        """The folder or file directly under the package."""
        return self.name.split(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


Package = dict[str, Module]


def read_package() -> Package:
    modules: Package = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        is_package = len(parts) > 1 and parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules[name] = Module(name, path.read_text(encoding="utf-8"), is_package)
    return modules


def imported_names(module: Module) -> Iterator[str]:
    """Absolute dotted names a module imports, inside functions and type checking included."""
    inside = ["panelml", *module.name.split(".")]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = node.level - 1 if module.is_package else node.level
                anchor = inside[: len(inside) - up]
                base = ".".join([*anchor, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def inner_imports(module: Module, package: Package) -> set[str]:
    """Modules of the package that a module imports; a name leads to the module that holds it."""
    found = set()
    for full in imported_names(module):
        if full.split(".")[0] != "panelml":
            continue
        parts = full.split(".")[1:]
        while parts and ".".join(parts) not in package:
            parts.pop()
        found.add(".".join(parts) or "__init__")
    return found


def outer_imports(module: Module) -> set[str]:
    """Top-level names of third-party packages that a module imports."""
    tops = {full.split(".")[0] for full in imported_names(module)}
    return tops - set(sys.stdlib_module_names) - {"panelml"}
