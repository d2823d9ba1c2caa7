"""Were the conditions of a launch those of its run? Never asked of how long it took."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ssdbench.harness.probe import gpu_states
from ssdbench.schema.environment import GpuState, Host
from ssdbench.schema.gpu import POWER_CAP, GpuSamples, throttle_words
from ssdbench.schema.record import Measurement

GpuLook = Callable[[], tuple[GpuState, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """What the run began with, and how many cores other processes may keep busy during a timed region."""

    begun: Host
    foreign_cpu_limit_cores: float
    look: GpuLook = gpu_states

    def invalid_reason(self, measurement: Measurement) -> str | None:
        """A sentence where the launch was measured under other conditions than its run; None where it was not."""
        times = (*measurement.step_seconds, *measurement.fetch_seconds, measurement.wall_seconds)
        if not all(map(math.isfinite, times)):
            return "a time that it measured is not a finite number"
        foreign = measurement.foreign_cpu_cores
        if foreign is not None and foreign > self.foreign_cpu_limit_cores:
            return f"other processes kept {foreign:.2f} cores busy (limit {self.foreign_cpu_limit_cores:g})"
        disturbed = (_disturbance(gpu) for gpu in measurement.gpus)
        return next(filter(None, disturbed), None) or changed_gpus(self.begun.gpus, self.look())


def _disturbance(gpu: GpuSamples) -> str | None:
    """What kept a GPU from the launch; not the power cap, which some work reaches in every launch on some GPUs."""
    if gpu.foreign_pids:
        listed = ", ".join(map(str, gpu.foreign_pids))
        return f"other processes computed on {gpu.name} as well (pid {listed})"
    seen = 0
    for mask in gpu.throttle_reasons:
        seen |= mask or 0
    words = throttle_words(seen & ~POWER_CAP)
    return f"{gpu.name} was throttled ({words})" if words else None


def changed_gpus(begun: tuple[GpuState, ...], now: tuple[GpuState, ...]) -> str | None:
    """What of the GPUs is not as it was when the run began, in a sentence."""
    if len(begun) != len(now):
        return f"{len(now)} GPUs answer, {len(begun)} did when the run began"
    for before, after in zip(begun, now, strict=True):
        changed = [name for name in GpuState.__slots__ if getattr(before, name) != getattr(after, name)]
        if changed:
            values = (f"{name} {getattr(before, name)} -> {getattr(after, name)}" for name in changed)
            return f"GPU {before.index} is no longer as the run began: {', '.join(values)}"
    return None


def changed_settings(begun: Host, now: Host) -> str | None:
    """What of a machine would make launches of today unlike those of the run's beginning, in a sentence.

    Variables cannot change while a run goes on: only a resumed run can have others.
    """
    if begun.driver != now.driver:
        return f"the driver was {begun.driver}, it is {now.driver}"
    if variables := _changed_variables(begun.variables, now.variables):
        return variables
    return changed_gpus(begun.gpus, now.gpus)


def _changed_variables(begun: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    changed = sorted(name for name in begun.keys() | now.keys() if begun.get(name) != now.get(name))
    values = (f"{name} was {_shown(begun.get(name))}, it is {_shown(now.get(name))}" for name in changed)
    return "; ".join(values) or None


def _shown(value: str | None) -> str:
    return "not set" if value is None else repr(value)
