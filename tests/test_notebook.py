"""The notebook of the tour runs cell by cell, and shows what the README's tour shows."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "tour.ipynb"


def public_names(text: str) -> set[str]:
    return set(re.findall(r"\bpm\.([A-Za-z_]+)", text))


def test_it_follows_the_tour_of_the_readme() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tour = readme.partition("## Tour")[2].partition("## How it compares")[0]
    assert public_names(tour) <= public_names(code)


def test_it_is_kept_without_output() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the machinery; the kernel has filters of its own
def test_every_cell_runs_and_shows_something(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert all(cell.outputs for cell in cells)
    assert not [output for output in outputs if output.get("name") == "stderr"]
    shown = [output.data for output in outputs if output.output_type == "execute_result"]
    tables = [data["text/html"] for data in shown if "text/html" in data]
    assert len(tables) >= 6
    assert any("image/png" in output.get("data", {}) for output in outputs)
