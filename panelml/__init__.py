"""panelml: longitudinal panel data, from the data frame to the table."""

from __future__ import annotations

from importlib import import_module

_MODULES = ("cov", "datasets", "errors", "residual", "simulate")

# The module under this package that defines each public name. It is imported when the name is
# first used; type checkers read ``__init__.pyi``.
_HOMES = {
    "Between": "linear.linear",
    "BorusyakJaravelSpiess": "did.estimators.imputation",
    "CallawaySantAnna": "did.estimators.group_time",
    "Cloglog": "glm.binary",
    "Comparisons": "did.evaluation.question",
    "EventStudy": "did.estimators.regression",
    "EventStudyEstimates": "did.sensitivity.around_reference",
    "ExtendedTWFE": "did.estimators.regression",
    "FirstDifference": "linear.linear",
    "FixedEffects": "linear.fixed",
    "HHGNegativeBinomial": "glm.hhg",
    "Hybrid": "random.within_between",
    "LocalProjectionsDiD": "did.estimators.windows",
    "Logit": "glm.binary",
    "MixedModel": "mixed.mixed",
    "Mundlak": "random.within_between",
    "NegativeBinomial": "glm.negative_binomial",
    "OrderedLogit": "glm.ordered",
    "OrderedProbit": "glm.ordered",
    "Panel": "data.panel.panel",
    "Poisson": "glm.poisson",
    "PolicyInference": "did.evaluation.evaluate",
    "PooledOLS": "linear.linear",
    "Probit": "glm.binary",
    "RandomEffects": "random.random",
    "StackedDiD": "did.estimators.windows",
    "SunAbraham": "did.estimators.regression",
    "SyntheticControl": "did.estimators.synthetic",
    "SyntheticDiD": "did.estimators.synthetic",
    "TWFE": "did.estimators.regression",
    "Timing": "did.results.timing",
    "Tobit": "glm.tobit",
    "TripleDifference": "did.estimators.triple",
    "TwoStageDiD": "did.estimators.imputation",
    "bacon_decomposition": "did.describe.decomposition",
    "balance_table": "did.describe.balance",
    "breusch_pagan": "diagnostics.effects",
    "compare": "results.show.table",
    "effects_test": "diagnostics.effects",
    "evaluate_policy": "did.evaluation.evaluate",
    "event_study_plot": "did.results.event_studies",
    "gourieroux_holly_monfort": "diagnostics.effects",
    "hausman": "diagnostics.hausman",
    "honda": "diagnostics.effects",
    "honest_did": "did.sensitivity.honest",
    "jackknife": "did.inference.jackknife",
    "king_wu": "diagnostics.effects",
    "leave_one_out": "did.inference.synthetic_placebos",
    "lr_test": "diagnostics.likelihood_ratio",
    "overlap_table": "did.describe.balance",
    "pesaran_cd": "diagnostics.dependence",
    "placebo_in_space": "did.inference.synthetic_placebos",
    "placebo_in_time": "did.inference.placebo",
    "power": "mixed.power",
    "pretrends_power": "did.sensitivity.pretrends",
    "randomization_test": "did.inference.randomization",
    "slopes": "results.marginal.slopes",
    "snijders_bosker": "mixed.snijders_bosker",
    "twfe_weights": "did.describe.decomposition",
    "within_between": "diagnostics.within_between",
    "wooldridge_test": "diagnostics.serial",
}

__all__ = sorted([*_MODULES, *_HOMES])


def __getattr__(name: str) -> object:
    """Import a public name from the module that defines it."""
    if name in _MODULES:
        return import_module(f"panelml.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'panelml' has no attribute {name!r}")
    value = getattr(import_module(f"panelml.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
