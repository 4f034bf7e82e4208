#!/usr/bin/env bash
# pyfixest 0.60.0: `fepois` where a regressor is positive only in rows whose count is zero, so that
# the likelihood has no maximum (separation), beside an absorbed effect; default arguments.
# Guessed: the rows are found and dropped, as ppmlhdfe does, or the fit warns: the package checks for
# separation by default.
# Seen: the default checks the absorbed effects only. No row is dropped, no warning is given, and the
# coefficient is -29 with |t| above 1,000: it looks estimated, and significant.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyfixest==0.60.0 pandas==2.3.3 numpy==2.3.5
"$work/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import pandas as pd
import pyfixest as pf

rng = np.random.default_rng(3)
rows = 400
data = pd.DataFrame({"group": np.repeat(np.arange(20), 20), "x": rng.normal(size=rows)})
data["count"] = rng.poisson(np.exp(0.5 + 0.3 * data["x"]))
data["rule"] = 0.0
zero = data.index[data["count"] == 0][:6]
data.loc[zero, "rule"] = rng.uniform(0.5, 1.5, size=6)

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    fit = pf.fepois("count ~ x + rule | group", data=data, vcov={"CRV1": "group"})
asked = pf.fepois(
    "count ~ x | group", data=data.drop(index=zero), vcov={"CRV1": "group"}
)
t = fit.tstat()["rule"]
print(f"pyfixest {pf.__version__}: rule {fit.coef()['rule']:.3f}, t {t:.1f}, rows {fit._N}")
print(f"x: {fit.coef()['x']:.6f}; without the separated rows {asked.coef()['x']:.6f}")
print("warnings:", [str(one.message)[:80] for one in said])
assert fit._N == rows, "separated rows are dropped now"
assert fit.coef()["rule"] < -10, "the coefficient is no longer reported"
assert abs(t) > 100, "the coefficient no longer looks significant"
assert not any("separat" in str(one.message).lower() for one in said), "separation is said now"
PYTHON
