"""Local projections and stacked windows by diff-diff, on the simulated balanced panel."""

import json
import sys
import warnings

import diff_diff
import pandas as pd

warnings.simplefilter("ignore")


def case(name: str, spec: dict, params: dict) -> dict:
    return {
        "id": f"diff-diff-{name}",
        "tool": "diff-diff",
        "version": diff_diff.__version__,
        "script": "tests/golden/make/did_windows.py",
        "data": "stress",
        "spec": spec,
        "value": {"params": params},
        "tolerance": 1e-8,
    }


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
    print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")


if __name__ == "__main__":
    main(sys.argv[1])
