"""Samples the GPUs of a running launch with NVML, about twice per second.

A launch without GPUs is not sampled: the host's own work would disturb it. Values that a GPU does not report are None;
a refused query or a lost GPU never ends a run. A slice of a card (MIG) has the card's clocks and temperature. Power and
energy of a slice are None, because the card reports them for all slices together.
"""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from ssdbench.harness.machine import nvml
from ssdbench.harness.machine.gpus import Gpu, find_gpu
from ssdbench.harness.process import is_rank_of
from ssdbench.schema.environment import GpuState
from ssdbench.schema.gpu import GpuSamples

PERIOD_SECONDS = 0.5
_MPS_PROGRAM = "nvidia-cuda-mps"
# Drivers before 535 know only the second name.
_REASONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One GPU at one time of the host's monotonic clock; None was not reported."""

    at: float
    sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    power_milliwatts: int | None
    temperature_celsius: int | None
    memory_used_bytes: int | None
    throttle_reasons: int | None
    energy_millijoules: int | None
    pids: frozenset[int]
    mps_pids: frozenset[int] | None


class GpuMonitor:
    """Context manager that samples these GPUs; one that is lost, or not of this machine, is omitted.

    `case_file` is the case.json of the launch. It identifies ranks that are not children of this process, as in a
    container. Pass the events of rank 0 to `on_event`: they give the start of the timed region on the same clock.
    """

    def __init__(
        self, gpus: Sequence[GpuState], case_file: Path | None = None, period_seconds: float = PERIOD_SECONDS
    ) -> None:
        self._gpus = gpus
        self._period_seconds = period_seconds
        self._samples_by_gpu: list[tuple[GpuState, list[_Sample]]] = []
        self._processes = _LaunchProcesses(case_file)
        self._phases: dict[str, float] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._nvml = ExitStack()

    def __enter__(self) -> "GpuMonitor":
        if self._gpus and self._nvml.enter_context(nvml.opened()) is None:
            found = [(gpu, there) for gpu in self._gpus if not isinstance(there := find_gpu(gpu), str)]
            self._samples_by_gpu = [(gpu, []) for gpu, _ in found]
            self._thread = threading.Thread(target=self._watch, args=([gpu for _, gpu in found],), name="gpu-monitor")
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._thread is not None:
            self._end.set()
            self._thread.join()
        self._nvml.close()

    def on_event(self, event: dict[str, object]) -> None:
        """Note when a phase of the launch starts."""
        if event["event"] == "phase":
            self._phases[str(event["phase"])] = float(str(event["seconds"]))

    def samples(self, wall_seconds: float) -> tuple[GpuSamples, ...]:
        """The samples of each GPU, given the duration of the timed region; empty if that did not start."""
        if "measure" not in self._phases:
            return ()
        origin = self._phases["measure"]
        begin, end = self._phases.get("warm-up", origin), origin + wall_seconds
        found = []
        for gpu, samples in self._samples_by_gpu:
            within = [sample for sample in samples if begin <= sample.at <= end]
            around = [
                *[sample for sample in samples if sample.at < begin][-1:],
                *within,
                *[sample for sample in samples if sample.at > end][:1],
            ]
            pids = frozenset(pid for sample in within for pid in sample.pids)
            known = [sample.mps_pids for sample in within if sample.mps_pids is not None]
            mps = self._processes.is_served(pids, frozenset().union(*known)) if known else None
            found.append(replace(_samples(gpu, around, origin), foreign_pids=self._processes.others(pids), mps=mps))
        return tuple(found)

    def _watch(self, gpus: Sequence[Gpu]) -> None:
        while not self._end.is_set():
            for gpu, (_, samples) in zip(gpus, self._samples_by_gpu, strict=True):
                sample = _sample_gpu(gpu)
                samples.append(sample)
                self._processes.add(sample.pids)
            self._end.wait(self._period_seconds)


