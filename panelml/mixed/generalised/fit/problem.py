"""The rows and the model of an integrated likelihood, as its maximisation takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.family.family import Family
from panelml.core.family.outcome import Outcome
from panelml.core.linalg import Solution
from panelml.core.moments import PanelMoments
from panelml.core.quadrature import Nodes
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.iterate import HeldBlocks
from panelml.mixed.core.working_columns import WorkingColumns, working_columns
from panelml.mixed.fit.sample_fit import Layout, fixed_places, independent_regressors
from panelml.mixed.generalised.core.integral import UnitLikelihoods, integrated
from panelml.mixed.generalised.core.parameters import ParameterLayout
from panelml.mixed.generalised.core.rows import OFFSET, RowLayout

__all__ = ["GeneralisedProblem", "make_problem"]

# Rows in a held block: with the nodes they stay in a cache.
ROWS = 5_000


@dataclass(frozen=True)
class GeneralisedProblem:
    """What is maximised.

    Attributes
    ----------
    sample : Sample
    outcome : Outcome
    moments : PanelMoments
        Of the outcome and all regressors.
    chosen : Solution
        Which fixed regressors are independent.
    columns : WorkingColumns
    layout : Layout
        Of the random regressors, all of one grouping factor.
    held : HeldBlocks
        Responses, fixed and random working regressors, in this order.
    rows : RowLayout
    parameters : ParameterLayout
    """

    sample: Sample
    outcome: Outcome
    moments: PanelMoments
    chosen: Solution
    columns: WorkingColumns
    layout: Layout
    held: HeldBlocks
    rows: RowLayout
    parameters: ParameterLayout

    @property
    def n_units(self) -> int:
        """Units, with rows in the sample."""
        return self.moments.n_units

    @property
    def constant(self) -> bool:
        """Whether the first coefficient is a constant."""
        return self.sample.design.formula.intercept and not self.outcome.cut_points

    @property
    def family(self) -> Family:
        """The distribution of the outcome."""
        return self.outcome.family

    @property
    def no_modes(self) -> FloatArray:
        """Where the first search for modes starts, shape (q, g)."""
        return np.zeros((self.parameters.size, self.n_units))

    def likelihoods(
        self, vector: FloatArray, nodes: Nodes, modes: FloatArray, *, scores: bool = True
    ) -> UnitLikelihoods:
        """Integrate the likelihood of each unit, in one pass.

        Parameters
        ----------
        vector : FloatArray, shape (k,)
        nodes : Nodes
        modes : FloatArray, shape (q, g)
            Where the searches for modes start.
        scores : bool
        """
        parameters = self.parameters.split(vector)
        layout = self.parameters if scores else None

        def value(block: Block) -> UnitLikelihoods:
            start = modes[:, block.units]
            rows = self.rows.rows(block)
            return integrated(self.family, rows, parameters, nodes, start, layout)

        return fold(self.held, value)

    def without_effects(self) -> GeneralisedProblem:
        """Return the pooled model: no entry of the root is free, and all are zero."""
        none = np.zeros(0, dtype=np.int64)
        return replace(self, parameters=replace(self.parameters, entries=(none, none)))


def make_problem(sample: Sample, outcome: Outcome, layout: Layout) -> GeneralisedProblem:
    """Evaluate the formula of a sample once, on well-conditioned columns.

    Parameters
    ----------
    sample : Sample
    outcome : Outcome
    layout : Layout

    Raises
    ------
    IdentificationError
        If the random regressors of a term are collinear.
    """
    constant = sample.design.formula.intercept or outcome.cut_points
    moments = fold(sample, PanelMoments.of)
    fixed = fixed_places(sample)
    chosen = independent_regressors(moments, fixed, constant)
    columns = working_columns(moments.overall, constant, fixed[chosen.kept], layout.blocks)
    q = len(layout.labels)
    alone = layout.labels == ("Intercept",)
    place = _Arrangement(outcome, columns, sample.design.offset is not None, q * (not alone))
    held = HeldBlocks(fold(sample, lambda block: (place(block),), rows=ROWS))
    p = len(columns.fixed_back) - outcome.cut_points
    responses = held.blocks[0].z.shape[0] - p - place.random
    rows = RowLayout(responses, p, place.random, sample.weights is not None)
    entries = np.nonzero(np.tril(columns.structure))
    parameters = ParameterLayout(p, q, (entries[0], entries[1]), len(outcome.family.auxiliary))
    return GeneralisedProblem(
        sample, outcome, moments, chosen, columns, layout, held, rows, parameters
    )


@dataclass(frozen=True, slots=True)
class _Arrangement:
    """Blocks of a sample to blocks of responses, fixed and random working regressors."""

    outcome: Outcome
    columns: WorkingColumns
    offset: bool
    random: int

    def __call__(self, block: Block) -> Block:
        basis = self.columns.basis
        fixed = basis.fixed(block.z)[int(self.outcome.cut_points) :]
        parts = [self.outcome.response(block), fixed]
        if self.random:
            parts.append(basis.random(block.z))
        slopes = {OFFSET: block.z[-1]} if self.offset else {}
        return replace(block, z=np.concatenate(parts), slopes=slopes)
