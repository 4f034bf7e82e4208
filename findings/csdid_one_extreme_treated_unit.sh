#!/usr/bin/env bash
# csdid 0.4.3 (drdid 1.1.7): doubly robust effects given a covariate, where one of about 200 treated
# units has a covariate of 9 and all others one between -3 and 3.
# Guessed: effects on the treated weight comparison units alone by their odds of treatment, which
# are finite; the one unit's probability (0.9999) enters nowhere, and the effects move little.
# Seen: every effect of the cohort is missing. A probability of 0.999 in any unit, treated or not,
# leaves out the whole cell, as in R's did.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet csdid==0.4.3 drdid==1.1.7 pandas==2.3.3 numpy==2.3.5
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
from csdid.att_gt import ATTgt
from scipy.optimize import minimize

rng = np.random.default_rng(0)
units, periods, cohort = 400, 4, 3
unit, time = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
usual = rng.normal(size=units)
treated = rng.uniform(size=units) < 1 / (1 + np.exp(-usual))
extreme = np.where(np.arange(units) == np.flatnonzero(treated)[0], 9.0, usual)
noise = rng.normal(scale=0.1, size=len(unit))


def outcome(x):
    return 0.1 * x[unit] * time + (treated[unit] & (time >= cohort)) + noise


def effects(x):
    data = pd.DataFrame({"unit": unit, "time": time, "x": x[unit], "y": outcome(x)})
    data["first"] = np.where(treated[unit], cohort, 0)
    fit = ATTgt(
        yname="y", tname="time", idname="unit", gname="first", data=data, xformla="y ~ x",
        control_group=["nevertreated"],
    ).fit(est_method="dr")
    return np.array(fit.results["att"], dtype=float)


def by_hand(x):
    """The doubly robust effect in the period of adoption, and the largest probability."""
    change = np.diff(outcome(x).reshape(units, periods)[:, cohort - 2 : cohort]).ravel()
    z = np.column_stack([np.ones(units), x])
    logit = minimize(lambda b: np.logaddexp(0, z @ b).sum() - (z @ b)[treated].sum(), [0.0, 0.0])
    odds, here = np.exp(z @ logit.x), ~treated
    fitted = z @ np.linalg.lstsq(z[here], change[here], rcond=None)[0]
    rest = change - fitted
    effect = rest[treated].mean() - np.average(rest[here], weights=odds[here])
    return effect, (odds / (1 + odds)).max()


print("without the unit's value, csdid:", effects(usual).round(4), "by hand:", by_hand(usual))
print("with it, csdid:", effects(extreme), "by hand:", by_hand(extreme))
assert abs(effects(usual)[1] - by_hand(usual)[0]) < 1e-4
assert np.isfinite(by_hand(extreme)[0]) and 0.999 < by_hand(extreme)[1] < 1 - 1e-6
assert np.isnan(effects(extreme)).all(), "the cohort has effects now"
PYTHON
