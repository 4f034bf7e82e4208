"""Families and links by the names that specifications give them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from panelml.core.family.binomial import BinomialFamily
from panelml.core.family.counts import PoissonFamily
from panelml.core.family.family import Family
from panelml.core.links import CLOGLOG, LOGIT, PROBIT

__all__ = ["LinkName", "MeanFamilyName", "mean_family"]

MeanFamilyName: TypeAlias = Literal["binomial", "poisson"]
LinkName: TypeAlias = Literal["logit", "probit", "cloglog", "log"]

_BINOMIAL = {link.name: BinomialFamily(link) for link in (LOGIT, PROBIT, CLOGLOG)}


def mean_family(name: MeanFamilyName, link: LinkName | None) -> Family | None:
    """Return a family whose mean alone the regressors move; None where it has no such link.

    Parameters
    ----------
    name : {"binomial", "poisson"}
    link : str, optional
        By default the logit, or the logarithm.
    """
    if name == "poisson":
        return PoissonFamily() if link in (None, "log") else None
    return _BINOMIAL.get(link or "logit")
