from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Run, RunOptions
from tests.builders import DATASET, GPU_HARDWARE, HARDWARE, HOST, a_case, a_failure, a_run
from tests.cli.running import accept, bytes_of, keep, ssdbench, the_baseline

A, B = a_case(), a_case(backbone="resnet50")
SAME, SLOWER = (0.1, 0.1, 0.1), (0.125, 0.1251, 0.1249)


def test_the_first_baseline_is_shown_and_written(tmp_path: Path):
    keep(tmp_path, a_run())
    outcome = accept(tmp_path)
    path = tmp_path / "baselines" / HARDWARE.key / "main.jsonl"
    assert outcome.code == 0
    assert "because: first figures" in outcome.out
    assert f"accepted: 3 launches in {path}" in outcome.out
    assert FileStore(tmp_path).load_baseline(HARDWARE.key, "main").header.reason == "first figures"


def test_a_run_that_was_accepted_is_what_the_next_one_is_compared_with(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first"), a_run((A, SLOWER), run_id="second"))
    accept(tmp_path, "first")
    assert ssdbench("compare", "second", "--results", tmp_path).code == 3


def test_what_is_replaced_is_shown_old_new_and_change(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first"), a_run((A, SLOWER), run_id="second"))
    accept(tmp_path, "first")
    outcome = accept(tmp_path, "second", "--allow-regression", reason="the new container is slower, see issue 12")
    assert outcome.code == 0
    row = next(line for line in outcome.out.splitlines() if line.startswith("train resnet18 resident fp32  "))
    assert row.split()[4:] == ["20.0", "16.0", "-20.0%", "regressed"]
    assert FileStore(tmp_path).load_baseline(HARDWARE.key, "main").header.run_id == "second"


def test_a_name_keeps_suites_apart(tmp_path: Path):
    keep(tmp_path, a_run(run_id="first"), a_run((B, SAME), run_id="second"))
    accept(tmp_path, "first")
    assert accept(tmp_path, "second", "--name", "resnet50").code == 0
    assert [header.name for header in FileStore(tmp_path).list_baselines()] == ["main", "resnet50"]


def test_a_baseline_loses_cases_only_when_told_to(tmp_path: Path):
    keep(tmp_path, a_run((A, SAME), (B, SAME), run_id="first"), a_run((A, SAME), run_id="second"))
    accept(tmp_path, "first")
    outcome = accept(tmp_path, "second")
    assert outcome.code == 2
    assert "run second lacks train-resnet50" in outcome.err
    assert "drop these cases with --drop-cases" in outcome.err
    assert FileStore(tmp_path).load_baseline(HARDWARE.key, "main").header.run_id == "first"
    assert accept(tmp_path, "second", "--drop-cases").code == 0
    assert FileStore(tmp_path).load_baseline(HARDWARE.key, "main").header.run_id == "second"


@pytest.mark.parametrize(
    ("outcomes", "reason", "sentence"),
    [
        (SAME, " ", "--reason is empty"),
        ((0.1, 0.1), "x", "launch 2 not measured"),
        ((0.1, a_failure(), 0.1), "x", "launch 1 failed"),
    ],
)
def test_what_cannot_be_accepted_is_one_sentence_and_nothing_is_written(
    tmp_path: Path, outcomes: tuple[float, ...], reason: str, sentence: str
):
    keep(tmp_path, a_run((A, outcomes)))
    outcome = accept(tmp_path, reason=reason)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "baselines").exists()


def test_a_reason_must_be_given(tmp_path: Path):
    keep(tmp_path, a_run())
    outcome = ssdbench("baseline", "accept", "latest", "--results", tmp_path)
    assert outcome.code == 2
    assert "--reason" in outcome.err


def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path):
    keep(tmp_path, a_run())
    outcome = accept(tmp_path, "latest", "--name", "../elsewhere")
    assert outcome.code == 2
    assert "baseline name '../elsewhere' is no file name" in outcome.err


