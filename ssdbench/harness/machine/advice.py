"""Which settings of this machine make launches differ, and the commands that change them.

Every sentence is about something that was read just now. What cannot be read is called unknown, and nothing is guessed.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ssdbench.harness.machine import nvml
from ssdbench.harness.machine.gpu_monitor import is_mps_server
from ssdbench.harness.machine.gpus import find_gpu
from ssdbench.schema.environment import GpuState, mps_share_percent

_CPUS = Path("/sys/devices/system/cpu")
# Where NVIDIA's daemon has them without CUDA_MPS_PIPE_DIRECTORY.
_PIPES_OF_MPS = "/tmp/nvidia-mps"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcesses:
    """The processes on a GPU but the server of MPS, and those that MPS serves; None if NVML does not say."""

    all: frozenset[int] | None
    of_mps: frozenset[int] | None


def governors(cpus: Path = _CPUS) -> tuple[str, ...]:
    """The frequency governors of the CPUs, each once; empty if this machine does not show them."""
    found = set()
    for file in cpus.glob("cpu[0-9]*/cpufreq/scaling_governor"):
        try:
            found.add(file.read_text(encoding="utf-8").strip())
        except OSError:
            continue  # of a CPU that is off
    return tuple(sorted(found))


def gpu_processes(gpus: Sequence[GpuState]) -> list[GpuProcesses]:
    """What computes on these GPUs now."""
    nothing = GpuProcesses(all=None, of_mps=None)
    if not gpus:
        return []
    with nvml.opened() as complaint:
        if complaint is not None:
            return [nothing for _ in gpus]
        found = map(find_gpu, gpus)
        return [
            nothing
            if isinstance(gpu, str)
            else GpuProcesses(
                all=_without_server(nvml.process_ids("nvmlDeviceGetComputeRunningProcesses", gpu.handle)),
                of_mps=nvml.process_ids("nvmlDeviceGetMPSComputeRunningProcesses", gpu.handle),
            )
            for gpu in found
        ]


def _without_server(pids: frozenset[int] | None) -> frozenset[int] | None:
    if pids is None:
        return None
    servers = set()
    for pid in pids:
        with suppress(psutil.Error):
            servers |= {pid} if is_mps_server(psutil.Process(pid)) else set()
    return pids - servers


def advice(gpus: Sequence[GpuState], variables: Mapping[str, str], cpus: Path = _CPUS) -> tuple[str, ...]:
    """A sentence for each setting that makes launches differ, or that is unknown; one for GPUs that are alike."""
    by_text: dict[str, list[int]] = {}
    for gpu, processes in zip(gpus, gpu_processes(gpus), strict=True):
        for text in (*_about_settings(gpu), *_about_processes(processes)):
            by_text.setdefault(text, []).append(gpu.index)
    found = [_named(text, indices) for text, indices in by_text.items()]
    return (*found, *(_about_mps(variables) if gpus else ()), *_about_governors(governors(cpus)))


def _named(text: str, indices: Iterable[int]) -> str:
    numbers = ",".join(map(str, dict.fromkeys(indices)))
    return f"GPU {numbers}: " + text.replace("{gpus}", numbers)


def _about_settings(gpu: GpuState) -> Iterable[str]:
    if gpu.persistence is None:
        yield "whether persistence mode is on is unknown"
    elif not gpu.persistence:
        yield (
            "persistence mode is off, so the driver may reset clocks and limits between launches: "
            "nvidia-smi -i {gpus} -pm 1"
        )
    yield from _about_power(gpu)
    yield from _about_clocks(gpu)
    if gpu.mig:
        yield "MIG is on: other slices share the card's power and clocks, and the energy of a slice is not measured"


def _about_power(gpu: GpuState) -> Iterable[str]:
    limit, default = gpu.power_limit_watts, gpu.power_default_watts
    if limit is None or default is None:
        yield "whether its power is limited below the default is unknown"
    elif limit != default:
        yield (
            f"the power limit is {limit:g} W and {default:g} W by default; results under unlike limits are not "
            f"compared: nvidia-smi -i {{gpus}} -pl {default:g}"
        )


def _about_clocks(gpu: GpuState) -> Iterable[str]:
    clock = gpu.sm_application_clock_mhz if gpu.sm_target_clock_mhz is None else gpu.sm_target_clock_mhz
    if clock is None or gpu.sm_default_clock_mhz is None:
        yield "whether the SM clock is locked is unknown: nvidia-smi -i {gpus} -lgc MHZ locks it"
    elif clock == gpu.sm_default_clock_mhz:
        yield (
            f"the driver reports no lock of the SM clock, which is {clock} MHz by default; locked to a clock that it "
            "holds under load, launches differ less: nvidia-smi -i {gpus} -lgc MHZ"
        )


def _about_processes(processes: GpuProcesses) -> Iterable[str]:
    if processes.all is None:
        yield "whether other processes use it is unknown"
    elif processes.all:
        listed = ", ".join(map(str, sorted(processes.all)))
        yield f"other processes use it now (pid {listed}), beside which no launch is valid"
    if processes.of_mps:
        yield "MPS serves processes on it; launches that it serves are compared only with one another"


def _about_mps(variables: Mapping[str, str]) -> Iterable[str]:
    pipe = Path(variables.get("CUDA_MPS_PIPE_DIRECTORY", _PIPES_OF_MPS)) / "control"
    if pipe.exists():
        yield f"The control daemon of MPS has its pipe here ({pipe}); while it runs, it serves every launch"
    share = mps_share_percent(variables)
    if share is not None:
        yield f"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE asks MPS for {share:g} % of each GPU"


def _about_governors(found: Sequence[str]) -> Iterable[str]:
    if not found:
        yield "The frequency governor of the CPUs is unknown: this machine does not show it"
    elif found != ("performance",):
        yield f"The frequency governor of the CPUs is {', '.join(found)}: cpupower frequency-set -g performance"


def current_advice(gpus: Sequence[GpuState]) -> tuple[str, ...]:
    """`advice` for this process's environment."""
    return advice(gpus, os.environ)
