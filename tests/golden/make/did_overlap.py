"""Callaway and Sant'Anna's effects by csdid where some comparison units resemble no treated unit.

Of the simulated balanced panel, units 1 to 600; a third of those never treated are in the north,
where nobody adopts, and unit 4, never treated, has an extreme value of `far`.
"""

import json
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
from csdid.att_gt import ATTgt

warnings.simplefilter("ignore")


def main(folder: str) -> None:
    frame = pd.read_csv(f"{folder}/stress.csv")
    frame = frame[(frame["g"] != 1) & (frame["id"] <= 600)].copy()
    never = frame["g"] == 0
    frame["north"] = (never & (frame["id"] % 3 == 0)).astype(float)
    lone = frame.loc[never, "id"].iloc[0]
    frame["far"] = np.where(frame["id"] == lone, 60.0, frame["x1"])
    cases = []
    for covariates in ("north + x1", "far"):
        for method in ("dr", "ipw", "reg"):
            for control, name in (("nevertreated", "never"), ("notyettreated", "not-yet")):
                found = ATTgt(
                    yname="y",
                    gname="g",
                    idname="id",
                    tname="t",
                    xformla=f"~ {covariates}",
                    data=frame,
                    control_group=[control],
                ).fit(est_method=method, bstrap=False)
                cells = found.results
                keys = [
                    f"att({int(g)}, {int(t)})"
                    for g, t in zip(cells["group"], cells["year"], strict=True)
                ]
                params = dict(zip(keys, map(float, cells["att"]), strict=True))
                errors = dict(zip(keys, map(float, cells["se"]), strict=True))
                cases.append(
                    {
                        "id": f"csdid-{covariates.replace(' + ', '-')}-{method}-{name}",
                        "tool": "csdid",
                        "version": version("csdid"),
                        "script": "tests/golden/make/did_overlap.py",
                        "data": "stress",
                        "spec": {
                            "estimator": "CallawaySantAnna",
                            "control": name,
                            "method": method,
                            "formula": f"y ~ {covariates}",
                        },
                        "value": {"params": params, "std_errors": errors},
                        "tolerance": 1e-7,
                    }
                )
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main(sys.argv[1])
