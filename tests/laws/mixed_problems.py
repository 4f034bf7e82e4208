"""Random small mixed models, and their likelihood with the covariance of all rows in full."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from panelml.mixed.results.mixed_results import MixedResults

#: Random parts: formula, and for each grouping factor its columns and regressors.
TERMS: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "(1 | a)": ((("a",), ("Intercept",)),),
    "(t | a)": ((("a",), ("Intercept", "t")),),
    "(t || a)": ((("a",), ("Intercept", "t")),),
    "(0 + t | a)": ((("a",), ("t",)),),
    "(t + x | a)": ((("a",), ("Intercept", "t", "x")),),
    "(1 | a) + (1 | b)": ((("a",), ("Intercept",)), (("b",), ("Intercept",))),
    "(t | a) + (1 | b)": ((("a",), ("Intercept", "t")), (("b",), ("Intercept",))),
    "(t || a) + (x | b)": ((("a",), ("Intercept", "t")), (("b",), ("Intercept", "x"))),
    "(1 | c/a)": ((("c", "a"), ("Intercept",)), (("c",), ("Intercept",))),
    "(t | c/a)": ((("c", "a"), ("Intercept", "t")), (("c",), ("Intercept", "t"))),
    "(1 | a) + (1 | b) + (1 | c)": tuple(((key,), ("Intercept",)) for key in "abc"),
}
FIXED = ("t", "x")


@dataclass(frozen=True)
class Dense:
    """Rows of a model, in the frame's order, with the random design written out.

    Attributes
    ----------
    y : array, shape (n,)
    x : array, shape (n, p)
    parts : tuple of (name, labels, levels, Z of shape (levels, n, q))
    weights : array, shape (n,)
    """

    y: np.ndarray
    x: np.ndarray
    parts: tuple[tuple[str, tuple[str, ...], pd.Index, np.ndarray], ...]
    weights: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, terms: str, weights: str | None = None) -> Dense:
        columns = frame.assign(Intercept=1.0)
        parts = []
        for keys, labels in TERMS[terms]:
            level = frame[list(keys)].astype(str).agg(":".join, axis=1)
            codes, levels = pd.factorize(level, sort=True)
            inside = codes == np.arange(len(levels))[:, None]
            z = columns[list(labels)].to_numpy(float) * inside[:, :, None]
            parts.append((":".join(keys), labels, pd.Index(levels), z))
        w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy(float)
        x = columns[["Intercept", *FIXED]].to_numpy(float)
        return cls(frame["y"].to_numpy(float), x, tuple(parts), w / w.mean())

    def covariance(self, sigma2: float, components: dict[str, np.ndarray]) -> np.ndarray:
        """V, shape (n, n)."""
        v = np.diag(sigma2 / self.weights)
        for name, _, _, z in self.parts:
            v += np.einsum("jna,ab,jmb->nm", z, components[name], z)
        return v

    def gls(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and their covariance."""
        inverse = np.linalg.inv(v)
        cov = np.linalg.inv(self.x.T @ inverse @ self.x)
        return cov @ self.x.T @ inverse @ self.y, cov

    def loglik(self, v: np.ndarray, *, reml: bool) -> float:
        """Log-likelihood at a covariance, with lme4's constants."""
        coef, cov = self.gls(v)
        residual = self.y - self.x @ coef
        df = len(self.y) - self.x.shape[1] * reml
        value = df * np.log(2 * np.pi) + np.linalg.slogdet(v)[1]
        value += residual @ np.linalg.solve(v, residual)
        return float(-(value - np.linalg.slogdet(cov)[1] * reml) / 2)


def components(result: MixedResults) -> dict[str, np.ndarray]:
    """Covariance of the coefficients of each grouping factor."""
    return {part.name: part.cov for part in result.random.parts}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw an unbalanced frame, its rows in random order.

    Columns: ``a`` and ``b`` cross, ``c`` crosses both, ``t`` and ``x``, ``y``, ``w`` weights.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return make_frame(rng, draw(st.integers(7, 14)), draw(st.floats(0.0, 1.5)))


def make_frame(rng: np.random.Generator, levels: int, size: float) -> pd.DataFrame:
    """Simulate 6 rows for each level of ``a``; random effects are ``size`` times the errors."""
    n = 6 * levels
    a, b, c = rng.integers(0, levels, n), rng.integers(0, 6, n), rng.integers(0, 4, n)
    t, x = rng.integers(0, 5, n).astype(float), rng.normal(size=n)
    effects = rng.normal(size=(2, levels))[:, a] + rng.normal(size=(2, 6))[:, b]
    y = 1 + 0.3 * t - x + size * (effects[0] + 0.4 * effects[1] * t) + rng.normal(size=n)
    return pd.DataFrame(
        {"a": a, "b": b, "c": c, "t": t, "x": x, "y": y, "w": rng.integers(1, 9, n) / 4.0}
    )
