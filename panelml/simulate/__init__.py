"""Panels whose true parameters are known, for documentation, tests and benchmarks.

Every function returns a DataFrame sorted by unit and time, the same for the same seed, with the
values it was made from in ``frame.attrs``.
"""

from __future__ import annotations

from panelml.simulate.matches import MatchComponents, Matching, matched
from panelml.simulate.panels import ErrorComponents, panel
from panelml.simulate.policy import Adopters, Sampling, staggered
from panelml.simulate.schools import SchoolEffects, multilevel

__all__ = [
    "Adopters",
    "ErrorComponents",
    "MatchComponents",
    "Matching",
    "Sampling",
    "SchoolEffects",
    "matched",
    "multilevel",
    "panel",
    "staggered",
]
