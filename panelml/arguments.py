"""Arguments of public functions: held to their annotations, and refused in words."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from functools import cache, partial, wraps
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np

from panelml.errors import SpecificationError, check_count, check_share, listing, shown, suggest

__all__ = ["checked", "checked_methods", "into", "moved"]

T = TypeVar("T", bound=Callable[..., Any])

# Arguments that name a column, in whose place its values may be given by mistake.
_COLUMNS = ("weights", "column", "cohort", "treatment", "eligible", "unit", "time")

# Arguments that had another name in some functions in earlier releases.
RENAMED = {"draws": "reps", "n": "reps", "result": "fit", "fe": "fit"}

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

# Arguments that mean the same in every function that has them.
_VOCABULARY: dict[str, Callable[[str, Any], None]] = {
    "level": check_share,
    "reps": check_count,
    "digits": check_count,
    "units": check_count,
    "earlier": check_count,
    "seed": partial(check_count, least=0),
    "anticipation": partial(check_count, least=0),
    "leads": partial(check_count, least=0),
}


def checked(target: T) -> T:
    """Hold the arguments of a function, or of a class's constructor and methods, to annotations.

    Numbers, texts, truth values, choices (``Literal``), classes of the package, and sequences and
    mappings of them are checked; annotations that cannot be resolved without an optional package,
    protocols and ``Any`` are not. Subclasses keep the checks of the methods they inherit.

    Returns
    -------
    function or class
        Raises ``SpecificationError`` naming the argument, what it takes and what was given.
    """
    if inspect.isclass(target):
        target.__init__ = _checked_function(target.__init__)  # type: ignore[method-assign]
        return checked_methods(target)
    return typing.cast(T, _checked_function(target))


def checked_methods(target: T) -> T:
    """Hold the arguments of a class's methods to annotations, where no user calls the class."""
    for name, member in list(vars(target).items()):
        if inspect.isfunction(member) and not name.startswith("_"):
            setattr(target, name, _checked_function(member))
    return target


def moved(ways: Mapping[str, str]) -> Callable[[T], T]:
    """Refuse keywords that a function took in earlier releases, in words that name the new way.

    Parameters
    ----------
    ways : mapping of str to str
        What is to be written instead, by keyword.
    """

    def decorate(function: Any) -> Any:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for name in kwargs:
                if name in ways:
                    raise SpecificationError(
                        f"{function.__name__} takes {name}= no more. Write {ways[name]}."
                    )
            return function(*args, **kwargs)

        return call

    return decorate


def into(argument: str, value: type) -> dict[str, str]:
    """Say how the fields of a value are given now that an argument holds them."""
    place = "pm.simulate" if value.__module__.startswith("panelml.simulate") else "pm"
    return {
        field.name: f"{argument}={place}.{value.__name__}({field.name}=...)"
        for field in fields(value)
    }


def _checked_function(function: Callable[..., Any]) -> Callable[..., Any]:
    parameters = inspect.signature(function).parameters
    if all(name == "self" for name in parameters):
        return function
    by_place = [name for name, parameter in parameters.items() if parameter.kind in _BY_PLACE]
    by_name = [name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY]
    any_number = any(one.kind is one.VAR_POSITIONAL for one in parameters.values())

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        surplus = () if any_number else args[len(by_place) :]
        if surplus and len(surplus) <= len(by_name):
            raise _by_name(function, dict(zip(by_name, surplus, strict=False)))
        if unknown := kwargs.keys() - parameters:
            _refuse_old_names(function, unknown & RENAMED.keys())
        checks = _checks(function)
        for name, value in (*zip(by_place, args, strict=False), *kwargs.items()):
            if name in checks:
                checks[name].require(name, value)
        return function(*args, **kwargs)

    return call


def _by_name(function: Callable[..., Any], given: Mapping[str, Any]) -> SpecificationError:
    """Say how arguments that were given by their place are written."""
    written = ", ".join(f"{key}={_code(value)}" for key, value in given.items())
    return SpecificationError(
        f"{_title(function)} takes {listing(given)} by name, not by place: write "
        f"{_title(function)}(..., {written})."
    )


def _refuse_old_names(function: Callable[..., Any], old: Collection[str]) -> None:
    """Say how arguments are called now that had another name."""
    for name in old:
        if RENAMED[name] in inspect.signature(function).parameters:
            raise SpecificationError(
                f"{_title(function)} takes {name}= no more. Write {RENAMED[name]}=."
            )


def _title(function: Callable[..., Any]) -> str:
    """Name a function, or the class that it makes."""
    return function.__qualname__.removesuffix(".__init__").rpartition(".")[2]


def _code(value: object) -> str:
    """Write a value as in a program, or stand for one that is long."""
    plain = isinstance(value, str | int | float | None)
    return shown(value) if plain and len(shown(value)) <= 40 else "..."


