"""Looks at the GPUs of a launch while it runs, by NVML and about twice a second.

Nothing runs beside a launch without a GPU: there the host's own work is foreign work. What a GPU does not answer is
None; that a driver refuses a question, or loses the GPU meanwhile, ends no run. A slice of a card (MIG) shares the
card's clocks and its heat, and is told of those; power and energy are of all slices together, and of none.
"""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from ssdbench.harness.machine import nvml
from ssdbench.harness.machine.gpus import Gpu, find_gpu
from ssdbench.harness.process import is_rank_of
from ssdbench.schema.environment import GpuState
from ssdbench.schema.gpu import GpuSamples

PERIOD_SECONDS = 0.5
# Drivers before 535 know only the second name.
_REASONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One GPU at one moment of the host's monotonic clock; None is no answer."""

    at: float
    sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    power_milliwatts: int | None
    temperature_celsius: int | None
    memory_used_bytes: int | None
    throttle_reasons: int | None
    energy_millijoules: int | None
    pids: frozenset[int]


class GpuMonitor:
    """Looks at these GPUs from entering to leaving; one that this machine does not have, or has lost, is left out.

    `case_file` is the case.json of the launch. It identifies ranks that are no children of this process, as in a
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
        """Note when a phase of the launch began."""
        if event["event"] == "phase":
            self._phases[str(event["phase"])] = float(str(event["seconds"]))

    def samples(self, wall_seconds: float) -> tuple[GpuSamples, ...]:
        """What was seen of each GPU, given how long the timed region was; empty where it did not begin."""
        if "measure" not in self._phases:
            return ()
        origin = self._phases["measure"]
        begin, end = self._phases.get("warm-up", origin), origin + wall_seconds
        found = []
        for gpu, samples in self._samples_by_gpu:
            within = [sample for sample in samples if begin <= sample.at <= end]
            surrounded = [
                *[sample for sample in samples if sample.at < begin][-1:],
                *within,
                *[sample for sample in samples if sample.at > end][:1],
            ]
            foreign = self._processes.foreign(frozenset(pid for sample in within for pid in sample.pids))
            found.append(_samples(gpu, surrounded, origin, foreign))
        return tuple(found)

    def _watch(self, gpus: Sequence[Gpu]) -> None:
        while not self._end.is_set():
            for gpu, (_, samples) in zip(gpus, self._samples_by_gpu, strict=True):
                sample = _sample_gpu(gpu)
                samples.append(sample)
                self._processes.add(sample.pids)
            self._end.wait(self._period_seconds)


class _LaunchProcesses:
    """Which processes are this one's or ranks of its launch; each is looked up once, as it is first met.

    Those that started this process, and wait for it, are its own too: a test or a script may hold a GPU itself.
    """

    def __init__(self, case_file: Path | None) -> None:
        self._case_file = case_file
        # Not init: it has started everything, and waits for nobody.
        starters = [process.pid for process in psutil.Process().parents() if process.pid != 1]
        self._is_own: dict[int, bool] = dict.fromkeys(starters, True)

    def add(self, pids: frozenset[int]) -> None:
        for pid in pids - self._is_own.keys():
            try:
                process = psutil.Process(pid)
                line = [process, *process.parents()]
            except psutil.Error:
                continue  # it has just ended, or is numbered otherwise here than in NVML
            self._is_own[pid] = any(member.pid == os.getpid() or self._is_rank(member) for member in line)

    def _is_rank(self, process: psutil.Process) -> bool:
        return self._case_file is not None and is_rank_of(process, self._case_file)

    def foreign(self, pids: frozenset[int]) -> tuple[int, ...] | None:
        """Those of others; None where none is our own, for then these are not numbers of this machine's processes."""
        known = {pid: self._is_own[pid] for pid in pids & self._is_own.keys()}
        return tuple(sorted(pid for pid, own in known.items() if not own)) if any(known.values()) else None


def _sample_gpu(gpu: Gpu) -> _Sample:
    own, card = gpu.handle, gpu.card_handle
    processes = nvml.ask("nvmlDeviceGetComputeRunningProcesses", own)
    reasons = (nvml.number(name, card) for name in _REASONS)
    return _Sample(
        sm_clock_mhz=nvml.number("nvmlDeviceGetClockInfo", card, nvml.CLOCK_SM),
        memory_clock_mhz=nvml.number("nvmlDeviceGetClockInfo", card, nvml.CLOCK_MEMORY),
        power_milliwatts=None if gpu.is_slice else nvml.number("nvmlDeviceGetPowerUsage", own),
        temperature_celsius=nvml.number("nvmlDeviceGetTemperature", card, nvml.TEMPERATURE_GPU),
        memory_used_bytes=nvml.memory_bytes(own, "used"),
        throttle_reasons=next((mask for mask in reasons if mask is not None), None),
        pids=frozenset(process.pid for process in processes) if isinstance(processes, list) else frozenset(),
        energy_millijoules=None if gpu.is_slice else nvml.number("nvmlDeviceGetTotalEnergyConsumption", own),
        # Last, beside the counter, whose place in time matters most; arguments are evaluated in their order.
        at=time.monotonic(),
    )


def _samples(
    gpu: GpuState, samples: Sequence[_Sample], origin: float, foreign_pids: tuple[int, ...] | None
) -> GpuSamples:
    first_millijoules = next((x.energy_millijoules for x in samples if x.energy_millijoules is not None), 0)
    return GpuSamples(
        index=gpu.index,
        uuid=gpu.uuid,
        # To microseconds: a sample just behind the region must not be rounded into it, for it would not surround it.
        seconds=tuple(round(sample.at - origin, 6) for sample in samples),
        sm_clock_mhz=tuple(sample.sm_clock_mhz for sample in samples),
        memory_clock_mhz=tuple(sample.memory_clock_mhz for sample in samples),
        power_watts=tuple(_thousandth(sample.power_milliwatts) for sample in samples),
        temperature_celsius=tuple(sample.temperature_celsius for sample in samples),
        memory_used_bytes=tuple(sample.memory_used_bytes for sample in samples),
        throttle_reasons=tuple(sample.throttle_reasons for sample in samples),
        energy_joules=tuple(_thousandth(sample.energy_millijoules, first_millijoules) for sample in samples),
        foreign_pids=foreign_pids,
    )


def _thousandth(value: int | None, origin: int = 0) -> float | None:
    return None if value is None else (value - origin) / 1000
