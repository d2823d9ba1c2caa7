import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.analysis.metrics import figure, figures, gated_metric, percentile, throughput
from ssdbench.errors import UsageError
from ssdbench.schema.case import WORKLOADS, Protocol
from ssdbench.schema.limits import SpeedLimits
from ssdbench.schema.metrics import METRICS
from tests.builders import GPU_SECONDS, a_case, a_measurement, gpu_samples

LIMITS = SpeedLimits(
    arithmetic="bf16",
    measured_at="2026-01-05T12:00:00+00:00",
    flop_per_image=120.48e9,
    matmul_flop_per_second=24.096e12,
)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_100_steps_of_a_tenth_of_a_second_at_global_batch_4_are_40_images_a_second_on_any_number_of_ranks(ranks: int):
    case = a_case(
        world_size=ranks, batch_size_per_gpu=4 // ranks, protocol=Protocol(warmup_steps=5, steps=100, launches=1)
    )
    assert throughput(a_measurement(case=case, step_seconds=0.1)) == pytest.approx(40.0)


@pytest.mark.parametrize("ranks", [1, 4])
def test_20_images_a_second_at_global_batch_2(ranks: int):
    case = a_case(world_size=ranks, protocol=Protocol(warmup_steps=0, steps=100, launches=1))
    measurement = a_measurement(case=case, global_batch_size=2, images=200, wall_seconds=10.0)
    assert throughput(measurement) == 20.0


def test_throughput_counts_the_wall_and_not_the_sum_of_the_steps():
    assert throughput(a_measurement(step_seconds=0.1, wall_seconds=2.0, images=20)) == 10.0


def test_slow_warm_up_steps_are_left_out_of_the_step_times():
    slow_start = a_measurement(step_seconds=[9.0, 9.0] + [0.1] * 10)
    assert figure("latency_p50", slow_start) == pytest.approx(0.1)
    assert figure("latency_mean", slow_start) == pytest.approx(0.1)
    assert figure("fetch_share", slow_start) == pytest.approx(0.1)


def test_peak_memory_is_that_of_the_worst_rank():
    assert figure("peak_memory", a_measurement(peak_memory_bytes=(5, 7, 6))) == 7.0


@pytest.mark.parametrize(("name", "enough"), [("latency_p90", 200), ("latency_p95", 400), ("latency_p99", 2000)])
def test_a_percentile_is_absent_unless_twenty_steps_lie_beyond_it(name: str, enough: int):
    def steps(count: int) -> float | None:
        case = a_case(protocol=Protocol(warmup_steps=3, steps=count, launches=1))
        return figure(name, a_measurement(case=case))

    assert steps(enough) == pytest.approx(0.1)
    assert steps(enough - 1) is None


def test_the_median_of_one_step_is_that_step():
    case = a_case(protocol=Protocol(warmup_steps=0, steps=1, launches=1))
    assert figure("latency_p50", a_measurement(case=case, step_seconds=0.25)) == 0.25


def test_without_timed_steps_there_are_no_step_times():
    case = a_case(protocol=Protocol(warmup_steps=2, steps=0, launches=1))
    found = figures(a_measurement(case=case))
    assert set(found) == {"throughput", "peak_memory"}
    assert math.isnan(found["throughput"])


@pytest.mark.parametrize("wall", [0.0, -1.0, math.nan, math.inf])
def test_a_region_of_impossible_length_has_no_throughput(wall: float):
    assert math.isnan(throughput(a_measurement(wall_seconds=wall)))


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_one_impossible_step_makes_every_step_time_unknown(bad: float):
    measurement = a_measurement(step_seconds=[0.1, 0.1] + [0.1] * 9 + [bad])
    for name in ("latency_p50", "latency_mean", "fetch_share"):
        value = figure(name, measurement)
        assert value is not None
        assert math.isnan(value)


def test_steps_of_no_length_are_zero_and_their_share_unknown():
    found = figures(a_measurement(step_seconds=0.0, fetch_seconds=0.0, wall_seconds=1.0))
    assert found["latency_p50"] == 0.0
    assert math.isnan(found["fetch_share"])


def test_every_metric_can_be_derived():
    case = a_case(protocol=Protocol(warmup_steps=0, steps=2000, launches=1))
    gpu = gpu_samples(power_watts=(100.0,) * len(GPU_SECONDS))
    assert set(figures(a_measurement(case=case, wall_seconds=5.0, gpus=(gpu,), limits=LIMITS))) == set(METRICS)


@given(st.lists(st.floats(min_value=1e-6, max_value=1e3), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_lies_between_the_extremes_whatever_the_order(samples: list[float], share: float):
    value = percentile(tuple(samples), share)
    assert min(samples) <= value <= max(samples) * (1 + 1e-12)
    assert value == percentile(tuple(reversed(samples)), share)


def test_percentiles_interpolate_between_two_samples():
    assert percentile((4.0, 1.0, 3.0, 2.0), 0.5) == 2.5
    assert percentile((1.0, 2.0, 3.0), 0.9) == pytest.approx(2.8)


@pytest.mark.parametrize("workload", [name for name in WORKLOADS if name != "accuracy"])
def test_every_workload_that_is_timed_has_one_gated_metric(workload: str):
    assert gated_metric(a_case(workload=workload)).name == WORKLOADS[workload].gated_metric


def test_a_training_for_accuracy_is_judged_elsewhere():
    with pytest.raises(UsageError, match="judge its run with `ssdbench converge check`"):
        gated_metric(a_case(workload="accuracy"))


def test_a_workload_of_a_newer_version_is_named():
    with pytest.raises(UsageError, match="workload 'segment' is unknown here"):
        gated_metric(replace(a_case(), workload="segment"))


def test_100_images_a_second_of_120_48_gflop_are_12_05_tflop_a_second_and_half_of_24_10():
    launch = a_measurement(wall_seconds=1.0, images=100, limits=LIMITS)
    assert figure("flop_per_second_per_gpu", launch) == pytest.approx(12.048e12)
    assert figure("mfu", launch) == pytest.approx(0.5)


def test_four_gpus_share_the_images_and_each_has_its_own_ceiling():
    case = a_case(world_size=4)
    launch = a_measurement(case=case, wall_seconds=1.0, images=400, limits=LIMITS)
    assert figure("mfu", launch) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("limits", "rate", "mfu"),
    [
        (None, None, None),
        (replace(LIMITS, flop_per_image=None), None, None),
        (replace(LIMITS, matmul_flop_per_second=None), 12.048e12, None),
    ],
)
def test_what_is_not_known_is_absent(limits: SpeedLimits | None, rate: float | None, mfu: float | None):
    launch = a_measurement(wall_seconds=1.0, images=100, limits=limits)
    assert figure("flop_per_second_per_gpu", launch) == (rate if rate is None else pytest.approx(rate))
    assert figure("mfu", launch) == mfu


def test_10_joules_an_image_at_20_images_a_second_are_200_watts():
    gpu = gpu_samples(energy_joules=tuple(200 * (t + 1) for t in GPU_SECONDS), power_watts=(1.0,) * len(GPU_SECONDS))
    launch = a_measurement(step_seconds=0.5, wall_seconds=5.0, images=100, gpus=(gpu,))
    assert figure("energy", launch) == pytest.approx(10.0)
    assert figure("power", launch) == pytest.approx(200.0)
