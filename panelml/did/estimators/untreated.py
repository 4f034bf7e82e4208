"""What untreated rows say: which treated rows they can predict, and their regression."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from panelml._typing import BoolArray, FloatArray
from panelml.core.augment import LessMeans
from panelml.data.formula.formula import Effect, Formula
from panelml.data.sample import Sample
from panelml.did.core.adoption import Adoption
from panelml.did.estimators.slopes import estimate_slopes
from panelml.engine.absorbing import Absorbed, absorb, require_effect_columns
from panelml.errors import IdentificationError, SpecificationError

__all__ = [
    "FirstStage",
    "first_stage",
    "imputable",
    "untreated_rows",
    "untreated_words",
    "with_effects",
]


@dataclass(frozen=True, slots=True)
class FirstStage:
    """The regression on untreated rows.

    Attributes
    ----------
    sample : Sample
        The untreated rows.
    absorbed : Absorbed
    slopes : FloatArray, shape (k,)
        Coefficients of all regressors, zero where dropped.
    bread : FloatArray, shape (k, k)
        Inverse of their cross-products, zero where dropped.
    notes : tuple of str
    """

    sample: Sample
    absorbed: Absorbed
    slopes: FloatArray
    bread: FloatArray
    notes: tuple[str, ...]

    @property
    def coef(self) -> FloatArray:
        """Coefficients of the effects beside the units', in outcome and regressors."""
        return self.absorbed.coef

    def precise(self, sample: Sample) -> Sample:
        """Return all rows, less the unit means that are absorbed, if these would cost digits."""
        far = bool(self.absorbed.moments.faint) and self.absorbed.plan.unit_intercept
        return sample.then(sample.names, LessMeans()) if far else sample

    def solve(self, cross: FloatArray) -> FloatArray:
        """Solve the system of the effects beside the units' for other right sides."""
        system = self.absorbed.system
        if system is None:
            return cross
        return system.solve_for(self.absorbed.plan, cross)


def with_effects(formula: Formula, sample_unit: str, time: str, columns: list[str]) -> Formula:
    """Absorb units and periods where the formula does not say what is absorbed.

    Raises
    ------
    SpecificationError
        If units are not absorbed, or an effect has slopes.
    UnknownNameError
        If an effect is no column.
    """
    effects = formula.effects
    if effects is None:
        effects = (Effect((sample_unit,)), Effect((time,)))
    if Effect((sample_unit,)) not in effects or any(effect.slopes for effect in effects):
        raise SpecificationError(
            f"Imputation needs an intercept for each {sample_unit} and no slopes: write "
            f"'| {sample_unit} + {time}', and further effects after it."
        )
    require_effect_columns(effects, columns)
    return replace(formula, effects=effects, intercept=True)


def untreated_rows(sample: Sample, adoption: Adoption, anticipation: int) -> BoolArray:
    """Rows of a sample before adoption and its anticipation, shape (rows of the sample,)."""
    source = sample.source
    step = source.index.steps[sample.codes((source.time,))]
    return np.asarray(step < adoption.start[sample.codes((source.unit,))] - anticipation)


def imputable(
    sample: Sample, untreated: BoolArray, effects: tuple[Effect, ...]
) -> tuple[Sample, tuple[str, ...]]:
    """Leave out treated rows whose effects no untreated row shows.

    Raises
    ------
    IdentificationError
        If no untreated row is there, or no treated row is left.
    """
    if not untreated.any():
        raise IdentificationError("No row is untreated: there is nothing to impute from.")
    keep: BoolArray = np.ones(untreated.size, dtype=bool)
    causes = []
    for effect in effects:
        codes, levels = sample.codes(effect.columns), sample.source.levels(effect.columns)
        shown = np.bincount(codes[untreated], minlength=levels) > 0
        lost = ~shown[codes]
        gone = int((np.bincount(codes[lost], minlength=levels) > 0).sum())
        if gone:
            causes.append(f"{gone:,} levels of {effect.name} have no untreated row")
        keep &= ~lost
    others = [effect for effect in effects if effect.columns != (sample.source.unit,)]
    if len(others) == 1:
        linked = _linked(sample, untreated, others[0])
        apart = keep & ~linked
        if apart.any():
            causes.append(
                f"{int(apart.sum()):,} rows have a unit and {others[0].name} that no "
                "untreated rows link"
            )
        keep &= linked
    if not (keep & ~untreated).any():
        raise IdentificationError(
            "No treated row can be imputed: " + ("; ".join(causes) or "no row is treated") + "."
        )
    if keep.all():
        return sample, ()
    note = f"Left out {int((~keep).sum()):,} treated rows that cannot be imputed: "
    return sample.only(keep), (note + "; ".join(causes) + ".",)


def first_stage(sample: Sample, effects: tuple[Effect, ...]) -> FirstStage:
    """Regress the outcome on regressors and effects, on untreated rows."""
    absorbed = absorb(sample, effects)
    found = estimate_slopes(sample, absorbed, untreated_words(effects))
    return FirstStage(sample, absorbed, found.coef, found.bread, found.notes)


def untreated_words(effects: tuple[Effect, ...]) -> str:
    """Say within what a regression on untreated rows looks for variation."""
    return f"{' + '.join(map(str, effects))} among untreated rows"


def _linked(sample: Sample, untreated: BoolArray, effect: Effect) -> BoolArray:
    """Rows whose unit and level untreated rows link, shape (rows of the sample,).

    The difference of their effects is identified if and only if they are.
    """
    unit, level = sample.codes((sample.source.unit,)), sample.codes(effect.columns)
    shown = np.unique(level[untreated])
    if (np.bincount(unit[untreated]) == shown.size).any():
        return np.ones(unit.size, dtype=bool)
    units, levels = sample.source.n_units, sample.source.levels(effect.columns)
    edges = sparse.coo_array(
        (np.ones(int(untreated.sum())), (unit[untreated], units + level[untreated])),
        shape=(units + levels, units + levels),
    )
    part = connected_components(edges, directed=False)[1]
    return np.asarray(part[unit] == part[units + level])
