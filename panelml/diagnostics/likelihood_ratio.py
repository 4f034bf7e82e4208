"""Likelihood-ratio tests, with the right distribution where variances are on the boundary."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.errors import SpecificationError, check_choice, check_count
from panelml.inference.distributions import chi2_tail
from panelml.inference.testing import TestResult
from panelml.results.mixed import MixedResults
from panelml.results.mixed_inference import any_refitter, truth_of

__all__ = ["lr_test"]

Method: TypeAlias = Literal["asymptotic", "bootstrap"]


@checked
@capped
def lr_test(
    small: MixedResults, large: MixedResults, *,
    method: Method = "asymptotic", reps: int = 999, seed: int = 0,
) -> TestResult:  # fmt: skip
    """Test a mixed model against a larger one that contains it.

    Parameters
    ----------
    small, large : MixedResults
        Fitted to the same rows; by maximum likelihood where their fixed effects differ.
    method : {"asymptotic", "bootstrap"}
        Refer the statistic to its distribution in large samples, or to that in outcomes simulated
        from the smaller model and fitted by both.
    reps, seed : int
        Of the bootstrap.

    Returns
    -------
    TestResult
        Where a random coefficient is added to r others of its group, the statistic is a mixture:
        half chi-squared with r degrees of freedom, half with r + 1, besides any added fixed
        effects. Where several variances are added, the p-value by the largest number of
        parameters is an upper bound, and the notes say so.

    Raises
    ------
    SpecificationError
        If the two cannot be compared.

    Notes
    -----
    Source: Self and Liang (1987), *JASA* 82, 605-610; Stram and Lee (1994), *Biometrics* 50,
    1171-1177.
    """
    check_choice("method", method, Method)
    _check_comparable(small, large)
    fixed = len(large.params) - len(small.params)
    statistic = 2 * (large.loglik - small.loglik)
    if statistic < -1e-6 * abs(large.loglik):
        raise SpecificationError(
            "The larger model has the lower likelihood: the two are not nested, or are in the "
            "wrong order."
        )
    statistic = max(statistic, 0.0)
    if method == "bootstrap":
        return _bootstrap_test(small, large, statistic, reps, seed)
    added, parameters = _added_variances(small, large)
    null = "the smaller model holds: what the larger one adds is zero"
    name = "Likelihood-ratio test"
    if added == 1:
        weights = np.zeros(parameters + fixed + 1)
        weights[[parameters - 1 + fixed, parameters + fixed]] = 0.5
        return TestResult(
            name, null, statistic, chi_bar_pvalue(statistic, weights),
            f"chi-bar2({parameters - 1 + fixed}, {parameters + fixed})",
            (parameters - 1 + fixed, parameters + fixed),
            notes=("The variance is tested on the boundary of its range: an even mixture.",),
        )  # fmt: skip
    df = parameters + fixed
    if df == 0:
        raise SpecificationError("The two models have the same parameters.")
    notes: tuple[str, ...] = ()
    if added > 1:
        notes = (f"{added} variances are tested on the boundary: this p-value is an upper bound.",)
    pvalue = chi2_tail(statistic, df)
    return TestResult(name, null, statistic, pvalue, f"chi2({df})", (df,), notes=notes)


def _bootstrap_test(
    small: MixedResults, large: MixedResults, statistic: float, reps: int, seed: int
) -> TestResult:
    """Share of simulated statistics that are as large, with the observed one among them."""
    check_count("reps", reps)
    draws = bootstrap_statistics(small, large, reps, seed)
    pvalue = (1 + int((draws >= statistic).sum())) / (1 + draws.size)
    failed = reps - draws.size
    notes = (f"{failed} of {reps} draws did not converge and are left out.",) if failed else ()
    return TestResult(
        "Likelihood-ratio test", "the smaller model holds: what the larger one adds is zero",
        statistic, pvalue, f"LR, {draws.size:,} bootstrap draws", (), notes=notes,
    )  # fmt: skip


def bootstrap_statistics(
    small: MixedResults, large: MixedResults, reps: int, seed: int
) -> FloatArray:
    """Return likelihood-ratio statistics of outcomes simulated from the smaller model.

    Source: Davison and Hinkley (1997), *Bootstrap Methods and their Application*, section 4.2.
    """
    null, other, truth = any_refitter(small), any_refitter(large), truth_of(small)
    first, second = small._sample, large._sample
    found = []
    for rep in counted(reps, "Bootstrap"):
        outcome = null.draw(truth, seed, rep)
        moved = second.panel.index.sort(first.scatter(outcome)).astype(np.float64)
        fits = null.fit(outcome), other.fit(moved if second.keep is None else moved[second.keep])
        if all(fit.converged for fit in fits):
            found.append(max(2 * (fits[1].loglik - fits[0].loglik), 0.0))
    return np.array(found)


def chi_bar_pvalue(statistic: float, weights: FloatArray) -> float:
    """Upper tail of a mixture of chi-squared distributions; ``weights[k]`` is that of k df."""
    tails = [
        chi2_tail(statistic, df) if df else float(statistic <= 0) for df in range(len(weights))
    ]
    return float(np.dot(weights, tails))


def _check_comparable(small: MixedResults, large: MixedResults) -> None:
    if small.nobs != large.nobs or small.depvar != large.depvar:
        raise SpecificationError("The two models must be fitted to the same rows and outcome.")
    restricted = {fit.spec.reml for fit in (small, large)}  # type: ignore[attr-defined]
    if len(restricted) > 1:
        raise SpecificationError("One model is fitted by REML and the other by ML.")
    if restricted == {True} and list(small.params.index) != list(large.params.index):
        raise SpecificationError(
            "Restricted likelihoods with different fixed effects cannot be compared: fit both "
            "models with reml=False."
        )
    if not set(small.params.index) <= set(large.params.index):
        raise SpecificationError("The smaller model has fixed effects that the larger one lacks.")


def _added_variances(small: MixedResults, large: MixedResults) -> tuple[int, int]:
    """Count the variances that the larger model adds, and all its added (co)variances."""
    before, after = (set(_variances(fit)) for fit in (small, large))
    if not before <= after:
        raise SpecificationError("The smaller model has random terms that the larger one lacks.")
    return len(after - before), _parameters(large) - _parameters(small)


def _variances(fit: MixedResults) -> list[tuple[str, str]]:
    return [(part.name, label) for part in fit.random.parts for label in part.labels]


def _parameters(fit: MixedResults) -> int:
    residual = fit.residual.form.size if fit.residual else 0
    return residual + sum(len(part.labels) + len(part.correlations()) for part in fit.random.parts)
