"""Pairs over several nodes: every launch of as many nodes is on the nodes of the first one.

Pairs on one node need none of this: their run is bound to the node that described itself (`run_setup.probe_node`).
"""

from collections.abc import Iterable
from dataclasses import replace

from ssdbench.schema.case import Case
from ssdbench.schema.record import Record, SlurmOptions


class PairNodes:
    """Remembers on which nodes launches of a run were; `records` are those of before."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._nodes: dict[int, str] = {}
        for record in records:
            network = record.measurement.network if record.measurement is not None else None
            if network is not None:
                self.note(record.case, ",".join(sorted({*network.rank_hosts})))

    def note(self, case: Case, nodes: str) -> None:
        """A launch of this case is on these nodes, in Slurm's notation."""
        if case.nodes > 1 and nodes:
            self._nodes.setdefault(case.nodes, nodes)

    def options(self, case: Case, options: SlurmOptions) -> SlurmOptions:
        """The options that put a launch of this case on the nodes of the first one; as they are for the first."""
        return replace(options, nodelist=self._nodes.get(case.nodes, options.nodelist))
