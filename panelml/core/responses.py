"""Mean responses: what the index of a model says of its outcome, with the derivatives of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from scipy.special import expit, ndtr

from panelml._typing import FloatArray
from panelml.core.links import Link

__all__ = [
    "Averaged",
    "CategoryResponse",
    "CensoredResponse",
    "LinkResponse",
    "Response",
    "ResponseValues",
    "has_response",
]


@dataclass(frozen=True, slots=True)
class ResponseValues:
    """A response and its derivatives, in rows; c quantities of m further parameters.

    Attributes
    ----------
    value, first, second : FloatArray, shape (c, n)
        The response, and its derivatives by the index.
    auxiliary, mixed : FloatArray, shape (c, m, n)
        Derivatives of ``value`` and of ``first`` by the further parameters.
    """

    value: FloatArray
    first: FloatArray
    second: FloatArray
    auxiliary: FloatArray
    mixed: FloatArray


class Response(Protocol):
    """What is averaged: a mean, a probability of each category, ..."""

    @property
    def quantities(self) -> tuple[str, ...]:
        """What the c values of a row are; one empty text for the mean of the outcome."""
        ...

    def values(self, index: FloatArray, auxiliary: FloatArray) -> ResponseValues:
        """Evaluate rows.

        Parameters
        ----------
        index : FloatArray, shape (n,)
        auxiliary : FloatArray, shape (m,)
        """
        ...


Curves: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]


def _identity(index: FloatArray) -> Curves:
    return index, np.ones_like(index), np.zeros_like(index)


def _log(index: FloatArray) -> Curves:
    mean = np.exp(index)
    return mean, mean, mean


def _logit(index: FloatArray) -> Curves:
    mean = expit(index)
    slope = mean * expit(-index)
    return mean, slope, slope * (expit(-index) - mean)


def _probit(index: FloatArray) -> Curves:
    density = np.exp(-(index**2) / 2) / np.sqrt(2 * np.pi)
    return ndtr(index), density, -index * density


def _cloglog(index: FloatArray) -> Curves:
    rate = np.exp(np.minimum(index, 700.0))
    slope = np.exp(index - rate)
    return -np.expm1(-rate), slope, np.where(slope > 0, slope * (1 - rate), 0.0)


_CURVES: Mapping[str, Callable[[FloatArray], Curves]] = {
    "identity": _identity,
    "log": _log,
    "logit": _logit,
    "probit": _probit,
    "cloglog": _cloglog,
}


def has_response(link: Link) -> bool:
    """Whether the derivatives of a link's inverse are known here."""
    return link.name in _CURVES


@dataclass(frozen=True, slots=True)
class LinkResponse:
    """The mean of the outcome, as a link function has it.

    Attributes
    ----------
    link : Link
    """

    link: Link

    @property
    def quantities(self) -> tuple[str, ...]:
        """The mean alone."""
        return ("",)

    def values(self, index: FloatArray, auxiliary: FloatArray) -> ResponseValues:
        """Evaluate rows; further parameters do not matter to the mean."""
        nothing = np.zeros((1, auxiliary.size, index.size))
        mean, first, second = (curve[None] for curve in _CURVES[self.link.name](index))
        return ResponseValues(mean, first, second, nothing, nothing)


