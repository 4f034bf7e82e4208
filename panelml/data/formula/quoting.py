"""Names in backticks, and whatever else in a formula Python cannot read as it stands."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from panelml.errors import FormulaError

__all__ = ["RANGE", "Masked", "mask", "quote", "split_names", "unquote"]

RANGE = re.compile(r"([+-]?\d+)\s*:\s*([+-]?\d+)")
_PIECES = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"|`(?P<name>[^`]+)`"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<range>(?<![\w.)\]`])[+-]?\d+\s*:\s*[+-]?\d+(?![\w.]))"
    r"|(?P<number>\d[\w.]*)"
    r"|(?P<stray>`)"
)
_TEXTS = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")
# Names that are words, though not in ASCII, need no backticks.
_FOLDED = re.compile(r"(?=.*[^\x00-\x7f])[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Masked:
    """A formula's text in which plain names stand for what Python cannot read.

    Attributes
    ----------
    code : str
        Plain ASCII outside texts in quotation marks.
    pieces : dict of str to str
        What each of these names stands for, as the user wrote it.
    """

    code: str
    pieces: dict[str, str]

    @property
    def outline(self) -> str:
        """The code with underscores for what stands in quotation marks, of the same length."""
        return _TEXTS.sub(lambda match: "_" * len(match[0]), self.code)

    def restore(self, code: str) -> str:
        """Put the user's own spelling back into a part of the code."""
        if not self.pieces:
            return code
        names = re.compile(rf"\b(?:{'|'.join(self.pieces)})\b")
        return names.sub(lambda match: self.pieces[match[0]], code)


def mask(text: str) -> Masked:
    """Replace quoted names, names that Python would fold, and ranges such as ``0:2``.

    A name in backticks that Python reads as it stands loses them.

    Raises
    ------
    FormulaError
        If a backtick has no partner.
    """
    stem = "masked_"
    while stem in text:
        stem += "_"
    names: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        if match["stray"]:
            raise FormulaError(f"A backtick of {text!r} has no partner.")
        name = match["name"] or match["word"] or ""
        if is_plain(name) or (match["word"] and name.isascii()):
            return name
        if not name and not match["range"]:
            return match[0]
        piece = match["range"] or (name if _FOLDED.fullmatch(name) else f"`{name}`")
        return names.setdefault(piece, f"{stem}{len(names)}_")

    code = _PIECES.sub(plain, text)
    return Masked(code, {name: piece for piece, name in names.items()})


def is_plain(name: str) -> bool:
    """Whether Python reads a name as it stands."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def quote(name: str) -> str:
    """Write a column's name as a formula needs it."""
    return name if is_plain(name) else f"`{name}`"


def split_names(text: str, mark: str) -> list[str]:
    """Split at a mark outside backticks, which the parts keep."""
    masked = mask(text)
    return [masked.restore(part).strip() for part in masked.code.split(mark)]


def unquote(text: str) -> str:
    """Return the column that a piece of a formula names, without its backticks."""
    text = text.strip()
    return text[1:-1] if text[:1] == text[-1:] == "`" and len(text) > 2 else text
