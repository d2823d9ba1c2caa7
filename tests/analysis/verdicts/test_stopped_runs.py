"""What is said of a run that was stopped before its plan was complete."""

from dataclasses import replace
from itertools import count

import pytest

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.compare import compare_arms
from ssdbench.analysis.verdicts.interleaved import next_pairs
from ssdbench.schema.nightly_stage import NightlyStage
from ssdbench.schema.record import BaselineArm, Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Status
from tests.analysis.verdicts.launches_in_order import alternating, paired_run
from tests.builders import a_case, a_failure, a_header, a_record


def stopped(settings: Settings, *, is_clear: bool) -> CaseVerdict:
    """A case of 3 pairs for which the plan asks for more, and whose verdict is clear, or is not."""
    for seed in count():
        run = paired_run(alternating(3), second_slower=0.0, cases=(a_case(),), noise=2e-3, seed=seed)
        (case,) = compare_arms(run, settings).cases
        asks = next_pairs(launches_by_case(run.header.plan, run.records), settings)
        if asks and (case.verdict.status is not Status.INCONCLUSIVE) is is_clear:
            return case
    raise AssertionError


SETTINGS = [Settings(), Settings(rule="fixed")]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.rule)
def test_a_case_with_a_clear_result_is_neither_undecided_nor_to_be_resumed(settings: Settings) -> None:
    assert stopped(settings, is_clear=True).notes == ()


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.rule)
def test_a_case_without_one_says_what_is_missing(settings: Settings) -> None:
    (note,) = stopped(settings, is_clear=False).notes
    assert note.startswith("undecided: the plan asks for ")
    assert "`ssdbench run --resume --run run-1`" in note


def test_launches_that_were_measured_again_are_counted_by_build() -> None:
    run = paired_run(alternating(3), second_slower=0.0, cases=(a_case(),), noise=5e-4, seed=1)
    records = []
    for record in run.records:
        if record.arm == "candidate" and record.launch < 2:
            records.append(replace(record, invalid_reason="GPU 0 reached its power cap"))
            record = replace(record, replacement=1)
        records.append(record)
    (case,) = compare_arms(replace(run, records=tuple(records)), Settings()).cases
    said = "2 candidate launches measured again, invalid at first (GPU 0 reached its power cap)"
    assert said in case.notes
    (calm,) = compare_arms(run, Settings()).cases
    assert not any("measured again, invalid" in note for note in calm.notes)


def test_a_night_that_was_stopped_is_continued_as_one() -> None:
    run = paired_run(alternating(3), second_slower=0.0, cases=(a_case(),), noise=0.05, seed=1)
    stage = NightlyStage(baseline="main", against_itself=True)
    night = replace(run, header=replace(run.header, nightly=stage))
    resume = "`ssdbench nightly --resume --run run-1`"
    assert resume in compare_arms(night, Settings()).cases[0].notes[0]
    assert resume in compare_arms(replace(night, records=()), Settings()).cases[0].verdict.sentence


def test_a_case_that_the_build_of_the_baseline_cannot_run_says_why() -> None:
    pair = (a_record(), a_record(arm="baseline", failure=a_failure("crash", "no such option"), order=1))
    run = Run(header=a_header(baseline_arm=BaselineArm(python="python", source="/old")), records=pair)
    verdict = compare_arms(run, Settings()).cases[0].verdict
    assert verdict.status is Status.NO_BASELINE
    assert verdict.sentence == (
        "no usable launch of the baseline's build: the first one failed with crash: no such option"
    )
