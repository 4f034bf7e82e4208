"""The command line: the main job, each kind of file, what is left out, and errors of one line."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from panelml.__main__ import ESTIMATORS, main
from tests.panels import grunfeld10

HEADINGS = (
    "1. The panel",
    "2. Variation between units and within them",
    "3. The fits side by side",
    "4. Fixed or random effects? Hausman tests",
    "5. Are effects the same within and between units?",
    "6. What may be concluded",
)

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must succeed, and return what it prints."""

    def runner(*arguments: str) -> str:
        code = main(["compare", *arguments])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    return runner


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must fail, and return its message: one line, and nothing else."""

    def runner(*arguments: str) -> str:
        code = main(["compare", *arguments])
        out, err = capsys.readouterr()
        assert (code, out) == (1, "")
        assert err.startswith("python -m panelml: ")
        assert err.count("\n") == 1 and err.endswith("\n")
        return err.removeprefix("python -m panelml: ")

    return runner


@pytest.fixture
def firms(tmp_path: Path) -> str:
    path = tmp_path / "firms.csv"
    grunfeld10().to_csv(path, index=False)
    return str(path)


KEYS = ("--unit", "firm", "--time", "year")


def test_the_main_job_runs_on_the_wage_panel(run: Run) -> None:
    out = run()
    places = [out.index(f"\n{heading}\n{'-' * len(heading)}\n") for heading in HEADINGS]
    assert places == sorted(places)
    assert "lwage ~ union + married + exper + expersq + educ + black + hisp" in out
    # The classical Hausman statistic of plm and linearmodels for this regression.
    assert "chi2(4) = 31.4515, p < 0.0001" in out
    assert "The data reject that effects are the same within and between units" in out
    assert max(len(line) for line in out.splitlines()) <= 100


def test_every_estimator_stands_in_the_table(run: Run) -> None:
    out = " ".join(run().split())
    for name in ("Pooled OLS", "Between", "Fixed effects", "Random effects", "Mundlak", "Hybrid"):
        assert name in out
    assert "left out" not in out.partition("5. Are effects")[0]


@pytest.mark.parametrize("name", ["firms.csv", "firms.parquet", "firms.dta"])
def test_files_of_each_kind_give_the_same_report(name: str, tmp_path: Path, run: Run) -> None:
    path = tmp_path / name
    write = {
        ".csv": lambda: grunfeld10().to_csv(path, index=False),
        ".parquet": lambda: grunfeld10().to_parquet(path),
        ".dta": lambda: grunfeld10().to_stata(path, write_index=False),
    }
    write[path.suffix]()
    out = run(str(path), *KEYS, "inv ~ value + capital")
    assert out.startswith(f"{path}\n")
    # plm's Hausman statistic, its fixed-effects estimate, and its sign of weak evidence.
    assert "chi2(2) = 2.3304, p = 0.3119" in out
    assert "0.1101" in out
    assert "The tests do not agree" in out


def test_the_formula_may_stand_anywhere(firms: str, run: Run) -> None:
    formula = "inv ~ value + capital"
    first = run(firms, formula, *KEYS)
    assert run(firms, *KEYS, formula) == first
    assert run(*KEYS, firms, "--cov", "cluster", formula) == first


def test_a_known_data_set_needs_no_keys(run: Run) -> None:
    out = run("grunfeld", "invest ~ value + capital")
    assert out.startswith("Investment of 11 US firms")
    # The classical statistic of plm with American Steel.
    assert "chi2(2) = 3.9675" in out


def test_a_formula_alone_is_for_the_wage_panel(run: Run) -> None:
    out = run("lwage ~ union + educ")
    assert "Model: lwage ~ union + educ" in out
    assert "married" not in out


def test_covariance_and_weights_are_passed_on(firms: str, run: Run) -> None:
    formula = "inv ~ value + capital"
    plain, robust = run(firms, *KEYS, formula, "--cov", "iid"), run(firms, *KEYS, formula)
    assert "0.01186" in plain.replace("(0.0119)", "0.01186")
    assert plain != robust
    weighted = run(firms, *KEYS, formula, "--weights", "w_unit")
    assert weighted.partition("3. The fits")[2] != robust.partition("3. The fits")[2]


def test_what_cannot_be_fitted_is_left_out_with_the_reason(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "even.csv"
    grunfeld10().query("year % 2 == 0").to_csv(path, index=False)
    out = " ".join(run(str(path), *KEYS, "inv ~ value + capital").split())
    assert "First differences is left out: No unit is observed in two consecutive periods" in out
    assert "against First differences" not in out
    biennial = run(str(path), *KEYS, "inv ~ value + capital", "--delta", "2")
    assert "left out" not in biennial.partition("5. Are effects")[0]


def test_without_variation_within_units_nothing_is_tested(run: Run) -> None:
    out = " ".join(run("lwage ~ educ + black").split())
    assert "Fixed effects is left out: " in out
    assert "Hybrid (within-between) is left out: " in out
    assert "None: fixed effects or random effects could not be fitted." in out
    assert "No test of effects within against effects between units is defined" in out


def test_the_html_report_needs_no_other_file(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "report.html"
    out = run("--html", str(path))
    assert out.endswith(f"\nWritten to {path}.\n")
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert not re.search(r"(?:src|href|url)\s*[=(]|@import|<script", page)
    for heading in HEADINGS:
        assert f"<h2>{heading}</h2>" in page
    assert "31.4515" in page
    assert page.count("<table") == page.count("</table>") > 5


def test_texts_are_escaped_in_html(tmp_path: Path, run: Run) -> None:
    frame = grunfeld10().rename(columns={"value": "a<b"})
    frame.to_csv(tmp_path / "odd.csv", index=False)
    path = tmp_path / "report.html"
    run(str(tmp_path / "odd.csv"), *KEYS, "inv ~ `a<b` + capital", "--html", str(path))
    page = path.read_text(encoding="utf-8")
    assert "a&lt;b" in page
    assert "a<b" not in page


FORMULA = "inv ~ value + capital"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["DATA", *KEYS, "inv ~ valeu"], "Did you mean 'value'?"),
        (["DATA", *KEYS], "Which model? Add a formula"),
        (["DATA", FORMULA], "Name the columns that index"),
        (["DATA", "--unit", "firm", FORMULA], "--unit COLUMN --time COLUMN"),
        (["DATA", "--unit", "frim", "--time", "year", FORMULA], "Did you mean 'firm'?"),
        (["DATA", *KEYS, "inv value"], "Write 'outcome ~ regressors'"),
        (["DATA", *KEYS, "inv ~ value | firm + year"], "Write C(year)"),
        (["DATA", *KEYS, FORMULA, "--cov", "clutser"], "No covariance 'clutser'"),
        (["DATA", *KEYS, FORMULA, "--weights", "w"], "w_"),
        (["nothing.csv", *KEYS, FORMULA], "There is no file 'nothing.csv'"),
        (["firms.xlsx", *KEYS, FORMULA], "a data file ends in .csv"),
        (["--html", "no/such/folder.html"], "Cannot write 'no/such/folder.html'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line(arguments: list[str], message: str, firms: str, refuse: Run) -> None:
    assert message in refuse(*(firms if text == "DATA" else text for text in arguments))


@pytest.mark.parametrize("arguments", [[], ["compair"], ["compare", "--covariance", "iid"]])
def test_a_command_that_is_not_understood_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m panelml" in capsys.readouterr().err


def test_help_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "--html FILE" in out
    assert "firms.csv --unit firm --time year" in " ".join(out.split())


def test_the_estimators_are_named_as_their_results() -> None:
    frame = grunfeld10()
    import panelml as pm

    panel = pm.Panel(frame, unit="firm", time="year")
    for name, estimator in ESTIMATORS.items():
        assert estimator(FORMULA).fit(panel).model == name


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "x.csv", index=False)
    command = [sys.executable, "-m", "panelml", "compare", "x.csv", "--unit", "b", "--time", "a"]
    run = subprocess.run(
        [*command, "a ~ b"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == "python -m panelml: No column 'b'. Known: a.\n"
