"""Several results side by side in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml.arguments import checked, checked_methods
from panelml.errors import (
    SpecificationError,
)
from panelml.results.fitted import FittedModel
from panelml.results.plot.intervals import plot_intervals
from panelml.results.show.bands import (
    Below,
    Style,
    coefficient_band,
    effect_band,
    measure_band,
    result_numbers,
    size_band,
)
from panelml.results.show.frames import tidy
from panelml.results.show.grid import Grid, html_notes, latex_text, markdown_text, saved, wrap
from panelml.results.show.table_texts import numbered, terms_of

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["Below", "Comparison", "compare"]

_BELOW_WORDS: dict[str, str] = {
    "std_error": "Standard errors in parentheses.",
    "tstat": "t statistics in parentheses.",
    "pvalue": "p-values in parentheses.",
    "conf_int": "{level:g}% confidence intervals in brackets.",
}


@checked_methods
@dataclass(frozen=True, slots=True)
class Comparison:
    """A table of results.

    Attributes
    ----------
    results : tuple of FittedModel
    names : tuple of str
        Heads of the columns, all different.
    terms : tuple of str
        Parameters in the rows.
    stars : bool
        Whether estimates carry ``*``, ``**``, ``***`` for p below 0.1, 0.05, 0.01.
    below : {"std_error", "tstat", "pvalue", "conf_int"}
        What stands below each estimate.
    digits : int
        Significant digits of estimates; standard errors have one less.
    level : float
        Of confidence intervals.
    """

    results: tuple[FittedModel, ...]
    names: tuple[str, ...]
    terms: tuple[str, ...]
    stars: bool
    below: Below
    digits: int
    level: float

    def __str__(self) -> str:
        table = self.grid().text()
        rule = "=" * max(len(line) for line in table.splitlines())
        notes = [line for note in self.notes for line in wrap(note)]
        return "\n".join([*wrap(self.title), rule, table, rule, *notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    @property
    def title(self) -> str:
        """The outcomes."""
        return f"Outcome: {', '.join(dict.fromkeys(result.depvar for result in self.results))}"

    @property
    def notes(self) -> tuple[str, ...]:
        """How to read the table, and the notes of each result."""
        notes = [_BELOW_WORDS[self.below].format(level=100 * self.level)]
        if self.stars:
            notes.append("* p < 0.1, ** p < 0.05, *** p < 0.01.")
        whose: dict[str, list[str]] = {}
        for name, result in zip(self.names, self.results, strict=True):
            for note in result.notes:
                whose.setdefault(note, []).append(name)
        return (*notes, *(f"{', '.join(names)}: {note}" for note, names in whose.items()))

    def grid(self) -> Grid:
        """Return the cells as texts."""
        style = Style(self.stars, self.below, self.digits)
        bands = (
            coefficient_band(self.results, self.terms, style, self.level),
            measure_band(self.results, "below", self.digits),
            effect_band(self.results),
            measure_band(self.results, "fit", self.digits),
            size_band(self.results),
        )
        return Grid(("", *self.names), tuple(band for band in bands if band))

    def to_markdown(self, path: str | Path | None = None) -> str:
        """Return the table in GitHub's Markdown.

        Parameters
        ----------
        path : str or Path, optional
            A file to write it to as well.
        """
        notes = [markdown_text(note) for note in (self.title, *self.notes)]
        return saved("\n\n".join([notes[0], self.grid().markdown(), *notes[1:]]), path)

    def to_latex(
        self,
        path: str | Path | None = None,
        *,
        caption: str | None = None,
        label: str | None = None,
    ) -> str:
        r"""Return a LaTeX tabular; ``\usepackage{booktabs}`` goes into the preamble.

        Parameters
        ----------
        path : str or Path, optional
            A file to write it to as well.
        caption, label : str, optional
            Either puts the tabular into a floating table. The caption is taken as text.
        """
        notes = [latex_text(note) + r"\par" for note in (f"{self.title}.", *self.notes)]
        lines = [
            self.grid().latex(),
            r"\par\smallskip",
            r"\begin{minipage}{0.95\linewidth}\footnotesize",
            *notes,
            r"\end{minipage}",
        ]
        if caption is None and label is None:
            return saved("\n".join(lines), path)
        above = [r"\begin{table}", r"\centering"]
        above += [rf"\caption{{{latex_text(caption)}}}"] if caption is not None else []
        above += [rf"\label{{{label}}}"] if label is not None else []
        return saved("\n".join([*above, *lines, r"\end{table}"]), path)

    def to_html(self, path: str | Path | None = None) -> str:
        """Return an HTML fragment with inline styles, legible on light and dark pages.

        Parameters
        ----------
        path : str or Path, optional
            A file to write it to as well.
        """
        title = f"<div style='text-align:left'>{escape(self.title)}</div>"
        return saved(f"<div>{title}{self.grid().html()}{html_notes(self.notes)}</div>", path)

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers, unrounded: a column for each result.

        The columns ``term`` and ``quantity`` name the rows: for each parameter its ``estimate``,
        ``std_error``, ``statistic``, ``p_value``, ``conf_low`` and ``conf_high``, then for the
        model its ``r_squared_*``, ``nobs``, ``n_units`` and what only some models have, with an
        empty ``term``.
        """
        columns = {
            name: result_numbers(result, self.terms, self.level)
            for name, result in zip(self.names, self.results, strict=True)
        }
        keys = dict.fromkeys(key for column in columns.values() for key in column)
        places = {term: place for place, term in enumerate((*self.terms, ""))}
        order = sorted(keys, key=lambda key: places[key[0]])
        frame = pd.DataFrame(order, columns=["term", "quantity"])
        for name, column in columns.items():
            frame[name] = [column.get(key, np.nan) for key in order]
        return frame

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the coefficients with their confidence intervals, the constant left out.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        terms = [term for term in self.terms if term != "Intercept"] or list(self.terms)
        frames = [tidy(result, self.level).set_index("term") for result in self.results]
        return plot_intervals(
            terms,
            dict(zip(self.names, frames, strict=True)),
            level=self.level,
            ax=ax,
            title=self.title,
        )