@dataclass(frozen=True, slots=True)
class Averaged:
    """A response, averaged over a normal random intercept whose scale is estimated.

    The last of the further parameters is the standard deviation. The trapezoidal rule converges
    exponentially for functions that are analytic along the real line, as normal densities times
    the inverses of links are (Trefethen and Weideman 2014, *SIAM Review* 56, 385-458); with the
    log link the mean of a lognormal variable is known.

    Attributes
    ----------
    response : Response
    """

    response: Response

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those of the response at a given effect."""
        return self.response.quantities

    def values(self, index: FloatArray, auxiliary: FloatArray) -> ResponseValues:
        """Evaluate rows."""
        scale, others = float(auxiliary[-1]), auxiliary[:-1]
        if isinstance(self.response, LinkResponse) and self.response.link.name == "log":
            mean = np.exp(index + scale**2 / 2)[None]
            return ResponseValues(mean, mean, mean, scale * mean[:, None], scale * mean[:, None])
        step = 1 / (4 * max(4.0, scale))
        nodes = step * np.arange(-np.ceil(9 / step), np.ceil(9 / step) + 1)
        weights = step * np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)
        total: list[FloatArray] = []
        for node, weight in zip(nodes, weights, strict=True):
            found = self.response.values(index + scale * node, others)
            parts = (
                found.value,
                found.first,
                found.second,
                np.concatenate([found.auxiliary, node * found.first[:, None]], axis=1),
                np.concatenate([found.mixed, node * found.second[:, None]], axis=1),
            )
            if not total:
                total = [np.zeros(part.shape) for part in parts]
            for part, so_far in zip(parts, total, strict=True):
                so_far += weight * part
        return ResponseValues(*total)


@dataclass(frozen=True, slots=True)
class CategoryResponse:
    """Probabilities of ordered categories; the further parameters are the cut points.

    Attributes
    ----------
    link : Link
    quantities : tuple of str
        One name for each category.
    """

    link: Link
    quantities: tuple[str, ...]

    def values(self, index: FloatArray, auxiliary: FloatArray) -> ResponseValues:
        """Evaluate rows: differences of what lies below each cut point."""
        cuts, shape = auxiliary.size, (auxiliary.size, index.size)
        below, density, slope = (
            curve.reshape(shape)
            for curve in _CURVES[self.link.name]((auxiliary[:, None] - index).ravel())
        )
        ones, none = np.ones((1, index.size)), np.zeros((1, index.size))

        def between(values: FloatArray, last: FloatArray = none) -> FloatArray:
            return np.diff(np.concatenate([none, values, last]), axis=0)

        # Category j ends at cut point j, and begins at the one before it.
        end = np.eye(cuts + 1, cuts) - np.eye(cuts + 1, cuts, -1)
        return ResponseValues(
            between(below, ones),
            -between(density),
            between(slope),
            end[..., None] * density,
            -end[..., None] * slope,
        )


@dataclass(frozen=True, slots=True)
class CensoredResponse:
    """What is seen of a normal variable between limits; its deviation is the further parameter.

    Attributes
    ----------
    lower, upper : float
        Infinite where there is none.
    at_limit : bool
        Whether the response is the probability of being at a limit, and not the mean.

    Notes
    -----
    Source: Greene (2018), *Econometric Analysis*, theorems 19.3 and 19.4.
    """

    lower: float
    upper: float
    at_limit: bool

    @property
    def quantities(self) -> tuple[str, ...]:
        """One alone."""
        return ("",)

    def values(self, index: FloatArray, auxiliary: FloatArray) -> ResponseValues:
        """Evaluate rows."""
        sigma = float(auxiliary[0])
        (below, low, low_z, low_zz) = _limit((self.lower - index) / sigma)
        (above, high, high_z, high_zz) = _limit((self.upper - index) / sigma)
        inside, density, weighted = above - below, low - high, high_z - low_z
        if self.at_limit:
            probability = below + ndtr((index - self.upper) / sigma)
            mixed = (density + high_zz - low_zz) / sigma**2
            return _one(probability, -density / sigma, weighted / sigma**2, weighted / sigma, mixed)
        mean = index * inside + sigma * density
        for limit, share in ((self.lower, below), (self.upper, ndtr((index - self.upper) / sigma))):
            mean = mean + (limit * share if np.isfinite(limit) else 0.0)
        return _one(mean, inside, density / sigma, density, -weighted / sigma)


def _limit(z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the normal probability below z, and its density times 1, z and z squared."""
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    finite = np.where(np.isfinite(z), z, 0.0)
    return ndtr(z), density, finite * density, finite**2 * density


def _one(
    value: FloatArray,
    first: FloatArray,
    second: FloatArray,
    auxiliary: FloatArray,
    mixed: FloatArray,
) -> ResponseValues:
    """Return a response of one quantity and one further parameter; all of shape (n,)."""
    return ResponseValues(
        value[None], first[None], second[None], auxiliary[None, None], mixed[None, None]
    )
