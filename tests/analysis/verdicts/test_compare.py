from dataclasses import replace
from typing import Any

import pytest

from ssdbench.analysis.verdicts.compare import case_figures, compare, exit_code
from ssdbench.errors import ExitCode
from ssdbench.report.outcome import because
from ssdbench.schema.case import Case, PlannedCase
from ssdbench.schema.record import Failure, PhaseTimes, Record, Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Mode, Status
from tests.builders import (
    a_baseline,
    a_case,
    a_failure,
    a_record,
    a_run,
    stored_sessions,
)

SETTINGS = Settings(margin=0.05)
SAME = (0.1, 0.1, 0.1)
SLOWER = (0.12, 0.12, 0.12)
FASTER = (0.08, 0.08, 0.08)
NOISY = (0.08, 0.1, 0.12)

A, B = a_case(), a_case(backbone="resnet50")


def against(run: Run, reference: Run | None) -> Comparison:
    return compare(run, stored_sessions(reference) if reference else None, "main", SETTINGS)


def judge(run: Run, reference: Run | None = None) -> CaseVerdict:
    """The verdict on the one case there is."""
    comparison = against(run, reference or a_run(run_id="run-0"))
    assert len(comparison.cases) == 1
    return comparison.cases[0]


def with_records(run: Run, *records: Record) -> Run:
    return replace(run, records=records)


def test_a_run_like_its_baseline_is_unchanged_and_passes():
    comparison = against(a_run(), a_run(run_id="run-0"))
    assert [case.verdict.status for case in comparison.cases] == [Status.UNCHANGED]
    assert comparison.cases[0].verdict.baseline_value == pytest.approx(20.0)
    assert comparison.cases[0].verdict.candidate_value == pytest.approx(20.0)
    assert exit_code(comparison) is ExitCode.OK


def test_slower_steps_regress():
    found = judge(a_run((A, SLOWER)))
    assert found.verdict.status is Status.REGRESSED
    assert found.verdict.change == pytest.approx(-1 / 6)


def with_phases(run: Run, **seconds: float) -> Run:
    phases = tuple(PhaseTimes(name=name, seconds=(value,) * 5) for name, value in seconds.items())
    measured = [(record, record.measurement) for record in run.records]
    return with_records(run, *(replace(r, measurement=replace(m, phases=phases)) for r, m in measured if m))


def test_a_change_says_in_which_phase_of_a_step_it_lies_and_what_is_unchanged_says_nothing():
    before = with_phases(a_run(run_id="run-0"), forward=0.04, backward=0.06)
    slower = judge(with_phases(a_run((A, SLOWER)), forward=0.04, backward=0.079), before)
    assert slower.explanation == "of +19.0 ms a step, backward has +19.0 ms (100%)"
    assert f"; {slower.explanation}" in because(slower)
    assert judge(with_phases(a_run(), forward=0.04, backward=0.0601), before).explanation == ""
    assert judge(a_run((A, SLOWER)), before).explanation == ""


def test_latency_is_judged_where_it_is_the_gated_metric():
    case = a_case(workload="infer")
    found = judge(a_run((case, SLOWER)), a_run((case, SAME)))
    assert (found.verdict.metric, found.verdict.status) == ("latency_p50", Status.REGRESSED)
    assert found.verdict.change == pytest.approx(0.2)


def test_a_case_with_one_failed_launch_has_failed_however_good_the_others_are():
    found = judge(a_run((A, (0.1, a_failure("out_of_memory", "CUDA out of memory"), 0.1))))
    assert found.verdict.status is Status.FAILED
    assert found.verdict.sentence == (
        "1 of 3 launches failed, the first one (launch 1) with out of memory: CUDA out of memory; "
        "it did not fail in main"
    )


def test_a_case_that_failed_before_as_well_says_so():
    comparison = compare(a_run((A, (a_failure(),))), a_run((A, (0.1, a_failure()))), "before", SETTINGS)
    assert comparison.cases[0].verdict.status is Status.FAILED
    assert "it failed in before as well" in comparison.cases[0].verdict.sentence