@checked
def compare(
    *results: FittedModel,
    names: Sequence[str] | None = None,
    terms: str | Sequence[str] | None = None,
    stars: bool = False,
    below: Below = "std_error",
    digits: int = 4,
    level: float = 0.95,
    **named: FittedModel,
) -> Comparison:
    """Put results side by side.

    Parameters
    ----------
    *results : Results
    names : sequence of str, optional
        Heads of these; by default the names of the estimators, numbered where they repeat.
    terms : str or sequence of str, optional
        Parameters to show, in this order; by default all, in the order in which they first
        appear, the constant last.
    stars : bool
        Mark estimates with p below 0.1, 0.05 and 0.01 by ``*``, ``**`` and ``***``.
    below : {"std_error", "tstat", "pvalue", "conf_int"}
        What stands below each estimate.
    digits : int
        Significant digits of estimates; standard errors have one less.
    level : float
        Of confidence intervals.
    **named : Results
        Results with their heads, as ``compare(fe=fe, re=re)``.

    Raises
    ------
    SpecificationError
        Without results, with something else than results, or if names do not fit them.
    UnknownNameError
        If no result has one of the terms.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fixed = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> pooled = pm.PooledOLS("lwage ~ union").fit(panel)
    >>> print(pm.compare(fixed=fixed, pooled=pooled, terms=["union"]).to_frame().head(2))
        term   quantity     fixed    pooled
    0  union   estimate  0.074685  0.179264
    1  union  std_error  0.026641  0.030008
    """
    everything = (*results, *named.values())
    _check(everything, below, digits)
    if names is not None and len(names) != len(results):
        raise SpecificationError(f"{len(names)} names do not fit {len(results)} results.")
    heads = [result.model for result in results] if names is None else [str(n) for n in names]
    return Comparison(
        everything,
        numbered([*heads, *named]),
        terms_of(everything, terms),
        stars,
        below,
        digits,
        level,
    )


def _check(results: tuple[object, ...], below: str, digits: int) -> None:
    if not results:
        raise SpecificationError("Give at least one result to compare.")
    for result in results:
        if not isinstance(result, FittedModel):
            raise SpecificationError(
                f"compare() takes fitted results, not {type(result).__name__}; options such as "
                "stars= are given by name."
            )
