"""The effect on one cohort in one period, against units that are not treated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.did.core.propensity import Odds, logit_odds, tilted_odds
from panelml.did.core.ratios import Ratio, combine, regress

__all__ = ["TRIM", "Contrast", "difference_effect", "section_effect"]

# Units of the comparison group with a higher probability of treatment are left out, as in DRDID.
TRIM = 0.995


@dataclass(frozen=True, slots=True)
class Contrast:
    """A cohort and its comparison group, with what does not depend on the outcome.

    Attributes
    ----------
    x : FloatArray, shape (n, k)
        Covariates, the constant first, of full rank, each about zero and of unit size: the
        estimates are those of any other origin and unit of measurement.
    treated : BoolArray, shape (n,)
    w : FloatArray, shape (n,)
        Sampling weights.
    method : {"dr", "dr-improved", "ipw", "reg"}
    odds : Odds, or None
        Of treatment, where the method uses them.
    comparison_weight : FloatArray, shape (n,)
        Weights that give the comparison group the covariates of the cohort.
    """

    x: FloatArray
    treated: BoolArray
    w: FloatArray
    method: str
    odds: Odds | None
    comparison_weight: FloatArray

    @classmethod
    def of(cls, x: FloatArray, treated: BoolArray, w: FloatArray, method: str) -> Contrast:
        """Estimate the odds.

        Raises
        ------
        ConvergenceError
            If covariates predict treatment perfectly for treated units.
        """
        if method == "reg" or x.shape[1] == 1:
            return cls(x, treated, w, method, None, np.where(treated, 0.0, w))
        odds = (tilted_odds if method == "dr-improved" else logit_odds)(x, treated, w)
        certain = _certain(odds, method)
        others = np.where(treated | certain, 0.0, w * odds.odds)
        return cls(x, treated, w, method, odds, others)

    @property
    def certain(self) -> BoolArray:
        """Units whose treatment is all but certain, shape (n,)."""
        if self.odds is None:
            return np.zeros(self.treated.size, dtype=bool)
        return _certain(self.odds, self.method)

    @property
    def trimmed(self) -> BoolArray:
        """Units of the comparison group that all but certainly would be treated, shape (n,)."""
        return self.certain & ~self.treated

    @property
    def unlike(self) -> BoolArray:
        """Units of the comparison group that no unit of the cohort resembles, shape (n,)."""
        return np.zeros(self.treated.size, dtype=bool) if self.odds is None else self.odds.unlike

    @property
    def regressed(self) -> bool:
        """Whether outcomes are regressed on covariates."""
        return self.odds is None or self.method != "ipw"


def _certain(odds: Odds, method: str) -> BoolArray:
    """Units above the limit; odds that balance covariates are no probabilities."""
    if method == "dr-improved":
        return np.zeros(odds.odds.size, dtype=bool)
    return np.asarray(odds.probability >= TRIM)


def difference_effect(contrast: Contrast, change: FloatArray) -> tuple[float, FloatArray]:
    """Compare changes of outcomes of the same units.

    Parameters
    ----------
    contrast : Contrast
    change : FloatArray, shape (n,)

    Returns
    -------
    effect : float
    psi : FloatArray, shape (n,)

    Notes
    -----
    Source: Sant'Anna and Zhao (2020), *Journal of Econometrics* 219, 101-122, equations 2.2 to
    2.5, with normalised weights.
    """
    c = contrast
    cohort = c.w * c.treated
    others = c.comparison_weight
    if not c.regressed:
        ratios = [Ratio(1.0, cohort, change), Ratio(-1.0, others, change, odds=True)]
        return combine(ratios, c.x, c.odds.psi if c.odds else None)
    improved = c.method == "dr-improved" and c.odds is not None
    base = others if improved else c.w * ~c.treated
    fit = regress(c.x, change, base, moves=not improved)
    left, parts = change - fit.fitted, ((-1.0, fit),)
    ratios = [Ratio(1.0, cohort, left, regressions=parts)]
    if c.odds is not None:
        ratios.append(Ratio(-1.0, others, left, odds=True, regressions=parts))
    return combine(ratios, c.x, c.odds.psi if c.odds else None)


def section_effect(contrast: Contrast, y: FloatArray, post: BoolArray) -> tuple[float, FloatArray]:
    """Compare outcomes of different rows before and after.

    Parameters
    ----------
    contrast : Contrast
        Of all rows of both periods.
    y : FloatArray, shape (n,)
    post : BoolArray, shape (n,)
        Rows of the later period.

    Returns
    -------
    effect : float
    psi : FloatArray, shape (n,)

    Notes
    -----
    Source: Sant'Anna and Zhao (2020), *Journal of Econometrics* 219, 101-122, section 3.2; the
    doubly robust estimator is the locally efficient one, equation 3.4.
    """
    c = contrast
    cohort, others = c.w * c.treated, c.comparison_weight
    signs = ((1.0, post), (-1.0, ~post))
    if not c.regressed:
        ratios = [Ratio(sign, cohort * at, y) for sign, at in signs]
        ratios += [Ratio(-sign, others * at, y, odds=True) for sign, at in signs]
        return combine(ratios, c.x, c.odds.psi if c.odds else None)
    improved = c.method == "dr-improved" and c.odds is not None
    ratios = []
    for sign, at in signs:
        base = others if improved else c.w * ~c.treated
        own = regress(c.x, y, base * at, moves=not improved)
        if c.odds is None:
            ratios.append(Ratio(sign, cohort * at, y))
            ratios.append(Ratio(-sign, cohort, own.fitted, regressions=((1.0, own),)))
            continue
        left, parts = y - own.fitted, ((-1.0, own),)
        ratios.append(Ratio(sign, cohort * at, left, regressions=parts))
        ratios.append(Ratio(-sign, others * at, left, odds=True, regressions=parts))
        theirs = regress(c.x, y, cohort * at, moves=not improved)
        gap, both = theirs.fitted - own.fitted, ((1.0, theirs), (-1.0, own))
        ratios.append(Ratio(sign, cohort, gap, regressions=both))
        ratios.append(Ratio(-sign, cohort * at, gap, regressions=both))
    return combine(ratios, c.x, c.odds.psi if c.odds else None)
