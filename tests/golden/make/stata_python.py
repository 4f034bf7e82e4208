"""Stata 13's regress and xtreg on the simulated panel, read from the file linearmodels ships."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

ESTIMATORS = {
    "pooled": "Pooled",
    "between": "Between",
    "fixed_effect": "FixedEffects",
    "random_effect": "RandomEffects",
}
#: What each of Stata's stored results is called here; the rest of them repeats these.
STATISTICS = {
    "rss": "rss",
    "r2": "rsquared",
    "rmse": "rmse",
    "ll": "loglik",
    "N": "nobs",
    "N_g": "n_units",
    "df_r": "df_t",
    "F": "f",
    "F_f": "f_effects",
    "chi2": "chi2",
    "r2_w": "rsquared_within",
    "r2_b": "rsquared_between",
    "r2_o": "rsquared_overall",
    "rho": "rho",
    "sigma_u": "sigma_u",
    "sigma_e": "sigma_e",
    "corr": "corr_effects_xb",
}
COUNTS = {"nobs", "n_units", "df_t"}


def number(text: str) -> float | None:
    return float(text) if text.strip() else None


def rename(name: str) -> str:
    return "Intercept" if name == "_cons" else name


def parse(block: str) -> dict[str, Any]:
    """Coefficients with t and p, statistics and covariance of one block of the file."""
    lines = block.strip("\n").split("\n")
    variance = next(i for i, line in enumerate(lines) if "Variance" in line)
    coefficients = next(i for i, line in enumerate(lines) if line.strip() == "b/t/p") + 1
    statistics = next(i for i, line in enumerate(lines) if line.startswith("rss"))
    value: dict[str, Any] = {"params": {}, "std_errors": {}, "tstats": {}, "pvalues": {}}
    for i in range(coefficients, statistics, 3):
        name, estimate = lines[i].split("\t")
        b, t, p = float(estimate), float(lines[i + 1]), float(lines[i + 2])
        for key, item in zip(value, (b, b / t, t, p), strict=True):
            value[key][rename(name)] = item
    for line in lines[statistics:variance]:
        name, _, text = line.partition("\t")
        found = number(text)
        if name in STATISTICS and found is not None:
            key = STATISTICS[name]
            value[key] = int(found) if key in COUNTS else found
    columns = [rename(name) for name in lines[variance + 2].split("\t")[1:]]
    rows = [line.split("\t") for line in lines[variance + 3 :] if line.strip()]
    value["cov"] = {
        rename(row[0]): dict(zip(columns, map(float, row[1:]), strict=True)) for row in rows
    }
    return value


def spec_of(name: str) -> dict[str, Any]:
    """A block's heading, ``estimator-covariance-weights-missing``, in the words of the specs."""
    model, covariance, weights, missing = name.split("-")
    regressors = " + ".join(f"x{i}{missing}" for i in range(1, 6))
    absorbed = " | firm" if model == "fixed_effect" else ""
    cov = {"conventional": "iid", "robust": "HC1", "cluster": "cluster"}[covariance]
    if cov == "HC1" and model != "pooled":
        cov = "cluster"
    spec: dict[str, Any] = {
        "estimator": ESTIMATORS[model],
        "formula": f"y{missing} ~ {regressors}{absorbed}",
        "cov": cov,
        "correction": "stata",
    }
    if model == "fixed_effect":
        spec["intercept"] = True
    if model == "random_effect":
        spec |= {"method": "swamy-arora", "components": "stata"}
    if weights == "weighted":
        spec["weights"] = "w"
    if weights == "wls":
        spec["weighting"] = "periods"
    return spec


def cases() -> list[dict[str, Any]]:
    """Two cases a block: numbers printed with eleven digits, and those with fewer.

    The file prints at most eleven decimals, hence small entries of the covariance, p-values and
    the correlation of effects and prediction with as few as six digits.
    """
    folder = resources.files("linearmodels.tests.panel.results")
    text = (folder / "stata-panel-simulated-results.txt").read_text()
    parts = re.split(r"#+!(\S+)!#+\n", text)[1:]
    made = []
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        value = parse(block)
        short = {
            key: value.pop(key) for key in ("cov", "pvalues", "corr_effects_xb") if key in value
        }
        del short["pvalues"]
        common = {
            "tool": "Stata",
            "version": "13",
            "data": "stata_simulated",
            "spec": spec_of(name),
        }
        made.append({"id": name, **common, "value": value, "tolerance": 1e-8})
        made.append({"id": f"{name}:cov", **common, "value": short, "tolerance": 1e-6})
    return made
