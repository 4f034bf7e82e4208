"""Two-way random effects by matrices of the size of the data: no formula of the package."""

from __future__ import annotations

import numpy as np

from panelml._typing import AnyArray, FloatArray


def projection(columns: FloatArray) -> FloatArray:
    basis, values, _ = np.linalg.svd(columns, full_matrices=False)
    basis = basis[:, values > 1e-9 * values[0]]
    return basis @ basis.T


def symmetric_root(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


class Dense:
    """y = Xb + D_u u + D_t l + e, multiplied by the root of the weights."""

    def __init__(
        self, y: FloatArray, x: FloatArray, unit: AnyArray, time: AnyArray, w: FloatArray
    ) -> None:
        root = np.sqrt(w)
        self.log_weight = float(np.log(w).sum())
        self.y, self.x = root * y, root[:, None] * x
        self.units, self.times = (
            root[:, None] * (key[:, None] == np.unique(key)) for key in (unit, time)
        )

    def variance(self, e: float, u: float, t: float) -> FloatArray:
        return (
            e * np.eye(self.y.size) + u * self.units @ self.units.T + t * self.times @ self.times.T
        )

    def gls(self, e: float, u: float, t: float) -> tuple[FloatArray, FloatArray]:
        precision = np.linalg.inv(self.variance(e, u, t))
        cov = np.linalg.inv(self.x.T @ precision @ self.x)
        return cov @ (self.x.T @ (precision @ self.y)), cov

    def loglik(self, e: float, u: float, t: float, *, restricted: bool) -> float:
        v = self.variance(e, u, t)
        params, cov = self.gls(e, u, t)
        error = self.y - self.x @ params
        deviance = np.linalg.slogdet(v)[1] + error @ np.linalg.solve(v, error) - self.log_weight
        df = self.y.size
        if restricted:
            df -= self.x.shape[1]
            deviance -= np.linalg.slogdet(cov)[1]
        return float(-(deviance + df * np.log(2 * np.pi)) / 2)

    def sandwich(self, e: float, u: float, t: float, key: AnyArray) -> FloatArray:
        """Scores are rows times residuals after the root of the precision in two steps.

        The first is the symmetric root for the units, the second that of what it leaves.
        """
        first = symmetric_root(np.linalg.inv(self.variance(1.0, u / e, 0.0)))
        left = first @ self.times
        second = symmetric_root(np.linalg.inv(np.eye(self.y.size) + t / e * left @ left.T))
        y, x = second @ first @ self.y, second @ first @ self.x
        bread = np.linalg.inv(x.T @ x)
        scores = x * (y - x @ (bread @ (x.T @ y)))[:, None]
        sums = (key[:, None] == np.unique(key)).T @ scores
        return bread @ sums.T @ sums @ bread

    def components(self, method: str) -> FloatArray:
        """Equate quadratic forms of residuals My with tr(Q M V M') (e, u, t), without clipping."""
        one = np.eye(self.y.size)
        on_units, on_times = projection(self.units), projection(self.times)
        both = np.hstack([self.units, self.times])
        off = one - both @ np.linalg.pinv(both)
        if method == "nerlove":
            return self._nerlove(both, off)
        inner = off @ self.x
        within = one - self.x @ np.linalg.pinv(inner, rcond=1e-9) @ off
        if method == "swamy-arora":
            makers = [one - projection(inner[:, np.linalg.norm(inner, axis=0) > 1e-8])]
            makers += [one - projection(p @ self.x) for p in (on_units, on_times)]
        elif method == "wallace-hussain":
            makers = [one - projection(self.x)] * 3
        else:
            makers = [one - projection(inner[:, np.linalg.norm(inner, axis=0) > 1e-8])]
            makers += [(one - projection(self.x[:, :1])) @ within] * 2
        forms = [m.T @ q @ m for m, q in zip(makers, (off, on_units, on_times), strict=True)]
        parts = one, self.units @ self.units.T, self.times @ self.times.T
        system = [[np.trace(form @ part) for part in parts] for form in forms]
        return np.linalg.solve(system, [self.y @ form @ self.y for form in forms])

    def _nerlove(self, both: FloatArray, off: FloatArray) -> FloatArray:
        coef = np.linalg.pinv(off @ self.x, rcond=1e-9) @ self.y
        effects = np.linalg.pinv(both) @ (self.y - self.x @ coef)
        n = float((self.units**2).sum())
        found = [float(self.y @ off @ (self.y - self.x @ coef)) / n]
        first = 0
        for dummies in (self.units, self.times):
            weight = (dummies**2).sum(axis=0)
            own = effects[first : first + weight.size]
            first += weight.size
            centred = own - np.average(own, weights=weight)
            found.append(float(weight @ centred**2) / n * weight.size / (weight.size - 1))
        return np.array(found)
