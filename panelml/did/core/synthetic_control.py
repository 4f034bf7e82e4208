"""Weights of comparison units that match predictors, and how much each predictor counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from panelml._typing import FloatArray
from panelml.did.core.synthetic import Weighted, nearest_mix

__all__ = ["Match", "Mix", "fit_mix", "match_weights", "root_mean_square", "weigh_by_predictors"]

# Predictors decide between weights; outcomes only where predictors leave them undecided.
TIE = 1e-12
# No predictor counts less than by this factor, in logarithms, than the most important one: they
# are all there to be matched, and the search would otherwise end with one of them alone.
SPAN = 14.0
POLISH_STEPS = 400
POLISHES = 10


@dataclass(frozen=True, slots=True)
class Match:
    """What a mix of comparison units is to match, as differences from the treated.

    Weights add up to one, so differences are all there is to know.

    Attributes
    ----------
    predictors : FloatArray, shape (k, n)
        Of n comparison units less those of the treated, each over its standard deviation.
    outcomes : FloatArray, shape (t, n)
        Before adoption, of comparison units less those of the treated.
    prior : FloatArray, shape (k,)
        Importance by the regression of outcomes on predictors over all units.
    """

    predictors: FloatArray
    outcomes: FloatArray
    prior: FloatArray

    @classmethod
    def of(cls, predictors: FloatArray, outcomes: FloatArray) -> Match:
        """Compare column 0, the treated, with the others.

        Parameters
        ----------
        predictors : FloatArray, shape (k, 1 + n)
        outcomes : FloatArray, shape (t, 1 + n)
        """
        spread = predictors.std(axis=1, ddof=1, keepdims=True)
        scaled = predictors / np.where(spread > 0, spread, 1.0)
        design = np.concatenate([np.ones((1, scaled.shape[1])), scaled])
        slopes = np.linalg.lstsq(design.T, outcomes.T, rcond=None)[0][1:]
        prior = np.maximum((slopes**2).sum(axis=1), 1e-300)
        return cls(
            scaled[:, 1:] - scaled[:, :1], outcomes[:, 1:] - outcomes[:, :1], prior / prior.sum()
        )


@dataclass(frozen=True, slots=True)
class Mix:
    """Weights of comparison units.

    Attributes
    ----------
    weights : FloatArray, shape (n,)
        Not negative, with sum one.
    importance : FloatArray, shape (k,)
        How much each predictor counts, with sum one.
    rmspe : float
        Root mean squared difference of outcomes before adoption.
    """

    weights: FloatArray
    importance: FloatArray
    rmspe: float


def root_mean_square(gap: FloatArray) -> FloatArray:
    """Root of the mean square over the last axis."""
    return np.asarray(np.sqrt((gap**2).mean(axis=-1)))


def match_weights(match: Match, importance: FloatArray) -> FloatArray:
    """Weights whose mix comes nearest in predictors, shape (n,).

    Minimises the sum over predictors of importance times squared difference.

    Parameters
    ----------
    match : Match
    importance : FloatArray, shape (k,)
        Not negative.
    """
    return nearest_mix(
        np.concatenate(
            [
                np.sqrt(importance)[:, None] * match.predictors,
                np.sqrt(TIE * importance.max()) * _scaled(match.outcomes),
            ]
        )
    )


def fit_mix(
    match: Match, importance: FloatArray | None = None, *, starts: int = 8, seed: int = 0
) -> Mix:
    """Choose weights, and unless given, the importance with which outcomes are matched best.

    Parameters
    ----------
    match : Match
    importance : FloatArray, shape (k,), optional
    starts : int
        Number of random points from which the search starts, beside equal importance, that of a
        regression, and each predictor almost alone.
    seed : int

    Notes
    -----
    Source: Abadie, Diamond and Hainmueller (2010), *JASA* 105, 493-505, section 2.3. The
    search has several local minima: gradients lead down from each start, and simplexes from
    the best take it through the kinks where units enter or leave the mix.
    """
    if importance is None:
        importance = _best_importance(match, starts, seed)
    weights = match_weights(match, importance)
    gap = match.outcomes @ weights
    return Mix(weights, importance / importance.sum(), float(root_mean_square(gap)))


def weigh_by_predictors(
    others: FloatArray,
    treated: FloatArray,
    before: int,
    predictors: FloatArray,
    importance: FloatArray | None = None,
) -> Weighted:
    """Weight comparison units by predictors, and read off the effects.

    Parameters
    ----------
    others : FloatArray, shape (n, T)
        Outcomes of the comparison units.
    treated : FloatArray, shape (T,)
        Mean outcome of the treated.
    before : int
        Number of periods before adoption.
    predictors : FloatArray, shape (k, 1 + n)
        Of the treated, then of the others.
    importance : FloatArray, shape (k,), optional
        Searched for if not given.
    """
    outcomes = np.concatenate([treated[None], others])[:, :before].T
    mix = fit_mix(Match.of(predictors, outcomes), importance)
    gap = treated - mix.weights @ others
    return Weighted(mix.weights, np.zeros(before), gap, gap[before:], mix.importance)


def _best_importance(match: Match, starts: int, seed: int) -> FloatArray:
    k = len(match.predictors)
    if k == 1:
        return np.ones(1)
    rng = np.random.default_rng(seed)
    informed = np.vstack([np.zeros(k), _logs(match.prior), _logs(np.eye(k) + 0.02)])
    points = np.vstack([informed, _logs(rng.dirichlet(np.ones(k), starts))])
    found = [
        minimize(
            _loss,
            point,
            args=(match,),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-SPAN / 2, SPAN / 2)] * k,
            options={"maxiter": 100},
        )
        for point in points
    ]
    best = min(found, key=lambda trial: float(trial.fun))
    return _values(_polished(np.asarray(best.x), float(best.fun), match))


def _polished(point: FloatArray, height: float, match: Match) -> FloatArray:
    """Walk simplexes from a point, each from where the last one collapsed, until none gains."""
    for _ in range(POLISHES):
        walked = minimize(
            _height,
            point,
            args=(match,),
            method="Nelder-Mead",
            options={"maxfev": POLISH_STEPS * point.size, "xatol": 1e-6, "fatol": 1e-14 * height},
        )
        gain = height - float(walked.fun)
        if gain <= 0:
            break
        point, height = np.asarray(walked.x), float(walked.fun)
        if gain <= 1e-12 * height:
            break
    return point


def _height(point: FloatArray, match: Match) -> float:
    gap = match.outcomes @ match_weights(match, _values(point))
    return float(gap @ gap) / len(gap)


def _loss(point: FloatArray, match: Match) -> tuple[float, FloatArray]:
    """Mean squared difference of outcomes and its gradient in logarithms of importance.

    Units with zero weight keep it for small changes. The others solve the equations of the
    minimum with a multiplier for the sum of weights, whose derivative is taken backwards.
    """
    importance = _values(point)
    weights = match_weights(match, importance)
    used = weights > 0
    near, far = match.predictors[:, used], match.outcomes[:, used]
    gap, miss = far @ weights[used], near @ weights[used]
    n = int(used.sum())
    system = np.ones((n + 1, n + 1))
    system[n, n] = 0.0
    z = _scaled(match.outcomes)[:, used]
    system[:n, :n] = near.T @ (importance[:, None] * near) + TIE * importance.max() * (z.T @ z)
    slope = np.append(2 * far.T @ gap / len(gap), 0.0)
    back = np.linalg.lstsq(system, slope, rcond=1e-15)[0][:n]
    raw = -importance * miss * (near @ back)
    # Importances have the sum one, of which the logarithms take a softmax.
    return float(gap @ gap) / len(gap), raw


def _values(point: FloatArray) -> FloatArray:
    """Importances with sum one; their common scale changes no weight, so none in gradients."""
    raised = np.exp(np.maximum(point - point.max(), -SPAN))
    return np.asarray(raised / raised.sum())


def _logs(importance: FloatArray) -> FloatArray:
    logs = np.log(np.maximum(importance, 1e-300))
    top: FloatArray = logs.max(axis=-1, keepdims=True)
    return np.asarray(np.maximum(logs - top, -0.9 * SPAN) + SPAN / 2)


def _scaled(outcomes: FloatArray) -> FloatArray:
    size = float(np.sqrt((outcomes**2).sum() / outcomes.shape[1]))
    return outcomes / (size or 1.0)
