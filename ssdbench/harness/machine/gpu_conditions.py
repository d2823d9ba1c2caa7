"""The GPUs of a case: do they answer, are they as the run began, did anything keep them from a launch?"""

from collections.abc import Callable, Sequence

from ssdbench.harness.machine import nvml
from ssdbench.harness.machine.gpus import find_gpu
from ssdbench.schema.case import Case
from ssdbench.schema.environment import GpuState, Host
from ssdbench.schema.gpu import POWER_CAP, GpuSamples, throttle_words

GpuQuery = Callable[[Sequence[GpuState]], tuple[GpuState | str, ...]]
"""GPUs -> each as it is now, or why that cannot be told."""


def case_gpus(case: Case, host: Host) -> tuple[GpuState, ...]:
    """The GPUs on which a case computes, in the order of its ranks."""
    return host.gpus[: case.world_size] if case.device == "cuda" else ()


def current_states(gpus: Sequence[GpuState]) -> tuple[GpuState | str, ...]:
    """These GPUs as they are now, no other one being asked."""
    if not gpus:
        return ()
    with nvml.opened() as complaint:
        if complaint is not None:
            return (complaint,) * len(gpus)
        found = map(find_gpu, gpus)
        return tuple(gpu if isinstance(gpu, str) else gpu.state for gpu in found)


def lost_gpus(begun: Sequence[GpuState], now: Sequence[GpuState | str]) -> str | None:
    """Which of the GPUs do not answer any more, in a sentence; None where all do."""
    gone = [
        f"GPU {gpu.index} ({gpu.uuid or gpu.model}) no longer answers (NVML: {state})"
        for gpu, state in zip(begun, now, strict=True)
        if isinstance(state, str)
    ]
    return "; ".join(gone) or None


def changed_gpus(begun: Sequence[GpuState], now: Sequence[GpuState | str]) -> str | None:
    """What of the GPUs is not as it was when the run began, in a sentence."""
    if len(begun) != len(now):
        return f"{len(now)} GPUs answer, {len(begun)} did when the run began"
    if lost := lost_gpus(begun, now):
        return lost
    for before, after in zip(begun, now, strict=True):
        changed = [name for name in GpuState.__slots__ if getattr(before, name) != getattr(after, name)]
        if changed:
            values = (f"{name} {getattr(before, name)} -> {getattr(after, name)}" for name in changed)
            return f"GPU {before.index} is no longer as the run began: {', '.join(values)}"
    return None


def disturbance(gpu: GpuSamples) -> str | None:
    """What kept a GPU from the launch; not the power cap, which some work reaches in every launch on some GPUs."""
    if gpu.foreign_pids:
        listed = ", ".join(map(str, gpu.foreign_pids))
        return f"other processes computed on {gpu.name} as well (pid {listed})"
    seen = 0
    for mask in gpu.throttle_reasons:
        seen |= mask or 0
    words = throttle_words(seen & ~POWER_CAP)
    return f"{gpu.name} was throttled ({words})" if words else None
