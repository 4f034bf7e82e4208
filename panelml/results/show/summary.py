"""The summary of a result, as text and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TypeAlias

import numpy as np

from panelml.data.panel.grouping import ROW
from panelml.inference.testing import TestResult
from panelml.results.fitted import FittedModel
from panelml.results.show.formats import align, count, fixed, number, pvalue
from panelml.results.show.frames import term_rows
from panelml.results.show.grid import Grid, Row, html_notes, wrap

__all__ = ["Summary", "summarize"]

Facts: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is to read about a result.

    Attributes
    ----------
    title, formula : str
    sizes, fit : tuple of (str, str)
        Labels and numbers: observations and units; R-squared and likelihood.
    facts : tuple of (str, str)
        Labels and words: what was absorbed, how standard errors were computed, weights.
    coefficients : Grid
    extras : tuple of (str, str)
        What only some models have, such as variances of effects.
    test : str
        The test of the model; empty without.
    notes : tuple of str
    """

    title: str
    formula: str
    sizes: Facts
    fit: Facts
    facts: Facts
    coefficients: Grid
    extras: Facts
    test: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        above = [
            *wrap(self.title),
            *wrap(self.formula),
            *_side_by_side(self.sizes, self.fit),
            *(line for label, text in self.facts for line in wrap(text, f"{label}: ")),
        ]
        width = max(len(line) for line in [*above, *self.coefficients.text().splitlines()])
        rule = "=" * width
        head = len(wrap(self.title)) + len(wrap(self.formula))
        lines = [*above[:head], rule, *above[head:], rule, self.coefficients.text(width), rule]
        lines += _pairs(self.extras)
        lines += wrap(self.test)
        lines += ["Notes:"] if self.notes else []
        lines += [line for note in self.notes for line in wrap(note, "- ")]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        left, right = _padded(self.sizes, self.fit), _padded(self.fit, self.sizes)
        columns = zip(_aligned(left), _aligned(right), strict=True)
        facts = "".join(
            f"<div style='text-align:left'>{escape(label)}: {escape(text)}</div>"
            for label, text in self.facts
        )
        below = "".join(_html_row((pair,)) for pair in _aligned(self.extras))
        test = f"<div style='text-align:left'>{escape(self.test)}</div>" if self.test else ""
        return (
            "<div style='line-height:1.35'>"
            f"<div style='text-align:left;font-weight:bold'>{escape(self.title)}</div>"
            f"<div style='text-align:left;font-family:monospace'>{escape(self.formula)}</div>"
            f"{_html_table(''.join(_html_row(pairs) for pairs in columns))}{facts}"
            f"<div style='margin:6px 0'>{self.coefficients.html()}</div>"
            f"{_html_table(below)}{test}{html_notes(self.notes)}</div>"
        )


def summarize(model: FittedModel, level: float = 0.95) -> Summary:
    """Put a result in words and numbers.

    Raises
    ------
    SpecificationError
        If the level is not between 0 and 1.
    """
    test = model.model_test()
    return Summary(
        title=f"{model.model}: {model.depvar}",
        formula=model.formula,
        sizes=_sizes(model),
        fit=_fit(model),
        facts=_facts(model),
        coefficients=_coefficients(model, level),
        extras=tuple((shown.label, number(shown.value)) for shown in model.measures.at("below")),
        test=_test_words(test) if test and np.isfinite(test.statistic) else "",
        notes=tuple(dict.fromkeys([*model.notes, *_test_notes(test)])),
    )


def _sizes(model: FittedModel) -> Facts:
    sizes, predictor = model.statistics, model.predictor
    least, mean, most = sizes.unit_rows
    facts = [
        ("Observations", count(sizes.nobs)),
        (f"Units ({predictor.unit})", count(sizes.n_units)),
        (f"Periods ({predictor.time})", count(sizes.n_periods)),
        ("Rows per unit: least", count(least)),
        ("Rows per unit: mean", fixed(mean)),
        ("Rows per unit: most", count(most)),
    ]
    if predictor.time == ROW:
        # Rows without a time are only told apart by their place.
        del facts[2]
    if model.counts.nobs != sizes.nobs:
        facts.append(("Rows of the regression", count(model.counts.nobs)))
    return tuple(facts)


