"""How a fit's index and its mean response are read, by marginal effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from panelml._typing import FloatArray
from panelml.core.augment import SplitMeans
from panelml.core.block import Block
from panelml.core.links import IDENTITY
from panelml.core.responses import LinkResponse, Response, has_response
from panelml.data.sample import Sample
from panelml.errors import SpecificationError
from panelml.results.base import Results

__all__ = ["AbsorbedIndex", "FitMean", "IndexProjection"]


@dataclass(frozen=True, slots=True)
class IndexProjection:
    """Weighted regressions of rows on the regressors and absorbed effects of a likelihood.

    Attributes
    ----------
    scores : FloatArray, shape (e, n)
        Fitted values times the scores of the rows' index.
    coef : FloatArray, shape (e, k)
        Coefficients of the regressors.
    products : FloatArray, shape (e, e)
        Cross-products of fitted values, by the information of the rows.
    """

    scores: FloatArray
    coef: FloatArray
    products: FloatArray


@runtime_checkable
class AbsorbedIndex(Protocol):
    """Absorbed effects of a model that is not linear, which move with the slopes."""

    def index(self, block: Block) -> FloatArray:
        """Return the index of the rows of a block of the sample, effects included, shape (n,)."""
        ...

    def projected(self, sample: Sample, targets: FloatArray) -> IndexProjection:
        """Regress ``targets``, shape (e, n), divided by the information of the rows."""
        ...


@runtime_checkable
class DeclaresMean(Protocol):
    """Results whose outcome is not what the link makes of the index."""

    def mean_response(self, scale: str) -> tuple[Response, tuple[str, ...]]:
        """Return what effects on a scale are on, and the names of its further parameters.

        Parameters
        ----------
        scale : str
            As ``predict`` has it, other than ``"link"``.
        """
        ...


@dataclass(frozen=True, slots=True)
class FitMean:
    """The index and the mean response of a fit.

    Attributes
    ----------
    response : Response
    auxiliary : FloatArray, shape (m,)
        Further parameters of the response.
    index : callable
        From a block of the sample to its index, shape (n,).
    slopes : FloatArray, shape (1 + k, p)
        How constant and slopes of the blocks depend on the p parameters of the fit.
    others : FloatArray, shape (m, p)
        How the further parameters do.
    absorbed : AbsorbedIndex, or None
    """

    response: Response
    auxiliary: FloatArray
    index: Callable[[Block], FloatArray]
    slopes: FloatArray
    others: FloatArray
    absorbed: AbsorbedIndex | None

    @classmethod
    def of(cls, fit: Results, scale: str) -> FitMean:
        """Read a fit.

        Raises
        ------
        SpecificationError
            If effects on its mean are not known.
        """
        slopes = _slopes(fit)
        if scale != "link" and isinstance(fit, DeclaresMean):
            response, names = fit.mean_response(scale)
            places = [list(fit.params.index).index(name) for name in names]
            others = np.eye(len(fit.params))[places]
            values = np.asarray(fit.params, dtype=np.float64)[places]
            return cls(response, values, fit.predictor.xb, slopes, others, None)
        if scale == "censored":
            raise SpecificationError("type='censored' is for Tobit models.")
        link = fit.facts.link if scale == "response" else IDENTITY
        if fit.facts.random and link != IDENTITY:
            raise SpecificationError(
                f"The mean of {fit.model} is an average over its random effects, and effects on it "
                "are not known here. Ask for those on the index: type='link'."
            )
        if not has_response(link):
            raise SpecificationError(
                f"Marginal effects of {fit.model} are not known: its link is {link.name}."
            )
        index, absorbed, effects = fit.predictor.xb, None, fit.attached.effects
        if fit.facts.absorbed and link != IDENTITY:
            if not isinstance(effects, AbsorbedIndex):
                raise SpecificationError(
                    f"{fit.model} absorbs effects, of which effects on the mean depend. Ask for "
                    "those on the index: type='link'."
                )
            index, absorbed = effects.index, effects
        nothing = np.zeros((0, len(fit.params)))
        return cls(LinkResponse(link), np.zeros(0), index, slopes, nothing, absorbed)


def _slopes(fit: Results) -> FloatArray:
    """Find how constant and slopes depend on the parameters.

    Raises
    ------
    SpecificationError
        If the index is not made of the parameters.
    """
    rule, names = fit.predictor, [str(name) for name in fit.params.index]
    found = np.zeros((1 + rule.coef.size, len(names)))
    # A regressor may be fixed and random: the fixed ones come first.
    place = {name: 1 + j for j, name in reversed(list(enumerate(rule.names)))} | {"Intercept": 0}
    for column, name in enumerate(names):
        if name in place:
            found[place[name], column] = 1.0
    if any(isinstance(step, SplitMeans) and step.form == "mundlak" for step in rule.steps):
        # Blocks hold deviations beside means, whose coefficient is the sum of both parameters.
        for column, name in enumerate(names):
            if f"mean({name})" in place:
                found[place[f"mean({name})"], column] += 1.0
    params = np.asarray(fit.params, dtype=np.float64)
    offset = np.zeros(rule.coef.size)
    if rule.design.offset is not None:
        offset[-1] = 1.0
    gap = found[1:] @ params + offset - rule.coef
    if (np.abs(gap) > 1e-10 * (np.abs(rule.coef) + np.abs(found[1:]) @ np.abs(params))).any():
        raise SpecificationError(
            f"Marginal effects of {fit.model} are not known: its index is not made of its "
            "parameters alone."
        )
    return found
