"""Whether one structure of residuals is a special case of another."""

from __future__ import annotations

from panelml.mixed.core.residual_forms import Kind
from panelml.mixed.core.structures import ResidualStructure

__all__ = ["residuals_within"]

# What each form of correlation is a special case of, besides itself.
WIDER: dict[Kind, frozenset[Kind]] = {
    "independent": frozenset({"ar1", "car1", "ma1", "toeplitz", "exchangeable", "unstructured"}),
    "ar1": frozenset({"toeplitz", "unstructured"}),
    "car1": frozenset({"ar1", "toeplitz", "unstructured"}),
    "ma1": frozenset({"toeplitz", "unstructured"}),
    "toeplitz": frozenset({"unstructured"}),
    "exchangeable": frozenset({"toeplitz", "unstructured"}),
    "unstructured": frozenset(),
}


def residuals_within(
    small: ResidualStructure | None, large: ResidualStructure | None, time: str
) -> bool:
    """Whether every covariance of residuals that one structure allows is one of the other's.

    Parameters
    ----------
    small, large : ResidualStructure or None
        None for independent residuals of equal variance.
    time : str
        The time of rows where a structure names none.
    """
    if small is None:
        return True
    return (
        large is not None
        and _correlations_within(small, large, time)
        and _variances_within(small, large, time)
    )


def _correlations_within(small: ResidualStructure, large: ResidualStructure, time: str) -> bool:
    if small.kind == "independent":
        return True
    if small.kind != large.kind and large.kind not in WIDER[small.kind]:
        return False
    if large.kind == "toeplitz" and large.order is not None:
        lags = {"ma1": 1, "toeplitz": small.order}.get(small.kind)
        if lags is None or lags > large.order:
            return False
    same_time = not small.timed or (small.time or time) == (large.time or time)
    return same_time and small.group == large.group and small.by in (None, large.by)


def _variances_within(small: ResidualStructure, large: ResidualStructure, time: str) -> bool:
    own = {large.by, large.variance_by, None}
    if large.kind == "unstructured":
        own.add(large.time or time)
    return {small.by, small.variance_by} <= own and set(small.covariate_names) <= set(
        large.covariate_names
    )
