"""Decides whether a launch ran under the conditions of its run. How long it took is never a criterion."""

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
        """Why the launch is invalid, in a sentence; None if it is valid.

        Only the GPUs of its case are queried.
        """
        times = (*measurement.step_seconds, *measurement.fetch_seconds, measurement.wall_seconds)
        if not all(map(math.isfinite, times)):
            return "a measured time is not a finite number"
        if crowded := crowded_node(measurement, case, self.foreign_cpu_limit_cores):
            return crowded
        disturbed = (disturbance(gpu) for gpu in measurement.gpus)
        gpus = case_gpus(case, self.host)
        return next(filter(None, disturbed), None) or changed_gpus(gpus, self.query(gpus))

    def lost_gpus(self, case: Case) -> str | None:
        """Which GPUs of a case no longer respond, in a sentence; None if all do."""
        gpus = case_gpus(case, self.host)
        return lost_gpus(gpus, self.query(gpus))


def foreign_cpu_limit(cpu_count: int, case: Case) -> float:
    """The cores that others may keep busy: 1% of the CPUs, at least 0.15, plus 5% of those that ranks do not need.

    Each rank needs its threads and one more. Two ranks on two CPUs allow 0.15 cores; one rank with a GPU and 8 threads
    on a node of 128 CPUs allows 7.2, for services and interrupts.
    """
    needed = min(cpu_count, case.ranks_per_node * (case.threads_per_rank + 1))
    return max(_LEAST_LIMIT, _SHARE_OF_ALL * cpu_count) + _SHARE_OF_SPARE * (cpu_count - needed)


def crowded_node(measurement: Measurement, case: Case, limit_cores: float | None) -> str | None:
    """A sentence if other processes kept more cores busy than `limit_cores` (None: than the rule allows)."""
    nodes = measurement.node_cpus
    for node in nodes or _of_old_record(measurement):
        limit = foreign_cpu_limit(node.cpu_count, case) if limit_cores is None else limit_cores
        if node.foreign_cores is not None and node.foreign_cores > limit:
            where = f" of {node.host}" if len(nodes) > 1 else ""
            rule = f": {_RULE}" if limit_cores is None else ""
            return f"other processes kept {node.foreign_cores:.2f} cores{where} busy (limit {limit:.3g}{rule})"
    return None


def _of_old_record(measurement: Measurement) -> tuple[NodeCpus, ...]:
    # Old records lack the number of CPUs: 0 gives the smallest limit.
    return (NodeCpus(host="", cpu_count=0, foreign_cores=measurement.foreign_cpu_cores),)


def changed_settings(at_start: Host, now: Host) -> str | None:
    """How a machine's settings have changed since the start of the run, in a sentence; None if they have not.

    Variables can change only between a run and its resumption.
    """
    if at_start.driver != now.driver:
        return f"the driver was {at_start.driver}, it is {now.driver}"
    if variables := _changed_variables(at_start.variables, now.variables):
        return variables
    return changed_gpus(at_start.gpus, now.gpus)


def _changed_variables(at_start: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    changed = sorted(name for name in at_start.keys() | now.keys() if at_start.get(name) != now.get(name))
    values = (f"{name} was {_shown(at_start.get(name))}, it is {_shown(now.get(name))}" for name in changed)
    return "; ".join(values) or None


def _shown(value: str | None) -> str:
    return "not set" if value is None else repr(value)
