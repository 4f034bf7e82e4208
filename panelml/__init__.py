"""panelml: longitudinal panel data, from the data frame to the table."""

from __future__ import annotations

from panelml import datasets, simulate
from panelml.data.panel.panel import Panel
from panelml.diagnostics.dependence import pesaran_cd
from panelml.diagnostics.effects import (
    breusch_pagan,
    effects_test,
    gourieroux_holly_monfort,
    honda,
    king_wu,
)
from panelml.diagnostics.hausman import hausman
from panelml.diagnostics.likelihood_ratio import lr_test
from panelml.diagnostics.serial import wooldridge_test
from panelml.diagnostics.within_between import within_between
from panelml.did.describe.balance import balance_table, overlap_table
from panelml.did.describe.decomposition import bacon_decomposition, twfe_weights
from panelml.did.estimators.group_time import CallawaySantAnna
from panelml.did.estimators.imputation import BorusyakJaravelSpiess, TwoStageDiD
from panelml.did.estimators.regression import TWFE, EventStudy, ExtendedTWFE, SunAbraham
from panelml.did.estimators.synthetic import SyntheticControl, SyntheticDiD
from panelml.did.estimators.triple import TripleDifference
from panelml.did.estimators.windows import LocalProjectionsDiD, StackedDiD
from panelml.did.evaluation.evaluate import evaluate_policy
from panelml.did.inference.jackknife import jackknife
from panelml.did.inference.placebo import placebo_in_time
from panelml.did.inference.randomization import randomization_test
from panelml.did.inference.synthetic_placebos import leave_one_out, placebo_in_space
from panelml.did.results.event_studies import event_study_plot
from panelml.did.results.timing import Timing
from panelml.did.sensitivity.honest import honest_did
from panelml.did.sensitivity.pretrends import pretrends_power
from panelml.inference import covariance as cov
from panelml.linear.fixed import FixedEffects
from panelml.linear.linear import Between, FirstDifference, PooledOLS
from panelml.mixed.core import structures as residual
from panelml.mixed.mixed import MixedModel
from panelml.mixed.power import power
from panelml.mixed.snijders_bosker import snijders_bosker
from panelml.random.random import RandomEffects
from panelml.random.within_between import Hybrid, Mundlak
from panelml.results.show.table import compare

__all__ = [
    "TWFE",
    "Between",
    "BorusyakJaravelSpiess",
    "CallawaySantAnna",
    "EventStudy",
    "ExtendedTWFE",
    "FirstDifference",
    "FixedEffects",
    "Hybrid",
    "LocalProjectionsDiD",
    "MixedModel",
    "Mundlak",
    "Panel",
    "PooledOLS",
    "RandomEffects",
    "StackedDiD",
    "SunAbraham",
    "SyntheticControl",
    "SyntheticDiD",
    "Timing",
    "TripleDifference",
    "TwoStageDiD",
    "bacon_decomposition",
    "balance_table",
    "breusch_pagan",
    "compare",
    "cov",
    "datasets",
    "effects_test",
    "evaluate_policy",
    "event_study_plot",
    "gourieroux_holly_monfort",
    "hausman",
    "honda",
    "honest_did",
    "jackknife",
    "king_wu",
    "leave_one_out",
    "lr_test",
    "overlap_table",
    "pesaran_cd",
    "placebo_in_space",
    "placebo_in_time",
    "power",
    "pretrends_power",
    "randomization_test",
    "residual",
    "simulate",
    "snijders_bosker",
    "twfe_weights",
    "within_between",
    "wooldridge_test",
]
