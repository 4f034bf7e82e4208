"""One case, said without any package's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Case", "Faster"]

LARGEST = {
    "panelml": 11_000_000,
    "pyfixest": 9_000_000,
    "fixest": 9_000_000,
    "linearmodels": 900_000,
    "plm": 900_000,
    "lme4": 9_000_000,
    "mixedlm": 9_000_000,
    "mixedlm_rs": 11_000_000,
    "statsmodels": 110_000,
    "nlme": 900_000,
    "diff_diff": 9_000_000,
    "moderndid": 9_000_000,
}


@dataclass(frozen=True, slots=True)
class Faster:
    """A target: how many times faster than a rival."""

    rival: str
    factor: float


@dataclass(frozen=True, slots=True)
class Case:
    """One regression, said without any package's words.

    Attributes
    ----------
    name, title : str
    model : str
        The estimator; ``hausman`` fits fixed and random effects and compares them.
    packages : tuple of str
        Those that have it.
    data : str
        A data set of ``benchmarks.simulated``, ``mixed_data`` or ``policy_data``.
    effects : tuple of str
        Columns that ``fixed`` absorbs.
    cov : str
    clusters : tuple of str
        Columns, where cov is ``cluster``.
    only_rows : int, optional
        The one size it is run at, where sizes make no sense.
    largest : dict of str to int
        Rows beyond which a package fails, or takes minutes.
    targets : tuple of Faster
    formula : str
        Of a mixed model, in lme4's grammar.
    serial : str
        Column of time, where the residuals of a mixed model's smallest groups are AR(1).
    most_mb : float, optional
        Peak memory that panelml may take.
    """

    name: str
    title: str
    model: Literal[
        "pooled",
        "between",
        "difference",
        "random",
        "fixed",
        "hausman",
        "mixed",
        "group-time",
        "bootstrap",
        "imputation",
        "sun-abraham",
        "two-stage",
        "synthetic",
        "sensitivity",
    ]
    packages: tuple[str, ...]
    data: str = "panel"
    effects: tuple[str, ...] = ()
    cov: Literal["iid", "cluster", "driscoll-kraay"] = "cluster"
    clusters: tuple[str, ...] = ("unit",)
    only_rows: int | None = None
    largest: Mapping[str, int] = field(default_factory=dict)
    targets: tuple[Faster, ...] = ()
    formula: str = ""
    serial: str = ""
    most_mb: float | None = None

    @property
    def unit(self) -> str:
        """The column of the units."""
        return "worker" if self.data == "matched" else "unit"

    @property
    def iterates(self) -> bool:
        """Whether some package approaches the solution only up to its tolerance."""
        return len(self.effects) > 1 or self.model == "mixed"

    def takes(self, package: str, rows: int) -> bool:
        """Whether a package is asked for this many rows."""
        return package in self.packages and rows <= self.largest.get(package, LARGEST[package])