def test_a_planned_case_without_a_launch_was_not_run():
    assert judge(a_run((A, ()))).verdict.status is Status.NOT_RUN


def test_an_interrupted_launch_counts_as_not_run():
    assert judge(a_run((A, (a_failure("interrupted"),)))).verdict.status is Status.NOT_RUN


def test_a_case_that_the_worker_found_unsupported_is_skipped_with_its_words():
    found = judge(a_run((A, (a_failure("unsupported", "this GPU has no bf16"),))))
    assert found.verdict.status is Status.SKIPPED
    assert found.verdict.sentence == "this GPU has no bf16; the baseline has this case"


def test_a_case_without_launches_in_the_baseline_has_no_baseline():
    found = against(a_run((A, SAME), (B, SAME)), a_run((A, SAME), run_id="run-0"))
    assert {case.case_key: case.verdict.status for case in found.cases}[B.key] is Status.NO_BASELINE


def test_without_any_baseline_every_case_is_shown_with_its_measured_value():
    comparison = against(a_run(), None)
    assert comparison.baseline_run_id is None
    assert comparison.cases[0].verdict.status is Status.NO_BASELINE
    assert comparison.cases[0].verdict.candidate_value == pytest.approx(20.0)
    assert exit_code(comparison) is ExitCode.NOT_COVERED


def test_a_case_that_is_no_longer_planned_has_vanished():
    comparison = against(a_run((A, SAME)), a_run((A, SAME), (B, SAME), run_id="run-0"))
    assert [case.verdict.status for case in comparison.cases] == [Status.VANISHED, Status.UNCHANGED]
    assert exit_code(comparison) is ExitCode.NOT_COVERED


def test_a_case_that_was_left_out_by_case_is_no_gap_and_one_that_was_asked_for_is():
    def chosen(*patterns: str) -> Comparison:
        run = a_run((A, SAME))
        plan = replace(run.header.plan, chosen=patterns)
        return against(replace(run, header=replace(run.header, plan=plan)), a_run((A, SAME), (B, SAME), run_id="run-0"))

    repeated = chosen(A.title)
    (left,) = (case for case in repeated.cases if case.case_key == B.key)
    assert (left.verdict.status, exit_code(repeated)) == (Status.LEFT_OUT, ExitCode.OK)
    assert left.verdict.sentence == "main has this case, the run was asked for other cases"
    for patterns in ((A.title, B.title), (B.key, A.key), ("resnet50",)):
        asked_for = chosen(*patterns)
        assert [case.verdict.status for case in asked_for.cases] == [Status.VANISHED, Status.UNCHANGED], patterns
        assert exit_code(asked_for) is ExitCode.NOT_COVERED


def test_invalid_launches_are_left_out_and_said_so():
    run = a_run((A, (0.1, 0.1, 5.0)))
    spoiled = replace(run.records[2], invalid_reason="a foreign process used the GPU")
    found = judge(with_records(run, *run.records[:2], spoiled))
    assert (found.verdict.status, found.verdict.candidate_launches) == (Status.UNCHANGED, 2)
    assert found.notes[0] == "1 candidate launch left out as invalid (a foreign process used the GPU)"


def test_a_case_whose_every_launch_is_invalid_is_inconclusive():
    run = a_run()
    spoiled = [replace(record, invalid_reason="the clocks were throttled") for record in run.records]
    found = judge(with_records(run, *spoiled))
    assert found.verdict.status is Status.INCONCLUSIVE
    assert "every launch is invalid (the clocks were throttled)" in found.verdict.sentence


def test_an_unfinished_case_is_judged_by_what_there_is_and_said_so():
    found = judge(a_run((A, (0.1, 0.1))))
    assert (found.verdict.status, found.notes[0]) == (Status.UNCHANGED, "1 of 3 planned launches not measured")


def test_failed_launches_of_the_other_run_are_left_out_and_said_so():
    reference = a_run((A, (0.1, 0.1, a_failure())), run_id="run-0")
    comparison = compare(a_run(), reference, "run-0", SETTINGS)
    assert comparison.cases[0].verdict.baseline_launches == 2
    assert comparison.cases[0].notes == ("1 baseline launch left out as failed",)


