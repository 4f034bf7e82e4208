"""Which codings of categories keep the columns of a formula from repeating one another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

__all__ = ["full_rank"]


def full_rank(
    terms: Sequence[tuple[frozenset[str], tuple[str, ...]]], *, constant: bool
) -> list[list[dict[str, bool]]]:
    """Choose how each term's categories are coded.

    A product of categories spans the product of all their subsets. What an earlier term (or the
    constant) spans already is left out, and the rest is written with as few parts as possible.
    Source: the rule of R's ``model.matrix``, in the form of N. J. Smith's patsy.

    Parameters
    ----------
    terms : sequence of (numeric factors, categories)
    constant : bool
        Whether the constant is spanned from the start.

    Returns
    -------
    list of list of dict
        For each term, its parts: category to whether its coding is the reduced one.
    """
    spanned = {(frozenset[str](), frozenset[str]())} if constant else set()
    result = []
    for numeric, categories in terms:
        subsets = [
            subset
            for size in range(len(categories) + 1)
            for subset in combinations(categories, size)
            if (numeric, frozenset(subset)) not in spanned
        ]
        spanned |= {(numeric, frozenset(subset)) for subset in subsets}
        result.append(_merged([dict.fromkeys(subset, True) for subset in subsets]))
    return result


def _merged(parts: list[dict[str, bool]]) -> list[dict[str, bool]]:
    """Join a part and the same with one more reduced category: that category in full."""
    for less, more in permutations(parts, 2):
        extra = [name for name in more if name not in less]
        if len(extra) == 1 and more[extra[0]] and less.items() <= more.items():
            joined = {**more, extra[0]: False}
            rest = [joined if part is more else part for part in parts if part is not less]
            return _merged(rest)
    return parts
