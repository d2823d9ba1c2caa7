import math
from dataclasses import replace

import pytest

from ssdbench.analysis.reports.run import DETAILED_CASES, TRACE_POINTS, report_on, thinned
from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.analysis.verdicts.compare import compare, compare_arms
from ssdbench.errors import ExitCode
from ssdbench.report.page import render_report
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.environment import Network
from ssdbench.schema.record import BaselineArm, ContainerImage, RunOptions, SlurmOptions
from ssdbench.schema.report import Report
from ssdbench.schema.verdict import Baseline, Status
from tests.builders import a_baseline, a_case, a_failure, a_measurement, a_record, a_run, gpu_samples
from tests.report.made_up_runs import FAILED, SKIPPED, interleaved_run, sixty_cases


def report_of(run, reference: Baseline | None) -> Report:
    return report_on(run, reference, compare(run, reference, "main", run.header.settings), {})


def test_a_trace_keeps_the_extremes_of_every_stretch():
    steps = [1.0] * 1000
    steps[137], steps[950] = 9.0, 0.1
    kept = thinned(steps)
    assert len(kept) <= TRACE_POINTS
    assert {(137, 9.0), (950, 0.1)} <= set(kept)
    assert [n for n, _ in kept] == sorted({n for n, _ in kept})
    assert thinned([3.0, 1.0]) == ((0, 3.0), (1, 1.0))


def test_a_case_has_the_launches_of_both_sides_in_the_order_of_measurement():
    run, baseline = a_run((a_case(), (0.1, 0.125, 0.2))), a_baseline(a_run((a_case(), (0.1,)), run_id="run-0"))
    (case,) = report_of(run, baseline).cases
    values = [(launch.side, launch.value) for launch in case.launches]
    assert values == [
        ("baseline", pytest.approx(20)),
        *(("candidate", pytest.approx(2 / s)) for s in (0.1, 0.125, 0.2)),
    ]
    assert [trace.side for trace in case.traces] == ["baseline", "candidate", "candidate"]
    assert case.traces[0].warmup_steps == 2
    assert case.traces[0].fetches[0] == (0, pytest.approx(0.1))


def test_a_trace_says_which_steps_were_throttled_and_by_what():
    capped = gpu_samples(throttle_reasons=(0,) * 7 + (0x4,) + (0,) * 7)
    launch = a_measurement(step_seconds=0.5, gpus=(capped,))
    run = replace(a_run(), records=(a_record(measurement=launch),))
    (case,) = report_of(run, None).cases
    assert [(trace.throttled, trace.throttle_reasons) for trace in case.traces] == [(((6, 7),), "power cap")]


def test_figures_are_the_means_that_verdicts_take_with_their_change():
    run, baseline = a_run((a_case(), (0.1, 0.125, 0.15625))), a_baseline(a_run((a_case(), (0.1,)), run_id="run-0"))
    (case,) = report_of(run, baseline).cases
    found = {pair.metric: pair for pair in case.figures}
    assert found["throughput"].baseline == pytest.approx(20)
    assert found["throughput"].candidate == pytest.approx(16)
    assert found["throughput"].change == pytest.approx(-0.2)
    assert found["fetch_share"].change == pytest.approx(-0.2)
    assert "latency_p99" not in found, "10 steps support no 99th percentile"


def test_failed_and_invalid_launches_are_told_and_not_drawn():
    failure = replace(a_failure("crash", "the worker ended with exit code 9"), log="Traceback\n  line 1")
    run = a_run((a_case(), (0.1, failure)))
    (case,) = report_of(run, a_baseline()).cases
    assert len([launch for launch in case.launches if launch.side == "candidate"]) == 1
    (shown,) = case.failures
    assert (shown.sentence, shown.log) == ("launch 1, crash: the worker ended with exit code 9", failure.log)
    invalid = a_run((a_case(), (0.1, 0.1, 0.1)))
    records = (replace(invalid.records[0], invalid_reason="other processes kept 2 cores busy"), *invalid.records[1:])
    said = report_of(replace(invalid, records=records), a_baseline())
    assert len([launch for launch in said.cases[0].launches if launch.side == "candidate"]) == 2
    assert any("other processes kept 2 cores busy" in gap.why for gap in said.gaps)


def test_what_was_not_measured_or_not_judged_says_why():
    skipped = PlannedCase(case=a_case(precision="tf32"), skip_reason="tf32 needs Ampere")
    run = replace(a_run((a_case(), (0.1, 0.1, 0.1)), (skipped, ())), torn=True)
    gone = a_baseline(a_run((a_case(batch_size_per_gpu=64), (0.1, 0.1)), run_id="run-0"))
    said = report_of(run, gone)
    assert [(gap.what, gap.why.split(":")[0]) for gap in said.gaps] == [
        ("measured, without a baseline", "main has no usable launch of this case"),
        ("no longer planned", "main has this case, the run does not plan it"),
        ("skipped", "tf32 needs Ampere"),
        ("launch lost", "the file of the run ends in the middle of a record, which was left out"),
    ]
    assert said.code is ExitCode.NOT_COVERED


def test_without_a_baseline_the_measured_side_is_still_shown():
    (case,) = report_of(a_run(), None).cases
    assert {launch.side for launch in case.launches} == {"candidate"}
    assert all(pair.baseline is None and pair.change is None for pair in case.figures)
    assert report_of(a_run(), None).reference.startswith("no baseline main for this hardware yet")


