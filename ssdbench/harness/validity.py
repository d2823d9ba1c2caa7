"""Were the conditions of a launch those of its run? Never asked of its times."""

from collections.abc import Callable
from dataclasses import dataclass

from ssdbench.harness.probe import gpu_states
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import Measurement

GpuLook = Callable[[], tuple[GpuState, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """What the run began with, and how many cores other processes may keep busy during a timed region."""

    gpus: tuple[GpuState, ...]
    foreign_cpu_limit_cores: float
    look: GpuLook = gpu_states

    def invalid_reason(self, measurement: Measurement) -> str | None:
        """A sentence where the launch was measured under other conditions than its run; None where it was not."""
        foreign = measurement.foreign_cpu_cores
        if foreign is not None and foreign > self.foreign_cpu_limit_cores:
            return f"other processes kept {foreign:.2f} cores busy (limit {self.foreign_cpu_limit_cores:g})"
        for before, now in zip(self.gpus, self.look(), strict=False):
            changed = [name for name in GpuState.__slots__ if getattr(before, name) != getattr(now, name)]
            if changed:
                return f"GPU {before.index} is no longer as the run began: {', '.join(changed)} changed"
        return None
