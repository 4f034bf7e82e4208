"""Make the reference values again: ``python tests/golden/make/make.py [TOPIC ...]``.

A topic is made by ``TOPIC.R``, ``TOPIC_python.py`` or both, beside this file, and written to
``tests/golden/TOPIC.json``. An R script is called with the directory of the panels as CSV and
the file to write, which it does by ``finish()``; a Python module has ``cases()``. Without topics
every one is made.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(HERE)]

from tests import panels  # noqa: E402  (the path above makes it importable)
from tests.glm import count_data, outcome_data  # noqa: E402
from tests.mixed import generalised_data, mixed_data  # noqa: E402

FIELDS = ("id", "tool", "version", "script", "data", "spec", "value", "tolerance")


def from_r(script: Path, folder: Path) -> list[dict[str, Any]]:
    """Run an R script and read the cases it writes."""
    output = folder / f"{script.stem}.json"
    subprocess.run(["Rscript", "--vanilla", script, folder, output], check=True, cwd=HERE)
    cases: list[dict[str, Any]] = json.loads(output.read_text())
    return cases


def from_python(script: Path) -> list[dict[str, Any]]:
    """Import a maker module and collect its cases."""
    spec = importlib.util.spec_from_file_location(f"make_{script.stem}", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cases: list[dict[str, Any]] = module.cases()
    return cases


def make(topic: str, folder: Path) -> None:
    """Write one topic and say which tools made it."""
    made: list[dict[str, Any]] = []
    for script in (HERE / f"{topic}.R", HERE / f"{topic}_python.py"):
        if script.exists():
            found = from_r(script, folder) if script.suffix == ".R" else from_python(script)
            made += [{**case, "script": str(script.relative_to(ROOT))} for case in found]
    ids = [case["id"] for case in made]
    assert made and len(set(ids)) == len(ids), f"{topic}: no cases, or an id twice"
    ordered = [{field: case[field] for field in FIELDS} for case in made]
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in ordered)
    (HERE.parent / f"{topic}.json").write_text(f"[\n{lines}\n]\n")
    tools = sorted({f"{case['tool']} {case['version']}" for case in made})
    print(f"{topic}: {len(made)} cases from {', '.join(tools)}")


def main(topics: list[str]) -> None:
    """Make the topics named, or all."""
    scripts = {path.stem for path in HERE.glob("*.R") if "\nfinish()" in path.read_text()}
    scripts |= {path.stem.removesuffix("_python") for path in HERE.glob("*_python.py")}
    with tempfile.TemporaryDirectory() as directory:
        panels.write_csv(Path(directory))
        mixed_data.write_csv(Path(directory))
        count_data.write_csv(Path(directory))
        outcome_data.write_csv(Path(directory))
        generalised_data.write_csv(Path(directory))
        for topic in topics or sorted(scripts):
            make(topic, Path(directory))


if __name__ == "__main__":
    main(sys.argv[1:])
