import csv
import io
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import GPU_HARDWARE, HOST, SOFTWARE, a_case, a_run
from tests.cli.running import keep, ssdbench

A, B = a_case(), a_case(workload="infer", backbone="resnet50")
NIGHTS, STEP_AT = 30, 18


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """30 nights at 0.4 % noise; from the 19th on a new container and driver, and training 5 % slower."""
    draw = random.Random(3)
    for n in range(NIGHTS):
        train = 0.1 * (1.05 if n >= STEP_AT else 1)
        run = a_run(
            (A, [train * draw.gauss(1, 0.004) for _ in range(3)]),
            (B, [0.05 * draw.gauss(1, 0.004) for _ in range(3)]),
            run_id=f"night-{n:02d}",
            created_at=f"2026-01-{n + 1:02d}T02:00:00+00:00",
            host=replace(HOST, driver="570.1" if n < STEP_AT else "580.2"),
        )
        software = replace(SOFTWARE, torch="2.10.0" if n < STEP_AT else "2.11.0", container_release=f"25.{6 + n // 6}")
        records = (
            replace(r, measurement=r.measurement and replace(r.measurement, software=software)) for r in run.records
        )
        keep(tmp_path, replace(run, records=tuple(records)))
    return tmp_path


@pytest.mark.parametrize("columns", [80, 140])
def test_the_step_is_marked_where_it_is_with_what_else_changed(results: Path, columns: int):
    outcome = ssdbench("history", "resnet18", "--results", results, columns=columns)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("train resnet18 resident fp32 · 1 proc × batch 2, global throughput\n")
    marked = [line for line in outcome.out.splitlines() if "◆" in line]
    assert marked[0] == " " * STEP_AT + "◆"
    assert marked[1].split()[:4] == ["2026-01-19", "18.98", "images/s", "3"]
    assert len(marked) == 2
    for difference in ("torch 2.10.0 -> 2.11.0", "container_release 25.8 -> 25.9", "driver 570.1 -> 580.2"):
        assert difference in outcome.out
    assert "1 change point among 30 points" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= columns


def test_change_points_never_change_the_exit_code_and_noise_has_none(results: Path):
    outcome = ssdbench("history", "infer", "--results", results)
    assert outcome.code == 0
    assert "◆" not in outcome.out
    assert "no change points among 30 points" in outcome.out


def test_by_container_a_release_is_a_point_in_the_order_of_releases(results: Path):
    outcome = ssdbench("history", "resnet18", "--by", "container", "--results", results)
    rows = [line.split() for line in outcome.out.splitlines() if line.startswith("25.")]
    assert [(row[0], row[3]) for row in rows] == [(f"25.{n}", "18") for n in range(6, 11)]
    assert "5 points: change points are looked for from 6 on" in outcome.out


def test_csv_has_every_point_in_the_metrics_own_unit(results: Path):
    outcome = ssdbench("history", "infer", "--csv", "--results", results)
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert len(rows) == NIGHTS
    assert (rows[0]["case"], rows[0]["metric"], rows[0]["unit"]) == (B.key, "latency_p50", "s")
    assert float(rows[0]["value"]) == pytest.approx(0.05, rel=0.02)
    assert {row["change_point"] for row in rows} == {"0"}
    train = list(csv.DictReader(io.StringIO(ssdbench("history", "train", "--csv", "--results", results).out)))
    marked = [(n, row) for n, row in enumerate(train) if row["change_point"] == "1"]
    assert [n for n, _ in marked] == [STEP_AT]
    assert float(marked[0][1]["level_change"]) == pytest.approx(-0.048, abs=0.004)
    assert marked[0][1]["differences"] == (
        "torch 2.10.0 -> 2.11.0; container_release 25.8 -> 25.9; driver 570.1 -> 580.2"
    )


def test_several_cases_are_several_series(results: Path):
    outcome = ssdbench("history", "resnet", "--by", "container", "--results", results)
    assert (outcome.code, outcome.err) == (0, "")
    headings = [line for line in outcome.out.splitlines() if "1 proc × batch 2, " in line]
    assert [heading.split()[0] for heading in headings] == ["infer", "train"]
    rows = list(csv.DictReader(io.StringIO(ssdbench("history", "fp32", "--csv", "--results", results).out)))
    assert len(rows) == 2 * NIGHTS  # under one line of headings
    assert {row["case"] for row in rows} == {A.key, B.key}


def test_outside_of_containers_the_remedy_is_the_other_grouping(tmp_path: Path):
    keep(tmp_path, a_run((A, [0.1]), (B, [0.1])))
    outcome = ssdbench("history", "fp32", "--by", "container", "--results", tmp_path)
    assert outcome.code == 2
    assert "nothing was measured in NVIDIA's container; use --by run, or measure there" in outcome.err


def test_another_machine_is_a_series_of_its_own(results: Path):
    keep(results, a_run(run_id="elsewhere", hardware=GPU_HARDWARE))
    both = ssdbench("history", "train", "--results", results)
    assert both.out.count("\non ") == 2
    chosen = ssdbench("history", "train", "--hardware", "h100", "--results", results)
    assert "1 point: change points are looked for from 6 on" in chosen.out
    assert chosen.out.count("\non ") == 1


def test_without_a_case_those_that_were_measured_are_listed(results: Path):
    outcome = ssdbench("history", "--results", results)
    assert outcome.code == 0
    row = next(line for line in outcome.out.splitlines() if line.startswith("train"))
    assert row.split()[4:] == ["30", "2026-01-01", "2026-01-30", "cpu-2x-example"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("infer", "--by", "container", "--hardware", "v100"), "never measured on hardware 'v100'"),
        (("fp32", "--hardware", "v100"), "nothing to show on hardware 'v100'; `ssdbench history` lists the cases"),
        (("bert",), "no case 'bert' was measured; there are infer-resnet50"),
        (("train", "--metric", "speed"), "--metric 'speed' is unknown; there are throughput"),
        (("train", "--hardware", "v100"), "never measured on hardware 'v100'; it was on cpu-2x-example"),
        (("--csv",), "--csv needs a CASE"),
    ],
)
def test_a_mistake_is_one_sentence(results: Path, arguments: tuple[str, ...], sentence: str):
    outcome = ssdbench("history", *arguments, "--results", results)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_without_any_run_the_remedy_is_said(tmp_path: Path):
    outcome = ssdbench("history", "train", "--results", tmp_path)
    assert outcome.code == 2
    assert "there are no runs yet; measure with `ssdbench run`" in outcome.err


def test_the_command_line_starts_without_the_mathematics():
    code = "import sys, ssdbench.cli; sys.exit(bool({'ruptures', 'scipy', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
