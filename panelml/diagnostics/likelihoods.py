"""Models whose likelihoods are compared: mixed models, and pooled least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.row_values import RowValues
from panelml.data.sample import Sample
from panelml.diagnostics.estimable import canonical
from panelml.engine.fold import fold
from panelml.errors import SpecificationError
from panelml.mixed.core.structures import ResidualStructure
from panelml.mixed.core.working_rows import Truth
from panelml.mixed.fit.refit import AnyRefitter
from panelml.mixed.results.coefficients import FactorCoefficients
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.refitting import any_refitter, truth_of
from panelml.results.base import Results

__all__ = ["Likelihood", "Refits", "likelihood_of", "wrong_kind"]


class Refits(Protocol):
    """Draws outcomes from a fitted model, and maximises its likelihood for them."""

    def draw(self, seed: int, rep: int) -> FloatArray:
        """Draw an outcome of the sample's rows, shape (n,)."""
        ...

    def loglik(self, outcome: FloatArray) -> float:
        """Maximised log-likelihood of an outcome; NaN where it was not maximised."""
        ...


class Likelihood(Protocol):
    """What a likelihood-ratio test needs to know of a fit."""

    @property
    def fit(self) -> Results:
        """The fit itself."""
        ...

    @property
    def sample(self) -> Sample:
        """Its estimation sample."""
        ...

    @property
    def restricted(self) -> bool:
        """Whether its likelihood is the restricted one."""
        ...

    @property
    def loglik(self) -> float:
        """Its maximised log-likelihood."""
        ...

    @property
    def variances(self) -> tuple[tuple[str, str], ...]:
        """Grouping factor and label of each random coefficient."""
        ...

    @property
    def covariances(self) -> frozenset[tuple[str, frozenset[str]]]:
        """Grouping factor and labels of the pairs of random coefficients that may be correlated."""
        ...

    @property
    def residual(self) -> ResidualStructure | None:
        """How its residuals depend on each other, if they do."""
        ...

    @property
    def parameters(self) -> int:
        """Number of its variances, covariances and parameters of dependent residuals."""
        ...

    def refits(self) -> Refits:
        """Prepare it for simulated outcomes."""
        ...


def likelihood_of(fit: object, *, restricted: bool) -> Likelihood:
    """Return the likelihood of a fit.

    Pooled least squares has both likelihoods, the restricted one if asked.

    Raises
    ------
    SpecificationError
        If the fit has no likelihood to compare.
    """
    if isinstance(fit, MixedResults):
        return MixedLikelihood(fit)
    if isinstance(fit, Results) and fit.facts.kind == "pooled":
        return PooledLikelihood(fit, restricted)
    raise wrong_kind(fit)


def wrong_kind(fit: object) -> SpecificationError:
    """Say what can be compared instead of some fit."""
    name = getattr(fit, "model", type(fit).__name__)
    return SpecificationError(
        f"Likelihoods of mixed models are compared, the smaller of which may be of PooledOLS, not "
        f"{name}. Fit MixedModel, as 'y ~ x + (1 | unit)' for random effects of units."
    )


def _group(part: FactorCoefficients) -> str:
    """Name a grouping factor independently of the order of its columns."""
    return ":".join(sorted(part.group))


@dataclass(frozen=True, slots=True)
class MixedLikelihood:
    """Of a mixed model."""

    fit: MixedResults

    @property
    def sample(self) -> Sample:
        """Its estimation sample."""
        return self.fit._sample

    @property
    def restricted(self) -> bool:
        """Whether it was fitted by REML."""
        return self.fit.random.coefficients.restricted

    @property
    def loglik(self) -> float:
        """Its maximised log-likelihood."""
        return self.fit.loglik

    @property
    def variances(self) -> tuple[tuple[str, str], ...]:
        """Grouping factor and label of each random coefficient."""
        return tuple(
            (_group(part), canonical(name))
            for part in self.fit.random.parts
            for name in part.labels
        )

    @property
    def covariances(self) -> frozenset[tuple[str, frozenset[str]]]:
        """Grouping factor and labels of the pairs of random coefficients that may be correlated."""
        return frozenset(
            (_group(part), frozenset(canonical(part.labels[j]) for j in pair))
            for part in self.fit.random.parts
            for pair in part.correlations()
        )

    @property
    def residual(self) -> ResidualStructure | None:
        """How its residuals depend on each other, if they do."""
        return self.fit.residual.structure if self.fit.residual else None

    @property
    def parameters(self) -> int:
        """Number of its (co)variances and parameters of dependent residuals."""
        return self.fit.n_parameters - len(self.fit.params) - 1

    def refits(self) -> Refits:
        """Prepare it for simulated outcomes."""
        return MixedRefits(any_refitter(self.fit.refits), truth_of(self.fit.refits))


