#!/usr/bin/env bash
# pyfixest 0.60.0 (formulaic 1.2.1) and statsmodels 0.14.6 (patsy): `I((a > 0) + (b > 0))`, a count
# of conditions, as R and Stata have it.
# Guessed: 0, 1 or 2.
# Seen: truth values of NumPy and pandas add as "or": the regressor is 0 or 1, and the coefficient is
# that of "any of them", without a word.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyfixest==0.60.0 statsmodels==0.14.6 formulaic==1.2.1 \
    pandas==2.3.3 numpy==2.3.5
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
import pyfixest as pf
import statsmodels.formula.api as smf

rng = np.random.default_rng(0)
data = pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"])
count = (data["a"] > 0).astype(float) + (data["b"] > 0).astype(float)
data["y"] = count + 0.1 * rng.normal(size=400)

formula = "y ~ I((a > 0) + (b > 0))"
found = {
    "statsmodels": smf.ols(formula, data).fit().params.iloc[1],
    "pyfixest": pf.feols(formula, data).coef().iloc[1],
}
right = np.polyfit(count, data["y"], 1)[0]
either = np.polyfit(count.clip(upper=1), data["y"], 1)[0]
print(f"of the count: {right:.6f}; of 'or': {either:.6f}")
for package, value in found.items():
    print(f"{package}: {value:.6f}")
    assert abs(value - either) < 1e-8, f"{package} no longer takes the sum for 'or'"
assert abs(either - right) > 0.2
PYTHON
