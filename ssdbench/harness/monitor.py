"""Looks at the GPUs of a launch while it runs, by NVML and about twice a second.

Nothing runs beside a launch without a GPU: there the host's own work is foreign work. What a GPU does not answer is
None; that a driver refuses a question ends no run.
"""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvml

from ssdbench.harness.launchers.process import is_rank_of
from ssdbench.schema.case import Case
from ssdbench.schema.environment import GpuState, Host
from ssdbench.schema.gpu import GpuSamples

PERIOD_SECONDS = 0.5
# Drivers before 535 know only the second name.
_REASONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
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


def gpus_of(case: Case, host: Host) -> tuple[GpuState, ...]:
    """The GPUs on which a case computes, in the order of its ranks."""
    return host.gpus[: case.world_size] if case.device == "cuda" else ()


class GpuMonitor:
    """Looks at these GPUs from entering to leaving; one that this machine does not have (by its UUID) is left out.

    `case_file` is the case.json of the launch, by which its ranks are known where they are no children of this process,
    as in a container. `hear` wants the events of the launch's rank 0, which say on the same clock when the timed region
    began.
    """

    def __init__(
        self, gpus: Sequence[GpuState], case_file: Path | None = None, period_seconds: float = PERIOD_SECONDS
    ) -> None:
        self._gpus = {gpu.uuid: gpu for gpu in gpus}
        self._period_seconds = period_seconds
        self._looks: dict[str, list[_Look]] = {}
        self._family = _Family(case_file)
        self._phases: dict[str, float] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "GpuMonitor":
        handles = _open(self._gpus)
        if handles:
            self._looks = {uuid: [] for uuid in handles}
            self._thread = threading.Thread(target=self._watch, args=(handles,), name="gpu-monitor")
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._thread is not None:
            self._end.set()
            self._thread.join()
            pynvml.nvmlShutdown()

    def hear(self, event: dict[str, object]) -> None:
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
        for uuid, looks in self._looks.items():
            within = [look for look in looks if begin <= look.at <= end]
            surrounded = [
                *[look for look in looks if look.at < begin][-1:],
                *within,
                *[look for look in looks if look.at > end][:1],
            ]
            foreign = self._family.foreign(frozenset(pid for look in within for pid in look.pids))
            found.append(_samples(self._gpus[uuid], surrounded, origin, foreign))
        return tuple(found)

    def _watch(self, handles: dict[str, object]) -> None:
        while not self._end.is_set():
            for uuid, handle in handles.items():
                look = _look(handle)
                self._looks[uuid].append(look)
                self._family.meet(look.pids)
            self._end.wait(self._period_seconds)


class _Family:
    """Which processes are this one's or ranks of its launch; each is looked up once, as it is first met."""

    def __init__(self, case_file: Path | None) -> None:
        self._case_file = case_file
        self._is_own: dict[int, bool] = {}

    def meet(self, pids: frozenset[int]) -> None:
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
        known = {pid: self._is_own[pid] for pid in pids if pid in self._is_own}
        return tuple(sorted(pid for pid, own in known.items() if not own)) if any(known.values()) else None


def _open(gpus: dict[str, GpuState]) -> dict[str, object]:
    """NVML's handles of those GPUs that are here; NVML stays open if there is one."""
    if not gpus:
        return {}
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    handles = {uuid: handle for uuid in gpus if (handle := _ask("nvmlDeviceGetHandleByUUID", uuid)) is not None}
    if not handles:
        pynvml.nvmlShutdown()
    return handles


def _look(handle: object) -> _Look:
    memory = _ask("nvmlDeviceGetMemoryInfo", handle)
    processes = _ask("nvmlDeviceGetComputeRunningProcesses", handle)
    reasons = (_number(name, handle) for name in _REASONS)
    return _Look(
        sm_clock_mhz=_number("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_SM),
        memory_clock_mhz=_number("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_MEM),
        power_milliwatts=_number("nvmlDeviceGetPowerUsage", handle),
        temperature_celsius=_number("nvmlDeviceGetTemperature", handle, pynvml.NVML_TEMPERATURE_GPU),
        memory_used_bytes=None if memory is None else int(getattr(memory, "used", 0)),
        throttle_reasons=next((mask for mask in reasons if mask is not None), None),
        pids=frozenset(process.pid for process in processes) if isinstance(processes, list) else frozenset(),
        energy_millijoules=_number("nvmlDeviceGetTotalEnergyConsumption", handle),
        # Last, beside the counter, whose place in time matters most; arguments are evaluated in their order.
        at=time.monotonic(),
    )


def _ask(question: str, *arguments: object) -> object | None:
    """The answer; None where the driver refuses it, or does not know the question yet or any more."""
    try:
        answer: object = getattr(pynvml, question)(*arguments)
    except (pynvml.NVMLError, AttributeError):
        return None
    return answer


def _number(question: str, *arguments: object) -> int | None:
    answer = _ask(question, *arguments)
    return answer if isinstance(answer, int) else None


def _samples(gpu: GpuState, looks: Sequence[_Look], origin: float, foreign_pids: tuple[int, ...] | None) -> GpuSamples:
    first_millijoules = next((x.energy_millijoules for x in looks if x.energy_millijoules is not None), 0)
    return GpuSamples(
        index=gpu.index,
        uuid=gpu.uuid,
        # To microseconds: a sample just behind the region must not be rounded into it, for it would not surround it.
        seconds=tuple(round(look.at - origin, 6) for look in looks),
        sm_clock_mhz=tuple(look.sm_clock_mhz for look in looks),
        memory_clock_mhz=tuple(look.memory_clock_mhz for look in looks),
        power_watts=tuple(_thousandth(look.power_milliwatts) for look in looks),
        temperature_celsius=tuple(look.temperature_celsius for look in looks),
        memory_used_bytes=tuple(look.memory_used_bytes for look in looks),
        throttle_reasons=tuple(look.throttle_reasons for look in looks),
        energy_joules=tuple(_thousandth(look.energy_millijoules, first_millijoules) for look in looks),
        foreign_pids=foreign_pids,
    )


def _thousandth(value: int | None, origin: int = 0) -> float | None:
    return None if value is None else (value - origin) / 1000
