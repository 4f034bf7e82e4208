"""What the package maketables asks of a result: ``maketables.ETable([fe, re])`` just works."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from panelml.results.fitted import FittedModel

__all__ = ["MaketablesPlugin"]

_MEASURES = {
    "r2": "rsquared",
    "r2_within": "rsquared_within",
    "r2_between": "rsquared_between",
    "r2_overall": "rsquared_overall",
    "ll": "loglik",
}
_SIZES = {"N": "nobs", "df_model": "df_model", "df_resid": "df_resid", "n_units": "n_units"}


class MaketablesPlugin(FittedModel):
    """An estimated model with the attributes of maketables' plug-in format.

    maketables looks for the attributes of other packages first: a class with ``bse`` beside
    ``params`` and ``pvalues`` is taken for one of statsmodels. It reads labels of statistics off
    the first model only, so that they are the same for all, and sorts the constant last if it is
    called Intercept.
    """

    __maketables_stat_labels__: ClassVar[dict[str, str]] = {
        "n_units": "Units",
        "r2_within": "R2 within",
        "r2_between": "R2 between",
        "r2_overall": "R2 overall",
        "sigma_u": "sigma_u",
        "sigma_e": "sigma_e",
        "rho": "rho",
        "theta": "theta",
    }
    __maketables_default_stat_keys__: ClassVar[list[str]] = [
        "N",
        "n_units",
        "r2_within",
        "r2_between",
        "r2_overall",
        "se_type",
    ]

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        wide, narrow = self.conf_int(0.95), self.conf_int(0.90)
        return pd.DataFrame(
            {
                "b": self.params,
                "se": self.std_errors,
                "t": self.tstats,
                "p": self.pvalues,
                "ci95l": wide["lower"],
                "ci95u": wide["upper"],
                "ci90l": narrow["lower"],
                "ci90u": narrow["upper"],
            }
        ).rename_axis("Coefficient")

    def __maketables_stat__(self, key: str) -> int | float | str | None:
        if key == "se_type":
            info = self.__maketables_vcov_info__
            return f"by: {info['clustervar']}" if info["clustervar"] else str(info["vcov_type"])
        if key == "n_clusters":
            return ", ".join(map(str, self.inference.clusters.values())) or None
        if key in ("fvalue", "f_pvalue"):
            test = self.model_test()
            return None if test is None else test.statistic if key == "fvalue" else test.pvalue
        if key in _SIZES:
            return int(getattr(self, _SIZES[key]))
        known = self.measures.get(_MEASURES.get(key, key))
        return None if known is None or np.isnan(known.value) else known.value

    @property
    def __maketables_depvar__(self) -> str:
        return self.depvar

    @property
    def __maketables_fixef_string__(self) -> str | None:
        # Blanks around the signs would hide every mark.
        return self.effects_absorbed.replace(" ", "") or None

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        name = self.inference.description.partition(":")[0].partition(",")[0]
        return {"vcov_type": name, "clustervar": "+".join(self.inference.clusters) or None}
