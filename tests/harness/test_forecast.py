"""Predicted durations of launches: by earlier launches if there are any, and by the seconds of a protocol."""

from dataclasses import replace

import pytest

from ssdbench.harness.forecast import Forecast, forecast, loop_seconds
from ssdbench.schema.case import Case, Protocol
from ssdbench.schema.record import Record
from tests.builders import HARDWARE, a_case, a_header, a_record

IN_SECONDS = Protocol(warmup_steps=20, steps=60, warmup_seconds=3.0, timed_seconds=5.0)


def predicted(case: Case, *history: Record) -> Forecast:
    return forecast(a_header(cases=[case]).plan, HARDWARE, history)


@pytest.mark.parametrize(
    ("protocol", "step_seconds", "expected"),
    [
        (Protocol(warmup_steps=20, steps=60), 0.5, 40.0),
        (IN_SECONDS, 0.01, 0.2 + 3.0 + 5.5),
        (IN_SECONDS, 0.5, 10.0 + 3.0 + 30.0),
        (replace(IN_SECONDS, steps=2000), 0.01, 0.2 + 3.0 + 20.0),
        (IN_SECONDS, 1e-5, 20e-5 + 0.1 + 0.1),  # ten thousand steps each
    ],
)
def test_least_times_are_part_of_the_prediction(protocol: Protocol, step_seconds: float, expected: float) -> None:
    assert loop_seconds(protocol, step_seconds) == pytest.approx(expected, rel=0.02)


def test_a_launch_that_was_measured_is_what_the_next_one_will_take() -> None:
    case = a_case(protocol=IN_SECONDS)
    found = predicted(case, *(a_record(case=case, launch_seconds=seconds) for seconds in (20.0, 21.0, 90.0)))
    assert found.launch_seconds[case.key] == 21.0
    assert not found.guessed


def test_under_another_protocol_a_step_takes_as_long_and_all_else_as_well() -> None:
    # 12 steps of 0.1 s in a launch of 11.2 s: 10 s are start and end.
    earlier = a_record(case=a_case(), step_seconds=0.1, launch_seconds=11.2)
    case = a_case(protocol=IN_SECONDS)
    found = predicted(case, earlier)
    assert found.launch_seconds[case.key] == pytest.approx(10.0 + 2.0 + 3.0 + 6.0)
    assert not found.guessed


def test_what_was_never_measured_is_guessed_and_takes_its_least_time() -> None:
    case = a_case(workload="pace", protocol=IN_SECONDS)
    found = predicted(case, a_record(case=a_case(workload="infer"), launch_seconds=1.0))
    assert found.guessed == {case.key}
    assert found.launch_seconds[case.key] > 3.0 + 5.0


def test_a_guess_for_a_gpu_has_the_search_for_the_fastest_kernels() -> None:
    # 128 images of 120.5 GFLOP at the 8 TFLOP/s that are guessed for fp32: 1.9 s a step, 193 s for the search.
    shape = {"backbone": "resnet50", "batch_size_per_gpu": 128, "threads_per_rank": 8}
    case = a_case(device="cuda", precision="fp32", protocol=Protocol(warmup_steps=0, steps=1), **shape)
    assert predicted(case).launch_seconds[case.key] == pytest.approx(15 + 193 + 1.9, rel=0.01)
