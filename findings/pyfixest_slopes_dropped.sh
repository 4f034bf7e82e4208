#!/usr/bin/env bash
# pyfixest 0.60.0: `y ~ x | unit[trend] + time`, fixest's grammar for slopes that vary by unit.
# Guessed: the slopes are absorbed as in fixest, or the formula is refused.
# Seen: no error and no warning; the whole term is left out, the unit's intercept with it, so that
# the coefficient is that of `y ~ x | time`, while the fit still names `unit[trend] + time`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyfixest==0.60.0 pandas==2.3.3 numpy==2.3.5
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
import pyfixest as pf

rng = np.random.default_rng(0)
units, periods = 60, 8
unit, time = np.repeat(np.arange(units), periods), np.tile(np.arange(periods), units)
slope = rng.normal(size=units)[unit]
data = pd.DataFrame({"unit": unit, "time": time, "trend": time.astype(float)})
data["x"] = rng.normal(size=len(data)) + slope * time
data["y"] = 0.5 * data["x"] + 2 * slope * time + rng.normal(size=len(data))

found = pf.feols("y ~ x | unit[trend] + time", data=data)
by_time = pf.feols("y ~ x | time", data=data).coef()["x"]
units_of = pd.get_dummies(unit).to_numpy(float)
dense = np.column_stack(
    [data["x"], units_of, units_of * time[:, None], pd.get_dummies(time).to_numpy(float)]
)
right = np.linalg.lstsq(dense, data["y"], rcond=None)[0][0]
print(f"pyfixest {pf.__version__}, with slopes: {found.coef()['x']:.6f}")
print(f"pyfixest {pf.__version__}, periods alone: {by_time:.6f}")
print(f"all dummies and slopes written out: {right:.6f}")
assert abs(found.coef()["x"] - by_time) < 1e-10, "the slopes are no longer left out"
assert abs(found.coef()["x"] - right) > 1, "the slopes are absorbed now"
PYTHON