class _LaunchProcesses:
    """Tells the launch's processes from others; each process is looked up once, when it is first seen.

    The ancestors of this process count as its own: a test or a script may use a GPU too.
    """

    def __init__(self, case_file: Path | None) -> None:
        self._case_file = case_file
        # Without init, the ancestor of every process.
        starters = [process.pid for process in psutil.Process().parents() if process.pid != 1]
        self._is_own: dict[int, bool] = dict.fromkeys(starters, True)
        self._serves_mps: dict[int, bool] = {}

    def add(self, pids: frozenset[int]) -> None:
        for pid in pids - self._is_own.keys():
            try:
                process = psutil.Process(pid)
                line = [process, *process.parents()]
            except psutil.Error:
                continue  # it has just ended, or NVML numbers processes differently
            self._is_own[pid] = any(member.pid == os.getpid() or self._is_rank(member) for member in line)
            self._serves_mps[pid] = is_mps_server(process)

    def is_served(self, pids: frozenset[int], mps_pids: frozenset[int]) -> bool | None:
        """Whether MPS serves the launch, given the processes on a GPU and those among them that MPS serves.

        None if none is our own.
        """
        if not any(self._is_own.get(pid) for pid in pids):
            return None
        return any(self._is_own.get(pid) for pid in mps_pids)

    def _is_rank(self, process: psutil.Process) -> bool:
        return self._case_file is not None and is_rank_of(process, self._case_file)

    def others(self, pids: frozenset[int]) -> tuple[int, ...] | None:
        """The processes of others; None if none is our own, because NVML then numbers processes differently."""
        known = {pid: self._is_own[pid] for pid in pids & self._is_own.keys()}
        others = (pid for pid, own in known.items() if not own and not self._serves_mps.get(pid))
        return tuple(sorted(others)) if any(known.values()) else None


def _sample_gpu(gpu: Gpu) -> _Sample:
    own, card = gpu.handle, gpu.card_handle
    processes = nvml.process_ids("nvmlDeviceGetComputeRunningProcesses", own) or frozenset()
    clients = nvml.process_ids("nvmlDeviceGetMPSComputeRunningProcesses", own)
    reasons = (nvml.number(name, card) for name in _REASONS)
    return _Sample(
        sm_clock_mhz=nvml.number("nvmlDeviceGetClockInfo", card, nvml.CLOCK_SM),
        memory_clock_mhz=nvml.number("nvmlDeviceGetClockInfo", card, nvml.CLOCK_MEMORY),
        power_milliwatts=None if gpu.is_slice else nvml.number("nvmlDeviceGetPowerUsage", own),
        temperature_celsius=nvml.number("nvmlDeviceGetTemperature", card, nvml.TEMPERATURE_GPU),
        memory_used_bytes=nvml.memory_bytes(own, "used"),
        throttle_reasons=next((mask for mask in reasons if mask is not None), None),
        pids=processes | (clients or frozenset()),
        mps_pids=clients,
        energy_millijoules=None if gpu.is_slice else nvml.number("nvmlDeviceGetTotalEnergyConsumption", own),
        # Last, next to the energy counter, whose time matters most; arguments are evaluated in order.
        at=time.monotonic(),
    )


def is_mps_server(process: psutil.Process) -> bool:
    """Whether this is the server of MPS, which computes for its clients and not for itself."""
    try:
        return process.name().startswith(_MPS_PROGRAM)
    except psutil.Error:
        return False


def _samples(gpu: GpuState, samples: Sequence[_Sample], origin: float) -> GpuSamples:
    first_millijoules = next((x.energy_millijoules for x in samples if x.energy_millijoules is not None), 0)
    return GpuSamples(
        index=gpu.index,
        uuid=gpu.uuid,
        # To microseconds: rounding must not move a sample that follows the region into it.
        seconds=tuple(round(sample.at - origin, 6) for sample in samples),
        sm_clock_mhz=tuple(sample.sm_clock_mhz for sample in samples),
        memory_clock_mhz=tuple(sample.memory_clock_mhz for sample in samples),
        power_watts=tuple(_thousandth(sample.power_milliwatts) for sample in samples),
        temperature_celsius=tuple(sample.temperature_celsius for sample in samples),
        memory_used_bytes=tuple(sample.memory_used_bytes for sample in samples),
        throttle_reasons=tuple(sample.throttle_reasons for sample in samples),
        energy_joules=tuple(_thousandth(sample.energy_millijoules, first_millijoules) for sample in samples),
    )


def _thousandth(value: int | None, origin: int = 0) -> float | None:
    return None if value is None else (value - origin) / 1000
