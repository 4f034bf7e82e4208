"""Weights of effects in two-way coefficients by diff-diff, on the simulated balanced panel."""

import json
import sys
import warnings

import diff_diff
import pandas as pd

warnings.simplefilter("ignore")


def main(folder: str) -> None:
    cases = []
    for drop in ([1], [0, 1]):
        frame = pd.read_csv(f"{folder}/stress.csv")
        frame = frame[~frame["g"].isin(drop)].copy()
        frame["tr"] = ((frame["g"] > 0) & (frame["t"] >= frame["g"])).astype(float)
        found = diff_diff.twowayfeweights(frame, outcome="y", group="g", time="t", treatment="tr")
        table = found.weights
        treated = table[(table["g"] > 0) & (table["t"] >= table["g"])]
        cases.append(
            {
                "id": f"diff-diff-weights-without-{'-'.join(map(str, drop))}",
                "tool": "diff-diff",
                "version": diff_diff.__version__,
                "script": "tests/golden/make/did_decomposition.py",
                "data": "stress",
                "spec": {"estimator": "twfe_weights", "drop": drop},
                "value": {
                    "coefficient": found.beta_fe,
                    "spread": found.sigma_fe,
                    "weights": {f"{r.g:.0f}-{r.t:.0f}": r.weight for r in treated.itertuples()},
                },
                "tolerance": 1e-8,
            }
        )
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main(sys.argv[1])