def test_show_prints_the_figures_and_the_reason(tmp_path: Path):
    keep(tmp_path, a_run((A, (0.1, 0.125, 0.2))))
    accept(tmp_path)
    outcome = ssdbench("baseline", "show", "--results", tmp_path)
    assert outcome.code == 0
    assert "baseline main for cpu-2x-example" in outcome.words
    assert "because: first figures" in outcome.words
    row = next(line for line in outcome.out.splitlines() if line.startswith("train"))
    assert row.split()[4:] == ["15", "10..20", "3", "0.0%"]  # the third root of 20 * 16 * 10 is 14.7


def test_list_prints_hardware_name_date_and_reason(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    outcome = ssdbench("baseline", "list", "--results", tmp_path)
    assert outcome.code == 0
    assert "cpu-2x-example main" in outcome.words
    assert "first figures" in outcome.words


@pytest.mark.parametrize("verb", ["show", "list"])
def test_without_any_baseline_the_remedy_is_said(tmp_path: Path, verb: str):
    outcome = ssdbench("baseline", verb, "--results", tmp_path)
    assert outcome.code == 2
    assert "ssdbench baseline accept" in outcome.err


def test_show_of_an_unknown_name_tells_the_known_ones(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    outcome = ssdbench("baseline", "show", "mian", "--results", tmp_path)
    assert "no baseline 'mian'; there are: main" in outcome.err


def test_accepting_the_same_run_again_changes_no_byte(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    before = bytes_of(tmp_path)
    outcome = accept(tmp_path)
    assert outcome.code == 0
    assert "run-1 is already baseline main, with this reason: nothing changed" in outcome.out
    assert bytes_of(tmp_path) == before


def test_accepting_it_for_another_reason_changes_the_header_and_adds_one_line(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    before = bytes_of(tmp_path)
    accept(tmp_path, reason="checked again")
    after = bytes_of(tmp_path)
    old, new = before["main.jsonl"].splitlines(), after["main.jsonl"].splitlines()
    assert new[1] == old[1]
    assert b"checked again" in new[2]
    assert new[3:] == old[2:]
    assert after["main.anchor.jsonl"] == before["main.anchor.jsonl"]


def test_other_names_and_other_hardware_touch_no_common_file(tmp_path: Path):
    keep(tmp_path, a_run(run_id="here"), a_run(run_id="there", hardware=GPU_HARDWARE))
    accept(tmp_path, "here")
    before = bytes_of(tmp_path)
    accept(tmp_path, "here", "--name", "smoke")
    assert accept(tmp_path, "there").code == 0
    folder = tmp_path / "baselines" / HARDWARE.key
    assert (folder / "main.jsonl").read_bytes() == before["main.jsonl"]
    assert (tmp_path / "baselines" / GPU_HARDWARE.key / "main.jsonl").exists()


def test_the_header_has_what_is_needed_to_measure_it_again(tmp_path: Path):
    options = RunOptions(data_folder="/data/coco", python="/opt/python", allow_download=True)
    keep(tmp_path, a_run(options=options))
    accept(tmp_path)
    header = the_baseline(tmp_path).header
    assert (header.options, header.dataset, header.host) == (options, DATASET, HOST)
    assert (header.suite, header.seed, header.sessions, header.launches) == ("smoke", 1, ("run-1",), 3)


def test_several_sessions_of_one_build_are_one_baseline(tmp_path: Path):
    keep(tmp_path, *(a_run(run_id=f"night-{n}", created_at=f"2026-01-0{n}T02:00:00+00:00") for n in (1, 2, 3)))
    outcome = ssdbench(
        "baseline", "accept", "night-3", "night-1", "night-2", "--reason", "three nights", "--results", tmp_path
    )
    assert outcome.code == 0
    assert "from run night-3 and 2 sessions more" in outcome.words
    header = the_baseline(tmp_path).header
    assert (header.run_id, header.sessions, header.launches) == ("night-3", ("night-1", "night-2", "night-3"), 9)
    assert ssdbench("baseline", "verify", "--results", tmp_path).code == 0


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (a_run(run_id="other", host=replace(HOST, driver="570.1")), "driver 570.1 and -"),
        (a_run((B, SAME), run_id="other"), "in one of them only"),
        (a_run((A, (0.1,)), run_id="other"), "run other cannot be accepted: "),
    ],
)
def test_runs_that_are_no_sessions_of_one_build_are_refused(tmp_path: Path, other: Run, sentence: str):
    keep(tmp_path, a_run(), other)
    outcome = ssdbench("baseline", "accept", "run-1", "other", "--reason", "x", "--results", tmp_path)
    assert outcome.code == 2
    assert sentence in outcome.err


def test_diff_shows_both_figures_what_was_added_and_dropped_and_what_else_changed(tmp_path: Path):
    both = (a_case(precision="bf16"), SAME)
    keep(
        tmp_path,
        a_run((A, SAME), (B, SAME), run_id="first"),
        a_run((A, SLOWER), both, run_id="second", host=replace(HOST, driver="570.1")),
    )
    accept(tmp_path, "first")
    accept(tmp_path, "second", "--name", "new")
    for right in ("new", "second"):
        outcome = ssdbench("baseline", "diff", "main", right, "--results", tmp_path)
        assert outcome.code == 0
        rows = [line.split() for line in outcome.out.splitlines()]
        assert ["train", "resnet18", "resident", "fp32", "20.0", "16.0", "-20.0%", "regressed"] in rows
        assert ["train", "resnet18", "resident", "bf16", "-", "20.0", "added"] in rows
        assert ["train", "resnet50", "resident", "fp32", "20.0", "-", "dropped"] in rows
        assert ["driver", "-", "570.1"] in rows


def test_diff_with_nothing_of_that_name_is_one_sentence(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    outcome = ssdbench("baseline", "diff", "main", "mian", "--results", tmp_path)
    assert outcome.code == 2
    assert "no baseline 'mian'" in outcome.err


def test_a_name_on_several_machines_asks_for_the_hardware(tmp_path: Path):
    keep(tmp_path, a_run(run_id="here"), a_run(run_id="there", hardware=GPU_HARDWARE))
    accept(tmp_path, "here")
    accept(tmp_path, "there")
    outcome = ssdbench("baseline", "forget", "main", "--reason", "x", "--results", tmp_path)
    assert outcome.code == 2
    assert "choose one with --hardware" in outcome.err
    assert ssdbench("baseline", "diff", "main", "here", "--hardware", "cpu-2x", "--results", tmp_path).code == 0
    shown = ssdbench("baseline", "show", "--hardware", "h100", "--results", tmp_path)
    assert shown.out.count("baseline main for") == 1


def test_forget_removes_a_baseline_whole_and_says_what_it_was(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    accept(tmp_path, "latest", "--name", "other")
    outcome = ssdbench("baseline", "forget", "main", "--reason", "no longer built", "--results", tmp_path)
    assert outcome.code == 0
    assert "forgotten: main for cpu-2x-example" in outcome.words
    assert "from run run-1: 3 launches of 1 case, 1 acceptance because: no longer built" in outcome.words
    assert sorted(bytes_of(tmp_path)) == ["other.anchor.jsonl", "other.jsonl"]
    assert ssdbench("baseline", "forget", "main", "--reason", "x", "--results", tmp_path).code == 2


def test_forget_needs_a_reason(tmp_path: Path):
    keep(tmp_path, a_run())
    accept(tmp_path)
    assert "--reason is empty" in ssdbench("baseline", "forget", "main", "--reason", " ", "--results", tmp_path).err
    assert "main.jsonl" in bytes_of(tmp_path)


def test_a_name_that_would_be_an_anchors_is_refused(tmp_path: Path):
    keep(tmp_path, a_run())
    outcome = accept(tmp_path, "latest", "--name", "main.anchor")
    assert outcome.code == 2
    assert "ends in '.anchor'" in outcome.err
