#!/usr/bin/env bash
# pyfixest 0.60.0: `y ~ C(t, contr.treatment(base=2002)):x | id + t`, the effect of a constant trait
# by year, with 2002 as the year that others are compared with.
# Guessed: 2002 is left out, as by `i(t, x, ref=2002)`.
# Seen: 2002 stays and 2005, the last year, is left out, so that every coefficient is a difference
# from 2005. A warning names 2005 as collinear; none says that the base was not used.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyfixest==0.60.0 formulaic==1.2.1 pandas==2.3.3 numpy==2.3.5
"$work/venv/bin/python" - <<'PYTHON' 2> "$work/warnings"
import numpy as np
import pandas as pd
import pyfixest as pf

rng = np.random.default_rng(0)
units, years, base = 60, np.arange(2000, 2006), 2002
data = pd.DataFrame({"id": np.repeat(np.arange(units), len(years)), "t": np.tile(years, units)})
data["x"] = rng.normal(size=units)[data["id"]]
data["y"] = data["x"] * (data["t"] - base) + rng.normal(size=len(data))

found = pf.feols(f"y ~ C(t, contr.treatment(base={base})):x | id + t", data).coef()
right = pf.feols(f"y ~ i(t, x, ref={base}) | id + t", data).coef()
found.index = found.index.str.extract(r"(\d{4})\]", expand=False)
right.index = right.index.str.extract(r"(\d{4})", expand=False)
print(pd.DataFrame({f"against {base}, by i()": right, f"with base={base}": found}))

# Balanced, so that each coefficient is that of the year's deviations from the base's, on x.
wide, x = data.pivot(index="id", columns="t", values="y"), data.groupby("id")["x"].first()
slopes = {str(year): np.polyfit(x, wide[year] - wide[base], 1)[0] for year in years}
assert all(abs(slopes[year] - value) < 1e-8 for year, value in right.items())
assert str(base) in found.index and "2005" not in found.index, "the base is left out now"
assert abs(found["2000"] - (slopes["2000"] - slopes["2005"])) < 1e-8
PYTHON
cat "$work/warnings"
