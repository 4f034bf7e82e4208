"""Fixed effects: any number of absorbed effects, with slopes of their own if asked."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.arguments import checked
from panelml.core.block import Block
from panelml.core.groups import group_means, spread
from panelml.core.moments import CrossProducts, PanelMoments
from panelml.data.formula.formula import Effect, Formula, parse_formula
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.data.source.source import Source
from panelml.engine.absorbing import (
    Absorbed,
    absorb,
    require_effect_columns,
    single_row_notes,
)
from panelml.engine.fold import capped, fold
from panelml.engine.least_squares import LeastSquares, least_squares
from panelml.engine.sampling import make_sample, normalised, require_source
from panelml.errors import (
    IdentificationError,
    SpecificationError,
)
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.results.assemble import (
    assemble,
    describe,
    gaussian_loglik,
    log_weights,
)
from panelml.results.base import FitStatistics, Results
from panelml.results.facts import Assumption, Facts
from panelml.results.fit import Fit, regression_estimate
from panelml.results.levels import AbsorbedEffects
from panelml.results.measures import Measures, component
from panelml.results.prediction import Predictor

__all__ = ["FixedEffects"]

_DEFINED = (
    component("corr_u_xb", "Correlation of the unit effects with xb", False),
    component("constant", "Constant: mean of the effects", False),
    component("rsquared_inclusive", "R-squared with the effects", False),
)

Singletons: TypeAlias = Literal["keep", "drop"]


@checked
@dataclass(frozen=True, slots=True)
class FixedEffects:
    """Fixed effects: least squares within units, or the levels of any absorbed effects.

    Parameters
    ----------
    formula : str
        ``"y ~ x"`` absorbs the units; ``"y ~ x | unit + year"``, ``"y ~ x | unit + state^year"``
        and ``"y ~ x | unit[trend]"`` absorb what they say.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    singletons : {"keep", "drop"}
        What to do with levels of a single row. They do not move the estimates; kept, they count
        as observations in small-sample factors, as in Stata's xtreg and fixest.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union + married | nr + year").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'union': 0.083, 'married': 0.058}
    """

    formula: str
    _: KW_ONLY
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    singletons: Singletons = "keep"

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        source = require_source(data)
        formula = _spanned(parse_formula(self.formula), source)
        effects = formula.effects or ()
        others = tuple(e.columns for e in effects if e.columns != (source.unit,))
        slopes = tuple(dict.fromkeys(name for effect in effects for name in effect.slopes))
        sample, notes = make_sample(
            source, formula, parse_weights(self.weights), tuple(dict.fromkeys(others)), slopes
        )
        sample, more = _singletons(sample, effects, drop=self.singletons == "drop")
        effects = tuple(_with_intercept(sample, effect, effects) for effect in effects)
        absorbed = absorb(sample, effects)
        assumption = Assumption.ANY_EFFECTS
        facts = Facts("fixed", "Fixed effects", absorbed=effects, assumption=assumption)
        return assemble(_finish(self, sample, absorbed, facts, (*notes, *more)), self.cov)


def _spanned(formula: Formula, source: Source) -> Formula:
    """Fill in the unit effect and keep the constant, which decides how categories are coded."""
    effects = (Effect((source.unit,)),) if formula.effects is None else _merged(formula.effects)
    if not effects:
        raise SpecificationError("Nothing is absorbed after '|'. Use PooledOLS without effects.")
    require_effect_columns(effects, source.columns)
    return replace(formula, effects=effects, intercept=True)


def _merged(effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """Join effects of the same levels: ``unit + unit[trend]`` is ``unit[trend]``."""
    merged: dict[tuple[str, ...], Effect] = {}
    for effect in effects:
        before = merged.get(effect.columns, Effect(effect.columns, intercept=False))
        slopes = tuple(dict.fromkeys([*before.slopes, *effect.slopes]))
        merged[effect.columns] = Effect(
            effect.columns, slopes, before.intercept or effect.intercept
        )
    return tuple(merged.values())


def _with_intercept(sample: Sample, effect: Effect, effects: tuple[Effect, ...]) -> Effect:
    """Read ``state[[trend]]`` beside intercepts of each state's units as ``state[trend]``.

    The two are the same model, and of the second the slope variable's mean costs no digits.
    """
    if effect.intercept:
        return effect
    spanned = any(e.intercept and sample.is_nested(e.columns, effect.columns) for e in effects)
    return replace(effect, intercept=spanned)


def _finish(
    spec: FixedEffects, sample: Sample, absorbed: Absorbed, facts: Facts, notes: tuple[str, ...]
) -> Fit:
    """Solve the regression of what is left of the rows, and describe it."""
    moments, effects = absorbed.moments, facts.absorbed
    words = facts.absorbed_words
    _require_variation(absorbed, words)
    solved = least_squares(
        sample,
        absorbed.transform,
        absorbed.gram,
        resolution=absorbed.resolution,
        absorbed=words,
    )
    n, rank = round(moments.weight), absorbed.rank
    counts = Counts(n, len(solved.names), False, effects, rank, effects_rank=rank)
    sigma2 = solved.solution.rss / max(counts.df_resid, 1)
    has_constant = any(effect.intercept for effect in effects)
    constant = solved.intercept(moments.overall.mean) if has_constant else 0.0
    return Fit(
        spec=spec,
        facts=facts,
        estimate=regression_estimate(solved, counts, sigma2, absorbed=absorbed.plan),
        params=solved.params,
        statistics=_statistics(solved, absorbed, effects, sigma2=sigma2, constant=constant),
        predictor=Predictor.of(sample, solved.slopes, constant),
        notes=(*notes, *absorbed.notes, *solved.notes),
        effects=AbsorbedEffects(effects, absorbed.plan),
    )


def _statistics(
    solved: LeastSquares,
    absorbed: Absorbed,
    effects: tuple[Effect, ...],
    *,
    sigma2: float,
    constant: float,
) -> FitStatistics:
    """Describe the fit; R-squared within is that of the regression."""
    sample, moments, rss = solved.sample, absorbed.moments, solved.solution.rss
    within = 1 - rss / float(absorbed.gram[0, 0])
    extras = {
        "sigma_e": float(np.sqrt(sigma2)),
        "constant": constant,
        "rsquared_inclusive": 1 - rss / float(moments.overall.centred[0, 0]),
    }
    if effects == (Effect((sample.source.unit,)),):
        extras = {**_unit_effects(moments, solved.slopes, sigma2), **extras}
    log_weight = log_weights(sample, moments.log_weight)
    statistics = describe(
        solved,
        moments,
        rsquared=within,
        loglik=gaussian_loglik(rss, round(moments.weight), log_weight),
        extras=Measures.of(extras, _DEFINED),
    ).with_measures({"rsquared_within": within})
    if sample.weighting == "analytic":
        return _unweighted(statistics, sample, solved.slopes)
    return statistics


def _unit_effects(moments: PanelMoments, slopes: FloatArray, sigma2_e: float) -> dict[str, float]:
    """Spread of the units' effects, their share, and correlation with xb, as Stata's xtreg."""
    weight = moments.means.weight
    direction = np.concatenate([[1.0], -slopes])
    xb_total = float(slopes @ moments.overall.centred[1:, 1:] @ slopes)
    u = direction @ moments.means.mean
    deviation = weight * (u - np.average(u, weights=weight))
    u_total = float(deviation @ (deviation / weight))
    joint = float(slopes @ (moments.means.mean - moments.overall.mean[:, None])[1:] @ deviation)
    sigma2_u = float(np.var(u, ddof=1)) if u.size > 1 else 0.0
    total, size = sigma2_u + sigma2_e, float(np.sqrt(xb_total * u_total))
    return {
        "sigma_u": float(np.sqrt(sigma2_u)),
        "sigma_e": float(np.sqrt(sigma2_e)),
        "rho": sigma2_u / total if total > 0 else float("nan"),
        "corr_u_xb": joint / size if size > 0 else float("nan"),
    }


def _unweighted(statistics: FitStatistics, sample: Sample, slopes: FloatArray) -> FitStatistics:
    """Correlate y and u_i with xb over rows, where Stata's xtreg leaves the weights out."""

    def products(block: Block) -> CrossProducts:
        y, xb = block.outcome, slopes @ block.regressors
        u = spread(group_means(y - xb, block.starts, block.weights), block.unit)
        return CrossProducts.of(np.stack([y, xb, u]))

    c = fold(sample, products).centred
    with np.errstate(invalid="ignore", divide="ignore"):
        y, u = c[[0, 2], 1] / np.sqrt(np.diag(c)[[0, 2]] * c[1, 1])
    values = {"rsquared_overall": float(y**2)}
    if "corr_u_xb" in statistics.measures:
        values["corr_u_xb"] = float(u)
    return statistics.with_measures(values)


