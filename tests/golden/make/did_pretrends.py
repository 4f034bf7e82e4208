"""Power of pre-tests by diff-diff on two event studies; without arguments, prints the cases.

The event studies are the Medicaid expansion (of ``tests/did/sensitivity/ehec.json``) and minimum
wages (Callaway and Sant'Anna by moderndid, universal base), whose estimates are stored too.
"""

import json
import warnings
from pathlib import Path

import diff_diff
import moderndid
import numpy as np

warnings.simplefilter("ignore")
EHEC = Path(__file__).parents[2] / "did" / "sensitivity" / "ehec.json"


def minimum_wages():
    """Effects of minimum wages on teen employment by event time."""
    found = moderndid.att_gt(
        data=moderndid.load_mpdta(),
        yname="lemp",
        tname="year",
        gname="first.treat",
        idname="countyreal",
        est_method="dr",
        boot=False,
        base_period="universal",
    )
    events = moderndid.aggte(found, type="dynamic")
    keep = events.event_times != -1
    influence = np.asarray(events.influence_func)[:, keep]
    sigma = influence.T @ influence / len(influence) ** 2
    return {
        "horizons": events.event_times[keep].astype(int).tolist(),
        "betahat": events.att_by_event[keep].tolist(),
        "sigma": sigma.tolist(),
    }


def powers(data, study):
    """Slope at which the test that none is significant has a power, and power at a given slope."""
    before = [h for h in study["horizons"] if h < -1]
    cov = np.array(study["sigma"])[: len(before), : len(before)]
    away = np.abs(np.array(before, dtype=float) + 1)
    for target in (0.5, 0.8):
        tool = diff_diff.PreTrendsPower(alpha=0.05, power=target)
        slope = float(tool._compute_mdv(away, cov))
        power = float(tool._compute_power_nis(0.01, away, cov)[0])
        yield {
            "id": f"{data}-{target}",
            "tool": "diff-diff",
            "version": diff_diff.__version__,
            "script": "tests/golden/make/did_pretrends.py",
            "data": data,
            "spec": {"power": target, "slope": 0.01, "study": study},
            "value": {"slope": slope, "power": power},
            "tolerance": 1e-4,
        }


def main():
    ehec = json.loads(EHEC.read_text(encoding="utf-8"))
    studies = {"medicaid": {k: ehec[k] for k in ("horizons", "betahat", "sigma")}}
    studies["mpdta"] = minimum_wages()
    cases = [case for data, study in studies.items() for case in powers(data, study)]
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main()
