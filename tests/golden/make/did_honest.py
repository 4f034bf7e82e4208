"""Robust intervals of the Medicaid expansion by moderndid: python did_honest.py ehec.npz.

The event study is that of ``dins`` on the expansion of 2014, states that expanded in 2015 left out.
"""

import json
import sys

import moderndid
import numpy as np
from moderndid.didhonest import create_sensitivity_results_rm, create_sensitivity_results_sm

VERSION = moderndid.__version__


def main(path: str) -> None:
    estimates = np.load(path)
    beta, sigma = estimates["b"], estimates["s"]
    sizes = {"betahat": beta, "sigma": sigma, "num_pre_periods": 5, "num_post_periods": 2}
    relative = create_sensitivity_results_rm(**sizes, m_bar_vec=[0.5, 1.0, 2.0], grid_points=1000)
    smooth = create_sensitivity_results_sm(**sizes, m_vec=[0.0, 0.01, 0.02])
    second = create_sensitivity_results_rm(
        **sizes, m_bar_vec=[0.5], grid_points=1000, bound="deviation from linear trend"
    )
    found = {
        "tool": "moderndid",
        "version": VERSION,
        "script": "tests/golden/make/did_honest.py",
        "betahat": beta.tolist(),
        "sigma": sigma.tolist(),
        "horizons": [-6, -5, -4, -3, -2, 0, 1],
        "grid_points": 1000,
        "relative-magnitudes": [[r["Mbar"], r["lb"], r["ub"]] for r in relative.to_dicts()],
        "smoothness": [[r["m"], r["lb"], r["ub"]] for r in smooth.to_dicts()],
        "relative-smoothness": [[r["Mbar"], r["lb"], r["ub"]] for r in second.to_dicts()],
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
