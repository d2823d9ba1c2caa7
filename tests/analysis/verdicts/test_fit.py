"""A case that is out of the GPU's memory in every launch: accepted as such, still so, so now, no longer so."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ssdbench.analysis.baselines.acceptance import as_run, baseline_from, sessions_of_one_build
from ssdbench.analysis.baselines.creep import dropped_cases, find_regressions, next_anchor
from ssdbench.analysis.baselines.verification import findings
from ssdbench.analysis.reports.export import exported
from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.tables.measured import measured_sheets
from ssdbench.analysis.verdicts.compare import compare, compare_arms, exit_code
from ssdbench.errors import ExitCode, UsageError
from ssdbench.schema.record import BaselineArm, Failure, Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline, CaseVerdict, Comparison, Status
from tests.builders import GPU_HARDWARE, HARDWARE, a_baseline, a_case, a_failure, a_run, no_memory, stored_sessions

SETTINGS = Settings(margin=0.05)
SMALL, LARGE = a_case(device="cuda"), a_case(device="cuda", batch_size_per_gpu=64)
SAME: Sequence[float | Failure] = (0.1, 0.1001, 0.0999)
NONE: Sequence[float | Failure] = (no_memory(),) * 3
HOST = a_failure("out_of_memory", "std::bad_alloc", memory="host")
OLD = a_failure("out_of_memory", "CUDA out of memory")


def run_of(large: Sequence[float | Failure], run_id: str = "run-1", **changes: object) -> Run:
    return a_run((SMALL, SAME), (LARGE, large), run_id=run_id, **changes)


def accept(run: Run) -> Baseline:
    return baseline_from(run, name="main", reason="first figures", accepted_at="2026-01-05T13:00:00+00:00")


def judged(run: Run, reference: Baseline | Run | None) -> tuple[CaseVerdict, Comparison]:
    found = compare(run, reference, "main", SETTINGS)
    return next(case for case in found.cases if case.case_key == LARGE.key), found


def sessions(run: Run) -> Baseline:
    """Five sessions of it, so that what was measured can be cleared."""
    return stored_sessions(run)


def test_a_run_is_accepted_with_a_case_that_is_out_of_memory_in_every_launch():
    run = run_of(NONE)
    baseline = accept(run)
    assert baseline.records == run.records
    assert baseline.header.launches == 6


@pytest.mark.parametrize(
    ("large", "says"),
    [
        ((0.1, no_memory(), 0.1), "launch 1 failed"),
        ((no_memory(), a_failure(), no_memory()), "launch 2 failed; repair"),
        ((HOST,) * 3, "failed; repair"),
        ((OLD,) * 3, "failed; repair"),
        ((no_memory(), no_memory()), "launch 2 not measured"),
        ((no_memory(), no_memory(), a_failure("interrupted")), "launch 2 not measured"),
    ],
    ids=[
        "some launches fit",
        "one crashed",
        "memory of the host",
        "which memory is not told",
        "unfinished",
        "broken off",
    ],
)
def test_anything_else_is_refused_as_before(large, says):
    with pytest.raises(UsageError, match=says):
        accept(run_of(large))


def test_where_nothing_fits_there_is_nothing_to_accept():
    with pytest.raises(UsageError, match="it measured nothing"):
        accept(a_run((LARGE, NONE)))


def test_the_session_of_another_gpu_is_refused():
    run = run_of(NONE)
    stranger = replace(run.records[-1], hardware=GPU_HARDWARE)
    with pytest.raises(UsageError, match="measured on other hardware"):
        accept(replace(run, records=(*run.records[:-1], stranger)))


def test_sessions_that_disagree_about_what_fits_are_refused():
    with pytest.raises(UsageError, match="in one of them only"):
        sessions_of_one_build([run_of(NONE, "run-1"), run_of(SAME, "run-2")])
    assert len(sessions_of_one_build([run_of(NONE, "run-1"), run_of(NONE, "run-2")]).records) == 12


def test_in_pairs_the_first_launch_without_memory_is_the_last_of_its_case():
    baseline_arm = BaselineArm(python="python", source="/release")
    assert len(accept(run_of(NONE[:1], baseline_arm=baseline_arm)).records) == 4


def test_what_was_accepted_as_not_fitting_and_still_does_not_is_no_failure():
    found, comparison = judged(run_of(NONE), sessions(run_of(NONE, "run-0")))
    assert found.verdict.status is Status.DOES_NOT_FIT
    assert found.verdict.sentence.startswith("does not fit into the GPU's memory, as in main: OutOfMemoryError: CUDA")
    assert exit_code(comparison) is ExitCode.OK


def test_what_fits_now_is_a_finding_and_no_regression():
    found, comparison = judged(run_of(SAME), sessions(run_of(NONE, "run-0")))
    assert found.verdict.status is Status.FITS_NOW
    assert "it did not in main; accept this run" in found.verdict.sentence
    assert found.verdict.candidate_value == pytest.approx(640, rel=0.01)
    assert exit_code(comparison) is ExitCode.OK


def test_what_no_longer_fits_is_a_regression():
    found, comparison = judged(run_of(NONE), sessions(run_of(SAME, "run-0")))
    assert found.verdict.status is Status.NO_LONGER_FITS
    assert found.verdict.sentence.startswith("no longer fits into the GPU's memory, it did in main; every launch ran")
    assert found.verdict.baseline_value == pytest.approx(640, rel=0.01)
    assert comparison.cases[0] == found
    assert exit_code(comparison) is ExitCode.REGRESSED


@pytest.mark.parametrize(
    ("large", "reference"),
    [
        ((0.1, no_memory(), 0.1), NONE),
        ((0.1, no_memory(), 0.1), SAME),
        (NONE, (0.1, no_memory(), 0.1)),
        ((HOST,) * 3, SAME),
        ((OLD,) * 3, SAME),
        ((a_failure(),) * 3, NONE),
    ],
    ids=["mixed", "mixed, fitted", "mixed before", "memory of the host", "which is not told", "another failure"],
)
def test_everything_else_stays_a_failure(large, reference):
    found, comparison = judged(run_of(large), run_of(reference, "run-0"))
    assert found.verdict.status is Status.FAILED
    assert exit_code(comparison) is ExitCode.CASE_FAILED


def test_without_a_baseline_it_is_a_failure_that_says_how_to_accept_it():
    found, _ = judged(run_of(NONE), None)
    assert found.verdict.status is Status.FAILED
    assert found.verdict.sentence.endswith(
        "; if it cannot fit, accept the run: the baseline then keeps that it does not"
    )
    assert "accept the run" not in judged(run_of((no_memory(), 0.1, 0.1)), None)[0].verdict.sentence


def test_a_larger_gpu_is_another_machine_and_no_news():
    there = run_of(SAME, "run-0", hardware=GPU_HARDWARE)
    assert judged(run_of(NONE, hardware=HARDWARE), there)[0].verdict.status is Status.FAILED
    there = run_of(NONE, "run-0", hardware=HARDWARE)
    assert judged(run_of(SAME, hardware=GPU_HARDWARE), there)[0].verdict.status is Status.NO_BASELINE


def test_a_case_that_the_plan_skips_now_is_no_gap_where_it_did_not_fit():
    run, baseline = run_of(()), a_baseline(run_of(NONE, "run-0"))
    reason = "needs about 29 GiB, the GPU has 16"
    planned = [replace(item, skip_reason=reason if item.case == LARGE else None) for item in run.header.plan.cases]
    plan = replace(run.header.plan, cases=tuple(planned))
    found, _ = judged(replace(run, header=replace(run.header, plan=plan)), baseline)
    assert (found.verdict.status, found.verdict.sentence) == (Status.SKIPPED, reason)
    assert found.verdict.baseline_launches == 0


@pytest.mark.parametrize(
    ("baseline", "candidate", "status"),
    [
        (no_memory(), no_memory(), Status.DOES_NOT_FIT),
        (0.1, no_memory(), Status.NO_LONGER_FITS),
        (no_memory(), 0.1, Status.FITS_NOW),
    ],
)
def test_the_arms_of_a_pair_are_judged_alike(baseline, candidate, status):
    baseline_arm = BaselineArm(python="python", source="/release")
    run = run_of((candidate, baseline), baseline_arm=baseline_arm)
    arms: dict[int, Any] = {0: "candidate", 1: "baseline"}
    placed = [
        replace(record, arm=arms[record.launch], launch=0) if record.case == LARGE else record for record in run.records
    ]
    found = compare_arms(replace(run, records=tuple(placed)), SETTINGS)
    assert next(case for case in found.cases if case.case_key == LARGE.key).verdict.status is status


def test_a_bar_without_room_is_given_up_and_not_lowered():
    _, comparison = judged(run_of(NONE), sessions(run_of(SAME, "run-0")))
    assert dropped_cases(comparison) == (LARGE.key,)
    assert find_regressions(comparison, "baseline") == ()
    _, comparison = judged(run_of(SAME), sessions(run_of(NONE, "run-0")))
    assert dropped_cases(comparison) == ()


def test_the_anchor_keeps_figures_only():
    unfit, fits = accept(run_of(NONE, "run-0")), accept(run_of(SAME, "run-1"))
    first = next_anchor(None, None, unfit)
    assert {record.case.key for record in first.records} == {SMALL.key}
    second = next_anchor(first, unfit, fits)
    assert {(record.case.key, record.run_id) for record in second.records} == {
        (SMALL.key, "run-0"),
        (LARGE.key, "run-1"),
    }
    third = next_anchor(second, fits, unfit)
    assert third.records == second.records
    assert third.header.launches == len(third.records)


def test_such_a_baseline_is_whole():
    baseline = accept(run_of(NONE))
    anchor = next_anchor(None, None, baseline)
    found = findings(baseline, anchor, baseline.header.hardware.key, "main")
    assert [sentence for sentence in found if "history" not in sentence] == []
    mixed = replace(baseline, records=(*baseline.records[:-1], *run_of(SAME).records[-1:]))
    found = findings(mixed, anchor, baseline.header.hardware.key, "main")
    assert any("some launches that ran out of memory and others that did not" in sentence for sentence in found)


def test_two_baselines_are_compared_by_what_fits():
    there, here = accept(run_of(SAME, "run-0")), accept(run_of(NONE))
    assert judged(as_run(here), there)[0].verdict.status is Status.NO_LONGER_FITS


def test_tables_exports_and_reports_say_that_it_does_not_fit():
    run, reference = run_of(NONE), a_baseline(run_of(NONE, "run-0"))
    (sheet,) = measured_sheets([run])
    words = {cell.word for cells in sheet.cells.values() for cell in cells.values() if cell.value is None}
    assert words == {"does not fit"}
    assert exported(run).left_out == (f"{LARGE.key}: does not fit: {no_memory().message}",)
    gaps = report_on(run, reference, compare(run, reference, "main", SETTINGS), {}).gaps
    assert [gap.what for gap in gaps if gap.title == LARGE.title] == ["does not fit"]
