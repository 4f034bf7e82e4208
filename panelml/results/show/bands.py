"""Bands of rows in tables of several results: coefficients, measures, effects, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from panelml.results.fitted import FittedModel
from panelml.results.measures import Measure, Place
from panelml.results.show.formats import count, fixed, number, pvalue, stars
from panelml.results.show.frames import TermRow, fit_column, term_rows
from panelml.results.show.grid import Row
from panelml.results.show.table_texts import cluster_counts, covariance_name

__all__ = [
    "Below",
    "Style",
    "coefficient_band",
    "effect_band",
    "measure_band",
    "result_numbers",
    "size_band",
]

Below: TypeAlias = Literal["std_error", "tstat", "pvalue", "conf_int"]


@dataclass(frozen=True, slots=True)
class Style:
    """How estimates are written.

    Attributes
    ----------
    stars : bool
        Whether estimates carry ``*``, ``**``, ``***`` for p below 0.1, 0.05, 0.01.
    below : {"std_error", "tstat", "pvalue", "conf_int"}
        What stands below each estimate.
    digits : int
        Significant digits of estimates; standard errors have one less.
    """

    stars: bool
    below: Below
    digits: int

    def cells(self, row: TermRow) -> tuple[str, str]:
        """Write an estimate, and what stands below it."""
        marks = stars(row.p_value) if self.stars else ""
        low, high = number(row.conf_low, self.digits), number(row.conf_high, self.digits)
        below = {
            "std_error": f"({number(row.std_error, max(self.digits - 1, 1))})",
            "tstat": f"({fixed(row.statistic)})",
            "pvalue": f"({pvalue(row.p_value)})",
            "conf_int": f"[{low}, {high}]",
        }[self.below]
        return number(row.estimate, self.digits) + marks, below


def coefficient_band(
    results: Sequence[FittedModel], terms: Sequence[str], style: Style, level: float
) -> tuple[Row, ...]:
    """Write two rows for each term: estimates, and what stands below them."""
    columns = [
        {row.term: style.cells(row) for row in term_rows(result, level)} for result in results
    ]
    rows: list[Row] = []
    for term in terms:
        cells = [column.get(term, ("", "")) for column in columns]
        rows += [(term, *(cell[0] for cell in cells)), ("", *(cell[1] for cell in cells))]
    return tuple(rows)


def measure_band(results: Sequence[FittedModel], place: Place, digits: int) -> tuple[Row, ...]:
    """Write the measures that some result has; cells are empty where a result has none."""
    shown = [m for result in results for m in result.measures.at(place) if m.compared]
    return tuple(
        (
            known.label if place == "fit" else known.key,
            *(_measured(result, known, digits) for result in results),
        )
        for known in {measure.key: measure for measure in shown}.values()
    )


def _measured(result: FittedModel, known: Measure, digits: int) -> str:
    declared = result.measures.get(known.key)
    return "" if declared is None or not declared.compared else number(declared.value, digits)


def effect_band(results: Sequence[FittedModel]) -> tuple[Row, ...]:
    """Say which effects each result absorbs."""
    absorbed = [[str(effect) for effect in result.facts.absorbed] for result in results]
    names = dict.fromkeys(name for effects in absorbed for name in effects)
    return tuple(
        (f"Effects: {name}", *("yes" if name in effects else "" for effects in absorbed))
        for name in names
    )


def size_band(results: Sequence[FittedModel]) -> tuple[Row, ...]:
    """Count observations, units and clusters, and name standard errors, weights and outcomes."""
    rows: list[Row] = [
        ("Observations", *(count(result.nobs) for result in results)),
        ("Units", *(count(result.n_units) for result in results)),
        ("Standard errors", *(covariance_name(result) for result in results)),
    ]
    if any(result.counts.nobs != result.nobs for result in results):
        regression = (count(result.counts.nobs) for result in results)
        rows.insert(1, ("Rows of the regression", *regression))
    if any(result.inference.clusters for result in results):
        rows.append(("Clusters", *(cluster_counts(result) for result in results)))
    if any(result.weights for result in results):
        rows.append(("Weights", *(result.weights for result in results)))
    if len({result.depvar for result in results}) > 1:
        rows.insert(0, ("Outcome", *(result.depvar for result in results)))
    return tuple(rows)


def result_numbers(
    result: FittedModel, terms: Sequence[str], level: float
) -> dict[tuple[str, str], float]:
    """Return the numbers of a result by term and quantity; those of the model have no term."""
    cells = {
        (row.term, name): value
        for row in term_rows(result, level)
        if row.term in terms
        for name, value in zip(row._fields[1:], row[1:], strict=True)
    }
    fit = [shown for shown in result.measures.at("fit") if shown.compared]
    whole: dict[str, float] = {fit_column(shown.key): shown.value for shown in fit}
    whole |= {"nobs": result.nobs, "n_units": result.n_units, **result.extras}
    return {**cells, **{("", name): float(value) for name, value in whole.items()}}