@dataclass(frozen=True, slots=True)
class MixedRefits:
    """Draws outcomes from a mixed model and fits them again."""

    model: AnyRefitter
    truth: Truth

    def draw(self, seed: int, rep: int) -> FloatArray:
        """Draw an outcome of the sample's rows, shape (n,)."""
        return self.model.draw(self.truth, seed, rep)

    def loglik(self, outcome: FloatArray) -> float:
        """Maximised log-likelihood of an outcome; NaN where it was not maximised."""
        found = self.model.fit(outcome)
        return found.loglik if found.converged else float("nan")


@dataclass(frozen=True, slots=True)
class PooledLikelihood:
    """Of pooled least squares: a model without random terms.

    Attributes
    ----------
    fit : Results
    restricted : bool
        Which likelihood is asked of it.
    """

    fit: Results
    restricted: bool
    variances: tuple[tuple[str, str], ...] = ()
    covariances: frozenset[tuple[str, frozenset[str]]] = frozenset()
    residual: None = None
    parameters: int = 0

    @property
    def sample(self) -> Sample:
        """Its estimation sample."""
        return self.fit._sample

    @property
    def loglik(self) -> float:
        """Its log-likelihood at the estimates, restricted if asked."""
        return float(self._loglik(np.array(self.fit.rss)))

    def _loglik(self, rss: FloatArray) -> FloatArray:
        n, k = self.fit.nobs, len(self.fit.params)
        ml = -n / 2 * (np.log(2 * np.pi * rss / n) + 1)
        # What weights add is the same for every outcome.
        weights = self.fit.loglik + n / 2 * (np.log(2 * np.pi * self.fit.rss / n) + 1)
        if not self.restricted:
            return np.asarray(ml + weights)
        df = n - k
        variance = self.fit.rss / df
        logdet = k * np.log(variance) - np.linalg.slogdet(self.fit.attached.estimate.iid_cov)[1]
        restricted = -(df * (np.log(2 * np.pi * rss / df) + 1) + logdet) / 2
        return np.asarray(restricted + weights)

    def refits(self) -> Refits:
        """Prepare it for simulated outcomes."""
        regression = self.fit.attached.estimate.rows.regression

        def values(block: Block) -> RowValues:
            x = regression.fitted_rows(block).x
            return RowValues(np.concatenate([x, block.outcome[None], block.row_weights[None]]))

        rows = fold(self.sample, values).values
        root = np.sqrt(rows[-1])
        basis = np.linalg.qr((rows[:-2] * root).T)[0]
        fitted = basis @ (basis.T @ (rows[-2] * root))
        sigma = float(np.sqrt(self.fit.rss / self.fit.nobs))
        return PooledRefits(self, basis, fitted, root, sigma)


@dataclass(frozen=True, slots=True)
class PooledRefits:
    """Draws outcomes from a linear model with independent normal errors, and fits them again.

    Attributes
    ----------
    model : PooledLikelihood
    basis : FloatArray, shape (n, k)
        Orthonormal columns of the regressors times root weights.
    fitted : FloatArray, shape (n,)
        Fitted values times root weights.
    root : FloatArray, shape (n,)
        Root weights.
    sigma : float
    """

    model: PooledLikelihood
    basis: FloatArray
    fitted: FloatArray
    root: FloatArray
    sigma: float

    def draw(self, seed: int, rep: int) -> FloatArray:
        """Draw an outcome of the sample's rows, shape (n,)."""
        noise = np.random.default_rng([seed, rep]).standard_normal(self.root.size)
        return np.asarray((self.fitted + self.sigma * noise) / self.root)

    def loglik(self, outcome: FloatArray) -> float:
        """Maximised log-likelihood of an outcome."""
        y = outcome * self.root
        left = y - self.basis @ (self.basis.T @ y)
        return float(self.model._loglik(np.array(left @ left)))
