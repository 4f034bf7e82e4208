"""From the parameters of an integrated likelihood to those that are reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from panelml._typing import FloatArray
from panelml.core.family.ordered import cut_derivatives, cut_points
from panelml.engine.least_squares import parameter_names
from panelml.errors import FormulaError
from panelml.mixed.generalised.fit.maximum import IntegratedMaximum

__all__ = ["NONE_REPORTED", "Reported", "UserParameters", "cut_parameters", "require_names"]


@dataclass(frozen=True, slots=True)
class Reported:
    """How auxiliary parameters are reported.

    Attributes
    ----------
    names : tuple of str
    values : callable
        From the scale of the estimation to that of the report, shape (m,) to (m,).
    jacobian : callable
        Derivatives of these, shape (m,) to (m, m).
    """

    names: tuple[str, ...]
    values: Callable[[FloatArray], FloatArray]
    jacobian: Callable[[FloatArray], FloatArray]


def _nothing(auxiliary: FloatArray) -> FloatArray:
    return np.zeros(0)


NONE_REPORTED = Reported((), _nothing, lambda auxiliary: np.zeros((0, auxiliary.size)))


def cut_parameters(categories: tuple[str, ...]) -> Reported:
    """Report cut points by the categories that they part, as ``1|2``."""
    names = tuple(f"{low}|{high}" for low, high in pairwise(categories))
    return Reported(names, cut_points, cut_derivatives)


def require_names(names: tuple[str, ...]) -> None:
    """Refuse a regressor that has the name of another parameter.

    Raises
    ------
    FormulaError
        Naming it.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FormulaError(
            f"The regressor {twice[0]!r} has the name of a parameter of the model. Rename the "
            "column."
        )


@dataclass(frozen=True, slots=True)
class UserParameters:
    """Parameters in the user's terms.

    Attributes
    ----------
    names : tuple of str
        Of the fixed coefficients, and of auxiliary parameters.
    params : FloatArray, shape (k,)
    slopes : FloatArray, shape (variables of the sample,)
        Coefficients of the variables, zero for those that were dropped, one for an offset.
    jacobian : FloatArray, shape (k, parameters)
        Of the parameters by those of the likelihood.
    random_cov : FloatArray, shape (q, q)
        Covariance of the random coefficients.
    """

    names: tuple[str, ...]
    params: FloatArray
    slopes: FloatArray
    jacobian: FloatArray
    random_cov: FloatArray

    @classmethod
    def of(cls, maximum: IntegratedMaximum, reported: Reported, *, unit: bool) -> UserParameters:
        """Carry a maximum over, with the deviation of a random intercept last if ``unit``."""
        problem = maximum.problem
        layout, sample = problem.parameters, problem.sample
        parameters = layout.split(maximum.vector)
        back, shift = problem.columns.fixed_back, int(problem.outcome.cut_points)
        coef_back = back[shift:, shift:]
        coef = coef_back @ parameters.coef
        auxiliary = reported.values(parameters.auxiliary)
        jacobian = np.zeros((coef.size + auxiliary.size, layout.total))
        jacobian[: coef.size, : coef.size] = coef_back
        jacobian[coef.size :, layout.root_places.stop :] = reported.jacobian(parameters.auxiliary)
        if shift:
            # Regressors were centred, which the constant that the cut points replace takes up.
            jacobian[coef.size :, : coef.size] -= back[0, 1:]
            auxiliary = auxiliary - back[0, 1:] @ parameters.coef
        kept = problem.chosen.kept
        names = parameter_names(tuple(sample.names[j] for j in kept), problem.constant)
        slopes = np.zeros(len(sample.names))
        slopes[kept] = coef[int(problem.constant) :]
        if sample.design.offset is not None:
            slopes[-1] = 1.0
        root = problem.columns.random_back @ parameters.root
        params = np.concatenate([coef, auxiliary])
        names = (*names, *reported.names)
        if unit:
            deviation = np.zeros((1, layout.total))
            deviation[0, layout.root_places] = np.sign(root[0])
            jacobian = np.concatenate([jacobian, deviation])
            params, names = np.append(params, np.abs(root[0])), (*names, "sigma_u")
        require_names(names)
        return cls(names, params, slopes, jacobian, root @ root.T)
