"""The registry of estimators: every one is held to the same contract and the same laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

import panelml as pm
from panelml.results.base import Results

__all__ = ["ESTIMATORS", "Estimator", "fit"]


@dataclass(frozen=True)
class Estimator:
    """How to call an estimator, and what may be said of it.

    Attributes
    ----------
    make : callable
        Formula and options to a specification.
    effects : str
        What to append to a formula ``y ~ x``.
    options : dict
    kind : {"pooled", "between", "fixed", "difference", "random"}
        What its rows are; "random" for all that estimate variance components.
    constant : bool
        Whether it reports a constant.
    split : tuple of str
        Names of the parameters of a regressor x that varies in units, with ``{}`` for x.
    """

    make: Callable[..., Any]
    kind: str
    effects: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    constant: bool = True
    split: tuple[str, ...] = ("{}",)

    def spec(self, formula: str = "y ~ x1 + x2", **options: Any) -> Any:
        return self.make(formula + self.effects, **{**self.options, **options})

    @property
    def timed(self) -> bool:
        """Whether the periods of the rows matter."""
        words = ("time", "trend")
        by_name = any(word in self.effects for word in words)
        return by_name or self.kind == "difference" or "time_effects" in self.options

    @property
    def has_effects(self) -> bool:
        """Whether it estimates effects."""
        return self.kind in ("fixed", "random")


def _fixed(effects: str, **options: Any) -> Estimator:
    return Estimator(pm.FixedEffects, "fixed", f" | {effects}", options, constant=False)


def _random(method: str) -> Estimator:
    return Estimator(pm.RandomEffects, "random", options={"method": method})


METHODS = (
    "swamy-arora",
    "baltagi-chang",
    "wallace-hussain",
    "amemiya",
    "nerlove",
    "ml",
    "reml",
)

ESTIMATORS: dict[str, Estimator] = {
    "pooled": Estimator(pm.PooledOLS, "pooled"),
    "between": Estimator(pm.Between, "between"),
    "between-weighted": Estimator(pm.Between, "between", options={"weighted": True}),
    "fixed": _fixed("unit"),
    "fixed-singletons": _fixed("unit", singletons="drop"),
    "fixed-twoways": _fixed("unit + time"),
    "fixed-crossed": _fixed("unit + time + firm"),
    "fixed-interacted": _fixed("unit + state^time"),
    "fixed-slopes": _fixed("unit[trend] + time"),
    "fixed-firms": _fixed("firm"),
    "difference": Estimator(pm.FirstDifference, "difference", constant=False),
    "difference-drift": Estimator(pm.FirstDifference, "difference", options={"drift": True}),
    **{f"random-{method}": _random(method) for method in METHODS},
    "random-twoways": Estimator(pm.RandomEffects, "random", options={"time_effects": True}),
    "mundlak": Estimator(pm.Mundlak, "random", split=("{}", "mean({})")),
    "hybrid": Estimator(pm.Hybrid, "random", split=("within({})", "between({})")),
    "hybrid-reml": Estimator(
        pm.Hybrid, "random", options={"method": "reml"}, split=("within({})", "between({})")
    ),
}


def fit(
    estimator: Estimator, frame: pd.DataFrame, formula: str = "y ~ x1 + x2", **options: Any
) -> Results:
    """Fit on a frame whose keys are ``unit`` and ``time``."""
    result: Results = estimator.spec(formula, **options).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    return result
