"""A page of headed sections, as text and as one HTML file that needs no other."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Protocol

from panelml.results.show.grid import WIDTH, wrap

__all__ = ["Page", "Printable", "Prose", "Section"]

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 Georgia, 'Times New Roman', serif; color: #1a1a1a; background: #fff;
  max-width: 76rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1, h2 { font-family: system-ui, sans-serif; line-height: 1.25; }
h1 { font-size: 1.6rem; margin-bottom: .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #bbb; }
p { max-width: 46rem; margin: .6rem 0; }
.part { margin: .9rem 0; overflow-x: auto; font-size: .88rem; font-family: system-ui, sans-serif; }
.part caption { text-align: left; font-weight: bold; }
.part th { vertical-align: top; padding-right: 1rem; font-weight: 600; white-space: nowrap; }
@page { size: A4; margin: 13mm; }
@media print {
  body { font-size: 10pt; margin: 0; padding: 0; max-width: none; }
  h2 { break-after: avoid; }
  table { break-inside: avoid; }
  .part { overflow: visible; font-size: 7pt; line-height: 1.2; }
  .part div { line-height: 1.2; }
}
"""


class Printable(Protocol):
    """Anything that prints as text and shows as HTML."""

    def __str__(self) -> str: ...

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs.

    Attributes
    ----------
    paragraphs : tuple of str
    """

    paragraphs: tuple[str, ...]

    def __str__(self) -> str:
        return "\n\n".join("\n".join(wrap(text)) for text in self.paragraphs)

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(text)}</p>" for text in self.paragraphs)


@dataclass(frozen=True, slots=True)
class Section:
    """Parts under a heading.

    Attributes
    ----------
    heading : str
    parts : tuple of Printable
    """

    heading: str
    parts: tuple[Printable, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Sections under a title; they are numbered.

    Attributes
    ----------
    title : str
    opening : Prose
    sections : tuple of Section
    """

    title: str
    opening: Prose
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        lines = [self.title, "=" * min(len(self.title), WIDTH), str(self.opening)]
        for number, section in enumerate(self.sections, start=1):
            heading = f"{number}. {section.heading}"
            lines += ["", "", heading, "-" * len(heading)]
            lines.append("\n\n".join(str(part) for part in section.parts))
        return "\n".join(lines)

    __repr__ = __str__

    def to_html(self) -> str:
        """Return a complete page that needs no other file, for the screen and for paper."""
        body = [f"<h1>{escape(self.title)}</h1>", self.opening._repr_html_()]
        for number, section in enumerate(self.sections, start=1):
            body.append(f"<h2>{number}. {escape(section.heading)}</h2>")
            body += [_framed(part) for part in section.parts]
        return (
            "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
            "<meta name='viewport' content='width=device-width'>\n"
            f"<title>{escape(self.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
            + "\n".join(body)
            + "\n</body>\n</html>\n"
        )


def _framed(part: Printable) -> str:
    html = part._repr_html_()
    return html if isinstance(part, Prose) else f"<div class='part'>{html}</div>"
