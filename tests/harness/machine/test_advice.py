"""What `env` advises is about what was read; what cannot be read is called unknown."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.harness.machine import advice as advising
from ssdbench.harness.machine.advice import GpuProcesses, advice, governors
from ssdbench.schema.environment import GpuState

NOTHING: Mapping[str, str] = {}
IDLE = GpuProcesses(all=frozenset(), of_mps=frozenset())
STEADY = GpuState(
    index=0, uuid="GPU-0", model="H100", memory_bytes=2**36, power_limit_watts=700.0, power_default_watts=700.0,
    sm_application_clock_mhz=1980, sm_default_clock_mhz=1980, sm_target_clock_mhz=1410, mig=False, persistence=True,
)  # fmt: skip


@pytest.fixture
def cpus(tmp_path: Path) -> Path:
    """Two CPUs with the governor that a benchmark wants, and others."""
    for number in range(2):
        frequency = tmp_path / f"cpu{number}" / "cpufreq"
        frequency.mkdir(parents=True)
        (frequency / "scaling_governor").write_text("performance\n")
    return tmp_path


def told(
    monkeypatch: pytest.MonkeyPatch,
    cpus: Path,
    *gpus: GpuState,
    processes: GpuProcesses = IDLE,
    variables: Mapping[str, str] = NOTHING,
) -> tuple[str, ...]:
    monkeypatch.setattr(advising, "gpu_processes", lambda asked: [processes for _ in asked])
    nowhere = {"CUDA_MPS_PIPE_DIRECTORY": str(cpus / "nowhere")}
    return advice(gpus, {**nowhere, **variables}, cpus)


def test_a_machine_that_is_set_for_measuring_gets_no_advice(monkeypatch: pytest.MonkeyPatch, cpus: Path) -> None:
    assert told(monkeypatch, cpus, STEADY) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"persistence": False}, ("persistence mode is off", "nvidia-smi -i 0 -pm 1")),
        ({"persistence": None}, ("whether persistence mode is on is unknown",)),
        ({"power_limit_watts": 400.0}, ("the power limit is 400 W and 700 W by default", "nvidia-smi -i 0 -pl 700")),
        ({"power_default_watts": None}, ("whether its power is limited below the default is unknown",)),
        ({"sm_target_clock_mhz": 1980}, ("no lock of the SM clock, which is 1980 MHz", "nvidia-smi -i 0 -lgc MHZ")),
        ({"sm_target_clock_mhz": None}, ("no lock of the SM clock", "nvidia-smi -i 0 -lgc MHZ")),
        ({"sm_default_clock_mhz": None}, ("whether the SM clock is locked is unknown",)),
        ({"mig": True}, ("MIG is on",)),
    ],
)
def test_each_setting_has_its_own_sentence(
    monkeypatch: pytest.MonkeyPatch, cpus: Path, change: dict[str, object], words: tuple[str, ...]
) -> None:
    (sentence,) = told(monkeypatch, cpus, replace(STEADY, **change))  # type: ignore[arg-type]
    assert sentence.startswith("GPU 0: ")
    for part in words:
        assert part in sentence


def test_gpus_that_are_alike_share_a_sentence(monkeypatch: pytest.MonkeyPatch, cpus: Path) -> None:
    off = replace(STEADY, persistence=False)
    (sentence,) = told(monkeypatch, cpus, off, replace(STEADY, index=1), replace(off, index=2))
    assert sentence.startswith("GPU 0,2: persistence mode is off")
    assert sentence.endswith("nvidia-smi -i 0,2 -pm 1")


def test_other_processes_are_named_and_those_of_mps_told_apart(monkeypatch: pytest.MonkeyPatch, cpus: Path) -> None:
    busy = GpuProcesses(all=frozenset({7, 5}), of_mps=frozenset({7}))
    others, mps = told(monkeypatch, cpus, STEADY, processes=busy)
    assert "other processes use it now (pid 5, 7)" in others
    assert "MPS serves processes on it" in mps
    (unknown,) = told(monkeypatch, cpus, STEADY, processes=GpuProcesses(all=None, of_mps=None))
    assert "whether other processes use it is unknown" in unknown


def test_a_daemon_of_mps_and_a_share_of_it_are_named(monkeypatch: pytest.MonkeyPatch, cpus: Path) -> None:
    pipes = cpus / "mps"
    pipes.mkdir()
    (pipes / "control").touch()
    asked = {"CUDA_MPS_PIPE_DIRECTORY": str(pipes), "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "50"}
    daemon, share = told(monkeypatch, cpus, STEADY, variables=asked)
    assert str(pipes / "control") in daemon
    assert share == "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE asks MPS for 50 % of each GPU"
    assert told(monkeypatch, cpus, variables=asked) == ()  # without a GPU it is nobody's matter


def test_a_governor_other_than_performance_is_named_and_one_that_is_not_shown_is_unknown(
    monkeypatch: pytest.MonkeyPatch, cpus: Path, tmp_path: Path
) -> None:
    (cpus / "cpu1" / "cpufreq" / "scaling_governor").write_text("powersave\n")
    assert governors(cpus) == ("performance", "powersave")
    assert told(monkeypatch, cpus) == (
        "The frequency governor of the CPUs is performance, powersave: cpupower frequency-set -g performance",
    )
    assert advice((), {}, tmp_path / "nothing") == (
        "The frequency governor of the CPUs is unknown: this machine does not show it",
    )
