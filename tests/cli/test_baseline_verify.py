"""Every way in which a stored baseline can be spoiled by hand or by a merge is found, and said in a sentence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.harness.stores import strict_json
from ssdbench.harness.stores.files import FileStore
from tests.builders import HARDWARE, a_case, a_measurement, a_run
from tests.cli.running import Outcome, accept, keep, ssdbench, the_baseline

A, B = a_case(), a_case(backbone="resnet50")
SAME = (0.1, 0.1, 0.1)
FOLDER = Path("baselines") / HARDWARE.key


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a sound baseline of two cases, accepted twice."""
    keep(tmp_path, a_run((A, SAME), (B, SAME), run_id="first"), a_run((A, SAME), (B, SAME), run_id="second"))
    accept(tmp_path, "first")
    accept(tmp_path, "second")
    return tmp_path


def verify(results: Path, *more: str) -> Outcome:
    return ssdbench("baseline", "verify", *more, "--results", results)


def change_lines(path: Path, *keep_lines: slice) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join("".join(lines[part]) for part in keep_lines))


def test_a_sound_baseline_is_whole(results: Path):
    outcome = verify(results)
    assert (outcome.code, outcome.out) == (0, f"main for {HARDWARE.key}: complete\n")


def test_without_any_baseline_the_remedy_is_said(tmp_path: Path):
    outcome = verify(tmp_path)
    assert outcome.code == 2
    assert "no baseline; there are: none yet (see `ssdbench baseline accept`)" in outcome.err


@pytest.mark.parametrize("gap", [(slice(0, 8),), (slice(0, 1), slice(2, None)), (slice(0, None), slice(8, 9))])
def test_lines_that_a_merge_lost_or_doubled_are_found(results: Path, gap: tuple[slice, ...]):
    change_lines(results / FOLDER / "main.jsonl", *gap)
    outcome = verify(results)
    assert outcome.code == 2
    assert "lines where its header counts 9; restore it from version control or a backup" in outcome.out
    assert ssdbench("compare", "second", "--results", results).code == 2


def test_a_line_that_is_cut_off_or_no_json_is_found(results: Path):
    path = results / FOLDER / "main.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert "the last line is cut off" in verify(results).out
    header, rest = whole.split(b"\n", 1)
    path.write_bytes(header + b"\n<<<<<<< HEAD\n" + rest)
    assert verify(results).code == 2


def test_launches_of_another_run_are_found(results: Path):
    path = results / FOLDER / "main.jsonl"
    first, *others = path.read_text().splitlines(keepends=True)
    last = json.loads(others[-1].replace("second/", "strange/").replace('"second"', '"strange"'))
    del last["checksum"]
    path.write_text(first + "".join(others[:-1]) + strict_json.sealed(strict_json.canonical(last)) + "\n")
    outcome = verify(results)
    assert outcome.code == 2
    assert "launch strange/" in outcome.out
    assert "is of none of the runs that its header names" in outcome.out


def test_a_file_in_the_folder_of_another_machine_is_found(results: Path):
    (results / FOLDER).rename(results / "baselines" / "cpu-64x-other")
    outcome = verify(results)
    assert outcome.code == 2
    assert f"its header says hardware {HARDWARE.key}; move the file to the folder of that name" in outcome.out


def test_a_file_under_another_name_is_found(results: Path):
    (results / FOLDER / "main.jsonl").rename(results / FOLDER / "nightly.jsonl")
    outcome = verify(results, "nightly")
    assert outcome.code == 2
    assert "its header says name 'main'; give the file that name" in outcome.out
    assert "it has no anchor" in outcome.out
    assert "only the anchor is left" in verify(results, "main").out


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"invalid_reason": "hot"}, "is invalid (hot); accept a run without invalid launches"),
        ({"measurement": None}, "has no measurement; accept a run without failures"),
        ({"hardware": replace(HARDWARE, cpu_count=64)}, "was measured on cpu-64x-example; accept a run of this"),
        ({"measurement": a_measurement(wall_seconds=0.0)}, "has no usable figure"),
        ({"measurement": a_measurement(workload_version=2)}, "are not comparable with each other: workload version"),
        ({"case": a_case(workload="dream")}, "is of the workload 'dream', which is unknown here; update ssdbench"),
    ],
)
def test_a_launch_that_should_never_have_been_accepted_is_found(
    results: Path, changes: dict[str, object], sentence: str
):
    baseline = the_baseline(results)
    spoiled = replace(baseline.records[0], **changes)  # type: ignore[arg-type]
    FileStore(results).save_baseline(replace(baseline, records=(spoiled, *baseline.records[1:])))
    outcome = verify(results)
    assert outcome.code == 2
    assert sentence in outcome.out


def test_launches_that_are_missing_from_a_case_are_found(results: Path):
    baseline = the_baseline(results)
    FileStore(results).save_baseline(replace(baseline, records=baseline.records[1:]))
    assert f"{A.key} has 2 of 3 planned launches" in verify(results).out


def test_a_history_that_is_not_of_these_launches_is_found(results: Path):
    baseline = the_baseline(results)
    FileStore(results).save_baseline(replace(baseline, history=baseline.history[:1]))
    assert "the last line of its history is of first, not of second" in verify(results).out
    FileStore(results).save_baseline(replace(baseline, history=()))
    assert "it has no history of acceptances" in verify(results).out


def test_an_anchor_of_runs_that_were_never_accepted_or_that_lacks_a_case_is_found(results: Path):
    store = FileStore(results)
    anchor = store.load_anchor(HARDWARE.key, "main")
    assert anchor
    store.save_anchor(replace(anchor, records=anchor.records[:3]))
    assert f"anchor: it lacks {B.key}; the next `ssdbench baseline accept` adds" in verify(results).out
    records = tuple(replace(record, run_id="zero") for record in anchor.records)
    header = replace(anchor.header, sessions=("zero",), run_id="zero")
    store.save_anchor(replace(anchor, header=header, records=records))
    assert "anchor: run zero is not in the history of the baseline" in verify(results).out


def test_a_lost_anchor_is_found_and_made_again_from_what_is_replaced(results: Path):
    (results / FOLDER / "main.anchor.jsonl").unlink()
    assert "it has no anchor, so creep is not noticed" in verify(results).out
    keep(results, a_run((A, SAME), (B, SAME), run_id="third"))
    accept(results, "third")
    assert verify(results).code == 0
    anchor = FileStore(results).load_anchor(HARDWARE.key, "main")
    assert anchor
    assert anchor.header.run_id == "second"


def test_an_acceptance_of_some_cases_whose_run_has_no_launch_is_found(results: Path):
    keep(results, a_run((A, SAME), (B, SAME), run_id="third"))
    accept(results, "third", "--case", A.key)
    assert verify(results).code == 0
    baseline = the_baseline(results)
    lost = replace(baseline.history[-1], run_ids=("fourth",))
    FileStore(results).save_baseline(replace(baseline, history=(*baseline.history[:-1], lost)))
    outcome = verify(results)
    assert outcome.code == 2
    assert "the last line of its history is of fourth, not of third" in outcome.words
