"""`python -m ssdbench.ssd`: events on stdout, exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ssdbench.ssd.__main__ import main
from tests.ssd.planting import Plant, cut, train_annotations

Events = list[dict[str, Any]]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Events]:
    code = main([str(argument) for argument in arguments])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_synth_reports_progress_and_a_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("synth", tmp_path / "coco", "--train-images", 3, "--val-images", 1, "--seed", 4, "--easy")
    code, events = run(capsys, *arguments)
    assert code == 0
    assert {"event": "progress", "phase": "drawing images", "done": 4, "total": 4} in events
    assert events[-1] == {
        "event": "result",
        "command": "synth",
        "directory": str(tmp_path / "coco"),
        "created": True,
        "train_images": 3,
        "val_images": 1,
        "seed": 4,
        "easy": True,
    }
    assert run(capsys, *arguments)[1][-1]["created"] is False


def test_verify_reports_findings_and_ends_with_7_on_an_error(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    directory = plant()
    code, events = run(capsys, "verify", directory)
    assert (code, events[-1]["errors"], events[-1]["findings"]) == (0, 0, [])
    cut(train_annotations(directory))
    code, events = run(capsys, "verify", directory)
    assert (code, events[-1]["event"], events[-1]["errors"]) == (7, "result", 1)
    assert events[-1]["findings"][0]["code"] == "annotations-unreadable"


def test_warnings_alone_end_with_0(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    directory = plant(lambda d: d["annotations"][0].update(bbox=[-1, 2, 30, 40]))
    code, events = run(capsys, "verify", directory)
    assert (code, events[-1]["warnings"]) == (0, 1)
    code, events = run(capsys, "prepare", directory, "--cache", directory.parent / "cache")
    assert (code, [warning["code"] for warning in events[-1]["warnings"]]) == (0, ["box-outside"])


def test_prepare_names_the_prepared_file_and_the_identity_of_both_splits(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = plant()
    code, events = run(capsys, "prepare", directory, "--cache", directory.parent / "cache")
    result = events[-1]
    assert (code, result["cache_hit"], set(result["splits"])) == (0, False, {"train", "val"})
    assert Path(result["prepared"]).is_file()
    assert len(result["splits"]["train"]["fingerprint"]) == 64
    assert result["splits"]["train"]["images"] == 8


def test_a_mistake_of_the_user_is_one_error_event_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, events = run(capsys, "prepare", tmp_path, "--cache", tmp_path / "cache")
    assert (code, events[-1]["event"], events[-1]["exit_code"]) == (7, "error", 7)
    code, events = run(capsys, "synth", tmp_path / "coco", "--train-images", 0, "--val-images", 1)
    assert (code, events[-1]["exit_code"]) == (2, 2)


def test_a_place_that_cannot_be_written_is_an_error_of_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    code, events = run(capsys, "synth", tmp_path / "file" / "coco", "--train-images", 1, "--val-images", 1)
    assert (code, events[-1]["message"]) == (8, f"{tmp_path / 'file'} cannot be used: File exists.")


def test_the_commands_start_without_torch() -> None:
    program = "import sys, ssdbench.ssd.__main__; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_module_runs_as_a_program(plant: Plant) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ssdbench.ssd", "verify", str(plant(images=2))], capture_output=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1])["command"] == "verify"
