"""Hausman tests, of whether two fits estimate the same coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.diagnostics.auxiliary import auxiliary_regression
from panelml.diagnostics.contrasts import (
    JointInfluence,
    QuadraticForm,
    difference_form,
    distinct_directions,
    joint_form,
)
from panelml.diagnostics.pairs import Pair, make_pair
from panelml.errors import IdentificationError, SpecificationError, check_choice, listing
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

Method: TypeAlias = Literal["auto", "classical", "sigmamore", "sigmaless", "auxiliary", "robust"]


@checked
def hausman(
    a: Results, b: Results, method: Method = "auto", *, cov: CovLike | None = None
) -> TestResult:
    """Test that two fits estimate the same coefficients.

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
        The statistic is NaN where the test is not defined, with a note that says why.

    Raises
    ------
    SpecificationError
        If the fits cannot be compared so.
    IdentificationError
        If they have no slope in common, or the same slopes by construction.

    Notes
    -----
    Source: Hausman (1978), *Econometrica* 46, 1251-1271. The robust form holds whether or not a
    fit is efficient: ``b_a - b_b`` is a mean of ``psi_a - psi_b``, whose sums over clusters are
    independent (White 1982, *Econometrica* 50, section 5).
    """
    check_choice("method", method, Method)
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


def _automatic(pair: Pair, cov: CovLike | None) -> TestResult:
    iid = all(_is_iid(fit) for fit in (pair.first, pair.second)) and cov is None
    if not iid:
        why = "robust, because the fits are not both iid" if cov is None else "robust, as cov= asks"
    elif pair.relation == "unranked":
        why = "robust, because neither fit is known to be efficient"
    elif not pair.same_rows:
        why = "robust, because the fits use different rows"
    else:
        found = _classical(pair, "classical")
        if not np.isnan(found.statistic):
            why = "classical, because both covariances are iid"
            return replace(found, notes=(*found.notes, f"Method: {why}."))
        why = "robust, because the classical statistic is not defined"
    found = _robust(pair, cov)
    return replace(found, notes=(*found.notes, f"Method: {why}."))


def _classical(pair: Pair, method: str) -> TestResult:
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
    found = difference_form(pair.gap, first, second)
    if found.valid:
        return _result(pair, method, found.statistic, found.rank, _agreement(found))
    note = (
        "The difference of the covariances is not positive definite (smallest eigenvalue "
        f"{found.least:.3g} of the covariance of {pair.first.model}), so its quadratic form, "
        f"{found.statistic:.4g}, has no chi-squared distribution and says nothing for or against "
        "the null hypothesis. Use method='robust' or 'auxiliary'."
    )
    return _result(pair, method, float("nan"), found.size, (note,))


def _robust(pair: Pair, cov: CovLike | None) -> TestResult:
    spec = _shared_cov(pair, cov, Clustered())
    if not isinstance(spec, Clustered):
        raise SpecificationError(
            "method='robust' sums influences over clusters: cov is 'cluster' or 'cluster:column'."
        )
    influences = [fit.attached.estimate.rows for fit in (pair.first, pair.second)]
    dimensions = read_dimensions(spec.columns or (pair.first.panel.unit,))
    for influence in influences:
        require_whole_units(influence, dimensions)
    rows = (pair.positions(pair.first), pair.positions(pair.second))
    joint = JointInfluence(influences[0], influences[1], rows)
    found = multiway(
        joint.products, dimensions, parse_small_sample(spec.small_sample, pair.first.counts)
    )
    notes = found.notes
    if not pair.same_rows:
        notes += ("The fits use different rows or weights; their joint influence allows for it.",)
    words = " and ".join(f"{name} ({count:,} clusters)" for name, count in found.clusters.items())
    form = _distinct_form(pair, found.matrix)
    if form.rank == 0:
        raise IdentificationError(
            f"{pair.first.model} and {pair.second.model} give the same "
            f"{listing(pair.names, most=8)} by construction: there is nothing to test."
        )
    title = f"robust, clustered by {words}"
    if form.valid:
        notes += _agreement(form)
        return _result(pair, title, form.statistic, form.rank, notes, found.clusters)
    notes += (
        "The covariance of the differences is singular, so that they cannot be tested jointly: "
        "there are too few clusters.",
    )
    return _result(pair, title, float("nan"), form.size, notes, found.clusters)


def _distinct_form(pair: Pair, variance: FloatArray) -> QuadraticForm:
    """Measure the difference by its joint covariance where the estimators are not the same."""
    size = sum(pair.model_cov(fit) for fit in (pair.first, pair.second))
    basis = np.eye(len(pair.names))
    if pair.relation == "efficient" and pair.first.model == "Fixed effects":
        basis = distinct_directions(pair.bread(pair.first), pair.bread(pair.second))
    if not len(basis):
        return QuadraticForm(0.0, 0, len(pair.names), 0.0, valid=True)
    own = np.diag(basis @ size @ basis.T)
    form = joint_form(basis @ pair.gap, basis @ variance @ basis.T, own)
    return replace(form, size=len(pair.names))


def _auxiliary(pair: Pair, cov: CovLike | None) -> TestResult:
    found = auxiliary_regression(pair, _shared_cov(pair, cov, Iid()))
    statistic, notes = quadratic_form(found.params, found.cov)
    title = f"auxiliary regression, {found.covariance.description}"
    return _result(
        replace(pair, names=found.names), title, statistic, len(found.names),
        (*found.notes, *notes), found.covariance.clusters,
    )  # fmt: skip


def _result(
    pair: Pair, method: str, statistic: float, df: int, notes: tuple[str, ...],
    clusters: Mapping[str, int] | None = None,
) -> TestResult:  # fmt: skip
    one, other = pair.first.model, pair.second.model
    null = f"{one} and {other} estimate the same coefficients: {listing(pair.names, most=12)}"
    title = f"Hausman test: {one} against {other} ({method})"
    found = chi2_test(title, null, statistic, df)
    pvalue = found.pvalue
    if few_clusters(clusters or {}) and not np.isnan(statistic):
        least = min((clusters or {}).values()) - 1
        pvalue = f_tail(statistic / df, df, least)
        notes += (f"F({df}, {least}), a better reference with few clusters: p = {pvalue:.4f}.",)
    if pair.unshared:
        notes += (f"Not compared, in one fit only: {listing(pair.unshared, most=8)}.",)
    return replace(found, advice=_advice(pair, pvalue), notes=notes)


def _advice(pair: Pair, pvalue: float) -> str:
    if np.isnan(pvalue):
        return "No conclusion: see the note."
    one, other = pair.first.model, pair.second.model
    if pair.relation == "unranked":
        if pvalue < 0.05:
            return (
                "They differ at the 5 % level. Both would be consistent in a correct model: look "
                "for dynamics, measurement error, or regressors that react to past outcomes."
            )
        return "They do not differ at the 5 % level."
    if pvalue >= 0.05:
        return (
            f"They do not differ at the 5 % level, so {other} may be used; where standard errors "
            "are wide, this is weak evidence."
        )
    reason = "unit effects correlate with regressors" if "Fixed" in pair.first.model else (
        "effects within and between units differ"
    )  # fmt: skip
    keep = one if "Fixed" in pair.first.model else "fixed effects"
    return (
        f"They differ at the 5 % level: {reason}. Rely on {keep}, or model both effects with "
        "Mundlak or Hybrid."
    )


def _agreement(form: QuadraticForm) -> tuple[str, ...]:
    if form.rank == form.size:
        return ()
    return (
        f"The fits agree by construction in {form.size - form.rank} of {form.size} directions, "
        "which a generalised inverse leaves out.",
    )


def _shared_cov(pair: Pair, cov: CovLike | None, if_iid: CovSpec) -> CovSpec:
    """Return the covariance that was asked for, or the one the fits share."""
    if cov is not None:
        return parse(cov)
    if all(_is_iid(fit) for fit in (pair.first, pair.second)):
        return if_iid
    used = {tuple(fit.covariance.clusters) for fit in (pair.first, pair.second)} - {()}
    if len(used) > 1:
        words = " and ".join("+".join(names) for names in sorted(used))
        raise SpecificationError(
            f"The fits are clustered differently, by {words}. Say which clusters count, as in "
            f"cov='cluster:{'+'.join(min(used))}'."
        )
    return Clustered(*(used.pop() if used else ()))


def _require_same_rows(pair: Pair, method: str) -> None:
    if not pair.same_rows:
        counts = [f"{fit.model}: {fit.nobs:,}" for fit in (pair.first, pair.second)]
        raise SpecificationError(
            f"method={method!r} needs the same rows and weights in both fits "
            f"({', '.join(counts)} observations). Drop rows with missing values first, or use "
            "method='robust'."
        )


def _is_iid(fit: Results) -> bool:
    return np.array_equal(fit.covariance.matrix, fit.attached.estimate.iid_cov)
