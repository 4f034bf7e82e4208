"""Run the Python blocks of README.md and docs/**/*.md as a reader would, page by page.

The blocks of one page run in order in one fresh process and an empty working directory, against
the installed package; warnings are errors. A "text" block that follows a Python block directly is
what it prints, and must be that to the last character. A block that is not to run opens with
"```python no-run". Arguments name the pages; without any, all of them run. With --write, the text
blocks are filled with what was printed.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(
    r"^(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=ticks)`* *$", re.MULTILINE | re.DOTALL
)
# Runs in the fresh process: executes the blocks on stdin, and prints what each of them printed.
RUNNER = """
import contextlib, io, json, sys
page, blocks = json.load(sys.stdin)
names, printed = {"__name__": "__main__"}, []
for line, code in blocks:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile("\\n" * line + code, page, "exec"), names)
    printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""


@dataclass(frozen=True)
class Block:
    """A Python block of a page, and the place of the text block with its output."""

    line: int
    code: str
    output: slice | None


def python_blocks(text: str) -> list[Block]:
    fences = list(FENCE.finditer(text))
    blocks = []
    for fence, after in zip_longest(fences, fences[1:]):
        if fence["info"].split() != ["python"]:
            continue
        output = None
        if after and after["info"].strip() == "text":
            gap = text[fence.end() : after.start()]
            output = slice(*after.span("body")) if not gap.strip() else None
        line = text.count("\n", 0, fence.start("body"))
        blocks.append(Block(line, fence["body"], output))
    return blocks


def run_blocks(page: Path, blocks: list[Block]) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", RUNNER],
            input=json.dumps([str(page), [(block.line, block.code) for block in blocks]]),
            cwd=folder,
            env=os.environ | {"MPLBACKEND": "agg", "COLUMNS": "100"},
            capture_output=True,
            text=True,
            check=False,
        )


def clean(printed: str) -> str:
    """Strip spaces at the ends of lines, which editors remove, and empty lines at both ends."""
    return "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n") + "\n"


def filled(text: str, blocks: list[Block], printed: list[str]) -> str:
    """Return the page with its text blocks replaced by what was printed."""
    for block, output in reversed(list(zip(blocks, printed, strict=True))):
        if block.output is not None:
            text = text[: block.output.start] + clean(output) + text[block.output.stop :]
    return text


def run_page(page: Path, *, write: bool) -> bool:
    text = page.read_text(encoding="utf-8")
    blocks = python_blocks(text)
    if not blocks:
        return True
    started = time.perf_counter()
    run = run_blocks(page, blocks)
    problem = run.stderr or f"It was ended from outside ({run.returncode})."
    if run.returncode == 0:
        actual = filled(text, blocks, json.loads(run.stdout))
        if write:
            page.write_text(actual, encoding="utf-8")
            text = actual
        lines = difflib.unified_diff(
            text.splitlines(), actual.splitlines(), "the page", "what was printed", lineterm=""
        )
        problem = "\n".join(lines)
    seconds = time.perf_counter() - started
    print(f"{'FAILED' if problem else 'ok'} {page.relative_to(ROOT)} ({seconds:.1f} s)", flush=True)
    if problem:
        print(problem, file=sys.stderr)
    return not problem


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    pages = [Path(name).resolve() for name in arguments if name != "--write"]
    pages = pages or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    results = [run_page(page, write=write) for page in pages]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
