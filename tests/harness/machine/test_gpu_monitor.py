"""GPU samples during a launch, with a stub of the driver in C, and with the driver if there is one."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ssdbench.harness.machine.gpu_monitor import GpuMonitor
from ssdbench.harness.machine.probe import gpu_states
from tests.harness.stubbed_nvml import beside_stub, compile_stub

pytestmark = pytest.mark.xdist_group("nvml")  # watched once, by one worker


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `watched_launches.py` printed beside the stub."""
    folder = compile_stub(tmp_path_factory.mktemp("nvml"))
    found: dict[str, Any] = json.loads(
        beside_stub(folder, str(Path(__file__).with_name("watched_launches.py")), str(folder))
    )
    return found


def test_both_gpus_are_sampled_from_before_the_warm_up_to_after_the_region(seen: dict[str, Any]) -> None:
    first, second = seen["gpus"]
    assert (first["uuid"], second["uuid"]) == ("GPU-zero", "GPU-one")
    for gpu in (first, second):
        assert gpu["seconds"][0] < 0.0 < 0.4 < gpu["seconds"][-1]
        assert gpu["seconds"] == sorted(gpu["seconds"])
        assert set(map(len, (value for value in gpu.values() if isinstance(value, list) and value))) - {0, 1} == {
            len(gpu["seconds"])
        }
    assert set(first["sm_clock_mhz"]) == {1980}
    assert set(first["memory_clock_mhz"]) == {2619}
    assert set(first["power_watts"]) == {300.0}
    assert set(second["temperature_celsius"]) == {62}
    assert set(second["memory_used_bytes"]) == {2000}
    assert first["energy_joules"][0] == 0.0


def test_what_a_gpu_does_not_tell_is_none(seen: dict[str, Any]) -> None:
    first, second = seen["gpus"]
    assert set(second["energy_joules"]) == {None}
    assert (first["foreign_pids"], second["foreign_pids"]) == ([], None)


def test_300_and_200_watts_over_four_tenths_of_a_second_are_20_joules_an_image_of_10(seen: dict[str, Any]) -> None:
    # One GPU by its counter, which its own sleep moves on, the other by its power.
    assert seen["joules_per_image"] == pytest.approx(20.0, rel=0.1)


def test_a_gpu_of_another_machine_is_omitted(seen: dict[str, Any]) -> None:
    assert seen["elsewhere"] == 0


def test_a_launch_with_other_processes_or_throttling_is_invalid_and_a_power_cap_is_not(seen: dict[str, Any]) -> None:
    assert seen["reasons"] == {
        "quiet": [None, 2],
        "power cap": [None, 2],
        "thermal": ["GPU 1 was throttled (thermal slowdown)", 2],
        "others": ["other processes used GPU 0 as well (pid 1)", 2],
        "what started it": [None, 2],
        "container": [None, 2],
        "container beside others": ["other processes used GPU 0 as well (pid 1)", 2],
        "one rank": [None, 1],
        "cpu": [None, 0],
    }


def test_mps_is_seen_and_its_server_is_no_other_process(seen: dict[str, Any]) -> None:
    assert seen["mps"] == {
        "not served": [None, False],
        "served": [None, True],
        "beside others": ["other processes used GPU 0 as well (pid 1)", True],
    }


def test_nodes_sample_their_own_gpus_during_the_region_of_rank_0_and_are_distinguished(seen: dict[str, Any]) -> None:
    gpus, invalid_reason = seen["nodes"]
    assert [(gpu["host"], gpu["uuid"]) for gpu in gpus] == [("n1", "GPU-one"), ("n0", "GPU-zero")]  # as their ranks
    for gpu in gpus:
        inside = [moment for moment in gpu["seconds"] if 0.0 <= moment <= 0.4]
        assert gpu["seconds"][0] < 0.0 < 0.4 < gpu["seconds"][-1]
        assert len(inside) >= 5
    assert gpus[1]["foreign_pids"] == [1]
    assert invalid_reason == "other processes used GPU 0 of n0 as well (pid 1)"


