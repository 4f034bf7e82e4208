"""Texts in tables of several results: terms, names of columns, covariances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from panelml.errors import (
    UnknownNameError,
    suggest,
)
from panelml.results.fitted import FittedModel
from panelml.results.show.formats import count

__all__ = [
    "cluster_counts",
    "covariance_name",
    "numbered",
    "terms_of",
]


def terms_of(
    results: tuple[FittedModel, ...], asked: str | Sequence[str] | None
) -> tuple[str, ...]:
    """Terms of results, in order: those asked for, or all with the intercept last."""
    found = dict.fromkeys(str(name) for result in results for name in result.params.index)
    if asked is None:
        return (
            *(name for name in found if name != "Intercept"),
            *(name for name in found if name == "Intercept"),
        )
    wanted = [asked] if isinstance(asked, str) else asked
    for name in wanted:
        if name not in found:
            raise UnknownNameError(f"No result has a parameter {name!r}.{suggest(name, found)}")
    return tuple(dict.fromkeys(wanted))


def numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Number the names that repeat."""
    total, seen = Counter(names), Counter[str]()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if total[name] == 1 else f"{name} ({seen[name]})")
    return tuple(result)


def cluster_counts(result: FittedModel) -> str:
    """Numbers of clusters, as text."""
    return ", ".join(map(count, result.inference.clusters.values()))


def covariance_name(result: FittedModel) -> str:
    """Shorten the covariance to the width of a column."""
    if result.inference.clusters:
        return f"by {', '.join(result.inference.clusters)}"
    return result.inference.description.partition(":")[0].partition(",")[0]
