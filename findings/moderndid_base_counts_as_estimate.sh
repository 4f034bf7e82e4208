#!/usr/bin/env bash
# moderndid 0.2.0: `base_period="universal"` in a panel without a wave, in which one cohort's base is
# horizon -1 and the other's, for want of that wave, horizon -2.
# Guessed: a cohort's base is zero by construction, and no estimate: the event study at horizon -2
# is that of the cohorts that have an estimate there, or the mix of bases is refused.
# Seen: the zero is averaged with the other cohort's estimate, which halves it, and at horizon 0
# changes from one period before are averaged with changes from two periods before. Neither is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet moderndid==0.2.0 polars==2.1.0 numpy==2.3.5
"$work/venv/bin/python" - <<'PYTHON' 2> "$work/warnings"
import moderndid as md
import numpy as np
import polars as pl

rng = np.random.default_rng(0)
units, periods, missing = 900, 8, 4
unit, time = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
cohort = np.repeat([0, 3, 5], units // 3)[unit]
adopts = cohort > 0
y = 0.5 * time * adopts + (adopts & (time >= cohort)) + rng.normal(scale=0.1, size=len(unit))
data = pl.DataFrame({"unit": unit, "time": time, "cohort": cohort, "y": y})
data = data.filter(pl.col("time") != missing)


def event_study(rows):
    effects = md.att_gt(
        data=rows, yname="y", tname="time", idname="unit", gname="cohort", est_method="reg",
        base_period="universal", boot=False,
    )
    study = md.aggte(effects, type="dynamic")
    return dict(zip(study.event_times.tolist(), study.att_by_event.tolist(), strict=True))


def by_hand(group, period, base):
    means = {
        g: {t: y[(cohort == g) & (time == t)].mean() for t in (period, base)} for g in (group, 0)
    }
    return means[group][period] - means[group][base] - (means[0][period] - means[0][base])


together = event_study(data)
alone = {g: event_study(data.filter(pl.col("cohort").is_in([0, g]))) for g in (3, 5)}
right = by_hand(3, 1, 2)
print(f"horizon -2: cohort 3 {alone[3][-2]:.4f} (by hand {right:.4f}), cohort 5 {alone[5][-2]:.4f}")
print(f"horizon -2, both: {together[-2]:.4f}; horizon 0, both: {together[0]:.4f}")
assert abs(alone[3][-2] - right) < 1e-10
assert alone[5][-2] == 0
assert abs(together[-2] - right / 2) < 1e-10, "the base no longer counts as an estimate"
assert abs(together[0] - (by_hand(3, 3, 2) + by_hand(5, 5, 3)) / 2) < 1e-10, "bases no longer mix"
PYTHON
cat "$work/warnings"