def _require_variation(absorbed: Absorbed, words: str) -> None:
    if absorbed.gram[0, 0] <= absorbed.resolution.floor[0]:
        raise IdentificationError(
            f"The outcome does not vary within {words}: there is nothing left to explain."
        )


def _singletons(
    sample: Sample, effects: tuple[Effect, ...], *, drop: bool
) -> tuple[Sample, tuple[str, ...]]:
    """Count rows alone in a level, and drop them, and those then alone, if asked."""
    notes = single_row_notes(sample, effects)
    if not notes or not drop:
        return sample, notes
    codes = [sample.codes(effect.columns) for effect in effects]
    keep = np.ones(sample.nobs, dtype=bool)
    alone = _alone(codes, keep)
    while alone.any():
        keep &= ~alone
        alone = _alone(codes, keep)
    if not keep.any():
        raise IdentificationError("Every row is alone in a level of an absorbed effect.")
    dropped = int((~keep).sum())
    return normalised(sample.only(keep)), (
        f"Dropped {dropped:,} rows alone in a level of an absorbed effect.",
    )


def _alone(codes: list[IntArray], keep: BoolArray) -> BoolArray:
    alone = np.zeros(keep.size, dtype=bool)
    for column in codes:
        alone |= keep & (np.bincount(column[keep], minlength=int(column.max()) + 1)[column] == 1)
    return alone
