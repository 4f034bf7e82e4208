"""Standard errors of the variances of random effects that were integrated out."""

from __future__ import annotations

import numpy as np

from panelml.mixed.generalised.fit.maximum import IntegratedMaximum
from panelml.mixed.results.component_errors import ComponentErrors

__all__ = ["integrated_errors"]


def integrated_errors(maximum: IntegratedMaximum) -> ComponentErrors:
    """Sampling covariance of the random coefficients' (co)variances, by the delta method."""
    problem = maximum.problem
    layout, back = problem.parameters, problem.columns.random_back
    root = layout.split(maximum.vector).root
    q, span = layout.size, layout.root_places
    jacobian = np.zeros((1 + q * q, span.stop - span.start))
    for place, (row, column) in enumerate(zip(*layout.entries, strict=True)):
        move = np.zeros((q, q))
        move[row, column] = 1.0
        change = back @ (move @ root.T + root @ move.T) @ back.T
        jacobian[1:, place] = change.ravel()
    joint = jacobian @ maximum.cov[span, span] @ jacobian.T
    errors = np.sqrt(np.maximum(np.diag(joint), 0.0))
    return ComponentErrors(0.0, errors[1:].reshape(q, q), joint)
