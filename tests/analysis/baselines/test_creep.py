from dataclasses import replace

import pytest

from ssdbench.analysis.baselines.acceptance import accepted
from ssdbench.analysis.baselines.creep import (
    dropped_cases,
    find_regressions,
    ignoring_age,
    next_anchor,
    not_yet_accepted,
    refuse_regressions,
    refuse_to_drop_cases,
    same_launches,
    since_anchor,
)
from ssdbench.analysis.verdicts.compare import compare
from ssdbench.errors import UsageError
from ssdbench.schema.acceptance import AcceptedRegression
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.record import Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline, Comparison
from tests.builders import a_baseline, a_case, a_failure, a_measurement, a_run

A, B = a_case(), a_case(workload="infer", backbone="resnet50")
SAME = (0.1, 0.1, 0.1)
MARGIN = 0.05


def times(seconds: float, spread: float = 0.0) -> tuple[float, float, float]:
    return (seconds * (1 - spread), seconds, seconds * (1 + spread))


def against(old: Baseline, run: Run) -> Comparison:
    return compare(run, old, "main", ignoring_age(Settings(margin=MARGIN)))


def a_bar(case_key: str, old: float, new: float) -> AcceptedRegression:
    return AcceptedRegression(
        case_key=case_key, metric="throughput", old_value=old, new_value=new, change=new / old - 1, against="baseline"
    )


@pytest.mark.parametrize(
    ("seconds", "spread", "lowered"),
    [
        (0.125, 0.001, True),  # judged regressed
        (0.125, 0.0, True),  # equal launches allow no verdict
        (0.125, 0.3, True),  # no verdict, and the middle is 20 % worse
        (0.104, 0.3, False),  # no verdict, and the middle within the margin
        (0.104, 0.0, False),
        (0.08, 0.001, False),  # judged improved
        (0.08, 0.3, False),
    ],
)
def test_a_bar_is_lowered_where_it_is_judged_or_where_nothing_can_be_judged_and_the_middle_is_worse(
    seconds: float, spread: float, lowered: bool
):
    found = find_regressions(against(a_baseline(), a_run((A, times(seconds, spread)))), "baseline")
    assert [bar.case_key for bar in found] == ([A.key] if lowered else [])


def test_a_lowered_bar_has_old_new_and_change_in_the_direction_of_its_metric():
    old = a_baseline(a_run((A, SAME), (B, SAME)))
    throughput, latency = find_regressions(against(old, a_run((A, times(0.125)), (B, times(0.12)))), "anchor")
    assert (throughput.old_value, throughput.new_value) == (pytest.approx(20), pytest.approx(16))
    assert throughput.change == pytest.approx(-0.2)
    assert (latency.metric, latency.change, latency.against) == ("latency_p50", pytest.approx(0.2), "anchor")


def test_a_failed_case_lowers_no_bar():
    run = a_run((A, (0.2, 0.2, a_failure())))
    assert find_regressions(against(a_baseline(), run), "baseline") == ()


def test_what_was_allowed_is_not_asked_about_again_until_it_gets_worse_still():
    first = accepted(a_baseline(), None, margin=MARGIN, reset_anchor=True)
    history = accepted(a_baseline(), first, margin=MARGIN, accepted_regressions=(a_bar(A.key, 20, 16),)).history
    assert not_yet_accepted([a_bar(A.key, 20, 15.9)], since_anchor(history), MARGIN) == ()
    worse = a_bar(A.key, 20, 15)
    assert not_yet_accepted([worse], history, MARGIN) == (worse,)
    assert not_yet_accepted([a_bar(B.key, 20, 15.9)], history, MARGIN) != ()


def test_what_was_allowed_before_the_anchor_was_reset_counts_no_more():
    first = accepted(a_baseline(), None, margin=MARGIN, accepted_regressions=(a_bar(A.key, 20, 16),))
    history = accepted(a_baseline(), first, margin=MARGIN, reset_anchor=True).history
    assert not_yet_accepted([a_bar(A.key, 20, 16)], since_anchor(history), MARGIN) != ()


