"""Reading the random part of a mixed model's formula."""

from __future__ import annotations

import re
from dataclasses import dataclass

from panelml.data.formula.quoting import Masked, unquote
from panelml.errors import FormulaError

__all__ = ["RandomTerm", "split_random"]


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """A random term of a formula, as ``(1 + t | id)``: its text, before any data are seen.

    Attributes
    ----------
    regressors : str
        What stands before the bar.
    group : tuple of str
        The columns whose combinations are the levels.
    correlated : bool
        Whether the coefficients may be correlated; not so after ``||``.
    """

    regressors: str
    group: tuple[str, ...]
    correlated: bool

    @property
    def group_name(self) -> str:
        """The levels in words, as ``school:class``."""
        return ":".join(self.group)


def split_random(masked: Masked) -> tuple[str, tuple[RandomTerm, ...]]:
    """Split a formula into the code of its fixed part, and its random terms.

    ``(x | a/b)`` stands for ``(x | a) + (x | a:b)``.

    Raises
    ------
    FormulaError
        If a term cannot be read.
    """
    text = masked.code
    fixed, terms, last = "", [], 0
    for start, stop in _parentheses(masked):
        inner = text[start + 1 : stop]
        is_call = start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_")
        if "|" not in masked.outline[start:stop] or is_call:
            continue
        terms += _read_term(inner, masked)
        fixed += text[last:start]
        last = stop + 1
    if not terms:
        return text, ()
    fixed = re.sub(r"\s+", " ", fixed + text[last:])
    fixed = re.sub(r"(\+\s*)+(?=\+|$)", "", fixed).strip()
    fixed = re.sub(r"~\s*\+", "~", fixed).strip()
    return (f"{fixed} 1" if fixed.endswith("~") else fixed), tuple(dict.fromkeys(terms))


def _parentheses(masked: Masked) -> list[tuple[int, int]]:
    """Outermost pairs of parentheses."""
    text = masked.outline
    pairs, depth, start = [], 0, 0
    for i, char in enumerate(text):
        if char == "(":
            start = i if depth == 0 else start
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                pairs.append((start, i))
    if depth:
        raise FormulaError(f"The parentheses of {masked.restore(masked.code)!r} do not match.")
    return pairs


def _read_term(inner: str, masked: Masked) -> list[RandomTerm]:
    correlated = "||" not in inner
    sides = [side.strip() for side in inner.split("|" if correlated else "||")]
    if len(sides) != 2 or not all(sides):
        raise FormulaError(
            f"Cannot read the random term ({masked.restore(inner)}) of "
            f"{masked.restore(masked.code)!r}: write (1 + t | id)."
        )
    levels = [
        tuple(unquote(masked.restore(name)) for name in part.split(":"))
        for part in sides[1].split("/")
    ]
    groups = [tuple(name for part in levels[: i + 1] for name in part) for i in range(len(levels))]
    return [RandomTerm(masked.restore(sides[0]), group, correlated) for group in groups]
