"""Run the Python blocks of README.md and docs/**/*.md as a reader would, page by page.

The blocks of one page run in order in one fresh process and an empty working directory, against
the installed package; warnings are errors. A block that is not to run opens with
"```python no-run". Arguments name the pages; without any, all of them run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=indent)(?P=ticks)`* *$",
    re.MULTILINE | re.DOTALL,
)


def python_code(text: str) -> str:
    """Join the page's Python blocks into one program, each on the line it has in the page."""
    lines = [""] * len(text.splitlines())
    for block in FENCE.finditer(text):
        if block["info"].split() not in (["python"], ["py"]):
            continue
        first = text.count("\n", 0, block.start("code"))
        for offset, line in enumerate(block["code"].splitlines()):
            lines[first + offset] = line.removeprefix(block["indent"])
    return "\n".join(lines)


def run_page(page: Path) -> bool:
    code = python_code(page.read_text(encoding="utf-8"))
    if not code.strip():
        return True
    program = f"exec(compile({code!r}, {str(page)!r}, 'exec'), {{'__name__': '__main__'}})"
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-W", "error", "-"],
            input=program,
            cwd=folder,
            env=os.environ | {"MPLBACKEND": "agg"},
            capture_output=True,
            text=True,
            check=False,
        )
    seconds = time.perf_counter() - started
    print(f"{'ok' if run.returncode == 0 else 'FAILED'} {page.relative_to(ROOT)} ({seconds:.1f} s)")
    if run.returncode != 0:
        print(run.stdout, run.stderr, sep="\n", file=sys.stderr)
    return run.returncode == 0


def main(arguments: list[str]) -> int:
    pages = [Path(name).resolve() for name in arguments]
    pages = pages or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    results = [run_page(page) for page in pages]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
