"""Mixed models: what is measured, by whom, and what panelml has to reach."""

from __future__ import annotations

from benchmarks.case import Case, Faster

__all__ = ["MIXED", "PEERS"]

PEERS = ("panelml", "lme4", "mixedlm", "mixedlm_rs", "statsmodels", "nlme")
#: One grouping factor, independent residuals.
SINGLE = PEERS[:-1]
#: mixedlm_rs and statsmodels have no crossed levels that would finish.
CROSSED = ("panelml", "lme4", "mixedlm")
#: The others have no residuals that depend on each other.
SERIAL = ("panelml", "nlme")
GROWTH = "y ~ t + x + (t | id)"

MIXED = (
    Case(
        "growth-1e5",
        "Random slope of time, 1e4 units, 1e5 rows",
        "mixed",
        SINGLE,
        data="growth",
        only_rows=100_000,
        formula=GROWTH,
        targets=(Faster("lme4", 20),),
    ),
    Case(
        "growth-1e6",
        "Random slope of time, 1e5 units, 1e6 rows",
        "mixed",
        SINGLE,
        data="growth",
        only_rows=1_000_000,
        formula=GROWTH,
        most_mb=400,
        targets=(Faster("lme4", 50), Faster("mixedlm_rs", 2)),
    ),
    Case(
        "growth-1e7",
        "Random slope of time, 1e6 units, 1e7 rows",
        "mixed",
        ("panelml", "mixedlm_rs"),
        data="growth",
        only_rows=10_000_000,
        formula=GROWTH,
    ),
    Case(
        "slope-1e6",
        "Random slope of a continuous regressor, 1e5 units, 1e6 rows",
        "mixed",
        SINGLE,
        data="growth",
        only_rows=1_000_000,
        formula="y ~ t + x + (x | id)",
    ),
    Case(
        "insteval",
        "InstEval: students, lecturers and departments, 73,421 rows",
        "mixed",
        CROSSED,
        data="insteval",
        only_rows=73_421,
        formula="y ~ service + (1 | s) + (1 | d) + (1 | dept)",
        targets=(Faster("lme4", 10), Faster("mixedlm", 5)),
    ),
    Case(
        "crossed",
        "2e4 subjects crossed with 500 items, 2e5 rows",
        "mixed",
        CROSSED,
        data="crossed",
        only_rows=200_000,
        formula="y ~ x + (1 | subject) + (1 | item)",
    ),
    Case(
        "nested",
        "Growth of 2e4 pupils in 500 schools, 1e5 rows",
        "mixed",
        CROSSED,
        data="nested",
        only_rows=100_000,
        formula="y ~ t + (t | school) + (t | pupil)",
    ),
    Case(
        "workers",
        "3e4 workers who move between any of 3e3 firms, 3e5 rows",
        "mixed",
        CROSSED,
        data="workers",
        only_rows=300_000,
        formula="y ~ x1 + (1 | worker) + (1 | firm)",
    ),
    Case(
        "regional",
        "1e5 workers who move between 2e4 firms within regions, 1e6 rows",
        "mixed",
        CROSSED,
        data="regional",
        only_rows=1_000_000,
        formula="y ~ x1 + (1 | worker) + (1 | firm)",
    ),
    Case(
        "serial",
        "AR(1) residuals of 2e4 people, 2e5 rows",
        "mixed",
        SERIAL,
        data="serial",
        only_rows=200_000,
        formula="y ~ x + (1 | id)",
        serial="t",
    ),
    Case(
        "serial-nested",
        "AR(1) residuals of 2e4 people in 200 regions, 2e5 rows",
        "mixed",
        SERIAL,
        data="serial",
        only_rows=200_000,
        formula="y ~ x + (1 | region/id)",
        serial="t",
    ),
)
