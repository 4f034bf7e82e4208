"""Print how the package is laid out: files by folder, long things, import time and size.

``python scripts/structure.py [CHECKOUT]`` measures this checkout, or another one beside it.
"""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

IMPORTS = 15


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1])
    package = root / "panelml"
    files = {str(path.relative_to(package)): path for path in sorted(package.rglob("*.py"))}
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}
    folders = Counter(name.split("/")[0] for name in files if "/" in name)
    print("files by folder:", dict(folders))
    functions = [
        (node, name)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    classes = [
        (node, name)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    print("functions of more than 7 parameters:", sum(parameters(f) > 7 for f, _ in functions))
    print("longest function:", max((body_lines(f), name, f.name) for f, name in functions))
    print("longest class:", max((span(c), name, c.name) for c, name in classes))
    lines = {name: path.read_text(encoding="utf-8").count("\n") for name, path in files.items()}
    print("longest file:", max((count, name) for name, count in lines.items()))
    print("files:", len(files), "lines:", sum(lines.values()))
    print("fmt skips:", sum(path.read_text().count("# fmt: skip") for path in files.values()))
    counted = Counter(
        c.name for tree in trees.values() for c in tree.body if isinstance(c, ast.ClassDef)
    )
    print("class names that recur:", sum(count > 1 for count in counted.values()))
    print(
        "MB installed:",
        round(
            sum(p.stat().st_size for p in package.rglob("*") if p.is_file() and p.suffix != ".pyc")
            / 1e6,
            2,
        ),
    )
    print("CPU seconds of importing panelml:", import_seconds("import panelml", root))
    print("CPU seconds of importing pandas:", import_seconds("import pandas", root))


def parameters(function: ast.FunctionDef) -> int:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in every)


def span(node: ast.ClassDef | ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def body_lines(function: ast.FunctionDef) -> int:
    """Lines without the docstring."""
    if ast.get_docstring(function) is None:
        return span(function)
    docstring = function.body[0]
    return span(function) - ((docstring.end_lineno or 0) - docstring.lineno + 1)


def import_seconds(statement: str, root: Path) -> float:
    """Median CPU time of a fresh interpreter that imports, user and system."""
    times = []
    for _ in range(IMPORTS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"PYTHONPATH": str(root)}
        subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return round(sorted(times)[len(times) // 2], 3)


if __name__ == "__main__":
    main()
