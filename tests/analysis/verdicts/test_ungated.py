from dataclasses import replace

import numpy as np
import pytest

from ssdbench.analysis.verdicts.arms import split_arms
from ssdbench.analysis.verdicts.compare import compare, compare_arms
from ssdbench.analysis.verdicts.ungated import ungated_changes
from ssdbench.schema.record import BaselineArm, Record, Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import MetricChange
from tests.builders import a_baseline, a_case, a_header, a_measurement, a_record, stored_sessions

SETTINGS = Settings()
A = a_case()


def a_launch(arm: str, launch: int, steps: int = 10) -> Record:
    """The candidate's steps are as long, but for a tail, and it needs half as much memory again."""
    rng = np.random.default_rng(launch + (100 if arm == "candidate" else 0))
    times = 0.1 * np.exp(rng.normal(0.0, 1e-3, 2 + steps))
    memory = 2**30 * (1 + 0.001 * launch)
    if arm == "candidate":
        times[-1] *= 3
        memory *= 1.5
    measurement = a_measurement(
        case=A, step_seconds=tuple(times.tolist()), fetch_seconds=0.0, peak_memory_bytes=(int(memory),)
    )
    return a_record(case=A, launch=launch, measurement=measurement, arm=arm, id=f"{arm}/{launch}")


def changes_of(run: Run) -> dict[str, MetricChange]:
    there, here = split_arms(run)
    found = ungated_changes(compare_arms(run, SETTINGS), there.records, here.records)
    return {change.metric: change for change in found}


def an_interleaved_run(steps: int = 10) -> Run:
    header = a_header(baseline_arm=BaselineArm(python="python", source="old"))
    records = [a_launch(arm, launch, steps) for launch in range(4) for arm in ("baseline", "candidate")]
    return Run(header=header, records=tuple(records))


def test_every_metric_but_the_gated_one_has_its_change_and_interval():
    found = changes_of(an_interleaved_run())
    assert set(found) == {"latency_p50", "latency_mean", "fetch_share", "peak_memory"}
    memory, median = found["peak_memory"], found["latency_p50"]
    assert memory.change == pytest.approx(0.5, abs=0.01)
    assert memory.low < memory.change < memory.high
    assert memory.low > 0.4
    assert median.low < 0 < median.high


def test_a_share_of_zero_has_no_change():
    share = changes_of(an_interleaved_run())["fetch_share"]
    assert (share.change, share.low, share.high) == (None, None, None)


def test_tail_percentiles_appear_with_enough_steps_only():
    assert "latency_p95" not in changes_of(an_interleaved_run(steps=399))
    assert {"latency_p90", "latency_p95"} <= set(changes_of(an_interleaved_run(steps=400)))


@pytest.mark.parametrize("sessions", [1, 4, 6])
def test_against_a_stored_baseline_the_interval_is_that_of_its_sessions_if_there_are_enough(sessions: int):
    run = Run(header=a_header(), records=tuple(a_launch("candidate", n) for n in range(3)))
    old = Run(header=a_header(), records=tuple(a_launch("baseline", n) for n in range(3)))
    baseline = stored_sessions(old, sessions=sessions) if sessions > 1 else a_baseline(old)
    comparison = compare(run, baseline, "main", SETTINGS)
    found = {c.metric: c for c in ungated_changes(comparison, baseline.records, run.records)}
    change = found["latency_mean"]
    assert change.change is not None
    if sessions < SETTINGS.minimum_sessions:
        assert (change.low, change.high) == (None, None)
    else:
        assert change.low < change.change < change.high


def test_a_case_that_cannot_be_judged_has_none():
    run = Run(header=a_header(), records=(a_launch("candidate", 0),))
    other = replace(run.records[0].measurement, workload_version=2)
    old = a_baseline(Run(header=a_header(), records=(replace(run.records[0], measurement=other),)))
    assert ungated_changes(compare(run, old, "main", SETTINGS), old.records, run.records) == ()
