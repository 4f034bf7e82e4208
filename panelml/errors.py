"""Every exception panelml raises, and checks of arguments that many functions have.

::

    PanelmlError
    ├── DataError (ValueError)            the data cannot be used as they stand
    │   ├── DuplicateIndexError           a (unit, time) pair occurs twice
    │   ├── MissingValueError             a key, weight or cluster is missing, or a value infinite
    │   ├── ColumnTypeError               a column holds the wrong kind of values
    │   └── EmptyDataError                no row, unit or period is left
    ├── SpecificationError (ValueError)   the request itself makes no sense
    │   ├── FormulaError                  a formula cannot be read
    │   └── IdentificationError           the data do not identify what was asked for
    ├── UnknownNameError (KeyError)       a column, parameter or option that does not exist
    ├── MissingMeasureError (AttributeError)  a fit statistic that the model does not have
    ├── ConvergenceError (ArithmeticError)  an iteration ended without its certificate
    ├── DetachedResultError (RuntimeError)  the result has left its data behind (pickling)
    └── MissingDependencyError (ImportError)  an optional package is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral, Real

__all__ = [
    "ColumnTypeError",
    "ConvergenceError",
    "DataError",
    "DetachedResultError",
    "DuplicateIndexError",
    "EmptyDataError",
    "FormulaError",
    "IdentificationError",
    "MissingDependencyError",
    "MissingMeasureError",
    "MissingValueError",
    "PanelmlError",
    "SpecificationError",
    "UnknownNameError",
    "check_count",
    "check_share",
    "listing",
    "shown",
    "suggest",
]


# Characters of a value that a message shows.
LONGEST = 100


class PanelmlError(Exception):
    """Base of every exception raised by panelml."""


class DataError(PanelmlError, ValueError):
    """The data cannot be used as they stand."""


class DuplicateIndexError(DataError):
    """A (unit, time) pair occurs more than once."""


class MissingValueError(DataError):
    """A key, weight or cluster is missing, or a value is infinite."""


class ColumnTypeError(DataError):
    """A column holds the wrong kind of values."""


class EmptyDataError(DataError):
    """No row, unit or period is left to work with."""


class SpecificationError(PanelmlError, ValueError):
    """The request itself makes no sense."""


class FormulaError(SpecificationError):
    """A formula cannot be read."""


class IdentificationError(SpecificationError):
    """The data do not identify what was asked for."""


class UnknownNameError(PanelmlError, KeyError):
    """A column, parameter or option that does not exist."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class MissingMeasureError(PanelmlError, AttributeError):
    """A fit statistic that the model does not have, so that ``hasattr`` is False."""


class ConvergenceError(PanelmlError, ArithmeticError):
    """An iteration ended without its certificate of convergence."""


class DetachedResultError(PanelmlError, RuntimeError):
    """The result was pickled without its data and is asked for something that needs them."""


class MissingDependencyError(PanelmlError, ImportError):
    """An optional package is not installed."""


def suggest(name: str, choices: Iterable[str]) -> str:
    """Say which known name is nearest to an unknown one.

    Returns
    -------
    str
        ``" Did you mean 'wage'?"``, or the first few choices where nothing is near.
    """
    known = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    if near:
        return f" Did you mean {near[0]!r}?"
    return f" Known: {listing(known, most=12)}." if known else ""


def shown(value: object) -> str:
    """Write a value as a user would: texts in quotes, numbers and dates without their type.

    Of what is long only the kind is named.
    """
    if isinstance(value, type):
        return f"the class {value.__name__} itself (write {value.__name__}())"
    if isinstance(value, list | tuple | set | frozenset):
        inner = ", ".join(shown(item) for item in value)
        text = f"[{inner}]" if isinstance(value, list) else f"({inner})"
    else:
        text = str(value).removesuffix(" 00:00:00")
    if len(text) > LONGEST or (not isinstance(value, str) and "\n" in text):
        kind = type(value).__name__
        return f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"
    return repr(text) if isinstance(value, str) else text


def listing(items: Iterable[object], most: int = 5) -> str:
    """Join items for a message, cutting a long list: ``1, 2, 3 and 7 more``."""
    texts = [shown(item) if isinstance(item, tuple | list) else str(item) for item in items]
    if len(texts) <= most:
        return ", ".join(texts)
    return f"{', '.join(texts[:most])} and {len(texts) - most} more"


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuse an argument that is no whole number, or one below the least.

    Raises
    ------
    SpecificationError
        Naming the argument.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise SpecificationError(
            f"{name} must be a whole number of at least {least}, not {shown(value)}."
        )


def check_share(name: str, value: object) -> None:
    """Refuse a level or another share that is no number between 0 and 1.

    Raises
    ------
    SpecificationError
        Naming the argument.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < 1:
        raise SpecificationError(f"{name} must lie between 0 and 1, as 0.95, not {shown(value)}.")
