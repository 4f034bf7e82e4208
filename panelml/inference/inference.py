"""Statistical inference as results and tables see it, however uncertainty was estimated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from panelml._typing import FloatArray
from panelml.errors import SpecificationError, shown
from panelml.inference.estimate import Covariance, Estimate
from panelml.inference.restrictions import Restrictions
from panelml.inference.testing import TestResult

__all__ = ["Inference", "InferenceSpec", "infer"]


class Inference(Protocol):
    """Standard errors, tests and intervals of k estimates.

    Results, summaries, tables, frames and adapters rely on everything but ``covariance``, which
    is asked for by what is built on a matrix: sup-t bands, sensitivity to departures from
    parallel trends, and the package marginaleffects.
    """

    @property
    def covariance(self) -> Covariance:
        """The covariance of the estimates.

        Raises
        ------
        SpecificationError
            If this kind of inference has none.
        """
        ...

    @property
    def errors(self) -> FloatArray:
        """Standard errors, shape (k,)."""
        ...

    @property
    def pvalues(self) -> FloatArray:
        """Two-sided p-values of each estimate against zero, shape (k,)."""
        ...

    @property
    def df(self) -> float:
        """Degrees of freedom of t, the least where estimates differ; infinite without t."""
        ...

    @property
    def term_df(self) -> FloatArray:
        """Degrees of freedom of t of each estimate, shape (k,)."""
        ...

    @property
    def description(self) -> str:
        """How uncertainty was estimated, in words."""
        ...

    @property
    def reference(self) -> str:
        """What statistics and intervals are referred to, in words."""
        ...

    @property
    def clusters(self) -> Mapping[str, int]:
        """Number of clusters by cluster variable."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits it."""
        ...

    def interval(self, level: float) -> FloatArray:
        """Return intervals of the estimates, shape (k, 2)."""
        ...

    def test(self, restrictions: Restrictions) -> TestResult:
        """Test linear restrictions."""
        ...

    def mapped(self, matrix: FloatArray) -> Inference:
        """Return the inference on linear functions of the estimates, ``matrix`` (m, k)."""
        ...


class InferenceSpec(Protocol):
    """A kind of inference, as what ``with_inference`` takes: a frozen value."""

    def infer(self, estimates: FloatArray, fit: Estimate) -> Inference:
        """Infer from the estimates, shape (k,), and what the fit knows of its rows."""
        ...


def infer(kind: InferenceSpec, estimates: FloatArray, fit: Estimate) -> Inference:
    """Infer by a kind of inference.

    Raises
    ------
    SpecificationError
        If it is something else.
    """
    if isinstance(kind, type) or not callable(getattr(kind, "infer", None)):
        raise SpecificationError(
            f"with_inference takes a value with infer(estimates, fit), not {shown(kind)}; "
            "with_cov takes covariances."
        )
    return kind.infer(estimates, fit)
