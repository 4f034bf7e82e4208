"""Several results side by side in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml.arguments import checked, checked_methods
from panelml.errors import (
    SpecificationError,
    check_choice,
    check_share,
)
from panelml.results.fitted import FittedModel
from panelml.results.measures import Measure, Place
from panelml.results.plot.intervals import plot_intervals
from panelml.results.show.formats import count, fixed, number, pvalue, stars
from panelml.results.show.frames import fit_column, term_rows, tidy
from panelml.results.show.grid import Grid, Row, html_notes, latex_text, markdown_text, saved, wrap

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes
from panelml.results.show.table_texts import (
    cluster_counts,
    covariance_name,
    effect_names,
    numbered,
    terms_of,
)

__all__ = ["Below", "Comparison", "compare"]

Below: TypeAlias = Literal["std_error", "tstat", "pvalue", "conf_int"]

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
        bands = (self._coefficients(), self._extras(), self._effects(), self._fit(), self._sizes())
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
            name: self._numbers(result)
            for name, result in zip(self.names, self.results, strict=True)
        }
        keys = dict.fromkeys(key for column in columns.values() for key in column)
        order = sorted(keys, key=lambda key: self._place(key[0]))
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

    def _coefficients(self) -> tuple[Row, ...]:
        pairs = [self._estimates(result) for result in self.results]
        rows: list[Row] = []
        for term in self.terms:
            cells = [pair.get(term, ("", "")) for pair in pairs]
            rows += [(term, *(cell[0] for cell in cells)), ("", *(cell[1] for cell in cells))]
        return tuple(rows)

    def _estimates(self, result: FittedModel) -> dict[str, tuple[str, str]]:
        cells = {}
        for row in term_rows(result, self.level):
            marks = stars(row.p_value) if self.stars else ""
            low, high = number(row.conf_low, self.digits), number(row.conf_high, self.digits)
            below = {
                "std_error": f"({number(row.std_error, max(self.digits - 1, 1))})",
                "tstat": f"({fixed(row.statistic)})",
                "pvalue": f"({pvalue(row.p_value)})",
                "conf_int": f"[{low}, {high}]",
            }[self.below]
            cells[row.term] = (number(row.estimate, self.digits) + marks, below)
        return cells

    def _extras(self) -> tuple[Row, ...]:
        return tuple((known.key, *self._measured(known)) for known in self._compared("below"))

    def _effects(self) -> tuple[Row, ...]:
        absorbed = [effect_names(result.effects_absorbed) for result in self.results]
        names = dict.fromkeys(name for effects in absorbed for name in effects)
        return tuple(
            (f"Effects: {name}", *("yes" if name in effects else "" for effects in absorbed))
            for name in names
        )

    def _fit(self) -> tuple[Row, ...]:
        return tuple((known.label, *self._measured(known)) for known in self._compared("fit"))

    def _compared(self, place: Place) -> list[Measure]:
        """Measures that some result has, each once, in the order of first appearance."""
        shown = [m for result in self.results for m in result.measures.at(place) if m.compared]
        return list({measure.key: measure for measure in shown}.values())

    def _measured(self, measure: Measure) -> Row:
        """Write a measure of each result; empty where a result has none."""
        return tuple(
            number(result.measures[measure.key].value, self.digits)
            if measure.key in result.measures
            else ""
            for result in self.results
        )

    def _sizes(self) -> tuple[Row, ...]:
        results = self.results
        rows: list[Row] = [
            ("Observations", *(count(result.nobs) for result in results)),
            ("Units", *(count(result.n_units) for result in results)),
            ("Standard errors", *(covariance_name(result) for result in results)),
        ]
        if any(result.counts.nobs != result.nobs for result in results):
            rows.insert(
                1, ("Rows of the regression", *(count(result.counts.nobs) for result in results))
            )
        if any(result.inference.clusters for result in results):
            rows.append(("Clusters", *(cluster_counts(result) for result in results)))
        if any(result.weights for result in results):
            rows.append(("Weights", *(result.weights for result in results)))
        if len({result.depvar for result in results}) > 1:
            rows.insert(0, ("Outcome", *(result.depvar for result in results)))
        return tuple(rows)

    def _numbers(self, result: FittedModel) -> dict[tuple[str, str], float]:
        cells = {
            (row.term, name): value
            for row in term_rows(result, self.level)
            if row.term in self.terms
            for name, value in zip(row._fields[1:], row[1:], strict=True)
        }
        fit = [shown for shown in result.measures.at("fit") if shown.compared]
        whole: dict[str, float] = {fit_column(shown.key): shown.value for shown in fit}
        whole |= {"nobs": result.nobs, "n_units": result.n_units, **result.extras}
        return {**cells, **{("", name): float(value) for name, value in whole.items()}}

    def _place(self, term: str) -> int:
        return self.terms.index(term) if term else len(self.terms)


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
    """
    everything = (*results, *named.values())
    _check(everything, below, digits)
    check_share("level", level)
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
    check_choice("below", below, Below)
