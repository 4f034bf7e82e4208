"""Likelihood-ratio tests, with the right distribution where variances are on the boundary."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.data.panel.agreement import same_order, same_sample
from panelml.diagnostics.estimable import canonical
from panelml.diagnostics.likelihoods import Likelihood, likelihood_of, wrong_kind
from panelml.diagnostics.residuals_within import residuals_within
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.errors import SpecificationError
from panelml.inference.distributions import chi2_tail
from panelml.inference.testing import TestResult
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.refitting import any_refitter
from panelml.results.base import Results

__all__ = ["lr_test"]

Method: TypeAlias = Literal["asymptotic", "bootstrap"]

NAME = "Likelihood-ratio test"
NULL = "the smaller model holds: what the larger one adds is zero"


# With fewer, the mixture rejects visibly less often than it says: in balanced one-way models at
# 5 % and maximum likelihood 2.5 % with 9 groups, 3.8 % with 50.
FEW_GROUPS = 50
ROUNDING = 1e-11


@checked
@capped
def lr_test(
    small: Results,
    large: Results,
    *,
    method: Method = "asymptotic",
    reps: int = 999,
    seed: int = 0,
) -> TestResult:
    """Likelihood-ratio test of a mixed model against a larger one that contains it.

    Parameters
    ----------
    small, large : MixedResults, or small of PooledOLS
        Fitted to the same rows, outcome and weights; by maximum likelihood where their fixed
        effects differ. Pooled least squares is the model without random terms.
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
    1171-1177. With few groups the zero half of the mixture is more than half: Crainiceanu and
    Ruppert (2004), *JRSS B* 66, 165-185.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> small = pm.MixedModel("lwage ~ 1 + (1 | nr)", reml=False).fit(panel)
    >>> large = pm.MixedModel("lwage ~ union + (1 | nr)", reml=False).fit(panel)
    >>> print(round(pm.lr_test(small, large).statistic, 2))
    26.9
    """
    null, wide = nested_pair(small, large)
    fixed = len(wide.params) - len(small.params)
    statistic = 2 * (wide.loglik - null.loglik)
    if statistic < -1e-6 * abs(wide.loglik):
        raise SpecificationError(
            "The larger model has the lower likelihood: the two are not nested, or are in the "
            "wrong order."
        )
    # A variance at zero leaves the likelihood as it is, but for rounding.
    statistic = statistic if statistic > ROUNDING * abs(wide.loglik) else 0.0
    if method == "bootstrap":
        return _bootstrap_test(null, wide, statistic, reps, seed)
    return _asymptotic_test(null, wide, statistic, fixed)


def _asymptotic_test(
    null: Likelihood, wide: MixedResults, statistic: float, fixed: int
) -> TestResult:
    """Refer the statistic to its distribution in large samples; ``fixed`` effects are added."""
    after = likelihood_of(wide, restricted=null.restricted)
    added = _added_variances(null, after)
    df = after.parameters - null.parameters + fixed
    if df == 0:
        raise SpecificationError("The two models have the same parameters.")
    few = _few_groups(wide, added)
    if len(added) == 1:
        weights = np.zeros(df + 1)
        weights[[df - 1, df]] = 0.5
        return TestResult(
            NAME,
            NULL,
            statistic,
            chi_bar_pvalue(statistic, weights),
            f"chi-bar2({df - 1}, {df})",
            (df - 1, df),
            notes=("The variance is tested on the boundary of its range: an even mixture.", *few),
        )
    notes: tuple[str, ...] = ()
    if added:
        notes = (
            f"{len(added)} variances are tested on the boundary: this p-value is an upper bound.",
            *few,
        )
    pvalue = chi2_tail(statistic, df)
    return TestResult(NAME, NULL, statistic, pvalue, f"chi2({df})", (df,), notes=notes)


def _bootstrap_test(
    null: Likelihood, large: MixedResults, statistic: float, reps: int, seed: int
) -> TestResult:
    """Share of simulated statistics that are as large, with the observed one among them."""
    if not same_order(null.sample, large._sample):
        raise SpecificationError(
            "The bootstrap gives both models the same simulated outcomes, row by row: fit them to "
            "one data frame."
        )
    draws = bootstrap_statistics(null.fit, large, reps, seed)
    pvalue = (1 + int((draws >= statistic).sum())) / (1 + draws.size)
    failed = reps - draws.size
    notes = (f"{failed} of {reps} draws did not converge and are left out.",) if failed else ()
    return TestResult(
        NAME,
        NULL,
        statistic,
        pvalue,
        f"LR, {draws.size:,} bootstrap draws",
        (),
        notes=notes,
    )


def bootstrap_statistics(small: Results, large: MixedResults, reps: int, seed: int) -> FloatArray:
    """Return likelihood-ratio statistics of outcomes simulated from the smaller model.

    Source: Davison and Hinkley (1997), *Bootstrap Methods and their Application*, section 4.2.
    """
    null = likelihood_of(small, restricted=large.random.coefficients.restricted)
    other, second = any_refitter(large.refits), large._sample
    refit = null.refits()
    found = []
    for rep in counted(reps, "Bootstrap"):
        outcome = refit.draw(seed, rep)
        moved = second.panel.index.sort(null.sample.scatter(outcome)).astype(np.float64)
        wide = other.fit(moved if second.keep is None else moved[second.keep])
        loglik = refit.loglik(outcome)
        if wide.converged and not np.isnan(loglik):
            found.append(max(2 * (wide.loglik - loglik), 0.0))
    return np.array(found)


def chi_bar_pvalue(statistic: float, weights: FloatArray) -> float:
    """Upper tail of a mixture of chi-squared distributions; ``weights[k]`` is that of k df."""
    tails = [
        chi2_tail(statistic, df) if df else float(statistic <= 0) for df in range(len(weights))
    ]
    return float(np.dot(weights, tails))


def nested_pair(small: Results, large: Results) -> tuple[Likelihood, MixedResults]:
    """Take two fits whose likelihoods can be compared.

    Raises
    ------
    SpecificationError
        If one has no such likelihood, samples or kinds of likelihood differ, or the first is not
        contained in the second.
    """
    pooled = isinstance(large, Results) and large.facts.kind == "pooled"
    if isinstance(small, MixedResults) and pooled:
        raise SpecificationError(f"{large.model} is the smaller model: pass it first.")
    if not isinstance(large, MixedResults):
        raise wrong_kind(large)
    restricted = large.random.coefficients.restricted
    null = likelihood_of(small, restricted=restricted)
    same = small.depvar == large.depvar and same_sample(null.sample, large._sample)
    if not same:
        raise SpecificationError(
            "The two models must be fitted to the same rows and outcome. Their rows, the values of "
            "the outcome or of a variable that both formulas name, or weights differ."
        )
    if null.restricted is not restricted:
        raise SpecificationError("One model is fitted by REML and the other by ML.")
    before, after = ({canonical(str(name)) for name in fit.params.index} for fit in (small, large))
    if restricted and before != after:
        raise SpecificationError(
            "Restricted likelihoods with different fixed effects cannot be compared: fit both "
            "models with reml=False."
        )
    if not before <= after:
        raise SpecificationError("The smaller model has fixed effects that the larger one lacks.")
    return null, large


def _added_variances(null: Likelihood, wide: Likelihood) -> list[tuple[str, str]]:
    """Find the variances that the larger model adds."""
    if not set(null.variances) <= set(wide.variances):
        raise SpecificationError("The smaller model has random terms that the larger one lacks.")
    if not null.covariances <= wide.covariances:
        raise SpecificationError(
            "The smaller model has correlated random coefficients that are uncorrelated in the "
            "larger one, which therefore does not contain it."
        )
    time = wide.sample.source.time
    if not residuals_within(null.residual, wide.residual, time):
        raise SpecificationError(
            "The residuals of the smaller model depend on each other, or vary, in a way that those "
            "of the larger one cannot, so that it is not contained in it. Compare by aic or bic."
        )
    return [variance for variance in wide.variances if variance not in null.variances]


def _few_groups(large: MixedResults, added: list[tuple[str, str]]) -> tuple[str, ...]:
    """Say that the mixture is conservative where a variance is between few groups."""
    names = {name for name, _ in added}
    counts = {
        part.name: int((large._sample.level_rows(part.group) > 0).sum())
        for part in large.random.parts
        if ":".join(sorted(part.group)) in names
    }
    few = {name: count for name, count in counts.items() if count < FEW_GROUPS}
    if not few:
        return ()
    words = " and ".join(f"{count} groups of {name}" for name, count in few.items())
    return (
        f"Only {words}: with few groups the asymptotic p-value is too large (at 5 % a test with "
        "about ten groups rejects 2.5 % by maximum likelihood, and 4 % by REML, in balanced data). "
        "method='bootstrap' is exact but for simulation.",
    )