def test_a_gpu_is_looked_at_before_the_warm_up_and_before_the_region(seen: dict[str, Any]) -> None:
    # Power before the region's first sample is known by the one in front of it, and a clock's rise by the warm-up.
    around = seen["around"]
    warm_up, looks = around["warm_up"], around["with"]
    assert looks[0] < warm_up <= looks[1]
    assert any(warm_up <= moment < 0.0 for moment in looks)
    assert around["without"][0] < 0.0 <= around["without"][1]  # without a warm-up one look in front of the region
    for moments in (looks, around["without"]):
        assert moments[-2] <= 0.1 < moments[-1]


def test_only_the_gpus_of_the_case_are_asked(seen: dict[str, Any]) -> None:
    assert seen["asked"] == ["0"]


def test_a_slice_has_the_clocks_and_heat_of_its_card_and_no_power_of_its_own(seen: dict[str, Any]) -> None:
    part = seen["slice"]
    assert (part["index"], part["uuid"]) == (1, "MIG-12-slice")
    assert set(part["sm_clock_mhz"]) == {1980}
    assert set(part["temperature_celsius"]) == {62}
    assert set(part["throttle_reasons"]) == {0x20}
    assert set(part["memory_used_bytes"]) == {2002}  # of the slice
    assert set(part["power_watts"]) == set(part["energy_joules"]) == {None}


LOST = "GPU 1 (GPU-one) no longer responds (NVML: GPU is lost)"


def test_a_launch_that_was_measured_is_kept_where_its_gpu_is_lost_afterwards(seen: dict[str, Any]) -> None:
    lost = seen["lost"]["measured"]
    assert lost["records"] == [
        [2, LOST, None, 2],  # the measurement with what was seen of both GPUs
        [2, None, f"lost: {LOST}: no launch was started", False],
        [1, None, None, 1],
    ]
    assert lost["started"] == [2, 1]


def test_a_launch_that_failed_by_a_lost_gpu_says_so_and_the_others_are_measured(seen: dict[str, Any]) -> None:
    lost = seen["lost"]["crashed"]
    assert lost["records"] == [
        [2, None, f"lost: {LOST}: rank 1 ended by an error of CUDA", False],
        [1, None, None, 1],
    ]
    assert lost["started"] == [2, 1]
    # What the worker found wrong in its own figures is no matter of the GPU.
    assert seen["lost"]["not a number"]["records"][0][2] == "not_finite: rank 1 ended by an error of CUDA"


def test_a_lost_gpu_of_another_case_is_no_matter_of_this_one(seen: dict[str, Any]) -> None:
    assert seen["lost"]["not of the case"]["records"] == [[1, None, None, 1], [1, None, None, 1]]
    assert seen["lost"]["crashed beside"]["records"][0] == [1, None, "crash: rank 1 ended by an error of CUDA", False]


def test_a_clock_that_was_set_or_locked_between_launches_is_a_changed_condition(seen: dict[str, Any]) -> None:
    changed = "GPU 0 has changed since the run started: "
    assert seen["locked"] == [None, *[f"{changed}sm_target_clock_mhz 1410 -> 900"] * 4]
    assert seen["set"] == [None, *[f"{changed}sm_application_clock_mhz 1410 -> 900"] * 4]


@pytest.mark.gpu
def test_a_real_gpu_has_the_same_settings_at_rest_and_under_load() -> None:
    import torch

    from ssdbench.harness.machine.gpu_conditions import changed_gpus, current_states

    gpus = gpu_states()[:1]
    matrix = torch.rand(4096, 4096, device="cuda")
    for _ in range(200):
        matrix = torch.nn.functional.normalize(matrix @ matrix)
    assert changed_gpus(gpus, current_states(gpus)) is None
    torch.cuda.synchronize()
    assert changed_gpus(gpus, current_states(gpus)) is None


@pytest.mark.gpu
def test_a_real_gpu_answers_what_the_record_wants() -> None:
    with GpuMonitor(gpu_states()[:1], period_seconds=0.05) as monitor:
        monitor.on_event({"event": "phase", "phase": "measure", "seconds": time.monotonic()})
        time.sleep(1.0)
    (gpu,) = monitor.samples(0.8)
    assert len(gpu.seconds) >= 10
    for values in (gpu.sm_clock_mhz, gpu.power_watts, gpu.temperature_celsius, gpu.memory_used_bytes):
        assert all(value is not None and value > 0 for value in values)
    assert all(mask is not None for mask in gpu.throttle_reasons)
