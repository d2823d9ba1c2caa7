"""The CPU time of this process during a timed region, for launches that cannot see this process."""

import time
from collections.abc import Callable
from dataclasses import replace

from ssdbench.schema.record import Measurement, NodeCpus


class OwnCpu:
    """Reads this process's CPU time when the events of the region's start and end arrive, shortly after them.

    Nothing is subtracted for a region so short that both events arrive together.
    """

    def __init__(self, cpu_seconds: Callable[[], float] = time.process_time) -> None:
        self._cpu_seconds = cpu_seconds
        self._at: dict[str, float] = {}

    def on_event(self, event: dict[str, object]) -> None:
        """An event of the launch's rank 0."""
        if event["event"] == "phase":
            self._at[str(event["phase"])] = self._cpu_seconds()

    def without_own(self, measurement: Measurement) -> Measurement:
        """The measurement of a launch on this machine, without this process among the other processes."""
        if not {"measure", "profile"} <= self._at.keys() or measurement.foreign_cpu_cores is None:
            return measurement
        cores = (self._at["profile"] - self._at["measure"]) / measurement.wall_seconds

        def reduced(node: NodeCpus) -> NodeCpus:
            return node if node.foreign_cores is None else replace(node, foreign_cores=_less(node.foreign_cores, cores))

        return replace(
            measurement,
            foreign_cpu_cores=_less(measurement.foreign_cpu_cores, cores),
            node_cpus=tuple(map(reduced, measurement.node_cpus)),
        )


def _less(cores: float, own: float) -> float:
    return max(0.0, cores - own)
