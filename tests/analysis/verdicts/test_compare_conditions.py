"""What two runs have to share to be compared, what makes a baseline stale, and what else differs between them."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ssdbench.analysis.verdicts.compare import compare, compare_arms, exit_code
from ssdbench.errors import ExitCode
from ssdbench.schema.case import Protocol
from ssdbench.schema.environment import Network
from ssdbench.schema.record import BaselineArm, ContainerImage, Dataset, Run, RunOptions
from ssdbench.schema.verdict import Status
from tests.analysis.verdicts.test_compare import SETTINGS, against, judge, with_records
from tests.builders import (
    GPU_HARDWARE,
    HOST,
    SOFTWARE,
    a_baseline,
    a_case,
    a_failure,
    a_measurement,
    a_record,
    a_run,
)


def test_a_run_without_a_measurement_has_no_versions_that_changed():
    reference, failed = a_run(run_id="run-0"), a_run((a_case(), (a_failure(),) * 3))
    assert [item.name for item in compare(failed, reference, "main", SETTINGS).differences] == []
    other = replace(failed, header=replace(failed.header, host=replace(HOST, ssdbench_commit="abc")))
    assert [item.name for item in compare(other, reference, "main", SETTINGS).differences] == ["ssdbench commit"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hardware": GPU_HARDWARE}, "hardware cpu-2x-example in main and 1x-nvidia-h100"),
        ({"measurement": a_measurement(timer="cuda_event")}, "timer perf_counter in main and cuda_event here"),
        ({"measurement": a_measurement(warmup_steps=3)}, "warm-up steps 2 in main and 3 here, timed steps 10 in main"),
        ({"dataset": None}, "images synthetic-64 (f00d) in main and - here"),
        ({"dataset": Dataset(name="coco", fingerprint="cafe", train_images=1, val_images=1)}, "and coco (cafe) here"),
    ],
)
def test_unlike_conditions_forbid_the_comparison_and_are_named(change: dict[str, object], words: str):
    run = a_run()
    found = judge(with_records(run, *(replace(record, **change) for record in run.records)))  # type: ignore[arg-type]
    assert found.verdict.status is Status.INCOMPARABLE
    assert words in found.verdict.sentence


def test_a_baseline_of_another_workload_version_is_stale():
    run = a_run()
    newer = [replace(record, measurement=a_measurement(workload_version=2)) for record in run.records]
    found = judge(with_records(run, *newer))
    assert found.verdict.status is Status.STALE
    assert found.verdict.sentence == "stale: workload version 1 in main and 2 here"


@pytest.mark.parametrize(("days", "status"), [(89, Status.UNCHANGED), (91, Status.STALE)])
def test_a_baseline_grows_stale_with_age(days: int, status: Status):
    created = datetime(2026, 1, 5, 12, tzinfo=timezone.utc) + timedelta(days=days)
    comparison = against(a_run(created_at=created.isoformat()), a_run(run_id="run-0"))
    assert comparison.cases[0].verdict.status is status
    if status is Status.STALE:
        assert "91 days older than this run, 90 are allowed" in comparison.cases[0].verdict.sentence
        assert exit_code(comparison) is ExitCode.NOT_COVERED


def test_a_baseline_whose_age_is_not_known_is_stale():
    comparison = against(a_run(created_at="yesterday"), a_run(run_id="run-0"))
    assert comparison.cases[0].verdict.status is Status.STALE


def test_one_launch_of_another_workload_version_forbids_the_comparison_as_well():
    run = a_run()
    odd = replace(run.records[0], measurement=a_measurement(workload_version=2))
    found = judge(with_records(run, odd, *run.records[1:]))
    assert found.verdict.status is Status.STALE
    assert "workload version 1 in main and 1, 2 here" in found.verdict.sentence


def test_the_number_of_launches_is_no_condition():
    few = a_case(protocol=Protocol(warmup_steps=2, steps=10, launches=2))
    assert judge(a_run((few, (0.1, 0.1)))).verdict.status is Status.UNCHANGED


def in_seconds(steps: int, run_id: str = "run-1", **changes: Any) -> Run:
    """Launches of so many timed steps, as many as the seconds came to."""
    protocol = Protocol(warmup_steps=2, steps=10, launches=3, warmup_seconds=3.0, timed_seconds=5.0)
    case = a_case(protocol=replace(protocol, **changes))
    run = a_run((case, (0.1,) * 3), run_id=run_id)
    taken = a_measurement(step_seconds=[0.1] * (steps + 7), warmup_steps=7)
    return with_records(run, *(replace(record, measurement=taken) for record in run.records))


def test_seconds_are_the_condition_where_they_decided_the_number_of_steps():
    found = against(in_seconds(52), in_seconds(50, "run-0")).cases[0].verdict
    assert found.status is Status.UNCHANGED


def test_other_seconds_forbid_the_comparison_as_steps_alone_do():
    longer = against(in_seconds(52, timed_seconds=9.0), in_seconds(50, "run-0")).cases[0].verdict
    assert longer.status is Status.INCOMPARABLE
    assert "timed steps at least 10 and 5 s in main and at least 10 and 9 s here" in longer.sentence
    steps_alone = against(in_seconds(10, warmup_seconds=0.0, timed_seconds=0.0), in_seconds(10, "run-0"))
    assert steps_alone.cases[0].verdict.status is Status.INCOMPARABLE


def test_what_else_changed_is_listed_and_forbids_nothing():
    run = a_run(host=replace(HOST, driver="580.1", variables={"OMP_NUM_THREADS": "2"}))
    newer = replace(SOFTWARE, torch="2.12.0", nccl="2.28")
    records = [replace(record, measurement=a_measurement(software=newer)) for record in run.records]
    comparison = against(with_records(run, *records), a_run(run_id="run-0"))
    assert comparison.cases[0].verdict.status is Status.UNCHANGED
    assert {(item.name, item.baseline, item.candidate) for item in comparison.differences} == {
        ("torch", "2.11.0", "2.12.0"),
        ("nccl", "-", "2.28"),
        ("driver", "-", "580.1"),
        ("$OMP_NUM_THREADS", "-", "2"),
    }


def test_links_and_the_settings_of_their_libraries_are_listed_and_those_of_before_have_none():
    network = Network(rank_hosts=("n1", "n2"), backend="gloo", interface="ib0", settings={"NCCL_ALGO": "Ring"})
    run = a_run(host=replace(HOST, interconnect=("NVLinks of a GPU: 18", "8 × InfiniBand 400 Gb/sec (4X NDR)")))
    records = [replace(record, measurement=a_measurement(network=network)) for record in run.records]
    comparison = against(with_records(run, *records), a_run(run_id="run-0"))
    assert comparison.cases[0].verdict.status is Status.UNCHANGED
    assert {(item.name, item.baseline, item.candidate) for item in comparison.differences} == {
        ("interconnect", "-", "NVLinks of a GPU: 18; 8 × InfiniBand 400 Gb/sec (4X NDR)"),
        ("network interface", "-", "ib0"),
        ("$NCCL_ALGO", "-", "Ring"),
    }


def test_the_images_of_both_arms_are_told_apart_by_content_label_and_version():
    old = ContainerImage(reference="bench:24.08", id="sha256:a", digest="sha256:1", labels={"cudnn": "9.2", "os": "x"})
    new = ContainerImage(reference="bench:24.09", id="sha256:b", digest="sha256:2", labels={"cudnn": "9.4", "os": "x"})
    software = replace(SOFTWARE, cublas="12.6.1")
    records = [
        a_record(arm=arm, measurement=a_measurement(software=replace(software, torch=torch)), id=arm)
        for arm, torch in (("baseline", "2.4.0"), ("candidate", "2.5.0"))
    ]
    baseline_arm = BaselineArm(python="python", source="/ssdbench", image=old)
    run = with_records(a_run(options=RunOptions(image=new), baseline_arm=baseline_arm), *records)
    found = {item.name: (item.baseline, item.candidate) for item in compare_arms(run, SETTINGS).differences}
    assert found == {
        "torch": ("2.4.0", "2.5.0"),
        "image": ("bench:24.08", "bench:24.09"),
        "image id": ("sha256:a", "sha256:b"),
        "image digest": ("sha256:1", "sha256:2"),
        "label cudnn": ("9.2", "9.4"),
    }
    # Beside a baseline that was measured on the machine itself, the image is a difference as a whole.
    alone = compare(with_records(a_run(options=RunOptions(image=new)), records[1]), a_baseline(), "main", SETTINGS)
    assert ("image", "-", "bench:24.09") in [(item.name, item.baseline, item.candidate) for item in alone.differences]