def test_cases_that_vanished_are_skipped_or_measured_otherwise_are_given_up():
    old = a_baseline(a_run((A, SAME), (B, SAME)))
    assert dropped_cases(against(old, a_run((A, SAME)))) == (B.key,)
    only = a_run((A, SAME))
    chosen = replace(only.header, plan=replace(only.header.plan, chosen=(A.key,)))
    assert dropped_cases(against(old, replace(only, header=chosen))) == (B.key,)  # no baseline loses a case by --case
    assert dropped_cases(against(old, a_run((A, SAME), (PlannedCase(case=B, skip_reason="no GPU"), ())))) == (B.key,)
    run = a_run((A, SAME), (B, SAME))
    newer = [
        replace(r, measurement=a_measurement(case=B, workload_version=2)) if r.case == B else r for r in run.records
    ]
    assert dropped_cases(against(old, replace(run, records=tuple(newer)))) == (B.key,)
    assert dropped_cases(against(old, run)) == ()


def test_figures_of_another_workload_version_lower_no_bar():
    run = a_run()
    newer = tuple(replace(r, measurement=a_measurement(step_seconds=0.2, workload_version=2)) for r in run.records)
    assert find_regressions(against(a_baseline(), replace(run, records=newer)), "anchor") == ()


def test_a_bar_does_not_age():
    late = a_run((A, times(0.125)), created_at="2027-01-05T12:00:00+00:00")
    comparison = against(a_baseline(), late)
    assert [bar.case_key for bar in find_regressions(comparison, "baseline")] == [A.key]
    assert dropped_cases(comparison) == ()


def test_refusals_name_run_case_and_remedy():
    refuse_to_drop_cases((), a_baseline())
    refuse_regressions((), a_baseline())
    with pytest.raises(UsageError, match=r"run run-0 lacks infer-.*drop these cases with --drop-cases"):
        refuse_to_drop_cases((B.key,), a_baseline())
    with pytest.raises(UsageError, match=r"makes train-.*\(-20.0% against the baseline\).*--allow-regress"):
        refuse_regressions((a_bar(A.key, 20, 16),), a_baseline())


def test_the_first_accepted_launches_are_the_anchor():
    baseline = a_baseline()
    anchor = next_anchor(None, None, baseline)
    assert anchor.records == baseline.records
    assert same_launches(anchor, baseline)


def test_the_anchor_keeps_the_oldest_launches_and_gains_new_cases():
    first = a_baseline(a_run((A, SAME), run_id="run-1"))
    second = a_baseline(a_run((A, SAME), (B, SAME), run_id="run-2"))
    anchor = next_anchor(next_anchor(None, None, first), first, second)
    assert {(r.case.key, r.run_id) for r in anchor.records} == {(A.key, "run-1"), (B.key, "run-2")}
    assert anchor.header.sessions == ("run-1", "run-2")


def test_a_baseline_without_an_anchor_becomes_it_when_it_is_replaced():
    old, new = a_baseline(a_run(run_id="run-1")), a_baseline(a_run(run_id="run-2"))
    assert next_anchor(None, old, new).records == old.records


def test_a_dropped_case_keeps_its_anchor():
    both, one = a_baseline(a_run((A, SAME), (B, SAME), run_id="run-1")), a_baseline(a_run((A, SAME), run_id="run-2"))
    kept = next_anchor(both, both, one).records
    assert {record.id for record in kept} == {record.id for record in both.records}


def test_launches_that_are_no_longer_comparable_are_replaced_in_the_anchor():
    old, run = a_baseline(a_run(run_id="run-1")), a_run(run_id="run-2")
    newer = replace(run, records=tuple(replace(r, measurement=a_measurement(workload_version=2)) for r in run.records))
    assert next_anchor(old, old, a_baseline(newer)).records == newer.records


def test_a_reset_anchor_is_the_accepted_one():
    old, new = a_baseline(a_run((A, SAME), (B, SAME), run_id="run-1")), a_baseline(a_run(run_id="run-2"))
    assert next_anchor(old, old, new, reset=True).records == new.records
