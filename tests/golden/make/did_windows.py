"""Local projections and stacked windows by diff-diff, on simulated balanced panels.

Run with the repository root on PYTHONPATH.
"""

import json
import sys
import warnings

import diff_diff
import pandas as pd

from tests.did import stress

warnings.simplefilter("ignore")


def case(name: str, spec: dict, params: dict, data: str = "stress") -> dict:
    return {
        "id": f"diff-diff-{name}",
        "tool": "diff-diff",
        "version": diff_diff.__version__,
        "script": "tests/golden/make/did_windows.py",
        "data": data,
        "spec": spec,
        "value": {"params": params},
        "tolerance": 1e-8,
    }


def switching() -> list[dict]:
    """Treatments that end; leads of the second are left out: its comparisons may exit in t."""
    cases = []
    for ours, theirs in (
        ("first", {"non_absorbing": "first_entry"}),
        (2, {"non_absorbing": "effect_stabilization", "stabilization_window": 2}),
    ):
        found = diff_diff.LPDiD(pre_window=3, post_window=2, cluster="id", **theirs).fit(
            stress.switching(), outcome="y", unit="id", time="t", treatment="d", only_event=True
        )
        table = found.event_study.set_index("horizon")["coefficient"].drop(index=-1)
        table = table if ours == "first" else table[table.index >= 0]
        params = {f"horizon {int(h)}": float(value) for h, value in table.items()}
        spec = {"estimator": "LocalProjectionsDiD", "window": [-3, 2], "switching": ours}
        cases.append(case(f"lpdid-switching-{ours}", spec, params, "switching"))
    return cases


def main(folder: str) -> None:
    frame = pd.read_csv(f"{folder}/stress.csv")
    frame = frame[frame["g"] != 1].copy()
    frame["tr"] = ((frame["g"] > 0) & (frame["t"] >= frame["g"])).astype(int)
    cases = []
    for reweight in (False, True):
        found = diff_diff.LPDiD(pre_window=3, post_window=2, reweight=reweight).fit(
            frame, outcome="y", unit="id", time="t", treatment="tr", only_event=True
        )
        table = found.event_study
        params = {
            f"horizon {int(r.horizon)}": float(r.coefficient)
            for r in table.itertuples()
            if int(r.horizon) != -1
        }
        spec = {"estimator": "LocalProjectionsDiD", "window": [-3, 2], "equal": reweight}
        cases.append(case(f"lpdid-{'equal' if reweight else 'variance'}", spec, params))
    found = diff_diff.StackedDiD(kappa_pre=3, kappa_post=1).fit(
        frame, outcome="y", unit="id", time="t", first_treat="g", aggregate="event_study"
    )
    params = {
        f"horizon {int(h)}": float(e["effect"])
        for h, e in found.event_study_effects.items()
        if int(h) != -1
    }
    spec = {"estimator": "StackedDiD", "window": [-3, 1]}
    cases.append(case("stacked", spec, params))
    cases += switching()
    print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")


if __name__ == "__main__":
    main(sys.argv[1])
