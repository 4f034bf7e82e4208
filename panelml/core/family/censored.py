"""Censored outcomes: a normal variable that is seen exactly, or known to lie in an interval.

Source: Tobin (1958), *Econometrica* 26, 24-36; Amemiya (1984), *Journal of Econometrics* 24, 3-61.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.family.family import NOTHING, Derivatives
from panelml.core.family.interval import Interval, log_probability
from panelml.core.links import LATENT, PROBIT, Link

__all__ = ["CensoredFamily"]

LOG_ROOT_2PI = float(np.log(2 * np.pi) / 2)


@dataclass(frozen=True, slots=True)
class CensoredFamily:
    """A normal variable with the index for its mean, of which bounds are seen.

    The response has a lower and an upper bound: equal where the outcome is seen, minus and plus
    infinity where there is none. The auxiliary parameter is ``log sigma``.
    """

    @property
    def name(self) -> str:
        """As a specification has it."""
        return "censored"

    @property
    def link(self) -> Link:
        """The identity: the index is the mean of the latent variable."""
        return LATENT

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Logarithm of the standard deviation."""
        return ("log(sigma)",)

    def loglik(self, response: FloatArray, index: FloatArray, auxiliary: FloatArray) -> FloatArray:
        """Return the log-likelihood of each row, shape (..., n)."""
        low, high = response
        scale = float(np.exp(-auxiliary[0]))
        value = np.empty(np.broadcast_shapes(index.shape, low.shape))
        seen = low == high
        z = (low[seen] - index[..., seen]) * scale
        value[..., seen] = -LOG_ROOT_2PI - auxiliary[0] - z**2 / 2
        hidden = index[..., ~seen]
        upper, lower = (high[~seen] - hidden) * scale, (low[~seen] - hidden) * scale
        value[..., ~seen] = log_probability(upper, lower, PROBIT)
        return value

    def derivatives(
        self, response: FloatArray, index: FloatArray, auxiliary: FloatArray, order: int = 2
    ) -> Derivatives:
        """Return the log-likelihood of each row and its derivatives."""
        low, high = response
        scale = float(np.exp(-auxiliary[0]))
        seen = low == high
        z = (low[seen] - index[..., seen]) * scale
        hidden = index[..., ~seen]
        upper, lower = (high[~seen] - hidden) * scale, (low[~seen] - hidden) * scale
        parts = _exact(z, scale), _interval(upper, lower, scale)
        shape = np.broadcast_shapes(index.shape, low.shape)

        def joined(name: str, *axes: int) -> FloatArray:
            values = np.empty((*axes, *shape))
            values[..., seen], values[..., ~seen] = (getattr(part, name) for part in parts)
            return values

        value = joined("value")
        value[..., seen] += float(np.log(scale))
        second = joined("second", 2, 2) if order > 1 else NOTHING
        third = joined("third", 2) if order > 2 else NOTHING
        return Derivatives(value, joined("first", 2), second, third)

    def summary(self, response: FloatArray) -> FloatArray:
        """Return a finite bound of each row and its square, shape (2, n)."""
        low, high = response
        middle = np.where(np.isinf(low), high, np.where(np.isinf(high), low, (low + high) / 2))
        return np.stack([middle, middle**2])

    def start(self, averages: FloatArray) -> tuple[float, FloatArray]:
        """Return mean and log standard deviation of these bounds."""
        mean = float(averages[0])
        variance = max(float(averages[1]) - mean**2, 1e-300)
        return mean, np.array([np.log(variance) / 2])


def _exact(z: FloatArray, scale: float) -> Derivatives:
    """Derivatives of the standard normal log-density of ``z``, by index and log sigma."""
    one, zero = np.ones_like(z), np.zeros_like(z)
    across = -2 * z * scale
    return Derivatives(
        -LOG_ROOT_2PI - z**2 / 2,
        np.stack([z * scale, z**2 - 1]),
        np.stack([np.stack([-(scale**2) * one, across]), np.stack([across, -2 * z**2])]),
        np.stack([zero, 2 * scale**2 * one]),
    )


def _interval(upper: FloatArray, lower: FloatArray, scale: float) -> Derivatives:
    """Derivatives of the log-probability of intervals, by index and log sigma."""
    p = Interval.of(upper, lower, PROBIT)
    u, v = np.where(np.isinf(upper), 0.0, upper), np.where(np.isinf(lower), 0.0, lower)
    by_u, by_v = p.uu + p.uv, p.uv + p.vv
    across = scale * (p.u + p.v + by_u * u + by_v * v)
    spread = p.u * u + p.v * v
    curved = spread + p.uu * u**2 + 2 * p.uv * u * v + p.vv * v**2
    bend = scale**2 * (by_u + by_v)
    third_u, third_v = p.uuu + 2 * p.uuv + p.uvv, p.uuv + 2 * p.uvv + p.vvv
    return Derivatives(
        p.value,
        np.stack([-scale * (p.u + p.v), -spread]),
        np.stack([np.stack([bend, across]), np.stack([across, curved])]),
        np.stack(
            [
                -(scale**3) * (third_u + third_v),
                -2 * bend - scale**2 * (third_u * u + third_v * v),
            ]
        ),
    )
