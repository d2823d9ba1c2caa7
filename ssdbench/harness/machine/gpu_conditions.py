"""Checks of a case's GPUs: do they respond, have their settings changed, was a launch disturbed?"""

from collections.abc import Callable, Sequence

from ssdbench.harness.machine import nvml
from ssdbench.harness.machine.gpus import find_gpu
from ssdbench.schema.case import Case
from ssdbench.schema.environment import GpuState, Host
from ssdbench.schema.gpu import POWER_CAP, GpuSamples, throttle_words

# The default limit is the card's own; runs of earlier versions did not record it.
_CONDITIONS = tuple(name for name in GpuState.__slots__ if name != "power_default_watts")

GpuQuery = Callable[[Sequence[GpuState]], tuple[GpuState | str, ...]]
"""GPUs -> the current state of each, or why it is unknown."""


def case_gpus(case: Case, host: Host) -> tuple[GpuState, ...]:
    """The GPUs that a case uses, in the order of its ranks."""
    return host.gpus[: case.world_size] if case.device == "cuda" else ()


def current_states(gpus: Sequence[GpuState]) -> tuple[GpuState | str, ...]:
    """The current states of these GPUs; no other GPU is queried."""
    if not gpus:
        return ()
    with nvml.opened() as complaint:
        if complaint is not None:
            return (complaint,) * len(gpus)
        found = map(find_gpu, gpus)
        return tuple(gpu if isinstance(gpu, str) else gpu.state for gpu in found)


def lost_gpus(at_start: Sequence[GpuState], now: Sequence[GpuState | str]) -> str | None:
    """Which GPUs no longer respond, in a sentence; None if all do."""
    gone = [
        f"GPU {gpu.index} ({gpu.uuid or gpu.model}) no longer responds (NVML: {state})"
        for gpu, state in zip(at_start, now, strict=True)
        if isinstance(state, str)
    ]
    return "; ".join(gone) or None


def changed_gpus(at_start: Sequence[GpuState], now: Sequence[GpuState | str]) -> str | None:
    """What has changed since the start of the run, in a sentence; None if nothing has."""
    if len(at_start) != len(now):
        return f"{len(now)} GPUs respond, {len(at_start)} did when the run started"
    if lost := lost_gpus(at_start, now):
        return lost
    for before, after in zip(at_start, now, strict=True):
        changed = [name for name in _CONDITIONS if getattr(before, name) != getattr(after, name)]
        if changed:
            values = (f"{name} {getattr(before, name)} -> {getattr(after, name)}" for name in changed)
            return f"GPU {before.index} has changed since the run started: {', '.join(values)}"
    return None


def disturbance(gpu: GpuSamples) -> str | None:
    """What disturbed a launch on this GPU, in a sentence. The power cap is ignored: some work always reaches it."""
    if gpu.foreign_pids:
        listed = ", ".join(map(str, gpu.foreign_pids))
        return f"other processes used {gpu.name} as well (pid {listed})"
    seen = 0
    for mask in gpu.throttle_reasons:
        seen |= mask or 0
    words = throttle_words(seen & ~POWER_CAP)
    return f"{gpu.name} was throttled ({words})" if words else None
