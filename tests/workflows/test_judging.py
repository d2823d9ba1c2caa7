"""A stored run judged without the command line: what it is compared with, and what the caller is told."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode, StoreError
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.nightly_stage import NightlyStage
from ssdbench.schema.record import BaselineArm, Run
from ssdbench.schema.verdict import Baseline, Status
from ssdbench.workflows.judging import adjust_settings, judge_run, load_run, load_whole
from tests.builders import a_case, a_header, a_record, a_run, stored_sessions
from tests.cli.running import keep

A, B = a_case(), a_case(batch_size_per_gpu=64)
SAME = (0.1, 0.1001, 0.0999)


def nothing(text: str) -> None:
    raise AssertionError(f"nothing is to be said, but: {text}")


def test_a_run_is_judged_against_the_named_baseline_of_its_hardware(store: FileStore, tmp_path: Path) -> None:
    store.save_baseline(stored_sessions(a_run((A, SAME), run_id="run-0"), name="nightly"))
    keep(tmp_path / "results", a_run((A, SAME)))
    judgement = judge_run(store, load_whole(store, "latest", nothing), "nightly")
    assert isinstance(judgement.reference, Baseline)
    assert judgement.comparison.baseline == "nightly"
    assert [case.verdict.status for case in judgement.comparison.cases] == [Status.UNCHANGED]
    assert judgement.exit_code is ExitCode.OK
    assert {change.case_key for change in judgement.with_ungated().ungated} == {A.key}


def test_without_a_baseline_nothing_is_covered_and_a_wrong_name_is_an_error(store: FileStore) -> None:
    run = a_run((A, SAME))
    judgement = judge_run(store, run)
    assert (judgement.reference, judgement.exit_code) == (None, ExitCode.NOT_COVERED)
    with pytest.raises(StoreError, match="no baseline 'nigthly'"):
        judge_run(store, run, "nigthly")


def test_another_run_may_be_the_reference_and_settings_may_be_adjusted(store: FileStore, tmp_path: Path) -> None:
    keep(tmp_path / "results", a_run((A, SAME), run_id="run-0"))
    run = a_run((A, SAME))
    settings = adjust_settings(run.header.settings, margin=0.25, maximum_age_days=None)
    judgement = judge_run(store, run, "run-0", settings)
    assert judgement.comparison.baseline_run_id == "run-0"
    assert judgement.comparison.settings == replace(run.header.settings, margin=0.25)


def test_no_waiver_hides_a_change_between_equal_builds(store: FileStore, tmp_path: Path) -> None:
    assert store.waivers_file is not None
    store.waivers_file.parent.mkdir(parents=True, exist_ok=True)
    store.waivers_file.write_text(
        f'[[waiver]]\ncase = "{A.key}"\nceiling = "50%"\nexpires = 2099-12-31\n'
        'issue = "https://example.org/1"\nreason = "known"\n'
    )
    places = product(("measure", "confirm"), range(12), (("baseline", 0.1), ("candidate", 0.12)))
    launches = [
        a_record(case=A, launch=pair, arm=arm, stage=stage, order=order, step_seconds=seconds + SAME[pair % 3] / 100)
        for order, (stage, pair, (arm, seconds)) in enumerate(places)
    ]
    old = BaselineArm(python="/opt/old/bin/python", source="/opt/old")
    run = Run(header=a_header(cases=(A,), baseline_arm=old), records=tuple(launches))
    assert [case.verdict.status for case in judge_run(store, run).comparison.cases] == [Status.WAIVED]
    itself = replace(run, header=replace(run.header, nightly=NightlyStage(baseline="main", against_itself=True)))
    assert judge_run(store, itself).exit_code is ExitCode.REGRESSED


def test_a_record_that_is_cut_off_is_reported_once_to_whoever_loads_the_run(store: FileStore, tmp_path: Path) -> None:
    keep(tmp_path / "results", a_run((A, SAME), (B, SAME)))
    path = tmp_path / "results" / "records" / "run-1.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    said: list[str] = []
    run = load_run(store, "latest", said.append)
    assert said == ["the last record of run run-1 is incomplete and was omitted"]
    assert len(run.records) == 5
