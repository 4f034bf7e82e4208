"""Small mixed models by matrices of all rows: no formula of the package."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml.core.block import Block
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.unit_products import MixedBasis
from tests.core.blocks import block_of

SIZES = [1, 5, 2, 7, 1, 4, 6, 3, 5]
LEVELS = (len(SIZES), 5, 3)
FIRST = np.array([0, 1])
FACTORS = CrossedFactors.of(
    GroupingFactor(("pupil",), LEVELS[0], FIRST),
    (
        GroupingFactor(("school",), LEVELS[1], np.array([2, 3])),
        GroupingFactor(("region",), LEVELS[2], np.array([4])),
    ),
)
OTHERS = FACTORS.others
STRUCTURE = np.zeros((5, 5), dtype=bool)
STRUCTURE[:2, :2] = STRUCTURE[2:4, 2:4] = STRUCTURE[4, 4] = True


def make_block(*, weighted: bool = True) -> Block:
    """Rows of an outcome and two regressors; units of one row, and two crossed factors."""
    rng = np.random.default_rng(21)
    n = sum(SIZES)
    block = block_of(SIZES, weights=list(rng.uniform(0.4, 2.0, n)) if weighted else None)
    keys = {"school": rng.integers(0, LEVELS[1], n), "region": rng.integers(0, LEVELS[2], n)}
    effects = rng.normal(size=len(SIZES))[block.unit] + rng.normal(size=LEVELS[1])[keys["school"]]
    z = block.z.copy()
    z[0] += effects * (1 + 0.5 * z[1])
    return replace(block.with_z(z), keys=keys)


def make_basis(n_random: int) -> MixedBasis:
    """Constant and two regressors fixed; of the constant and these two the random ones."""
    outcome, fixed = np.eye(4)[1:2], np.eye(4)[[0, 2, 3]]
    random = np.eye(4)[[0, 2, 0, 3, 0]][:n_random]
    return MixedBasis(np.concatenate([fixed, outcome, random]), np.zeros(3), n_random)


def products(block: Block, basis: MixedBasis) -> CrossedProducts:
    return CrossedProducts.of(block, basis, FACTORS)


def random_factor(structure: np.ndarray, seed: int = 3) -> np.ndarray:
    """A factor of the relative covariance of the random coefficients."""
    size = len(structure)
    root = np.random.default_rng(seed).normal(size=(size, size)) + np.eye(size)
    return np.where(structure, root, 0.0)


@dataclass(frozen=True)
class Dense:
    """y = X b + Z u + e over the residual variance, rows times root weights.

    Attributes
    ----------
    y : array, shape (n,)
    x : array, shape (n, p)
    z : array, shape (n, K)
        A column for each random coefficient of each level.
    regressor, level : arrays, shape (K,)
        Which random regressor a column is of, and in which level of its factor.
    relative : array, shape (q, q)
    """

    y: np.ndarray
    x: np.ndarray
    z: np.ndarray
    regressor: np.ndarray
    level: np.ndarray
    relative: np.ndarray
    log_weight: float

    @classmethod
    def of(cls, block: Block, n_random: int, relative: np.ndarray) -> Dense:
        root = np.sqrt(block.row_weights)
        one = np.ones(block.n)
        sources = np.stack([one, block.z[1], one, block.z[2], one])[:n_random]
        codes = [block.unit] * 2 + [block.keys["school"]] * 2 + [block.keys["region"]]
        columns, regressor, level = [], [], []
        for k, (values, code) in enumerate(zip(sources, codes[:n_random], strict=True)):
            for j in range(LEVELS[(0, 0, 1, 1, 2)[k]]):
                columns.append(root * values * (code == j))
                regressor.append(k)
                level.append(j)
        x = np.column_stack([one, block.z[1], block.z[2]]) * root[:, None]
        return cls(
            root * block.z[0],
            x,
            np.array(columns).T,
            np.array(regressor),
            np.array(level),
            relative,
            float(2 * np.log(root).sum()),
        )

    @property
    def covariance(self) -> np.ndarray:
        """D of all coefficients, shape (K, K)."""
        same = self.level[:, None] == self.level
        return self.relative[np.ix_(self.regressor, self.regressor)] * same

    @property
    def v(self) -> np.ndarray:
        return np.eye(self.y.size) + self.z @ self.covariance @ self.z.T

    @property
    def inverse(self) -> np.ndarray:
        return np.linalg.inv(self.v)

    @property
    def phi(self) -> np.ndarray:
        return np.linalg.inv(self.x.T @ self.inverse @ self.x)

    @property
    def coef(self) -> np.ndarray:
        return self.phi @ self.x.T @ self.inverse @ self.y

    @property
    def residual(self) -> np.ndarray:
        return self.y - self.x @ self.coef

    def df(self, restricted: bool) -> int:
        return self.y.size - (self.x.shape[1] if restricted else 0)

    def sigma2(self, restricted: bool) -> float:
        return float(self.residual @ self.inverse @ self.residual) / self.df(restricted)

    def deviance(self, restricted: bool) -> float:
        df = self.df(restricted)
        value = df * (1 + np.log(2 * np.pi * self.sigma2(restricted)))
        value += np.linalg.slogdet(self.v)[1] - self.log_weight
        return float(value - (np.linalg.slogdet(self.phi)[1] if restricted else 0.0))

    def projected(self, restricted: bool) -> np.ndarray:
        """V^-1, less what estimating the fixed effects takes where restricted."""
        if not restricted:
            return self.inverse
        half = self.inverse @ self.x
        return self.inverse - half @ self.phi @ half.T

    def move(self, a: int, b: int) -> np.ndarray:
        """Derivative of V in entry (a, b) of the relative covariance, kept symmetric."""
        entry = np.zeros_like(self.relative)
        entry[a, b] = entry[b, a] = 1.0
        same = self.level[:, None] == self.level
        return self.z @ (entry[np.ix_(self.regressor, self.regressor)] * same) @ self.z.T

    def slope(self, a: int, b: int, restricted: bool) -> float:
        """Derivative of the deviance in that entry."""
        move, e = self.move(a, b), self.inverse @ self.residual
        trace = np.trace(self.projected(restricted) @ move)
        return float(trace - e @ move @ e / self.sigma2(restricted))

    def predicted(self) -> np.ndarray:
        """Best linear unbiased predictions of all coefficients, shape (K,)."""
        return self.covariance @ self.z.T @ self.inverse @ self.residual

    def spreads(self) -> np.ndarray:
        """Conditional covariance of all coefficients, the fixed effects known, (K, K)."""
        d = self.covariance
        return d - d @ self.z.T @ self.inverse @ self.z @ d

    def of_factor(self, values: np.ndarray, random: np.ndarray) -> np.ndarray:
        """Arrange values of coefficients by regressor and level of one factor, (q, levels)."""
        return np.array([values[self.regressor == k] for k in random])

    def blocks(self, table: np.ndarray, random: np.ndarray) -> np.ndarray:
        """The part of a table that belongs to each level of a factor, (q, q, levels)."""
        places = np.array([np.flatnonzero(self.regressor == k) for k in random])
        return np.stack([table[np.ix_(p, p)] for p in places.T], axis=2)
