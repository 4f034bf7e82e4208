"""Staggered triple differences by diff-diff, on the simulated balanced panel.

Every third unit is eligible; covariate adjustment by regression, as diff-diff's doubly robust
estimator does not normalise its weights.
"""

import json
import sys
import warnings

import diff_diff
import pandas as pd

warnings.simplefilter("ignore")


def main(folder: str) -> None:
    cases = []
    frame = pd.read_csv(f"{folder}/stress.csv")
    frame = frame[frame["g"] != 1].copy()
    frame["elig"] = (frame["id"] % 3 == 0).astype(int)
    for control, name in (("nevertreated", "never"), ("notyettreated", "not-yet")):
        for covariates in (None, ["x1"]):
            found = diff_diff.StaggeredTripleDifference(
                estimation_method="reg", control_group=control
            ).fit(
                frame,
                outcome="y",
                unit="id",
                time="t",
                first_treat="g",
                eligibility="elig",
                covariates=covariates,
            )
            params, errors = {}, {}
            for (g, t), cell in found.group_time_effects.items():
                key = f"att({int(g)}, {int(t)})"
                params[key], errors[key] = cell["effect"], cell["se"]
            cases.append(
                {
                    "id": f"diff-diff-triple-{name}-{'x1' if covariates else 'plain'}",
                    "tool": "diff-diff",
                    "version": diff_diff.__version__,
                    "script": "tests/golden/make/did_triple.py",
                    "data": "stress",
                    "spec": {
                        "estimator": "TripleDifference",
                        "control": name,
                        "method": "reg",
                        "formula": "y ~ x1" if covariates else "y ~ 1",
                    },
                    "value": {"params": params, "std_errors": errors},
                    "tolerance": 1e-8,
                }
            )
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main(sys.argv[1])
