"""Results as models of the package marginaleffects.

``Results.to_marginaleffects()`` makes a model that ``slopes``, ``comparisons``, ``predictions``,
``hypotheses`` and their averages take; nothing is registered or patched on import. Standard errors
are those of the result, and t has its degrees of freedom; ``vcov=`` takes a covariance of
``with_cov``, such as ``"HC1"`` or ``"cluster:state"``.

Refused, with the reason:

- predictions of models whose level is not among the parameters (absorbed effects, first
  differences): their standard errors would leave out the uncertainty of the effects. Their slopes
  and comparisons are right, since the effects cancel.
- outcomes whose mean is not what the link makes of the index: ordered and censored ones, and
  those with random effects beside a link. ``slopes`` of this package takes these.
- anything but ``hypotheses`` where a row's prediction takes other rows of its unit (lags,
  ``within()``, ``between()``, Mundlak, hybrid): to move a variable in one row leaves open what
  becomes of its lags and unit means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from panelml._typing import FloatArray
from panelml.core.links import IDENTITY
from panelml.core.row_values import RowValues
from panelml.data.formula.category import Category
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import MissingDependencyError, SpecificationError
from panelml.inference.covariance import CovLike
from panelml.results.fitted import FittedModel

try:
    import polars as pl
    from marginaleffects.classes import ModelAbstract, ModelVault
except ImportError as error:
    raise MissingDependencyError(
        "Marginal effects need the package of that name: pip install panelml[marginaleffects]."
    ) from error

__all__ = ["MarginalModel", "marginal_model"]


_NAME = re.compile(r"`([^`]+)`|([^\W\d]\w*)")
_CATEGORY = re.compile(r"(?<![\w.])[Ci]\(\s*`?([^`,)]+?)`?\s*[,)]")


def marginal_model(fitted: FittedModel, sample: Sample) -> MarginalModel:
    """Adapt a result to the rows of its estimation sample.

    Raises
    ------
    MissingDependencyError
        If the versions of marginaleffects and polars do not go together.
    """
    _require_versions(version("marginaleffects"), version("polars"))
    averaged = fitted.facts.random and fitted.facts.link != IDENTITY
    if averaged or hasattr(fitted, "mean_response"):
        raise SpecificationError(
            f"The mean of {fitted.model} is not what the link makes of the index, which is all "
            "that marginaleffects is told. Use panelml.slopes."
        )
    panel, regressors = sample.panel, fitted.predictor.design.formula.regressors
    read = {quoted or plain for quoted, plain in _NAME.findall(regressors)}
    variables = [name for name in panel.columns if name in read]
    columns = dict.fromkeys([*variables, panel.unit, panel.time])
    rows = pl.DataFrame([panel.series(name).to_polars() for name in columns])
    rows = rows.filter(~np.isnan(sample.scatter(np.ones(sample.nobs))))
    levels = _levels(fitted)
    ranked = [_ranked(rows[name], levels.get(name)) for name in columns if _is_text(rows[name])]
    model = MarginalModel(fitted, rows.with_columns(ranked), variables)
    for name in dict.fromkeys([*_CATEGORY.findall(regressors), *levels]):
        model.set_variable_type(name, "character")
    return model


def _require_versions(marginaleffects: str, polars: str) -> None:
    """Refuse polars 2 beside marginaleffects 0.6, which takes no numeric regressor there."""
    if int(polars.split(".")[0]) >= 2 and marginaleffects.startswith("0.6."):
        raise MissingDependencyError(
            f"marginaleffects {marginaleffects} does not work with polars {polars}, but with one "
            'below 2: pip install "panelml[marginaleffects]" installs that.'
        )


def _levels(fitted: FittedModel) -> dict[str, list[object]]:
    """Return the levels of the columns that are categories: the reference, then in order."""
    found = {}
    for factor in fitted.predictor.design.regressors.factors.values():
        if isinstance(factor, Category) and isinstance(factor.source, str):
            coded = factor.reduced.matrix.any(axis=0)
            order = np.argsort(coded, kind="stable")
            found[factor.source] = [factor.levels[j] for j in order]
    return found


def _is_text(column: pl.Series) -> bool:
    return column.dtype in (pl.String, pl.Categorical, pl.Enum)


def _ranked(column: pl.Series, levels: list[object] | None) -> pl.Series:
    """Return texts in a type that ranks them: contrasts are against the first level."""
    texts = column.cast(pl.String)
    found = texts.drop_nulls().unique().sort().to_list()
    first = [level for level in levels or () if level in found]
    return texts.cast(pl.Enum([str(level) for level in dict.fromkeys([*first, *found])]))


class MarginalModel(ModelAbstract):  # type: ignore[misc]
    """A result as marginaleffects takes it.

    Parameters
    ----------
    fitted : FittedModel
    rows : polars DataFrame
        The estimation sample: the columns that the regressors read, and the keys.
    variables : sequence of str
        Those of the regressors.
    """

    def __init__(self, fitted: FittedModel, rows: pl.DataFrame, variables: Sequence[str]) -> None:
        self.fitted = fitted
        self.df_resid = float(fitted.df_t)
        super().__init__(
            fitted,
            ModelVault(
                formula="outcome ~ " + (" + ".join(f"`{name}`" for name in variables) or "1"),
                modeldata=rows,
                package="panelml",
                coef=fitted.params.to_numpy(np.float64),
                coefnames=np.array([str(name) for name in fitted.params.index]),
                vcov=fitted.covariance.matrix,
                variable_names=["outcome", *variables],
            ),
        )

    def get_vcov(self, vcov: bool | CovLike = True) -> FloatArray | None:
        """Return the covariance in use, another one, or None for False."""
        if isinstance(vcov, bool):
            return self.fitted.covariance.matrix if vcov else None
        return self.fitted.with_cov(vcov).covariance.matrix

    def get_exog(self, newdata: pl.DataFrame) -> FloatArray:
        """Return the regressors of new rows, shape (rows, parameters).

        Raises
        ------
        SpecificationError
            If a row does not determine its own regressors, or predictions have no standard error.
        """
        fitted, predictor = self.fitted, self.fitted.predictor
        if predictor.by_unit:
            raise SpecificationError(
                "Lags, within(), between() and unit means tie a row to others of its unit, so that "
                "its own values do not determine its slopes. Use hypotheses(), or put the lags and "
                "means into columns of their own."
            )
        # Comparisons carry the term that they change; bare predictions do not.
        if "term" not in newdata.columns and not _knows_level(fitted):
            raise SpecificationError(
                f"{fitted.model}: the level of the outcome is not among the parameters, so that "
                "predictions have no standard errors. Use result.predict(data, effects=True)."
            )
        panel = predictor.panel_of(newdata)
        sample = Sample(panel, predictor.design.without_outcome(), predictor.design.names)
        values = fold(sample, lambda block: RowValues(block.regressors)).values
        columns = dict(zip(predictor.names, values, strict=True))
        if fitted.counts.constant:
            columns["Intercept"] = np.ones(panel.nobs)
        return np.stack([columns[str(name)] for name in fitted.params.index], axis=1)

    def get_predict(self, params: FloatArray, newdata: FloatArray) -> pl.DataFrame:
        """Predict rows of regressors by any parameters."""
        estimate = newdata @ np.asarray(params)
        if not self.fitted.counts.constant:
            estimate = estimate + self.fitted.predictor.intercept
        rowid = pl.Series(range(estimate.size), dtype=pl.Int32)
        mean = self.fitted.facts.link.inverse(estimate)
        return pl.DataFrame({"rowid": rowid, "estimate": mean})


def _knows_level(fitted: FittedModel) -> bool:
    estimated = float(fitted.params.iloc[0]) if fitted.counts.constant else 0.0
    return bool(fitted.predictor.intercept == estimated)