def test_another_run_serves_as_well_as_a_baseline():
    reference = a_run((A, (0.12, 0.12, 0.1201)), run_id="run-0")
    there = compare(a_run(), reference, "main", SETTINGS)
    assert there == compare(a_run(), a_baseline(reference), "main", SETTINGS)
    assert there.cases[0].verdict.status is Status.IMPROVED


def test_one_stored_session_clears_nothing():
    comparison = compare(a_run((A, (0.1, 0.1, 0.1001))), a_baseline(), "main", SETTINGS)
    verdict = comparison.cases[0].verdict
    assert (verdict.status, verdict.mode) == (Status.INCONCLUSIVE, Mode.STORED)
    assert "1 stored session cannot show the drift" in verdict.sentence
    assert exit_code(comparison) is ExitCode.INCONCLUSIVE


def test_the_worst_case_comes_first():
    cases = [a_case(batch_size_per_gpu=size) for size in range(1, 8)]
    outcomes: list[Any] = [FASTER, SAME, NOISY, (0.11, 0.11), (a_failure(),), (0.13, 0.13), ()]
    run = a_run(*zip(cases, outcomes, strict=True))
    comparison = against(run, a_run(*((case, SAME) for case in cases), run_id="run-0"))
    assert [case.verdict.status for case in comparison.cases] == [
        Status.REGRESSED,
        Status.REGRESSED,
        Status.FAILED,
        Status.NOT_RUN,
        Status.INCONCLUSIVE,
        Status.UNCHANGED,
        Status.IMPROVED,
    ]
    assert comparison.cases[0].case_key == cases[5].key


Outcomes = tuple[float | Failure, ...]


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (SAME, FASTER, ExitCode.OK),
        (SAME, NOISY, ExitCode.INCONCLUSIVE),
        (SAME, (), ExitCode.NOT_COVERED),
        (NOISY, (), ExitCode.NOT_COVERED),
        ((), (a_failure(),), ExitCode.CASE_FAILED),
        (SLOWER, (a_failure(),), ExitCode.REGRESSED),
        (SLOWER, (), ExitCode.REGRESSED),
    ],
)
def test_the_exit_code_tells_the_worst(first: Outcomes, second: Outcomes, code: ExitCode):
    comparison = against(a_run((A, first), (B, second)), a_run((A, SAME), (B, SAME), run_id="run-0"))
    assert exit_code(comparison) is code


def skipped(case: Case) -> PlannedCase:
    return PlannedCase(case=case, skip_reason="there is 1 GPU, the case needs 8")


def test_a_skipped_case_is_no_gap_unless_the_baseline_has_it():
    run = a_run((A, SAME), (skipped(B), ()))
    assert exit_code(against(run, a_run((A, SAME), run_id="run-0"))) is ExitCode.OK
    assert exit_code(against(run, a_run((A, SAME), (B, SAME), run_id="run-0"))) is ExitCode.NOT_COVERED


def test_a_run_that_skipped_everything_does_not_pass():
    run = a_run((skipped(A), ()))
    assert exit_code(against(run, a_run((B, ()), run_id="run-0"))) is ExitCode.NOT_COVERED


def test_a_measured_case_that_no_plan_holds_is_judged_all_the_same():
    run = a_run((A, SAME))
    extra = a_record(case=B, step_seconds=0.1)
    found = against(with_records(run, *run.records, extra), a_run((A, SAME), run_id="run-0"))
    assert {case.case_key for case in found.cases} == {A.key, B.key}


def test_figures_of_a_case_are_its_trimmed_mean_and_its_extreme_launches():
    (figure,) = case_figures(a_run((A, (0.1, 0.2, 0.125, a_failure()))).records)
    assert (figure.low, figure.value, figure.high) == pytest.approx((10.0, (20.0 * 16.0 * 10.0) ** (1 / 3), 20.0))
    assert figure.launches == 3
