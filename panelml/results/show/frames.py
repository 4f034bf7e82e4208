"""Results as flat data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from panelml.results.fitted import FittedModel

__all__ = ["TermRow", "fit_column", "glance", "joined_labels", "label_frame", "term_rows", "tidy"]


class TermRow(NamedTuple):
    """One parameter, with the names of R's broom."""

    term: str
    estimate: float
    std_error: float
    statistic: float
    p_value: float
    conf_low: float
    conf_high: float


def term_rows(model: FittedModel, level: float) -> list[TermRow]:
    """Return the parameters in order."""
    interval = model.conf_int(level)
    columns = (
        model.params,
        model.std_errors,
        model.tstats,
        model.pvalues,
        interval["lower"],
        interval["upper"],
    )
    values = zip(*(column.tolist() for column in columns), strict=True)
    return [TermRow(str(name), *row) for name, row in zip(model.params.index, values, strict=True)]


def label_frame(names: Sequence[str], columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return columns that label the terms of a result, indexed by their names."""
    return pd.DataFrame(dict(columns), index=pd.Index(list(names), name="term"))


def joined_labels(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Put the labels of further terms below; what they do not have is missing."""
    return pd.concat([first.astype(object), second.astype(object)]).convert_dtypes()


def tidy(model: FittedModel, level: float = 0.95) -> pd.DataFrame:
    """Return one row for each parameter; see ``Results.tidy``."""
    return pd.DataFrame(term_rows(model, level), columns=list(TermRow._fields))


def fit_column(key: str) -> str:
    """Name a measure of fit as R's broom does: ``r_squared_within``, ``log_lik``."""
    return key.replace("rsquared", "r_squared").replace("loglik", "log_lik")


def glance(model: FittedModel) -> pd.DataFrame:
    """Return one row for the model; see ``Results.glance``."""
    test = model.model_test()
    fit = model.statistics
    row: dict[str, object] = {
        "model": model.model,
        "depvar": model.depvar,
        "nobs": fit.nobs,
        "n_units": fit.n_units,
        "n_periods": fit.n_periods,
        **{fit_column(known.key): known.value for known in model.measures.at("fit")},
        **({"statistic": test.statistic, "p_value": test.pvalue} if test else {}),
        "df": model.df_model,
        "df_residual": model.df_resid,
        "df_t": model.df_t,
        "covariance": model.inference.description,
        "effects": model.effects_absorbed,
        "weights": model.weights,
    }
    return pd.DataFrame([{**model.extras, **row}])[[*row, *model.extras]]
