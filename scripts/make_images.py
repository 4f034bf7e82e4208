"""Draw the pictures of the documentation into docs/images/, from the code a reader would write."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

import panelml as pm

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def wage_premia() -> plt.Figure:
    """Draw the wage premia of union members and married men, estimator by estimator."""
    panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    formula = "lwage ~ union + married + exper + expersq + educ + black + hisp"
    fits = [
        estimator(formula).fit(panel)
        for estimator in (
            pm.Between,
            pm.PooledOLS,
            pm.RandomEffects,
            pm.FixedEffects,
            pm.FirstDifference,
        )
    ]
    figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
    pm.compare(*fits, terms=["union", "married"]).plot(axes)
    axes.set_title("")
    axes.set_title("Wage premium in log points: between men, and within them", loc="left")
    return figure


def castle() -> plt.Figure:
    """Draw the effects of castle-doctrine laws on homicide by four estimators."""
    data = pm.datasets.load("castle")
    adopted = data[data["post"] == 1].groupby("sid")["year"].min() - 1
    panel = pm.Panel(data.assign(adopted=data["sid"].map(adopted)), unit="sid", time="year")
    found = pm.evaluate_policy("l_homicide ~ 1", panel, cohort="adopted")
    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    shown = {name: event.limited(-4, 5) for name, event in found.events.items()}
    pm.event_study_plot(ax=axes, band=False, **shown)
    axes.set_title("Log homicides per 100,000, by years since adoption", loc="left")
    return figure


def main() -> None:
    matplotlib.use("agg")
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    IMAGES.mkdir(exist_ok=True)
    for draw in (wage_premia, castle):
        figure = draw()
        figure.savefig(IMAGES / f"{draw.__name__}.png", dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    main()
