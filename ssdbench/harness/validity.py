"""Were the conditions of a launch those of its run? Never asked of how long it took."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ssdbench.harness.gpu_conditions import GpuLook, changed_gpus, disturbance, gpus_of, look_at, lost_gpus
from ssdbench.schema.case import Case
from ssdbench.schema.environment import Host
from ssdbench.schema.record import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """What the run began with, and how many cores other processes may keep busy during a timed region."""

    begun: Host
    foreign_cpu_limit_cores: float
    look: GpuLook = look_at

    def invalid_reason(self, measurement: Measurement, case: Case) -> str | None:
        """A sentence where the launch was measured under other conditions than its run; None where it was not.

        Of the GPUs those of its case are asked, and no other.
        """
        times = (*measurement.step_seconds, *measurement.fetch_seconds, measurement.wall_seconds)
        if not all(map(math.isfinite, times)):
            return "a time that it measured is not a finite number"
        foreign = measurement.foreign_cpu_cores
        if foreign is not None and foreign > self.foreign_cpu_limit_cores:
            return f"other processes kept {foreign:.2f} cores busy (limit {self.foreign_cpu_limit_cores:g})"
        disturbed = (disturbance(gpu) for gpu in measurement.gpus)
        gpus = gpus_of(case, self.begun)
        return next(filter(None, disturbed), None) or changed_gpus(gpus, self.look(gpus))

    def lost_gpus(self, case: Case) -> str | None:
        """Which GPUs of a case do not answer any more, in a sentence; None where all do."""
        gpus = gpus_of(case, self.begun)
        return lost_gpus(gpus, self.look(gpus))


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