def _fit(model: FittedModel) -> Facts:
    """Label the measures of fit; the regression's R-squared where it is none of the levels'."""
    shown = list(model.measures.at("fit"))
    if "rsquared" in model.measures:
        regression = model.measures["rsquared"]
        levels = [known for known in shown if known.key.startswith("rsquared_")]
        values = [np.nan, *(known.value for known in levels)]
        again = np.isclose(regression.value, values, rtol=1e-9, equal_nan=True).any()
        others = [known for known in shown if known not in (regression, *levels)]
        shown = [*levels, *([] if again else [regression]), *others]
    return tuple((known.label, number(known.value)) for known in shown)


def _facts(model: FittedModel) -> Facts:
    facts = {
        "Absorbed effects": model.effects_absorbed,
        "Standard errors": f"{model.inference.description}; {model.inference.reference}",
        "Weights": model.weights,
    }
    return tuple((label, text) for label, text in facts.items() if text)


def _own_df(model: FittedModel) -> bool:
    return model.df_terms.nunique() > 1


def _coefficients(model: FittedModel, level: float) -> Grid:
    letter = "t" if np.isfinite(model.df_t) else "z"
    ends = (f"{100 * level:g}% low", f"{100 * level:g}% high")
    heads: Row = ("", "Estimate", "Std. error", letter, f"P>|{letter}|", *ends)
    rows: tuple[Row, ...] = tuple(
        (
            row.term,
            number(row.estimate),
            number(row.std_error),
            fixed(row.statistic),
            pvalue(row.p_value),
            number(row.conf_low),
            number(row.conf_high),
        )
        for row in term_rows(model, level)
    )
    if _own_df(model):
        heads = (*heads, "df")
        rows = tuple(
            (*row, number(df)) for row, df in zip(rows, model.df_terms.tolist(), strict=True)
        )
    return Grid(heads, (rows,))


def _test_words(test: TestResult) -> str:
    p = pvalue(test.pvalue)
    sign = "" if p.startswith("<") else "= "
    return (
        f"{test.name} ({test.null}): {test.distribution} = {number(test.statistic)}, "
        f"p {sign}{p.replace('<', '< ')}"
    )


def _test_notes(test: TestResult | None) -> tuple[str, ...]:
    return test.notes if test else ()


def _padded(facts: Facts, other: Facts) -> Facts:
    return facts + (("", ""),) * (len(other) - len(facts))


def _side_by_side(left: Facts, right: Facts) -> list[str]:
    first, second = _pairs(_padded(left, right)), _pairs(_padded(right, left))
    width = max(len(line) for line in first)
    return [f"{a:{width}}    {b}".rstrip() for a, b in zip(first, second, strict=True)]


def _pairs(facts: Facts) -> list[str]:
    """Write labels to the left and aligned numbers to the right."""
    if not facts:
        return []
    width = max(len(label) for label, _ in facts)
    return [f"{label:{width}}  {value}".rstrip() for label, value in _aligned(facts)]


def _aligned(facts: Facts) -> Facts:
    values = align([value for _, value in facts])
    return tuple((label, value) for (label, _), value in zip(facts, values, strict=True))


def _html_table(rows: str) -> str:
    style = "border-collapse:collapse;margin:4px 0;font-size:inherit"
    return f"<table style='{style}'>{rows}</table>" if rows else ""


def _html_row(pairs: Facts) -> str:
    label = "padding:0 8px 0 0;text-align:left"
    value = "padding:0 24px 0 0;text-align:left;white-space:pre;font-family:monospace"
    cells = "".join(
        f"<td style='{label}'>{escape(name)}</td><td style='{value}'>{escape(text)}</td>"
        for name, text in pairs
    )
    return f"<tr style='background:transparent'>{cells}</tr>"
