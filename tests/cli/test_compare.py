import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Failure
from ssdbench.schema.settings import Settings
from tests.builders import GPU_HARDWARE, HOST, a_case, a_failure, a_run, stored_sessions
from tests.cli.running import keep, ssdbench

A, B = a_case(), a_case(workload="infer", backbone="resnet50")
SAME, SLOWER, FASTER, NOISY = (0.1, 0.1, 0.1), (0.12, 0.12, 0.12), (0.08, 0.08, 0.08), (0.08, 0.1, 0.12)
VARYING = (0.1, 0.1001, 0.0999)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a baseline of two cases: 20 images/s (global) and 100 ms."""
    folder = tmp_path / "results"
    FileStore(folder).save_baseline(stored_sessions(a_run((A, SAME), (B, SAME), run_id="run-0")))
    return folder


@pytest.mark.parametrize(
    ("train", "infer", "code", "headline"),
    [
        (SAME, SAME, 0, "NO REGRESSION: 2 of 2 cases stayed within 1% or improved"),
        (SAME, FASTER, 0, "NO REGRESSION: 2 of 2 cases"),
        (SLOWER, SAME, 3, "REGRESSED: 1 of 2 cases got worse, train resnet18 resident fp32"),
        (SAME, (a_failure(),), 4, "FAILED: 1 of 2 cases did not finish, first infer resnet50"),
        (SAME, NOISY, 5, "INCONCLUSIVE: 1 of 2 cases has no clear result; no regression in the 1 judged"),
        (SAME, (), 6, "NOT COVERED: 1 of 2 cases was not judged (1 not run); no regression in the 1 judged"),
        (SLOWER, (a_failure(),), 3, "REGRESSED: 1 of 2 cases"),
    ],
)
def test_the_first_words_and_the_exit_code_say_what_happened(
    results: Path,
    train: tuple[float | Failure, ...],
    infer: tuple[float | Failure, ...],
    code: int,
    headline: str,
):
    keep(results, a_run((A, train), (B, infer)))
    outcome = ssdbench("compare", "latest", "--results", results)
    assert outcome.words.startswith(headline)
    assert outcome.code == code
    assert outcome.err == ""


def test_the_table_has_old_new_change_and_bounds_with_units(results: Path):
    keep(results, a_run((A, (0.125, 0.126, 0.124)), (B, SAME)))
    outcome = ssdbench("compare", "latest", "--results", results)
    row = next(line for line in outcome.out.splitlines() if line.startswith("train resnet18 resident fp32  "))
    assert row.split()[4:] == ["20.0", "16.0", "-20.0%", "regressed"]
    assert "-21.8..-18.2" in outcome.out
    assert "images/s: images of all ranks over wall seconds of the timed region (global)" in outcome.words


@pytest.mark.parametrize("columns", [60, 80, 140, 200])
def test_no_line_is_longer_than_the_terminal_and_no_number_is_cut(results: Path, columns: int):
    keep(results, a_run((A, SLOWER), (B, (0.1, a_failure(), 0.1))))
    outcome = ssdbench("compare", "latest", "--results", results, columns=columns)
    assert max(map(len, outcome.out.splitlines())) <= columns
    assert "…" not in outcome.out
    for word in ("regressed", "failed", "20.00", "16.67", "-16.67%"):
        assert word in outcome.out


def test_without_a_baseline_the_measured_values_are_shown_and_nothing_passes(tmp_path: Path):
    keep(tmp_path, a_run())
    outcome = ssdbench("compare", "latest", "--results", tmp_path)
    assert outcome.code == 6
    assert "no baseline main for this hardware" in outcome.words
    assert "20.0" in outcome.out


def test_the_baseline_is_that_of_the_runs_own_hardware(results: Path):
    keep(results, a_run(hardware=GPU_HARDWARE))
    outcome = ssdbench("compare", "latest", "--results", results)
    assert outcome.code == 6
    assert "no baseline main for this hardware" in outcome.words


def test_a_wider_margin_can_be_given(results: Path):
    keep(results, a_run((A, SLOWER), (B, SAME)))
    assert ssdbench("compare", "latest", "--results", results, "--margin", "0.25").code == 0


@pytest.mark.parametrize("margin", ["0", "5", "-1"])
def test_a_margin_that_is_no_fraction_is_refused_in_one_sentence(results: Path, margin: str):
    keep(results, a_run())
    outcome = ssdbench("compare", "latest", "--results", results, f"--margin={margin}")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (f"ssdbench: --margin {margin} is no relative change between 0 and 1; write 0.05 for 5 %\n")


def test_another_run_serves_as_baseline(results: Path):
    keep(results, a_run((A, VARYING), run_id="before"), a_run((A, SLOWER), run_id="after"))
    outcome = ssdbench("compare", "after", "--baseline", "before", "--results", results)
    assert outcome.code == 3
    assert "run after, against before" in outcome.words


def test_comparing_a_run_with_itself_is_said(results: Path):
    keep(results, a_run())
    outcome = ssdbench("compare", "run-1", "--baseline", "run-1", "--results", results)
    assert "which is this run itself" in outcome.words


def test_what_else_changed_is_listed(results: Path):
    keep(results, a_run((A, SAME), (B, SAME), host=replace(HOST, driver="580.1")))
    outcome = ssdbench("compare", "latest", "--results", results)
    assert outcome.code == 0
    assert "what else changed baseline candidate" in outcome.words
    assert outcome.words.endswith("driver - 580.1")


def test_json_is_one_line_with_everything(results: Path):
    keep(results, a_run((A, SLOWER), (B, SAME)))
    outcome = ssdbench("compare", "latest", "--results", results, "--json")
    assert outcome.code == 3
    assert outcome.out.count("\n") == 1
    comparison = json.loads(outcome.out)
    worst = comparison["cases"][0]
    assert (worst["case_key"], worst["verdict"]["status"]) == (A.key, "regressed")
    assert worst["verdict"]["low"] < worst["verdict"]["change"] < worst["verdict"]["high"]
    assert worst["verdict"]["settings"] == asdict(Settings())
    assert worst["verdict"]["mode"] == "stored"


def test_a_torn_run_is_compared_and_told(results: Path):
    keep(results, a_run((A, SAME), (B, SAME)))
    path = results / "records" / "run-1.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    outcome = ssdbench("compare", "latest", "--results", results)
    assert outcome.err == "ssdbench: the last record of run run-1 is incomplete and was omitted\n"
    assert "1 of 3 planned launches not measured" in outcome.words


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), "no run 'nothing'; there are run-1"),
        (("latest", "--baseline", "mian"), "no baseline 'mian' in"),
        (("elsewhere.jsonl",), "elsewhere.jsonl: no such file of a run"),
    ],
)
def test_a_wrong_name_is_one_sentence_on_stderr(results: Path, arguments: tuple[str, ...], sentence: str):
    keep(results, a_run())
    outcome = ssdbench("compare", *arguments, "--results", results)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert sentence in outcome.err


def test_a_broken_line_is_one_sentence_with_file_and_line(results: Path):
    keep(results, a_run())
    path = results / "records" / "run-1.jsonl"
    header, first, second, third = path.read_text().splitlines()
    path.write_text("\n".join([header, first, second.replace('"launch":1', '"launch":"one"'), third, ""]))
    outcome = ssdbench("compare", "latest", "--results", results)
    assert outcome.code == 2
    assert f"{path} line 3: changed after it was written" in outcome.err


def test_results_are_in_the_folder_results_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    keep(Path("results"), a_run())
    assert ssdbench("compare", "latest").code == 6


def test_a_process_of_its_own_does_the_same(results: Path):
    keep(results, a_run((A, SLOWER), (B, SAME)))
    code = "from ssdbench.cli import main; main()"
    command = [sys.executable, "-c", code, "compare", "latest", "--results", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout.startswith("REGRESSED: 1 of 2 cases")
