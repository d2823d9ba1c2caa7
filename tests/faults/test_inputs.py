"""What people and other tools write: a wrong or hostile file is one sentence, and never a wrong answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssdbench.schema.case import Case
from tests.builders import a_case, a_run
from tests.cli.running import keep, ssdbench

FAST, SLOW = (0.100, 0.101, 0.1, 0.1005), (0.1430, 0.1435, 0.1431, 0.1436)


def exported(folder: Path, case: Case, layout: str) -> list[Path]:
    """Two runs of a case, the second with 30 % less throughput, in the format of another tool."""
    files = []
    for name, pace in (("before", FAST), ("after", SLOW)):
        keep(folder / name, a_run((case, pace)))
        files.append(folder / f"{name}.txt")
        done = ssdbench("export", "latest", "--format", layout, "-o", files[-1], "--results", folder / name)
        assert done.code == 0, done.err
    return files


def imported(folder: Path, files: list[Path], layout: str, *more: str) -> Path:
    table = folder / "launches.csv"
    arguments = ("--baseline", files[0], "--candidate", files[1], "--format", layout, "-o", table)
    outcome = ssdbench("import", *arguments, *more)
    assert outcome.code == 0, outcome.err
    return table


@pytest.mark.fault("CSV1", "a drop of throughput by 30 %, exported, imported and judged without a direction")
def test_a_drop_of_throughput_is_a_regression_after_export_and_import(tmp_path: Path) -> None:
    table = imported(tmp_path, exported(tmp_path, a_case(), "mllog"), "mllog", "--metric", "throughput")
    outcome = ssdbench("verdict", "--csv", table, "--mode", "single-shot", "--json")
    (case,) = json.loads(outcome.out)["cases"]
    assert (outcome.code, case["verdict"]) == (3, "regressed")
    assert (case["metric"], case["direction"]) == ("throughput", "higher")
    assert case["change"] == pytest.approx(-0.3, abs=0.01)
    assert outcome.err == ""


@pytest.mark.fault("CSV2", "a table of throughputs judged with --direction lower, and a column that says so")
@pytest.mark.parametrize("place", ["option", "column"])
def test_a_throughput_of_which_lower_is_better_is_refused(tmp_path: Path, place: str) -> None:
    table = imported(tmp_path, exported(tmp_path, a_case(), "mllog"), "mllog", "--metric", "throughput")
    if place == "column":
        table.write_text(table.read_text().replace("throughput,higher", "throughput,lower"))
    asked = ["--direction", "lower"] if place == "option" else []
    outcome = ssdbench("verdict", "--csv", table, "--mode", "single-shot", *asked)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "launches.csv line 2 column" in outcome.err
    assert "throughput" in outcome.err
    assert "higher values" in outcome.err


@pytest.mark.fault("CSV3", "seconds judged with --direction higher")
def test_a_duration_of_which_higher_is_better_is_refused(tmp_path: Path) -> None:
    files = exported(tmp_path, a_case(workload="infer"), "pytest-benchmark")
    table = imported(tmp_path, files, "pytest-benchmark")
    assert ssdbench("verdict", "--csv", table, "--mode", "single-shot").code == 3
    outcome = ssdbench("verdict", "--csv", table, "--direction", "higher")
    assert (outcome.code, outcome.out) == (2, "")
    assert "lower values of 'seconds' are better, and higher was asked for" in outcome.err


@pytest.mark.fault("CSV4", "files of other tools whose metric's name does not say which values are better")
def test_a_metric_of_unknown_direction_is_not_guessed(tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in files:
        path.write_text('{"case": {"score": {"value": 1}}}')
    arguments = ("import", "--baseline", files[0], "--candidate", files[1], "--format", "bmf")
    refused = ssdbench(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert "'score'" in refused.err
    assert "give --direction higher or lower" in refused.err
    told = ssdbench(*arguments, "--direction", "higher")
    assert told.out.splitlines()[1].endswith(",score,higher")


@pytest.mark.fault("CSV5", "a baseline file of latencies imported with a candidate file of throughputs")
def test_files_of_two_metrics_are_not_compared(tmp_path: Path) -> None:
    for name, measure in (("a", "latency"), ("b", "throughput")):
        (tmp_path / name).write_text(json.dumps({"case": {measure: {"value": 1}}}))
    outcome = ssdbench("import", "--baseline", tmp_path / "a", "--candidate", tmp_path / "b", "--format", "bmf")
    assert (outcome.code, outcome.out) == (2, "")
    assert "has metric 'latency'" in outcome.err
    assert "has 'throughput'" in outcome.err


@pytest.mark.fault("CSV6", "a table by hand that says neither metric nor direction")
def test_a_direction_that_is_taken_for_granted_is_said(tmp_path: Path) -> None:
    table = tmp_path / "x.csv"
    launches = [f"a,{arm},{n},{1 + n / 1000}" for arm in ("baseline", "candidate") for n in range(3)]
    table.write_text("\n".join(["case,arm,launch,value", *launches]))
    outcome = ssdbench("verdict", "--csv", table)
    assert "lower values are taken as better" in outcome.err
    assert "lower is better" in outcome.words
    told = ssdbench("verdict", "--csv", table, "--direction", "higher")
    assert told.err == ""
    assert "higher is better" in told.words
