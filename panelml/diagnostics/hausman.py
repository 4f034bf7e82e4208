"""Hausman tests, of whether two fits estimate the same coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.moments import PanelMoments
from panelml.data.formula.formula import Effect
from panelml.diagnostics.auxiliary import auxiliary_regression
from panelml.diagnostics.contrasts import (
    JointInfluence,
    QuadraticForm,
    difference_form,
    distinct_directions,
    joint_form,
)
from panelml.diagnostics.estimable import canonical
from panelml.diagnostics.pairs import FitPair, make_pair
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.clusters import (
    few_clusters,
    multiway,
    read_dimensions,
    require_whole_units,
)
from panelml.inference.correction import parse_small_sample
from panelml.inference.covariance import Clustered, CovLike, CovSpec, Iid, parse
from panelml.inference.distributions import f_tail
from panelml.inference.testing import TestResult, chi2_test
from panelml.inference.wald import quadratic_form
from panelml.results.base import Results

__all__ = ["hausman"]

EXPLANATIONS = (
    "Unit effects that correlate with regressors are one explanation; measurement error, feedback "
    "from past outcomes and misspecified dynamics are others."
)

Method: TypeAlias = Literal["auto", "classical", "sigmamore", "sigmaless", "auxiliary", "robust"]


@checked
def hausman(
    a: Results, b: Results, *, method: Method = "auto", cov: CovLike | None = None
) -> TestResult:
    """Hausman test: two fits estimate the same coefficients.

    Parameters
    ----------
    a, b : Results
        Any two fits of the same outcome on the same panel, in any order: which of them is
        efficient under the null hypothesis is known for fixed effects, between, random effects
        and pooled OLS.
    method : str
        - ``"classical"``: the difference of the covariances that the models imply (Hausman
          1978), as in Stata and plm; fixed effects and between are independent, so that their
          covariances add up.
        - ``"sigmamore"``, ``"sigmaless"``: classical, with both covariances at the error
          variance of the efficient or of the consistent fit.
        - ``"auxiliary"``: a test of the deviations from unit means in the regression of random
          effects or pooled OLS (Mundlak's test), with the covariance of the fits.
        - ``"robust"``: the covariance of the difference from the joint influence of both fits,
          clustered as they are; any two fits.
        - ``"auto"``: classical if both fits have iid covariances and one is efficient, otherwise
          robust.
    cov : str or covariance, optional
        For auxiliary and robust tests, instead of the clusters of the fits.

    Returns
    -------
    TestResult
        Where the difference of the covariances is not positive definite, the quadratic form as
        Stata and plm print it, which is not ``conclusive``, and a first note that says so.

    Raises
    ------
    SpecificationError
        If the fits cannot be compared so.
    IdentificationError
        If they have no slope in common that both identify, or the same slopes by construction.

    Notes
    -----
    Compared are the functions of the common coefficients that are estimable in both fits, found
    by rank: where a collinear regressor was dropped from one of them, coefficients of the same
    name are not the same function. Source: Hausman (1978), *Econometrica* 46, 1251-1271. The
    robust form holds whether or not a fit is efficient: ``b_a - b_b`` is a mean of
    ``psi_a - psi_b``, whose sums over clusters are independent (White 1982, *Econometrica* 50,
    section 5).

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fixed = pm.FixedEffects("lwage ~ union + married").fit(panel)
    >>> random = pm.RandomEffects("lwage ~ union + married").fit(panel)
    >>> print(round(pm.hausman(fixed, random).statistic, 2))
    11.18
    """
    pair = make_pair(a, b)
    if method == "auto":
        return _automatic(pair, cov)
    if method == "robust":
        return _robust(pair, cov)
    _require_same_rows(pair, method)
    if method == "auxiliary":
        return _auxiliary(pair, cov)
    if cov is not None:
        raise SpecificationError(
            f"method={method!r} uses the covariances that the models imply; cov= is for robust "
            "and auxiliary tests."
        )
    return _classical(pair, method)


def _automatic(pair: FitPair, cov: CovLike | None) -> TestResult:
    iid = all(_is_iid(fit) for fit in (pair.first, pair.second)) and cov is None
    if not iid:
        why = "robust, because the fits are not both iid" if cov is None else "robust, as cov= asks"
    elif pair.relation == "unranked":
        why = "robust, because neither fit is known to be efficient"
    elif not pair.same_rows:
        why = "robust, because the fits use different rows"
    else:
        found, why = _by_model_covariances(pair)
        if found is not None:
            return replace(found, notes=(*found.notes, f"Method: {why}."))
    found = _robust(pair, cov)
    return replace(found, notes=(*found.notes, f"Method: {why}."))


def _by_model_covariances(pair: FitPair) -> tuple[TestResult | None, str]:
    """Test by the covariances of iid fits, and say why; None if they do not give a clear answer.

    In directions in which the fits are nearly the same, the difference of their covariances is
    mostly one of two estimates of the error variance. An answer that depends on these is none.
    """
    iid = "because both covariances are iid"
    if pair.relation == "efficient" and len(_distinct(pair)) < len(pair.basis):
        found = _classical(pair, "sigmamore")
        return found, f"sigmamore, {iid} and the fits agree by construction in some directions"
    found = _classical(pair, "classical")
    if not found.conclusive:
        return None, "robust, because the difference of the covariances is not positive definite"
    if pair.relation == "efficient":
        equal = _classical(pair, "sigmamore")
        if equal.conclusive and (equal.pvalue < 0.05) != (found.pvalue < 0.05):
            return None, (
                "robust, because the classical test and sigmamore, which differ by the estimate of "
                "the error variance alone, do not agree at the 5 % level"
            )
    return found, f"classical, {iid}"


def _classical(pair: FitPair, method: str) -> TestResult:
    first, second = pair.model_cov(pair.first), pair.model_cov(pair.second)
    if pair.relation == "unranked" or (method != "classical" and pair.relation != "efficient"):
        raise SpecificationError(
            f"method={method!r} needs one fit that is efficient under the null hypothesis; "
            f"{pair.first.model} and {pair.second.model} give none. Use method='robust'."
        )
    if pair.relation == "independent":
        first, second = first + second, np.zeros_like(second)
    ratio = pair.error_variance(pair.second) / pair.error_variance(pair.first)
    if method == "sigmamore":
        first = first * ratio
    elif method == "sigmaless":
        second = second / ratio
    form = difference_form(pair.gap, first, second)
    if form.rank == 0:
        raise _nothing_to_test(pair)
    if form.valid:
        return _result(pair, method, form, _agreement(form))
    note = (
        "The difference of the covariances is not positive definite (smallest eigenvalue "
        f"{form.least:.3g} of the covariance of {pair.first.model}), so that its quadratic form "
        "has no chi-squared distribution and says nothing for or against the null hypothesis. "
        "Use method='robust' or 'auxiliary'."
    )
    return _result(pair, method, form, (note, *_agreement(form)))


def _nothing_to_test(pair: FitPair) -> IdentificationError:
    return IdentificationError(
        f"{' and '.join(pair.titles)} give the same {pair.words} by construction: "
        "there is nothing to test." + "".join(f" {note}" for note in pair.notes)
    )


def _robust(pair: FitPair, cov: CovLike | None) -> TestResult:
    spec = _shared_cov(pair, cov, Clustered())
    if not isinstance(spec, Clustered):
        raise SpecificationError(
            "method='robust' sums influences over clusters: cov is 'cluster' or 'cluster:column'."
        )
    influences = [fit.attached.estimate.influence for fit in (pair.first, pair.second)]
    dimensions = read_dimensions(spec.columns or (pair.first.predictor.unit,))
    for influence in influences:
        require_whole_units(influence, dimensions)
    joint = JointInfluence(
        influences[0].mapped(pair.functions(pair.first)),
        influences[1].mapped(pair.functions(pair.second)),
    )
    rule = parse_small_sample(spec.small_sample, pair.first.counts)
    size = pair.model_cov(pair.first) + pair.model_cov(pair.second)
    found = multiway(joint.products, dimensions, rule, pair.labels, size)
    notes = found.notes
    if not pair.same_rows:
        notes += ("The fits use different rows or weights; their joint influence allows for it.",)
    words = " and ".join(f"{name} ({count:,} clusters)" for name, count in found.clusters.items())
    form = _distinct_form(pair, found.matrix, size)
    if form.rank == 0:
        raise _nothing_to_test(pair)
    title = f"robust, clustered by {words}"
    if form.valid:
        return _result(pair, title, form, (*notes, *_agreement(form)), found.clusters)
    notes += (
        "The covariance of the differences is singular, so that they cannot be tested jointly: "
        "there are too few clusters.",
    )
    undefined = replace(form, statistic=float("nan"), rank=form.size)
    return _result(pair, title, undefined, notes, found.clusters)


def _distinct_form(pair: FitPair, variance: FloatArray, size: FloatArray) -> QuadraticForm:
    """Measure the difference by its joint covariance where the estimators are not the same."""
    basis = _distinct(pair)
    if not len(basis):
        return QuadraticForm(0.0, 0, len(pair.basis), 0.0, valid=True)
    own = np.diag(basis @ size @ basis.T)
    form = joint_form(basis @ pair.gap, basis @ variance @ basis.T, own)
    return replace(form, size=len(pair.basis))


def _distinct(pair: FitPair) -> FloatArray:
    """Combinations of the compared functions in which the estimators are not the same."""
    if pair.relation == "efficient" and pair.first.facts.kind == "fixed":
        return distinct_directions(pair.bread(pair.first), pair.bread(pair.second))
    return np.eye(len(pair.basis))


def _auxiliary(pair: FitPair, cov: CovLike | None) -> TestResult:
    found = auxiliary_regression(pair, _shared_cov(pair, cov, Iid()))
    statistic, notes = quadratic_form(found.params, found.cov)
    size = len(found.names)
    tested = replace(pair, names=found.names, basis=np.eye(size), single=found.names)
    return _result(
        tested,
        f"auxiliary regression, {found.covariance.description}",
        QuadraticForm(statistic, size, size, 0.0, valid=not np.isnan(statistic)),
        (*found.notes, *notes),
        found.covariance.clusters,
    )


def _result(
    pair: FitPair,
    method: str,
    form: QuadraticForm,
    notes: tuple[str, ...],
    clusters: Mapping[str, int] | None = None,
) -> TestResult:
    one, other = pair.titles
    statistic, df = form.statistic, form.rank
    null = f"{one} and {other} estimate the same coefficients: {pair.words}"
    title = f"Hausman test: {pair.first.model} against {pair.second.model} ({method})"
    found = replace(chi2_test(title, null, statistic, df), conclusive=form.valid)
    if statistic < 0:
        found = replace(found, pvalue=float("nan"))
    judged = found.pvalue if form.valid else float("nan")
    better: float | None = None
    if few_clusters(clusters or {}) and not np.isnan(statistic):
        least = min((clusters or {}).values()) - 1
        judged = better = f_tail(statistic / df, df, least)
        notes += (f"F({df}, {least}), a better reference with few clusters: p = {judged:.4f}.",)
    notes += pair.notes
    return replace(found, advice=_advice(pair, judged), notes=notes, judged=better)


def _advice(pair: FitPair, pvalue: float) -> str:
    if np.isnan(pvalue):
        return "No conclusion: see the note."
    other = pair.titles[1]
    if pvalue >= 0.05:
        if pair.relation == "unranked":
            return "They do not differ at the 5 % level."
        return (
            f"They do not differ at the 5 % level, so {other} may be used; where standard errors "
            "are wide, this is weak evidence."
        )
    if pair.relation == "unranked" or not _within_against_between(pair):
        return (
            "They differ at the 5 % level. Both would be consistent in a correct model: look for "
            "effects that only one of them removes, dynamics, measurement error, or regressors "
            "that react to past outcomes."
        )
    return (
        "They differ at the 5 % level: within units and between them, the data do not tell the "
        f"same about these coefficients. {EXPLANATIONS} Model both with Mundlak or Hybrid."
    )


def _within_against_between(pair: FitPair) -> bool:
    """Whether one of the fits uses differences between units, and the other does so less.

    Not where they differ in other ways too: in effects of periods, trends, or regressors that
    vary within units.
    """
    fits = (pair.first, pair.second)
    one, other = (_besides_units(fit) for fit in fits)
    if one != other and (one ^ other) - set().union(*map(_constant_within, fits)):
        return False
    absorbed = [_absorbs_units(fit) for fit in fits]
    return len(set(absorbed)) == 2 or any(fit.facts.kind not in ("fixed", "pooled") for fit in fits)


def _besides_units(fit: Results) -> set[str]:
    """Effects and regressors of a fit, but for intercepts of units."""
    effects = {str(effect) for effect in fit.facts.absorbed}
    if fit.facts.kind == "random":
        effects |= {str(Effect(columns)) for columns in fit.facts.random}
    names = fit.attached.estimate.influence.sample.names
    return (effects - {fit.predictor.unit}) | {canonical(name) for name in names}


def _constant_within(fit: Results) -> set[str]:
    """Regressors of a fit that do not vary within units, as unit effects take them up."""
    sample = fit.attached.estimate.influence.sample
    moments = fold(sample, PanelMoments.of)
    moves = (np.diag(moments.within) > moments.rounding)[1:]
    return {canonical(name) for name, moved in zip(sample.names, moves, strict=True) if not moved}


def _absorbs_units(fit: Results) -> bool:
    return (fit.predictor.unit,) in {effect.columns for effect in fit.facts.absorbed}


def _agreement(form: QuadraticForm) -> tuple[str, ...]:
    if form.rank == form.size:
        return ()
    return (
        f"The fits agree by construction in {form.size - form.rank} of {form.size} directions, "
        "which a generalised inverse leaves out.",
    )


def _shared_cov(pair: FitPair, cov: CovLike | None, if_iid: CovSpec) -> CovSpec:
    """Return the covariance that was asked for, or the one the fits share."""
    if cov is not None:
        return parse(cov)
    if all(_is_iid(fit) for fit in (pair.first, pair.second)):
        return if_iid
    used = {tuple(fit.inference.clusters) for fit in (pair.first, pair.second)} - {()}
    if len(used) > 1:
        words = " and ".join("+".join(names) for names in sorted(used))
        raise SpecificationError(
            f"The fits are clustered differently, by {words}. Say which clusters count, as in "
            f"cov='cluster:{'+'.join(min(used))}'."
        )
    return Clustered(*(used.pop() if used else ()))


def _require_same_rows(pair: FitPair, method: str) -> None:
    if not pair.same_rows:
        counts = [f"{fit.model}: {fit.nobs:,}" for fit in (pair.first, pair.second)]
        raise SpecificationError(
            f"method={method!r} needs the same rows and weights in both fits "
            f"({', '.join(counts)} observations). Drop rows with missing values first, or use "
            "method='robust'."
        )


def _is_iid(fit: Results) -> bool:
    return np.array_equal(fit.covariance.matrix, fit.attached.estimate.iid_cov)
