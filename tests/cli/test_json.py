"""Every command that prints data prints it as one line of JSON with --json; the table says which do not, and why."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_case, a_run
from tests.cli.running import accept, keep, ssdbench
from tests.cli.test_help import COMMANDS
from tests.trainings import a_training_run, some_seeds

A = a_case()
COCO = "coco"
# What each prints: the keys of its line.
PRINTS = {
    ("env",): {"machine", "interpreter", "why_not", "advice"},
    ("plan", "smoke"): {"suite", "hardware_key", "remarks", "cases", "launches", "predicted_seconds"},
    ("runs",): {"runs", "left_out"},
    ("history",): {"cases"},
    ("history", "train"): {"series"},
    ("table", "first"): {"tables"},
    ("compare", "first"): {"schema_version", "cases", "run_id"},
    ("baseline", "show"): {"baselines"},
    ("baseline", "list"): {"baselines"},
    ("baseline", "diff", "main", "first"): {"cases", "run_id"},
    ("baseline", "verify"): {"baselines"},
    ("converge", "list"): {"distributions"},
    ("converge", "show", "main"): {"header", "stability"},
    ("converge", "table", "seeds"): {"precision", "stability"},
    ("converge", "check", "seeds", "--baseline", "main"): {"schema_version", "status"},
    ("converge", "published"): {"trainings"},
    ("store", "check"): {"store", "runs", "baselines", "distributions", "faults"},
}
ELSEWHERE = {
    ("data", "verify"): "test_faults_of_a_data_set_are_json_with_their_code",
    ("evaluate",): "tests/cli/test_evaluate.py",
    ("roofline",): "tests/cli/test_roofline.py",
    ("verdict",): "tests/cli/test_verdict.py",
    ("waive",): "tests/cli/test_waive.py",
    ("watch",): "tests/cli/test_watch.py",
    ("selftest",): "tests/cli/test_selftest.py",
    ("notify",): "tests/cli/test_notify.py",
    ("nightly",): "tests/cli/test_nightly.py",
    ("containers", "evaluate"): "tests/containers/test_accuracy.py",
    ("containers", "converge"): "tests/containers/test_accuracy.py",
    ("containers", "check"): "tests/containers/test_verbs.py",
    ("explain",): "tests/cli/test_explain.py",
    ("containers", "new"): "tests/harness/containers/test_registry.py",
    ("containers", "manifest"): "tests/containers/test_contents.py",
    ("containers", "diff"): "tests/containers/test_contents.py",
}
WITHOUT = {
    ("init",): "writes files",
    ("clean",): "removes files",
    ("run",): "measures; `runs --json` and `compare --json` print what came of it",
    ("export",): "writes formats of its own",
    ("import",): "writes formats of its own",
    ("report",): "writes pages",
    ("data", "synth"): "draws images",
    ("baseline", "accept"): "changes a baseline; `baseline show --json` prints it",
    ("baseline", "forget"): "removes a baseline",
    ("containers", "compare"): "measures",
    ("containers", "run"): "measures",
    ("containers", "bisect"): "measures; its log is JSON",
    ("bisect", "images"): "measures; its log is JSON",
    ("bisect", "commits"): "measures; its log is JSON",
    ("bisect", "requirements"): "measures; its log is JSON",
    ("containers", "blame"): "measures; its log is JSON",
    ("converge", "accept"): "changes a distribution; `converge show --json` prints it",
    ("store", "send"): "copies records",
    ("store", "sync"): "copies records",
    ("store", "migrate"): "changes a database",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    keep(folder, a_run((A, [0.1, 0.1001, 0.0999]), run_id="first"))
    assert accept(folder, "first").code == 0
    keep(folder, a_training_run(some_seeds(), run_id="seeds"))
    accepted = ssdbench("converge", "accept", "seeds", "--name", "main", "--reason", "first", "--results", folder)
    assert accepted.code == 0, accepted.err
    return folder


def printed(*words: str | Path) -> Any:
    found = ssdbench(*words, "--json")
    assert found.code in (0, 5), found.err
    assert found.out.count("\n") == 1
    return json.loads(found.out)


@pytest.mark.parametrize("words", PRINTS, ids=" ".join)
def test_a_command_prints_one_line_of_json(words: tuple[str, ...], results: Path) -> None:
    place = () if words[0] == "env" else ("--results", results)
    assert PRINTS[words] <= set(printed(*words, *place))


def test_every_command_is_in_one_of_the_tables() -> None:
    groups = {words[:1] for words in COMMANDS if len(words) > 1}
    asked = {words for words in COMMANDS if words and words not in groups}
    listed = {words[:2] if words[:1] in groups else words[:1] for words in (*PRINTS, *ELSEWHERE)}
    assert listed & set(WITHOUT) == set()
    assert asked == listed | set(WITHOUT)
    for words in listed:
        assert "--json" in ssdbench(*words, "--help", columns=140).out, words
    for words in WITHOUT:
        assert " --json" not in ssdbench(*words, "--help", columns=140).out, words


def test_values_are_those_that_are_shown(results: Path) -> None:
    place = ("--results", results)
    (shown,) = printed("baseline", "show", *place)["baselines"]
    assert shown["cases"][0]["value"] == pytest.approx(20, rel=1e-3)
    assert shown["header"]["reason"] == "first figures"
    plan = printed("plan", "--workload", "pace", "--device", "cpu", *place)
    assert [case["skip_reason"] for case in plan["cases"]] == [None]
    assert plan["launches"] == plan["cases"][0]["protocol"]["launches"]
    assert printed("store", "check", *place)["faults"] == []
    both = ssdbench("history", "train", "--csv", "--json", *place)
    assert (both.code, "choose one" in both.err) == (2, True)


def test_faults_of_a_data_set_are_json_with_their_code(tmp_path: Path) -> None:
    made = ssdbench("data", "synth", tmp_path / COCO, "--train-images", "3", "--val-images", "2")
    assert made.code == 0, made.err
    next((tmp_path / COCO / "train2017").glob("*.jpg")).unlink()
    found = ssdbench("data", "verify", tmp_path / COCO, "--json")
    assert found.code == 7
    assert json.loads(found.out)["errors"] == 1
