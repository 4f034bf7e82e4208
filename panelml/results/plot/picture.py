"""Pictures inside pages that need no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Picture"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, drawn when the page is written as HTML; text has its caption alone.

    Attributes
    ----------
    caption : str
    draw : callable
        Returns the axes.
    """

    caption: str
    draw: Callable[[], Axes]

    def __str__(self) -> str:
        return f"[Picture: {self.caption}]"

    def _repr_html_(self) -> str:
        from matplotlib import pyplot

        figure: Any = self.draw().figure
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
        pyplot.close(figure)
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        words = escape(self.caption, quote=True)
        return (
            f"<figure style='margin:0'><img style='max-width:100%' alt='{words}' "
            f"src='data:image/png;base64,{data}'><figcaption>{words}</figcaption></figure>"
        )
