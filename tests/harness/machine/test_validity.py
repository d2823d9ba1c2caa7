"""A launch is valid if the machine is as at the start of its run; its duration is never a criterion."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ssdbench.harness.machine.validity import Validity, changed_settings, crowded_node, foreign_cpu_limit
from ssdbench.schema.case import Case
from ssdbench.schema.environment import GpuState, Host
from ssdbench.schema.record import NodeCpus
from tests.builders import HOST, a_case, a_measurement

GPUS = tuple(
    GpuState(
        index=index,
        uuid=f"GPU-{index}",
        model="NVIDIA H100",
        memory_bytes=80 * 2**30,
        power_limit_watts=700.0,
        sm_clock_limit_mhz=1980,
        memory_clock_limit_mhz=2619,
        sm_application_clock_mhz=1980,
        memory_application_clock_mhz=2619,
        sm_target_clock_mhz=1980,
        memory_target_clock_mhz=2619,
        ecc=True,
        mig=False,
        persistence=True,
    )
    for index in range(2)
)
BEGUN = replace(HOST, gpus=GPUS, driver="550.54", variables={"NCCL_ALGO": "Ring"})


CASE = a_case(device="cuda", world_size=2)


def reason(now: tuple[GpuState | str, ...] = GPUS, case: Case = CASE, **measurement: object) -> str | None:
    """Why a launch is invalid where the GPUs of the machine are these now."""

    def look(gpus: Sequence[GpuState]) -> tuple[GpuState | str, ...]:
        return tuple(now[gpu.index] for gpu in gpus)

    validity = Validity(host=BEGUN, foreign_cpu_limit_cores=0.15, query=look)
    return validity.invalid_reason(a_measurement(**measurement), case)  # type: ignore[arg-type]


def crowded(case: Case, cpu_count: int, *cores: float | None, limit: float | None = None) -> str | None:
    """Of a launch beside which others kept so many cores of each machine busy."""
    nodes = tuple(
        NodeCpus(host=f"node-{number}", cpu_count=cpu_count, foreign_cores=used) for number, used in enumerate(cores)
    )
    return crowded_node(a_measurement(node_cpus=nodes, foreign_cpu_cores=cores[0]), case, limit)


def test_the_same_machine_at_rest_is_valid():
    assert reason() is None
    assert reason(foreign_cpu_cores=0.15) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"power_limit_watts": 400.0}, "power_limit_watts 700.0 -> 400.0"),
        ({"sm_clock_limit_mhz": 1200}, "sm_clock_limit_mhz 1980 -> 1200"),
        ({"memory_clock_limit_mhz": 1000}, "memory_clock_limit_mhz 2619 -> 1000"),
        ({"sm_application_clock_mhz": 1200}, "sm_application_clock_mhz 1980 -> 1200"),
        ({"memory_application_clock_mhz": 1000}, "memory_application_clock_mhz 2619 -> 1000"),
        ({"sm_target_clock_mhz": 1200}, "sm_target_clock_mhz 1980 -> 1200"),
        ({"memory_target_clock_mhz": None}, "memory_target_clock_mhz 2619 -> None"),
        ({"ecc": False}, "ecc True -> False"),
        ({"mig": True}, "mig False -> True"),
        ({"persistence": False}, "persistence True -> False"),
        ({"ecc": None, "uuid": "GPU-9"}, "uuid GPU-1 -> GPU-9, ecc True -> None"),
    ],
)
def test_a_setting_that_changed_on_any_gpu_is_named(change: dict[str, object], words: str):
    now = (GPUS[0], replace(GPUS[1], **change))  # type: ignore[arg-type]
    assert reason(now) == f"GPU 1 has changed since the run started: {words}"


def test_a_gpu_that_no_longer_responds_is_named_with_the_message_of_nvml():
    assert reason((GPUS[0], "GPU is lost")) == "GPU 1 (GPU-1) no longer responds (NVML: GPU is lost)"
    both = ("Driver/library version mismatch",) * 2
    assert str(reason(both)).count("no longer responds (NVML: Driver/library version mismatch)") == 2


def test_a_gpu_of_another_case_is_no_condition_of_this_one():
    first_alone, on_the_cpu = a_case(device="cuda", world_size=1), a_case(device="cpu", world_size=2)
    for now in ((GPUS[0], "GPU is lost"), (GPUS[0], replace(GPUS[1], power_limit_watts=1.0))):
        assert reason(now) is not None
        assert reason(now, first_alone) is None
        assert reason(("GPU is lost", "GPU is lost"), on_the_cpu) is None


RULE = "1% of the CPUs, at least 0.15, and 5% of those that the ranks do not need"


@pytest.mark.parametrize(
    ("cpus", "ranks", "threads", "limit"),
    [
        (2, 1, 2, 0.15),  # one rank takes both
        (2, 1, 1, 0.15),
        (2, 2, 1, 0.15),
        (4, 1, 1, 0.15 + 0.05 * 2),
        (16, 1, 8, 0.16 + 0.05 * 7),
        (128, 1, 8, 1.28 + 0.05 * 119),
        (128, 8, 15, 1.28),
        (256, 8, 8, 2.56 + 0.05 * 184),
    ],
)
def test_others_may_keep_a_share_of_the_machine_busy_and_of_what_the_ranks_leave(
    cpus: int, ranks: int, threads: int, limit: float
):
    case = a_case(world_size=ranks, threads_per_rank=threads)
    assert foreign_cpu_limit(cpus, case) == pytest.approx(limit)
    assert crowded(case, cpus, limit - 1e-9) is None
    found = crowded(case, cpus, limit + 1e-3)
    assert found == f"other processes kept {limit + 1e-3:.2f} cores busy (limit {limit:.3g}: {RULE})"


def test_the_services_of_a_large_node_fit_and_a_neighbours_job_does_not():
    case = a_case(device="cuda", world_size=8, threads_per_rank=8)
    assert crowded(case, 128, 1.5) is None
    assert crowded(case, 128, 16.0) is not None


def test_ranks_are_counted_on_each_machine_and_the_crowded_one_is_named():
    case = a_case(world_size=16, nodes=2, threads_per_rank=8)
    assert foreign_cpu_limit(128, case) == pytest.approx(1.28 + 0.05 * 56)
    assert crowded(case, 128, 0.1, 4.0) is None
    assert "kept 5.00 cores of node-1 busy (limit 4.08: 1%" in str(crowded(case, 128, 0.1, 5.0))


def test_a_limit_that_is_given_is_absolute_whatever_the_machine():
    assert reason(foreign_cpu_cores=0.5) == "other processes kept 0.50 cores busy (limit 0.15)"
    assert crowded(a_case(), 256, 0.5, limit=0.15) == "other processes kept 0.50 cores busy (limit 0.15)"
    assert crowded(a_case(), 2, 63.0, limit=64.0) is None
    assert crowded(a_case(), 2, 0.01, limit=0.0) is not None


def test_a_machine_that_does_not_tell_is_not_crowded():
    assert crowded(a_case(), 2, None) is None
    assert crowded_node(a_measurement(), a_case(), None) is None


def test_a_measurement_without_the_number_of_cpus_has_the_least_limit():
    assert crowded_node(a_measurement(foreign_cpu_cores=0.15), a_case(), None) is None
    assert "(limit 0.15: 1%" in str(crowded_node(a_measurement(foreign_cpu_cores=0.16), a_case(), None))


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_a_time_that_is_not_finite_is_no_measurement(seconds: float):
    assert reason(step_seconds=(*[0.1] * 11, seconds)) == "a measured time is not a finite number"


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.1, 1e4])
def test_how_long_it_took_is_never_a_reason(seconds: float):
    assert reason(step_seconds=seconds) is None


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (BEGUN, None),
        (replace(BEGUN, hostname="other", ssdbench_commit="abc"), None),
        (replace(BEGUN, driver="560.1"), "the driver was 550.54, it is 560.1"),
        (replace(BEGUN, gpus=GPUS[:1]), "1 GPUs respond, 2 did when the run started"),
        (replace(BEGUN, variables={"NCCL_ALGO": "Tree"}), "NCCL_ALGO was 'Ring', it is 'Tree'"),
        (
            replace(BEGUN, variables={"OMP_PROC_BIND": "true"}),
            "NCCL_ALGO was 'Ring', it is not set; OMP_PROC_BIND was not set, it is 'true'",
        ),
    ],
)
def test_a_resumed_run_is_compared_with_its_start(now: Host, words: str | None):
    assert changed_settings(BEGUN, now) == words