def test_a_run_in_an_image_over_a_cluster_says_in_which_and_where():
    image = ContainerImage(reference="bench:24.09", id=f"sha256:{'b' * 64}")
    run = a_run(options=RunOptions(image=image, slurm=SlurmOptions()))
    network = Network(rank_hosts=("n2", "n1"), backend="nccl")
    measured = replace(run, records=(a_record(measurement=a_measurement(network=network)),))
    found = report_of(measured, None)
    assert found.builds == (("Candidate", "bench:24.09 (sha256:bbbbbbbbbbbb)"),)
    assert found.places == (("Nodes", "n1, n2"),)
    assert all(value in render_report(found) for _, value in (*found.builds, *found.places))
    assert report_of(a_run(), None).places == ()

    paired = interleaved_run()
    baseline_arm = BaselineArm(python="python", source="/ssdbench", image=replace(image, reference="bench:24.08"))
    options = replace(paired.header.options, image=image)
    paired = replace(paired, header=replace(paired.header, baseline_arm=baseline_arm, options=options))
    baseline, candidate = split_arms(paired)
    found = report_on(candidate, baseline, compare_arms(paired, paired.header.settings), {})
    assert found.reference == "the interleaved baseline, measured in pairs with the candidate"
    assert [build for _, build in found.builds] == [f"bench:24.0{n} (sha256:bbbbbbbbbbbb)" for n in (8, 9)]


def test_two_checkouts_are_named_and_are_never_called_equal():
    paired = interleaved_run()
    arm = BaselineArm(python="/old/python", source="/old", commit=f"{'a' * 40}+dirty")
    options = replace(paired.header.options, measured_by="/new/python", source="/new", budget="30m")
    host = replace(paired.header.host, ssdbench_commit="b" * 40)
    paired = replace(paired, header=replace(paired.header, baseline_arm=arm, options=options, host=host))
    baseline, candidate = split_arms(paired)
    comparison = compare_arms(paired, paired.header.settings)
    found = report_on(candidate, baseline, comparison, {})
    assert found.builds == (
        ("Baseline", "commit aaaaaaaaaaaa with uncommitted changes, /old, /old/python"),
        ("Candidate", "commit bbbbbbbbbbbb, /new, /new/python"),
    )
    assert {"ssdbench commit", "source", "interpreter"} <= {item.name for item in comparison.differences}
    assert found.places == (("Time budget", "30m, used up with 1 case undecided"),)


def test_a_time_budget_that_ended_a_run_is_named():
    paired = interleaved_run(pairs=1)
    options = replace(paired.header.options, budget="5m")
    paired = replace(paired, header=replace(paired.header, options=options))
    baseline, candidate = split_arms(paired)
    comparison = compare_arms(paired, paired.header.settings)
    undecided = sum(bool(case.notes) and case.notes[-1].startswith("undecided") for case in comparison.cases)
    assert undecided > 1
    assert any("undecided within the time budget of 5m: the plan" in note for c in comparison.cases for note in c.notes)
    found = report_on(candidate, baseline, comparison, {})
    assert found.places == (("Time budget", f"5m, used up with {undecided} cases undecided"),)


def test_a_brief_report_has_the_details_of_what_got_worse_or_failed():
    paired = interleaved_run()
    baseline, candidate = split_arms(paired)
    comparison = compare_arms(paired, paired.header.settings)
    found = report_on(candidate, baseline, comparison, {}, detailed=False)
    assert [case.judged.verdict.status for case in found.cases] == [Status.REGRESSED] * 4 + [Status.FAILED]
    assert len(found.comparison.cases) == 60


def test_an_interleaved_run_has_both_arms_and_stages():
    paired = interleaved_run()
    baseline, candidate = split_arms(paired)
    said = report_on(candidate, baseline, compare_arms(paired, paired.header.settings), {})
    assert said.code is ExitCode.REGRESSED
    worst = said.cases[0]
    assert [len([x for x in worst.launches if (x.side, x.stage) == key]) for key in (
        ("baseline", "measure"), ("candidate", "measure"), ("baseline", "confirm"), ("candidate", "confirm")
    )] == [5, 5, 8, 8]  # fmt: skip
    assert said.reference == "the interleaved baseline, measured in pairs with the candidate"
    assert " a step, backward has +" in worst.judged.explanation
    assert {bool(case.judged.explanation) for case in said.cases if case.judged.verdict.status is Status.UNCHANGED} == {
        False
    }
    titles = {gap.title for gap in said.gaps}
    assert {sixty_cases()[number].title for number in (FAILED, SKIPPED)} <= titles


def test_only_the_worst_cases_of_a_huge_run_have_details():
    cases = [(a_case(batch_size_per_gpu=size), (0.1, 0.1)) for size in range(1, DETAILED_CASES + 20)]
    said = report_of(a_run(*cases), None)
    assert len(said.comparison.cases) == DETAILED_CASES + 19
    assert [case.judged for case in said.cases] == list(said.comparison.cases[:DETAILED_CASES])


def test_impossible_times_are_left_out_of_the_charts():
    run = a_run((a_case(), (0.1, math.nan, math.inf)))
    (case,) = report_of(run, None).cases
    assert len(case.launches) == 1
    assert all(math.isfinite(seconds) for trace in case.traces for _, seconds in trace.steps)
