"""Energy and throttled steps, worked out by hand."""

from dataclasses import replace

import pytest

from ssdbench.analysis.gpu_trace import region_joules, step_ends, throttling
from ssdbench.analysis.metrics import figure
from tests.builders import GPU_SECONDS, a_case, a_measurement, gpu_samples


def test_power_that_rises_evenly_from_100_to_150_watts_over_5_seconds_is_625_joules():
    assert region_joules(gpu_samples(power_watts=tuple(100 + 10 * t for t in GPU_SECONDS)), 5.0) == pytest.approx(625.0)


def test_the_counter_goes_before_power_and_is_read_between_its_gpu_samples():
    counted = gpu_samples(
        energy_joules=tuple(200 * (t + 1) for t in GPU_SECONDS), power_watts=(1.0,) * len(GPU_SECONDS)
    )
    assert region_joules(counted, 4.7) == pytest.approx(940.0)


@pytest.mark.parametrize(
    ("seconds", "wall"),
    [
        (GPU_SECONDS, 4.4),  # nine samples in the region
        (tuple(t + 2 for t in GPU_SECONDS), 5.0),  # none before it
        (tuple(t - 2 for t in GPU_SECONDS), 5.0),  # none after it
        ((), 5.0),
    ],
)
def test_energy_is_absent_where_samples_are_few_or_do_not_surround_the_region(seconds: tuple[float, ...], wall: float):
    power = (100.0,) * len(seconds)
    assert region_joules(gpu_samples(seconds=seconds, power_watts=power, energy_joules=power), wall) is None


def test_a_gpu_that_once_did_not_answer_has_no_energy():
    assert region_joules(gpu_samples(power_watts=(None, *(100.0,) * (len(GPU_SECONDS) - 1))), 5.0) is None


def test_two_gpus_of_100_watts_over_5_seconds_are_10_joules_for_each_of_100_images():
    case, power = a_case(device="cuda", world_size=2), gpu_samples(power_watts=(100.0,) * len(GPU_SECONDS))
    launch = a_measurement(case=case, wall_seconds=5.0, images=100, gpus=(power, power))
    assert figure("energy", launch) == pytest.approx(10.0)
    assert figure("energy", replace(launch, gpus=(power,))) is None, "the other GPU was not seen"
    assert figure("energy", replace(launch, gpus=())) is None


def test_steps_are_throttled_half_way_to_the_samples_that_do_not_say_so():
    launch = a_measurement(step_seconds=0.5, gpus=(gpu_samples(throttle_reasons=(0,) * 7 + (0x44,) + (0x1,) * 7),))
    assert step_ends(launch) == pytest.approx([-0.5 + n / 2 for n in range(12)])
    # The sample at 2.5 s stands for 2.25 to 2.75 s: the steps that end at 2.5 s and at 3.0 s, numbers 6 and 7.
    assert throttling(launch) == (((6, 7),), "power cap, thermal slowdown by hardware")


def test_idling_and_clocks_that_somebody_set_are_no_throttling():
    assert throttling(a_measurement(gpus=(gpu_samples(throttle_reasons=(0x1 | 0x2 | 0x100,) * 15),))) == ((), "")
