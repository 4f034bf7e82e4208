"""Every statistic is a sum over units: how the units are cut and bracketed does not matter."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import panelml
import panelml as pm
from panelml.core.absorb import Absorb, AbsorbSystem, LevelSums
from panelml.core.absorb_plan import AbsorbPlan, Factor
from panelml.core.block import Block
from panelml.core.family.binomial import BinomialFamily
from panelml.core.family.censored import CensoredFamily
from panelml.core.family.outcome import CensoredBounds, Outcome
from panelml.core.groups import group_sums
from panelml.core.keyed import KeyedSums
from panelml.core.linalg import TriangularFactor
from panelml.core.links import LOGIT
from panelml.core.moments import CrossProducts, Gram, PanelMoments, UnitRecords
from panelml.core.pair import Pair
from panelml.core.quadrature import Nodes
from panelml.core.responses import LinkResponse
from panelml.core.row_values import RowValues
from panelml.core.transforms import Difference, Within
from panelml.data.formula.category import Levels, Presence
from panelml.data.formula.formula import parse_formula
from panelml.data.panel.weights import parse_weights
from panelml.data.sample import Sample
from panelml.diagnostics.dependence import ErrorRows, PeriodSums
from panelml.diagnostics.effects import ErrorSums
from panelml.did.core.decomposition import CellSums
from panelml.did.core.imputation import Assignment, EffectSquares, Imputer, TreatedSums
from panelml.did.core.response_effects import ResponseEffects
from panelml.did.estimators.design_checks import Ranges
from panelml.engine.collect import Collected
from panelml.engine.sampling import Completeness, make_sample
from panelml.engine.varying import ChangeOfRows, Setting
from panelml.glm.core.index import Columns, ScoredRows
from panelml.glm.core.poisson import OutcomeSums, PoissonSums
from panelml.glm.core.row_likelihood import LikelihoodSums, RowModel, StartingSums
from panelml.glm.core.working_sums import WorkingSums
from panelml.inference.influence import SerialProducts
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.prediction_error import UnitErrors
from panelml.mixed.core.residual_rows import UnitRows
from panelml.mixed.core.unit_products import MixedBasis, MixedColumns, UnitProducts
from panelml.mixed.core.whitening import RowFacts, RowPatterns
from panelml.mixed.core.working_rows import WorkingRows
from panelml.mixed.generalised.core.integral import UnitLikelihoods, integrated
from panelml.mixed.generalised.core.parameters import ParameterLayout
from panelml.mixed.generalised.core.rows import RowLayout
from panelml.mixed.generalised.fit.pooled import DerivativeSums
from panelml.random.core.twoway import TwoWayMoments
from panelml.results.marginal.sums import EffectRule, EffectSums
from tests.laws.panels import make_frame

PLAN = AbsorbPlan(True, ("trend",), (Factor("time", 6, None, 0), Factor("firm", 3, "trend", 6)))
BASIS = MixedBasis(np.eye(4)[[2, 3, 1, 0, 2]], np.array([0.5, 0.1, -0.2]), 2)
FIRMS = GroupingFactor(("firm",), 3, np.array([0, 1]))
# Of 25 units a third each adopts at step 3, at step 4, or not at all.
PERIODS = AbsorbPlan(True, (), (Factor("time", 6, None, 0),))
START = np.array([3, 4, 99])
ASSIGNMENT = Assignment(
    START[np.arange(25) % 3],
    START,
    np.array([[-1, -1, -1, 0, 1, 2], [-1, -1, -1, -1, 3, 4], [-1] * 6]),
    5,
    0,
)
IMPUTER = Imputer(
    np.zeros(5),
    np.array([1.0, -0.5, 0.2]),
    np.arange(6.0)[:, None],
    np.zeros((6, 5)),
    np.zeros((3, 5)),
)


def products(block: Block) -> SerialProducts:
    return SerialProducts(np.stack([block.z @ block.z.T, block.z @ (block.z * block.step).T]))


ROWS = RowModel(
    Outcome(CensoredFamily(), CensoredBounds(-0.5, None)),
    Columns(np.arange(2), np.array([0.1, 0.2]), False),
    np.array([1.0, 2.0]),
    True,
)


def effect_sums(block: Block) -> EffectSums:
    change = ChangeOfRows(Setting(), Setting(), rate=True)
    rule = EffectRule(
        LinkResponse(LOGIT), np.zeros(0), np.array([0.3, -0.2]), lambda b: b.outcome, (change,)
    )
    varied = block.with_z(np.concatenate([block.z, block.z[1:], np.tanh(block.z[1:])]))
    return EffectSums.of(varied, rule, block.keys["firm"], 3)


def integrals(block: Block) -> UnitLikelihoods:
    """Integrate a random intercept out of yes/no outcomes that the signs of the outcome are."""
    rows = RowLayout(1, len(block.z) - 1, 0).rows(
        block.with_z(np.vstack([block.z[:1] > 0, np.tanh(block.z[1:])]))
    )
    layout = ParameterLayout(len(block.z) - 1, 1, np.tril_indices(1), 0)
    parameters = layout.split(np.linspace(0.2, 0.7, layout.total))
    start = np.zeros((1, block.n_units))
    return integrated(BinomialFamily(), rows, parameters, Nodes.of(5, 1), start, layout)


def working_sums(block: Block) -> WorkingSums:
    """Sum over rows whose score and information are numbers of the block."""
    rows = ScoredRows(float(block.z[0].sum()), block.z[1], 1 + np.abs(block.z[0]))
    return WorkingSums.of(block, rows, PLAN, False)


STATISTICS: dict[type, Callable[[Block], Any]] = {
    AbsorbSystem: partial(AbsorbSystem.of, plan=PLAN),
    CellSums: lambda b: CellSums.of(b.z, b.keys["firm"], 3, b.weights),
    Collected: Collected.of,
    Completeness: Completeness.of,
    CrossProducts: lambda b: CrossProducts.of(b.z, b.weights),
    CrossedProducts: lambda b: CrossedProducts.of(
        b, BASIS, CrossedFactors.of(GroupingFactor(("unit",), 3, np.array([0])), [FIRMS])
    ),
    EffectSums: effect_sums,
    EffectSquares: lambda b: EffectSquares.of(b, ASSIGNMENT, PERIODS, IMPUTER),
    ErrorRows: lambda b: ErrorRows(b.outcome, b.unit + b.first_unit, b.time),
    ErrorSums: lambda b: ErrorSums.of(b.outcome, b),
    Gram: lambda b: Gram.of(Within()(b)),
    KeyedSums: lambda b: KeyedSums.of(b.z, b.keys["firm"]),
    MixedColumns: BASIS.columns,
    Pair: lambda b: Pair(PanelMoments.of(b), Gram.of(Difference()(b))),
    Levels: lambda b: Levels(np.unique(b.keys["firm"])),
    DerivativeSums: lambda b: DerivativeSums(b.z @ b.z.T),
    LevelSums: partial(LevelSums.of, transform=Absorb(PLAN, np.linspace(-1, 2, 27).reshape(9, 3))),
    LikelihoodSums: lambda b: ROWS.sums(b, np.array([0.3, -0.2, 0.1, 0.2])),
    OutcomeSums: lambda b: OutcomeSums.of(b.with_z(np.abs(b.z))),
    PanelMoments: PanelMoments.of,
    PeriodSums: PeriodSums.of,
    PoissonSums: lambda b: PoissonSums.of(np.abs(b.outcome), b.row_weights, *np.tanh(b.regressors)),
    Ranges: partial(Ranges.of, start=np.arange(25) % 5),
    Presence: lambda b: Presence(np.bincount(b.keys["firm"], minlength=3) > 0),
    ResponseEffects: lambda b: ResponseEffects.of(
        b,
        ASSIGNMENT.effects(b),
        np.linspace(-1, 1, ASSIGNMENT.count),
        np.tanh(b.outcome),
        lambda z: (np.exp(z), np.exp(z)),
    ),
    RowPatterns: RowFacts("", None, None, None).of,
    RowValues: lambda b: RowValues(b.z),
    SerialProducts: products,
    StartingSums: ROWS.start,
    TreatedSums: partial(TreatedSums.of, assignment=ASSIGNMENT, plan=PERIODS),
    TriangularFactor: lambda b: TriangularFactor.of(b.z),
    TwoWayMoments: partial(TwoWayMoments.of, centre=np.zeros(3), constant=True),
    UnitLikelihoods: integrals,
    UnitErrors: lambda b: UnitErrors(group_sums(b.z, b.starts)),
    UnitRecords: lambda b: PanelMoments.of(b).means,
    UnitProducts: partial(UnitProducts.of, basis=BASIS),
    UnitRows: partial(UnitRows.of, basis=BASIS, facts=RowFacts("", None, None, None)),
    WorkingSums: working_sums,
    WorkingRows: partial(WorkingRows.of, basis=BASIS, others=(FIRMS,)),
}
by_statistic = pytest.mark.parametrize("statistic", STATISTICS, ids=lambda kind: kind.__name__)


def test_every_statistic_of_the_package_is_held_to_these_laws() -> None:
    found = set()
    for module in pkgutil.walk_packages(panelml.__path__, "panelml."):
        if module.name != "panelml.__main__" and ".adapters." not in module.name:
            members = vars(importlib.import_module(module.name)).values()
            found |= {m for m in members if isinstance(m, type) and "__add__" in vars(m)}
    ours = {kind for kind in found if kind.__module__.startswith("panelml.")}
    assert {kind.__name__ for kind in ours} - {"Addable"} == {k.__name__ for k in STATISTICS}


def sample_of(seed: int, weights: str | None, units: int = 25) -> Sample:
    frame = make_frame(np.random.default_rng(seed), units, 6, 0.3)
    formula = parse_formula("y ~ x1 + x2")
    return make_sample(
        pm.Panel(frame, unit="unit", time="time"),
        formula,
        parse_weights(weights),
        (("firm",), ("time",)),
        ("trend",),
    )[0]


def blocks(sample: Sample, rows: int) -> list[Block]:
    return [sample.block(chunk) for chunk in sample.chunks(rows)]


def leaves(value: Any) -> Iterator[np.ndarray]:
    """Return the numbers of a statistic; those of a triangular factor up to signs."""
    if isinstance(value, TriangularFactor):
        yield value.r.T @ value.r
    elif isinstance(value, TwoWayMoments):  # whose means may be replaced by a triangular factor
        yield from (np.array(value.units), value.within, *map(value.quasi, (0.1, 3.0)))
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    elif value is not None:
        yield value.toarray() if sparse.issparse(value) else np.asarray(value, float)


def assert_equal(first: Any, second: Any, rel: float = 1e-11) -> None:
    ours, others = list(leaves(first)), list(leaves(second))
    assert len(ours) == len(others)
    for a, b in zip(ours, others, strict=True):
        assert a.shape == b.shape
        assert a == pytest.approx(b, rel=rel, abs=rel * max(float(np.abs(b).max(initial=0)), 1e-9))


def bracket(values: list[Any], cuts: list[int]) -> Any:
    """Add neighbours in an order told by random numbers."""
    values = list(values)
    for cut in cuts:
        if len(values) > 1:
            at = cut % (len(values) - 1)
            values[at : at + 2] = [values[at] + values[at + 1]]
    return reduce(lambda a, b: a + b, values)


@by_statistic
@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**32 - 1),
    weights=st.sampled_from([None, "w", "frequency:n"]),
    rows=st.integers(1, 60),
    cuts=st.lists(st.integers(0, 50), max_size=30),
)
def test_cuts_and_brackets_do_not_matter(
    statistic: type, seed: int, weights: str | None, rows: int, cuts: list[int]
) -> None:
    sample, of = sample_of(seed, weights), STATISTICS[statistic]
    (whole,) = map(of, blocks(sample, 10_000))
    parts = list(map(of, blocks(sample, rows)))
    assert_equal(bracket(parts, cuts), whole)
    assert_equal(reduce(lambda a, b: a + b, parts), whole)


@by_statistic
def test_addition_leaves_both_sides_as_they_were(statistic: type) -> None:
    of = STATISTICS[statistic]
    parts = list(map(of, blocks(sample_of(3, "w"), 30)))[:2]
    before = [[leaf.copy() for leaf in leaves(part)] for part in parts]
    assert type(parts[0] + parts[1]) is type(parts[0])
    for part, leaf in zip(parts, before, strict=True):
        for now, then in zip(leaves(part), leaf, strict=True):
            np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("mean", [1e6, 1e7, 1e8, 1e9])
@pytest.mark.parametrize("rows", [7, 100, 3000])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_large_mean_costs_its_own_digits_only(mean: float, rows: int, weighted: bool) -> None:
    """Chan's merge against sums in higher precision: plain sums lose twice as many digits.

    With mean 1e6 and standard deviation 1 ten digits are left.
    """
    rng = np.random.default_rng(5)
    z = rng.normal(mean, 1.0, (3, 3000))
    w = rng.integers(1, 5, 3000) / 2.0 if weighted else None
    parts = [
        CrossProducts.of(z[:, i : i + rows], None if w is None else w[i : i + rows])
        for i in range(0, 3000, rows)
    ]
    total = reduce(lambda a, b: a + b, parts)
    exact, weight = z.astype(np.longdouble), np.ones(3000) if w is None else w
    centre = (exact * weight).sum(axis=1) / weight.sum()
    deviation = exact - centre[:, None]
    expected = ((deviation * weight) @ deviation.T).astype(float)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs((total.centred - expected) / scale).max() < 1e-16 * mean
    assert total.mean == pytest.approx(centre.astype(float), rel=1e-14)
    assert total.weight == weight.sum()
