"""Panels whose true parameters are known, for documentation, tests and benchmarks.

Every function returns a DataFrame sorted by unit and time, the same for the same seed, with the
values it was made from in ``frame.attrs``.
"""

from __future__ import annotations

from panelml.simulate.panels import matched, multilevel, panel
from panelml.simulate.policy import staggered

__all__ = ["matched", "multilevel", "panel", "staggered"]
