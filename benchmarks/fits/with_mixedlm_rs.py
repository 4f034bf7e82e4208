"""The mixed models of one grouping factor in mixedlm-rs, whose interface is statsmodels'."""

from __future__ import annotations

from mixedlm_rs import MixedLM

from benchmarks.fits.with_statsmodels import fitted_by

__all__ = ["fit"]

fit = fitted_by(MixedLM)