class _Taken:
    """What one argument takes: a test of a value for each alternative, with its words."""

    def __init__(self, annotation: Any) -> None:
        alternatives = sorted(_alternatives(annotation), key=lambda one: one is not type(None))
        self.parts = [_part(one) for one in alternatives]
        self.choices = [
            c for one in alternatives if get_origin(one) is Literal for c in get_args(one)
        ]

    @property
    def checkable(self) -> bool:
        return all(part is not None for part in self.parts)

    @property
    def is_number(self) -> bool:
        return any(part is not None and part in (_PLAIN[int], _PLAIN[float]) for part in self.parts)

    @property
    def words(self) -> str:
        words = dict.fromkeys(part[1] for part in self.parts if part is not None)
        return " or ".join([word for word in words if word != "None"])

    def accepts(self, value: Any) -> bool:
        return any(part is None or part[0](value) for part in self.parts)

    def require(self, name: str, value: Any) -> None:
        if value is None and self.accepts(None):
            return
        if name in _VOCABULARY and self.is_number:
            _VOCABULARY[name](name, value)
        if self.accepts(value):
            return
        if isinstance(value, str) and self.choices and self.words.startswith("one of"):
            raise SpecificationError(
                f"{name} is not {value!r}.{suggest(value, map(str, self.choices))}"
            )
        hint = ""
        values = hasattr(value, "__array__") or isinstance(value, list)
        if values and name in _COLUMNS:
            hint = " Put the values in a column of the data, and give its name."
        given = shown(value)
        if hasattr(value, "fit") and not isinstance(value, type):
            given = f"the specification {type(value).__name__}: call its fit(panel)"
        raise SpecificationError(f"{name} takes {self.words}, not {given}.{hint}")


@cache
def _checks(function: Callable[..., Any]) -> dict[str, _Taken]:
    """Return the checks of a function's arguments, read at its first call."""
    checks = {}
    for name, parameter in inspect.signature(function).parameters.items():
        plain = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if not plain or parameter.annotation is parameter.empty:
            continue
        try:
            annotation = _resolved(parameter.annotation, function)
        except (NameError, TypeError):  # a type that only a checker knows
            continue
        taken = _Taken(annotation)
        if taken.checkable:
            checks[name] = taken
    return checks


def _resolved(annotation: Any, function: Callable[..., Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    names = {"Axes": _Axes, **getattr(inspect.unwrap(function), "__globals__", {})}
    return eval(annotation, names)  # the package's own source, as typing.get_type_hints reads it


class _Axes:
    """Stands for the axes of matplotlib, which is optional."""


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [one for part in get_args(annotation) for one in _alternatives(part)]
    return [annotation]


_PLAIN: dict[Any, tuple[Callable[[Any], bool], str]] = {
    bool: (lambda value: isinstance(value, bool | np.bool_), "True or False"),
    int: (lambda value: isinstance(value, Integral) and not _is_truth(value), "a whole number"),
    float: (lambda value: isinstance(value, Real) and not _is_truth(value), "a number"),
    str: (lambda value: isinstance(value, str), "a text"),
    Path: (lambda value: isinstance(value, Path), "a path"),
    None: (lambda value: value is None, "None"),
    type(None): (lambda value: value is None, "None"),
    _Axes: (lambda value: hasattr(value, "errorbar"), "axes of matplotlib"),
}


def _is_truth(value: object) -> bool:
    return isinstance(value, bool | np.bool_)


def _part(annotation: Any) -> tuple[Callable[[Any], bool], str] | None:
    """Return the test of one alternative and its words; None where it cannot be tested."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return (
            lambda value: isinstance(value, str | int) and value in inner,
            ("one of " if len(inner) > 1 else "") + ", ".join(map(repr, inner)),
        )
    if origin is Annotated:
        return _read_by(inner[1])
    if origin is tuple and Ellipsis not in inner:
        return _fixed_tuple([_Taken(one) for one in inner])
    if origin is tuple:
        return lambda value: isinstance(value, tuple), f"a tuple of {_many(_Taken(inner[0]))}"
    if origin in (Sequence, Collection, list):
        return _sequence(inner[0] if inner else Any)
    if origin in (Mapping, dict):
        return lambda value: isinstance(value, Mapping), "a dict"
    if origin is Callable:
        return callable, "a function"
    if origin is np.ndarray:
        return lambda value: isinstance(value, np.ndarray), "an array"
    if inspect.isclass(annotation) and _is_own(annotation):
        # A fit of another kind is refused by the function itself, which says what to fit instead.
        fits = hasattr(annotation, "with_cov")
        return (
            lambda value: isinstance(value, annotation) or (fits and hasattr(value, "params")),
            _class_words(annotation),
        )
    return None


def _read_by(read: Callable[[Any], object]) -> tuple[Callable[[Any], bool], str]:
    """Return the test of what a function reads, which refuses the rest in its own words."""

    def accepts(value: Any) -> bool:
        read(value)
        return True

    return accepts, "a text or a value"


def _sequence(inner: Any) -> tuple[Callable[[Any], bool], str] | None:
    item = _Taken(inner)
    if inner is not Any and not item.checkable:
        return None

    def accepts(value: Any) -> bool:
        many = hasattr(value, "__len__") and hasattr(value, "__iter__")
        if isinstance(value, str | bytes | Mapping) or not many or getattr(value, "ndim", 1) == 0:
            return False
        return inner is Any or all(item.accepts(one) for one in value)

    return accepts, f"a list of {_many(item)}"


def _fixed_tuple(items: list[_Taken]) -> tuple[Callable[[Any], bool], str]:
    def accepts(value: Any) -> bool:
        long_enough = isinstance(value, tuple | list) and len(value) == len(items)
        return long_enough and all(map(_Taken.accepts, items, value))

    return accepts, f"{len(items)} {_many(items[0])} in a tuple"


def _many(item: _Taken) -> str:
    plural = {"a text": "texts", "a number": "numbers", "a whole number": "whole numbers"}
    return plural.get(item.words, item.words)


def _is_own(annotation: type) -> bool:
    """Whether it is a class of the package; what a protocol asks for is not looked up."""
    is_protocol = getattr(annotation, "_is_protocol", False)
    return annotation.__module__.startswith("panelml.") and not is_protocol


def _class_words(annotation: type) -> str:
    name = annotation.__name__
    if name in ("FittedModel", "Results"):
        return "a fitted result"
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
