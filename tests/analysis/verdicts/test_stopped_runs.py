"""What is said of a run that was stopped before its plan was complete."""

from dataclasses import replace
from itertools import count

import pytest

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.compare import compare_arms
from ssdbench.analysis.verdicts.interleaved import next_pairs
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Status
from tests.analysis.verdicts.launches_in_order import alternating, paired_run
from tests.builders import a_case


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
