from dataclasses import replace

import pytest

from ssdbench.analysis.baselines.acceptance import baseline_from
from ssdbench.errors import UsageError
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.record import Run
from ssdbench.schema.verdict import Baseline
from tests.builders import GPU_HARDWARE, a_baseline, a_case, a_failure, a_measurement, a_run

A, B = a_case(), a_case(backbone="resnet50")
SAME = (0.1, 0.1, 0.1)


def accept(run: Run, reason: str = "first figures") -> Baseline:
    return baseline_from(run, name="main", reason=reason, accepted_at="2026-01-05T13:00:00+00:00")


def test_a_whole_run_becomes_a_baseline_with_all_its_records():
    run = a_run()
    baseline = accept(run)
    assert baseline == a_baseline(run)
    assert baseline.records == run.records


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_reason_is_needed(reason: str):
    with pytest.raises(UsageError, match="--reason is empty"):
        accept(a_run(), reason)


def test_an_unfinished_run_is_refused_with_the_launches_it_lacks():
    with pytest.raises(UsageError, match=r"bs2-t1 launch 2 not measured; finish it with `ssdbench run --resume --run"):
        accept(a_run((A, (0.1, 0.1))))


def test_a_run_with_a_failed_launch_is_refused():
    with pytest.raises(UsageError, match=r"resnet50.* launch 1 failed; repair the cause"):
        accept(a_run((A, SAME), (B, (0.1, a_failure(), 0.1))))


def test_a_run_with_an_invalid_launch_is_refused_with_the_reason():
    run = a_run()
    spoiled = [replace(record, invalid_reason="the clocks were throttled") for record in run.records[:2]]
    with pytest.raises(
        UsageError, match=r"launch 0 \(the clocks were throttled\) and 1 more not valid; .*--foreign-cpu"
    ):
        accept(replace(run, records=(*spoiled, *run.records[2:])))


def test_a_run_that_measured_nothing_is_refused():
    with pytest.raises(UsageError, match="it measured nothing"):
        accept(a_run((PlannedCase(case=A, skip_reason="no GPU"), ())))


def test_a_launch_without_a_usable_figure_is_refused():
    run = a_run()
    broken = replace(run.records[1], measurement=a_measurement(wall_seconds=0.0))
    with pytest.raises(UsageError, match=r"launch 1 \(wall_seconds has 0 s\): no measurement of its case"):
        accept(replace(run, records=(run.records[0], broken, run.records[2])))


def test_launches_of_another_machine_are_refused():
    run = a_run()
    stranger = replace(run.records[2], hardware=GPU_HARDWARE)
    with pytest.raises(UsageError, match="launch 2 measured on other hardware"):
        accept(replace(run, records=(*run.records[:2], stranger)))


def test_cases_skipped_by_the_plan_or_found_unsupported_by_the_worker_are_no_obstacle():
    run = a_run(
        (A, SAME),
        (PlannedCase(case=B, skip_reason="no GPU"), ()),
        (replace(A, precision="bf16"), (a_failure("unsupported"),)),
    )
    assert {record.case.key for record in accept(run).records} == {A.key}


def test_many_launches_are_not_all_listed():
    with pytest.raises(UsageError, match="and 3 more failed"):
        accept(a_run((A, (a_failure(),) * 3), (B, (a_failure(),) * 3)))
