"""Were the conditions of a launch those of its run? Never asked of how long it took."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ssdbench.harness.machine.gpu_conditions import (
    GpuQuery,
    case_gpus,
    changed_gpus,
    current_states,
    disturbance,
    lost_gpus,
)
from ssdbench.schema.case import Case
from ssdbench.schema.environment import Host
from ssdbench.schema.record import Measurement, NodeCpus

_LEAST_LIMIT, _SHARE_OF_ALL, _SHARE_OF_SPARE = 0.15, 0.01, 0.05
_RULE = "1% of the CPUs, at least 0.15, and 5% of those that the ranks do not need"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """Decides whether a launch is valid.

    `host` is the machine at the start of the run. `foreign_cpu_limit_cores` is how many cores other processes may keep
    busy; None applies `foreign_cpu_limit`.
    """

    host: Host
    foreign_cpu_limit_cores: float | None
    query: GpuQuery = current_states

    def invalid_reason(self, measurement: Measurement, case: Case) -> str | None:
        """A sentence where the launch was measured under other conditions than its run; None where it was not.

        Of the GPUs those of its case are asked, and no other.
        """
        times = (*measurement.step_seconds, *measurement.fetch_seconds, measurement.wall_seconds)
        if not all(map(math.isfinite, times)):
            return "a time that it measured is not a finite number"
        if crowded := crowded_node(measurement, case, self.foreign_cpu_limit_cores):
            return crowded
        disturbed = (disturbance(gpu) for gpu in measurement.gpus)
        gpus = case_gpus(case, self.host)
        return next(filter(None, disturbed), None) or changed_gpus(gpus, self.query(gpus))

    def lost_gpus(self, case: Case) -> str | None:
        """Which GPUs of a case do not answer any more, in a sentence; None where all do."""
        gpus = case_gpus(case, self.host)
        return lost_gpus(gpus, self.query(gpus))


def foreign_cpu_limit(cpu_count: int, case: Case) -> float:
    """Other processes may keep busy 1 % of the CPUs, at least 0.15, and 5 % of those that the ranks do not need.

    Each rank needs its threads and one more. So two ranks on two CPUs allow 0.15 cores, and one GPU's rank of 8 threads
    on a node of 128 CPUs, with its services and interrupts, 7.2.
    """
    needed = min(cpu_count, case.ranks_per_node * (case.threads_per_rank + 1))
    return max(_LEAST_LIMIT, _SHARE_OF_ALL * cpu_count) + _SHARE_OF_SPARE * (cpu_count - needed)


def crowded_node(measurement: Measurement, case: Case, limit_cores: float | None) -> str | None:
    """A sentence where other processes kept more cores busy than `limit_cores`, or than the rule allows (None)."""
    nodes = measurement.node_cpus
    for node in nodes or _of_old_record(measurement):
        limit = foreign_cpu_limit(node.cpu_count, case) if limit_cores is None else limit_cores
        if node.foreign_cores is not None and node.foreign_cores > limit:
            where = f" of {node.host}" if len(nodes) > 1 else ""
            rule = f": {_RULE}" if limit_cores is None else ""
            return f"other processes kept {node.foreign_cores:.2f} cores{where} busy (limit {limit:.3g}{rule})"
    return None


def _of_old_record(measurement: Measurement) -> tuple[NodeCpus, ...]:
    # Without the number of CPUs: the least limit that the rule knows.
    return (NodeCpus(host="", cpu_count=0, foreign_cores=measurement.foreign_cpu_cores),)


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
