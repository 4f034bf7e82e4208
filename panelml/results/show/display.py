"""How a result is shown: summary, frames, tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import pandas as pd

from panelml.arguments import checked_methods
from panelml.errors import MissingDependencyError
from panelml.results.fitted import FittedModel
from panelml.results.show.frames import glance, tidy
from panelml.results.show.summary import Summary, summarize
from panelml.results.show.table import compare

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["Shown"]


@checked_methods
class Shown(FittedModel):
    """An estimated model with its views."""

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def summary(self, level: float = 0.95) -> Summary:
        """Return what there is to read about the result; it prints as text and shows as HTML.

        Parameters
        ----------
        level : float
            Of the confidence intervals.
        """
        return summarize(self, level)

    def tidy(self, level: float = 0.95) -> pd.DataFrame:
        """Return a flat frame with one row for each parameter.

        Its columns are ``term``, ``estimate``, ``std_error``, ``statistic``, ``p_value``,
        ``conf_low`` and ``conf_high``. The result itself exports it as an Arrow stream, so that
        ``polars.DataFrame(result)`` and ``pandas.DataFrame.from_arrow(result)`` work too.
        """
        return tidy(self, level)

    def glance(self) -> pd.DataFrame:
        """Return a flat frame with one row for the model.

        Sizes, R-squared, log-likelihood, the test of the model (``statistic``, ``p_value``),
        degrees of freedom, texts on covariance, effects and weights, then ``extras``.
        """
        return glance(self)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        frame = nw.from_native(self.tidy(), eager_only=True)
        try:
            return frame.__arrow_c_stream__(requested_schema)
        except ImportError as error:
            raise MissingDependencyError(
                "Arrow export needs pyarrow: pip install pyarrow."
            ) from error

    def to_markdown(self, path: str | Path | None = None, **options: Any) -> str:
        """Return a table in Markdown, and write it to a file; options are those of ``compare``."""
        return compare(self, **options).to_markdown(path)

    def to_html(self, path: str | Path | None = None, **options: Any) -> str:
        """Return a table as HTML, and write it to a file; options are those of ``compare``."""
        return compare(self, **options).to_html(path)

    def to_latex(
        self,
        path: str | Path | None = None,
        *,
        caption: str | None = None,
        label: str | None = None,
        **options: Any,
    ) -> str:
        """Return a LaTeX table as ``Comparison.to_latex``; the options are those of ``compare``."""
        return compare(self, **options).to_latex(path, caption=caption, label=label)

    def plot(
        self,
        terms: str | Sequence[str] | None = None,
        *,
        level: float = 0.95,
        ax: Axes | None = None,
    ) -> Axes:
        """Plot the coefficients with their confidence intervals, the constant left out.

        Parameters
        ----------
        terms : str or sequence of str, optional
            Parameters to show, from top to bottom; all by default.
        level : float
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        UnknownNameError
            If there is no such parameter.
        MissingDependencyError
            If matplotlib is not installed.
        """
        return compare(self, terms=terms, level=level).plot(ax)
