"""Synthetic control with predictors by diff-diff: cigarette sales in California against 45 states.

The data are the set ``cigarettes`` with real prices and income and the share of adults; see
``tests/did/estimators/test_synthetic_control.py``.
"""

import json
import sys
import warnings

import diff_diff
import pandas as pd

warnings.simplefilter("ignore")
WINDOW = list(range(80, 89))


def main(folder: str) -> None:
    frame = pd.read_csv(f"{folder}/cigarettes.csv")
    frame["treated"] = ((frame["state"] == 5) & (frame["year"] >= 89)).astype(int)
    cases = []
    for method in ("custom", "nested"):
        spec = {"v_method": method, "custom_v": [1.0] * 6} if method == "custom" else {}
        found = diff_diff.SyntheticControl(**spec, seed=1).fit(
            frame,
            outcome="sales",
            treatment="treated",
            unit="state",
            time="year",
            predictors=["price_real", "income", "share"],
            predictor_window=WINDOW,
            pre_period_outcomes=[75, 80, 88],
        )
        cases.append(
            {
                "id": f"diff-diff-{method}",
                "tool": "diff-diff",
                "version": diff_diff.__version__,
                "script": "tests/golden/make/did_synthetic.py",
                "data": "cigarettes",
                "spec": {"estimator": "SyntheticControl", "importance": method},
                "value": {
                    "att": found.att,
                    "rmspe": found.pre_rmspe,
                    "weights": {str(k): float(v) for k, v in found.donor_weights.items()},
                },
                "tolerance": 1e-6,
            }
        )
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main(sys.argv[1])
