"""A launch that is measured: the workload through the timed loop, the ranks' samples reduced, handed to the host."""

import importlib
import time
from pathlib import Path

from ssdbench.runtime.affinity import cpu_list, usable_cpus
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.distributed import local_rank
from ssdbench.runtime.network import describe_network, host_name
from ssdbench.runtime.process import OtherCpuUsage, open_other_cpu_usage
from ssdbench.runtime.software import software
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import StepCounts
from ssdbench.schema.record import Measurement, NodeCpus
from ssdbench.schema.times import utc_now
from ssdbench.worker.events import Events
from ssdbench.worker.exchange_files import write_measurement
from ssdbench.worker.loop import Ranks, measure
from ssdbench.worker.profile import PROFILED_STEPS, profile
from ssdbench.worker.reduction import most_foreign_cores, reduce_phases, reduce_ranks


def take_measurement(context: RankContext, folder: Path, events: Events, counts: StepCounts | None = None) -> None:
    """Measure this rank's share of the case; rank 0 writes the measurement of all into `folder`.

    With `counts` so many steps are taken, and not those of the protocol.
    """
    case, device, group = context.case, context.device, context.group
    started_at = utc_now()
    workload = importlib.import_module(f"ssdbench.workloads.{case.workload}").open_workload(context)
    foreign_cpu = open_other_cpu_usage() if local_rank() == 0 else None

    def start_together() -> None:
        if foreign_cpu is not None:
            foreign_cpu.begin()
        group.barrier()

    ranks = Ranks(start_together=start_together, slowest=lambda seconds: max(group.gather(seconds)))
    samples = measure(
        *(workload, case.protocol, device, ranks, time.perf_counter, events),
        counts=counts,
        synchronised=case.is_synchronised,
    )
    node = _node_cpus(foreign_cpu) if foreign_cpu is not None else None
    # Both are of the timed region, so they are read before there are more steps.
    peak_memory_bytes, epochs = device.peak_memory_bytes(), workload.epochs()
    events.phase("profile")
    profiled_steps = min(PROFILED_STEPS, len(samples.step_seconds) - samples.warmup_steps)
    phases = profile(workload, profiled_steps, device, group.barrier, time.perf_counter)
    network = describe_network(group)
    events.phase("write")
    reduced = reduce_ranks(group.gather(samples))
    peaks = group.gather(peak_memory_bytes)
    reduced_phases = reduce_phases(group.gather(phases))
    nodes, rank_cpus = group.gather(node), group.gather(_own_cpus())
    if group.rank == 0:
        write_measurement(
            folder,
            Measurement(
                schema_version=EXCHANGE_VERSION,
                workload_version=workload.version,
                started_at=started_at,
                timer="perf_counter" if case.is_synchronised else device.timer,
                global_batch_size=case.global_batch_size,
                warmup_steps=samples.warmup_steps,
                step_seconds=reduced.step_seconds,
                fetch_seconds=reduced.fetch_seconds,
                wall_seconds=reduced.wall_seconds,
                images=reduced.images,
                rank_wall_seconds=reduced.rank_wall_seconds,
                peak_memory_bytes=tuple(peaks),
                losses=reduced.losses,
                epochs=epochs,
                phases=reduced_phases,
                foreign_cpu_cores=most_foreign_cores(nodes),
                node_cpus=tuple(nodes),
                rank_cpus=tuple(rank_cpus),
                software=software(),
                network=network,
            ),
        )
    workload.close()


def _node_cpus(foreign_cpu: OtherCpuUsage) -> NodeCpus | None:
    """Of this machine, by its first rank; None where the system does not tell how many CPUs a launch may use."""
    cores, count = foreign_cpu.cores(), foreign_cpu.cpu_count
    return None if count is None else NodeCpus(host=host_name(), cpu_count=count, foreign_cores=cores)


def _own_cpus() -> str | None:
    cpus = usable_cpus()
    return None if cpus is None else cpu_list(cpus)
