"""Every number of a fit on pieces on disk is that of the same fit in memory, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.data.formula.formula import parse_formula
from panelml.data.source.source import Source
from panelml.engine.sampling import make_sample
from panelml.errors import DataError, PanelmlError
from tests.data.source.pieces import Pieces
from tests.laws.compare import assert_same, chunks_of

ROWS = 200


def unbalanced() -> pd.DataFrame:
    """Two hundred units in ten states, of up to eight periods, with gaps and missing values."""
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {"id": np.repeat(np.arange(200), 8), "year": np.tile(range(2000, 2008), 200)}
    )
    n, unit = len(frame), frame["id"].to_numpy()
    frame["state"] = np.array(list("abcdefghij"))[unit % 10]
    frame["firm"] = rng.integers(0, 30, n)
    frame["kind"] = rng.choice(["low", "mid", "top"], n)
    frame["first"] = np.array([0, 2004, 2006, 0])[(unit // 10) % 4]
    frame["fixed"] = rng.normal(size=200)[unit]
    frame["x1"] = rng.normal(size=n) + frame["fixed"]
    frame["x2"] = rng.normal(size=n)
    frame["w"] = rng.uniform(0.5, 2.0, 200)[unit]
    treated = (frame["first"] > 0) & (frame["year"] >= frame["first"])
    frame["y"] = frame["x1"] - frame["x2"] + treated + rng.normal(size=200)[unit]
    frame["y"] += rng.normal(size=n)
    frame["even"] = unit % 2
    frame["treated"] = treated.astype(int)
    frame.loc[rng.choice(n, 40, replace=False), "x2"] = np.nan
    frame.loc[frame["id"] == 50, "x1"] = np.nan
    return frame[rng.uniform(size=n) > 0.15].reset_index(drop=True)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pm.Panel, Pieces]]:
    panel = pm.Panel(unbalanced(), unit="id", time="year")
    pieces = Pieces(panel, tmp_path_factory.mktemp("pieces"), ROWS)
    assert len(pieces.cuts) > 5
    with chunks_of(ROWS):
        yield panel, pieces


FITS: dict[str, Any] = {
    "pooled": pm.PooledOLS("y ~ x1 + x2 + kind"),
    "Poisson": pm.Poisson("exp(y / 4) ~ x1 + x2 + kind", exposure="w"),
    "Poisson with effects": pm.Poisson("exp(y / 4) ~ x1 + x2 + kind | id + year"),
    "between": pm.Between("y ~ x1 + x2 + kind"),
    "first differences": pm.FirstDifference("y ~ x1 + x2 + kind"),
    "one-way": pm.FixedEffects("y ~ x1 + x2 + kind"),
    "two-way": pm.FixedEffects("y ~ x1 + x2 + kind | id + year"),
    "crossed": pm.FixedEffects("y ~ x1 + x2 | id + firm + state^year"),
    "slopes": pm.FixedEffects("y ~ x1 + kind | id[x2]"),
    "weighted": pm.FixedEffects("y ~ x1 + x2 | id + year", weights="w"),
    "lags": pm.FixedEffects("y ~ L(x1) + C(x2 > 0) + center(x2)"),
    "random": pm.RandomEffects("y ~ x1 + x2 + kind + fixed"),
    "random, two-way": pm.RandomEffects("y ~ x1 + x2 + fixed", time_effects=True),
    "Mundlak": pm.Mundlak("y ~ x1 + x2 + fixed"),
    "hybrid": pm.Hybrid("y ~ x1 + x2 + kind + fixed"),
    "hybrid, random slopes": pm.Hybrid("y ~ x1 + fixed", random="1 + x1", method="reml"),
    "mixed": pm.MixedModel("y ~ x1 + x2 + kind + (1 + x1 | id)"),
    "mixed, residuals": pm.MixedModel("y ~ x1 + (1 | id)", residual="ar1"),
    "mixed, crossed": pm.MixedModel("y ~ x1 + (1 | id) + (1 | year)"),
}
POLICIES: dict[str, Any] = {
    "CS, never": pm.CallawaySantAnna("y ~ 1", cohort="first"),
    "CS, given x": pm.CallawaySantAnna("y ~ fixed", cohort="first", control="not-yet"),
    "CS, sections": pm.CallawaySantAnna("y ~ x2 + kind", cohort="first", panel=False),
    "CS, treatment": pm.CallawaySantAnna("y ~ 1", treatment="treated", weights="w"),
    "two-way": pm.TWFE("y ~ x2", cohort="first"),
    "event study": pm.EventStudy("y ~ kind", cohort="first"),
    "Sun-Abraham": pm.SunAbraham("y ~ x2", cohort="first"),
    "extended": pm.ExtendedTWFE("y ~ 1", cohort="first", moderators="fixed"),
    "imputation": pm.BorusyakJaravelSpiess("y ~ x2", cohort="first"),
    "two-stage": pm.TwoStageDiD("y ~ x2", cohort="first"),
    "triple": pm.TripleDifference("y ~ 1", eligible="even", cohort="first"),
    "stacked": pm.StackedDiD("y ~ 1", cohort="first", window=(-2, 1)),
    "local projections": pm.LocalProjectionsDiD("y ~ 1", treatment="treated", window=(-2, 1)),
}
COVARIANCES = (
    "iid",
    "HC1",
    "cluster",
    "cluster:firm",
    "cluster:state",
    "cluster:firm+year",
    "cluster:state^year",
    "CR2:state",
    "DK:2",
    "NW:2",
)


def test_pieces_are_a_source(sources: tuple[pm.Panel, Pieces]) -> None:
    assert isinstance(sources[1], Source) and not isinstance(sources[1], pm.Panel)


def covariance(fit: Any, cov: str) -> tuple[Any, ...]:
    """The numbers of a covariance and its notes, or the words of its refusal."""
    try:
        found = fit.with_cov(cov)
    except PanelmlError as error:
        return type(error), str(error)
    return found.cov.to_numpy().tobytes(), found.df_t, found.notes


@pytest.mark.parametrize("name", FITS)
def test_a_fit_on_pieces_has_the_same_bits(sources: tuple[pm.Panel, Pieces], name: str) -> None:
    panel, pieces = sources
    ours, theirs = FITS[name].fit(pieces), FITS[name].fit(panel)
    assert_same(ours, theirs, rel=0)
    assert ours.notes == theirs.notes
    found = {cov: covariance(ours, cov) for cov in COVARIANCES}
    assert found == {cov: covariance(theirs, cov) for cov in COVARIANCES}
    if name in ("one-way", "two-way", "random", "hybrid"):
        assert {cov for cov, numbers in found.items() if len(numbers) == 2} <= {"CR2:state"}


@pytest.mark.parametrize("name", POLICIES)
def test_effects_on_pieces_have_the_same_bits(sources: tuple[pm.Panel, Pieces], name: str) -> None:
    panel, pieces = sources
    ours, theirs = POLICIES[name].fit(pieces), POLICIES[name].fit(panel)
    pd.testing.assert_frame_equal(ours.labels, theirs.labels, check_exact=True)
    np.testing.assert_array_equal(ours.params, theirs.params)
    assert ours.notes == theirs.notes
    for cov in ("cluster", "cluster:state"):
        assert covariance(ours, cov) == covariance(theirs, cov)
        assert len(covariance(ours, cov)) == 3
    if ours.cells is not None:
        one, other = (fit.aggregate("event") for fit in (ours, theirs))
        np.testing.assert_array_equal(one.cov, other.cov)


def test_tests_across_fits_have_the_same_bits(sources: tuple[pm.Panel, Pieces]) -> None:
    formula = "y ~ x1 + x2"
    pairs = [
        (pm.FixedEffects(formula).fit(source), pm.RandomEffects(formula).fit(source))
        for source in sources
    ]
    for method in ("sigmamore", "auxiliary", "robust"):
        one, other = (pm.hausman(*pair, method=method) for pair in pairs)
        assert one.statistic == other.statistic and one.pvalue == other.pvalue


def test_chunks_of_a_sample_are_read_from_one_piece_each(
    sources: tuple[pm.Panel, Pieces],
) -> None:
    pieces = sources[1]
    sample, _ = make_sample(pieces, parse_formula("y ~ x1 + kind"), None, keys=(("state",),))
    pieces.reads.clear()
    for number, _ in enumerate(sample.chunks()):
        assert pieces.reads == list(range(number + 1))


REFUSED: dict[str, Any] = {
    "synthetic control": pm.SyntheticControl("y ~ 1", cohort="first").fit,
    "synthetic DiD": pm.SyntheticDiD("y ~ 1", cohort="first").fit,
    "mixed, by another factor": pm.MixedModel("y ~ x1 + (1 | state)").fit,
    "timing": lambda pieces: pm.Timing(pieces, cohort="first"),
    "decomposition": lambda pieces: pm.bacon_decomposition("y ~ 1", pieces, cohort="first"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sum_over_units_is_refused(sources: tuple[pm.Panel, Pieces], name: str) -> None:
    with pytest.raises(DataError, match="Load them as a Panel"):
        REFUSED[name](sources[1])


def test_what_needs_all_rows_says_so(sources: tuple[pm.Panel, Pieces]) -> None:
    fit = pm.FixedEffects("y ~ x1").fit(sources[1])
    for asked in (fit.residuals, fit.fitted, fit.predict, lambda: fit.panel):
        with pytest.raises(DataError, match="in memory"):
            asked()
    new = unbalanced().head(20)
    np.testing.assert_array_equal(
        fit.predict(new), pm.FixedEffects("y ~ x1").fit(sources[0]).predict(new)
    )
