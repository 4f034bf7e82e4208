#!/usr/bin/env bash
# statsmodels 0.14.6 and pyfixest 0.60.0 (formulaic 1.2.1): `I(age**2)` of a column from a Stata
# file, where an age is stored in a byte, as Stata's `compress` does.
# Guessed: formulas compute in double precision, as Stata and R do, whatever the storage.
# Seen: read_stata keeps int8, the formula squares it in int8, 61**2 is -119, and both packages
# report a coefficient of the wrong sign and size, without a word.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyfixest==0.60.0 statsmodels==0.14.6 formulaic==1.2.1 \
    pandas==2.3.3 numpy==2.3.5
"$work/venv/bin/python" -W ignore - "$work/people.dta" <<'PYTHON'
import sys

import numpy as np
import pandas as pd
import pyfixest as pf
import statsmodels.formula.api as smf

rng = np.random.default_rng(0)
age = rng.integers(20, 90, 500)
people = pd.DataFrame({"age": age.astype("int8"), "y": age**2 / 100 + 0.01 * rng.normal(size=500)})
people.to_stata(sys.argv[1], write_index=False)
people = pd.read_stata(sys.argv[1])

right = np.polyfit(age.astype(float) ** 2, people["y"], 1)[0]
found = {
    "statsmodels": smf.ols("y ~ I(age**2)", people).fit().params.iloc[1],
    "pyfixest": pf.feols("y ~ I(age**2)", people).coef().iloc[1],
}
print(f"age is stored as {people['age'].dtype}; right: {right:.6f}")
for package, value in found.items():
    print(f"{package}: {value:.6f}")
    assert abs(value / right - 1) > 0.5, f"{package} no longer wraps around"
PYTHON
