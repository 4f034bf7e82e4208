"""Explained variance by Snijders and Bosker, by hand, and what is refused."""

from __future__ import annotations

import pytest

import panelml as pm
from panelml.errors import SpecificationError
from tests.mixed.mixed_data import hsb


def test_snijders_and_bosker() -> None:
    frame = hsb()
    null = pm.MixedModel("MathAch ~ 1 + (1 | School)", reml=False).fit(frame)
    full = pm.MixedModel("MathAch ~ SES + (1 | School)", reml=False).fit(frame)
    tau0, tau = (r.random.parts[0].cov[0, 0] for r in (null, full))
    found = pm.snijders_bosker(null, full)
    sizes = frame["School"].value_counts()
    n = len(sizes) / (1 / sizes).sum()
    assert found.group_size == pytest.approx(n)
    assert found.level1 == pytest.approx(1 - (tau + full.sigma2) / (tau0 + null.sigma2))
    assert found.level2 == pytest.approx(1 - (tau + full.sigma2 / n) / (tau0 + null.sigma2 / n))
    ten = pm.snijders_bosker(null, full, group_size=10)
    assert ten.level2 == pytest.approx(1 - (tau + full.sigma2 / 10) / (tau0 + null.sigma2 / 10))
    assert ten.level1 == found.level1
    for size in (0, -3, float("nan"), float("inf")):
        with pytest.raises(SpecificationError, match="group_size is a number of rows above zero"):
            pm.snijders_bosker(null, full, group_size=size)
    with pytest.raises(SpecificationError, match=r"that without regressors.*it has SES"):
        pm.snijders_bosker(full, null)
    with pytest.raises(SpecificationError, match="by REML and the other by ML"):
        pm.snijders_bosker(null, pm.MixedModel("MathAch ~ SES + (1 | School)").fit(frame))
    unequal = pm.MixedModel(
        "MathAch ~ SES + (1 | School)", reml=False, residual="heteroskedastic:catholic"
    ).fit(frame)
    with pytest.raises(SpecificationError, match="not of heteroskedastic residuals"):
        pm.snijders_bosker(null, unequal)
    slopes = pm.MixedModel("MathAch ~ SES + (1 + SES | School)", reml=False).fit(frame)
    with pytest.raises(SpecificationError, match="one random intercept"):
        pm.snijders_bosker(null, slopes)
    with pytest.raises(SpecificationError, match="same rows"):
        pm.snijders_bosker(null, pm.MixedModel("SES ~ 1 + (1 | School)").fit(frame))
