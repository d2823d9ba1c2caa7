"""A measured launch: runs the workload through the timed loop, reduces the samples of all ranks, writes the result.

The result is written as soon as the timed region is done. The instrumented extra pass adds its phases afterwards, so
that a launch which fails in that pass, or while it ends, keeps its measurement.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssdbench.compatibility import dataclass
from ssdbench.cpu_quota import quota_below
from ssdbench.runtime.affinity import cpu_list, usable_cpus
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.distributed import local_rank
from ssdbench.runtime.loaded_files import loaded_files
from ssdbench.runtime.network import describe_network, host_name
from ssdbench.runtime.process import OtherCpuUsage, open_other_cpu_usage
from ssdbench.runtime.software import software
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import StepCounts
from ssdbench.schema.environment import Network
from ssdbench.schema.record import EpochCount, Measurement, NodeCpus
from ssdbench.schema.times import utc_now
from ssdbench.worker.events import Events
from ssdbench.worker.exchange_files import write_loaded_files, write_measurement
from ssdbench.worker.loop import Ranks, Samples, measure
from ssdbench.worker.profile import PROFILED_STEPS, profile
from ssdbench.worker.reduction import most_foreign_cores, reduce_phases, reduce_ranks
from ssdbench.workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class _RankResult:
    """The timed region of one rank; `node` comes from the first rank of each machine."""

    samples: Samples
    peak_memory_bytes: int
    multiprocessors: int | None
    epochs: tuple[EpochCount, ...]
    node: NodeCpus | None
    cpus: str | None


def take_measurement(context: RankContext, folder: Path, events: Events, counts: StepCounts | None = None) -> None:
    """Measure this rank's part of the case; rank 0 writes the measurement of all ranks to `folder`.

    `counts` overrides the protocol's numbers of steps.
    """
    started_at = utc_now()
    workload = importlib.import_module(f"ssdbench.workloads.{context.case.workload}").open_workload(context)
    result = _measure_rank(context, workload, events, counts)
    events.phase("profile")
    network = describe_network(context.group)
    results = context.group.gather(result)
    measurement = _combine(context, results, workload.version, network, started_at)
    if context.group.rank == 0:
        write_measurement(folder, measurement)
    profiled_steps = min(PROFILED_STEPS, len(measurement.step_seconds) - measurement.warmup_steps)
    phases = profile(workload, profiled_steps, context.device, context.group.barrier, time.perf_counter)
    events.phase("write")
    all_phases = context.group.gather(phases)
    if context.group.rank == 0:
        write_measurement(folder, replace(measurement, phases=reduce_phases(all_phases)))
        write_loaded_files(folder, loaded_files())
    workload.close()


def _measure_rank(
    context: RankContext, workload: Workload[Any], events: Events, counts: StepCounts | None
) -> _RankResult:
    case, device, group = context.case, context.device, context.group
    other_cpu = open_other_cpu_usage() if local_rank() == 0 else None

    def start_together() -> None:
        if other_cpu is not None:
            other_cpu.begin()
        group.barrier()

    samples = measure(
        workload,
        case.protocol,
        device,
        Ranks(start_together=start_together, slowest=lambda seconds: max(group.gather(seconds))),
        time.perf_counter,
        events,
        counts=counts,
        synchronised=case.is_synchronised,
    )
    # These describe the timed region, so they are read before the profile takes more steps.
    return _RankResult(
        samples=samples,
        node=_node_cpus(other_cpu) if other_cpu is not None else None,
        peak_memory_bytes=device.peak_memory_bytes(),
        multiprocessors=device.multiprocessors(),
        epochs=workload.epochs(),
        cpus=_own_cpus(),
    )


def _combine(
    context: RankContext, ranks: list[_RankResult], workload_version: int, network: Network, started_at: str
) -> Measurement:
    """The measurement of the launch, without phases, from the results of all ranks in rank order."""
    samples = ranks[0].samples
    reduced = reduce_ranks([rank.samples for rank in ranks])
    nodes = [rank.node for rank in ranks if rank.node is not None]
    return Measurement(
        schema_version=EXCHANGE_VERSION,
        workload_version=workload_version,
        started_at=started_at,
        timer="perf_counter" if context.case.is_synchronised else context.device.timer,
        global_batch_size=context.case.global_batch_size,
        warmup_steps=samples.warmup_steps,
        step_seconds=reduced.step_seconds,
        fetch_seconds=reduced.fetch_seconds,
        wall_seconds=reduced.wall_seconds,
        images=reduced.images,
        rank_wall_seconds=reduced.rank_wall_seconds,
        peak_memory_bytes=tuple(rank.peak_memory_bytes for rank in ranks),
        losses=reduced.losses,
        epochs=ranks[0].epochs,
        foreign_cpu_cores=most_foreign_cores(nodes),
        node_cpus=tuple(nodes),
        rank_cpus=tuple(rank.cpus for rank in ranks if rank.cpus is not None),
        gpu_multiprocessors=tuple(rank.multiprocessors for rank in ranks if rank.multiprocessors is not None),
        software=software(),
        network=network,
    )


def _node_cpus(other_cpu: OtherCpuUsage) -> NodeCpus | None:
    """CPU use on this machine; None if the system does not say how many CPUs the launch may use."""
    cores, count = other_cpu.cores(), other_cpu.cpu_count
    return (
        None
        if count is None
        else NodeCpus(host=host_name(), cpu_count=count, foreign_cores=cores, cpu_quota_cores=quota_below(count))
    )


def _own_cpus() -> str | None:
    cpus = usable_cpus()
    return None if cpus is None else cpu_list(cpus)
