"""What every test shares: deterministic property tests, one thread of BLAS, closed figures."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
import scipy.linalg  # noqa: F401  (its BLAS is loaded by then)
from hypothesis import settings
from threadpoolctl import ThreadpoolController

settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
# Matrices written out are small: on busy cores two threads wait for each other.
ThreadpoolController().limit(limits=1, user_api="blas")


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Close what a test has drawn: matplotlib keeps figures until then."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
