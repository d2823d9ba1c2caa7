"""One rank of one launch: `python -m ssdbench.worker CASE_JSON`, started by torchrun."""

import faulthandler
import importlib
import os
import signal
import sys
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path

from ssdbench.runtime.device import open_device, seed_everything
from ssdbench.runtime.distributed import ProcessGroup, global_rank, local_rank
from ssdbench.runtime.precision import Arithmetic
from ssdbench.runtime.process import ForeignCpu, die_with_parent
from ssdbench.runtime.session import Session
from ssdbench.runtime.software import software
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.evaluation import EVALUATE
from ssdbench.schema.record import Measurement
from ssdbench.worker.door import read_request, write_failure, write_measurement
from ssdbench.worker.evaluation import evaluate_checkpoint
from ssdbench.worker.events import Events
from ssdbench.worker.loop import measure
from ssdbench.worker.reduction import reduce_ranks


def main() -> int:
    """Measure, and tell the host whatever happens."""
    die_with_parent()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # the host asks a stalled rank where it stands
    request = read_request(Path(sys.argv[1]))
    folder, rank = Path(request.output), global_rank()
    with Events(folder, rank) as events:
        try:
            _launch(request, folder, events)
        except BaseException as error:
            traceback.print_exc()
            write_failure(folder, rank, events.last_step, error)
            return 1
        events.phase("done")
    return 0


def _launch(request: LaunchRequest, folder: Path, events: Events) -> None:
    case = request.case
    started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    events.phase("build")
    device = open_device(case.device, local_rank(), case.threads_per_rank, time.perf_counter)
    arithmetic = Arithmetic(case.precision, device)
    group = ProcessGroup(device, case.protocol.timeout_seconds)
    seed_everything(request.seed + group.rank)
    session = Session(
        case=case,
        device=device,
        arithmetic=arithmetic,
        group=group,
        seed=request.seed,
        prepared_data=Path(request.prepared_data) if request.prepared_data else None,
        backbone_weights=request.backbone_weights,
        allow_download=request.allow_download,
    )
    if case.workload == EVALUATE:
        evaluate_checkpoint(request, session, events)
        return
    workload = importlib.import_module(f"ssdbench.workloads.{case.workload}").open_workload(session)
    foreign_cpu = ForeignCpu(os.getppid())

    def start_together() -> None:
        foreign_cpu.begin()
        group.barrier()

    samples = measure(workload, case.protocol, device, start_together, time.perf_counter, events)
    foreign_cpu_cores = foreign_cpu.cores(samples.wall_seconds)
    reduced = reduce_ranks(group.gather(samples))
    peaks = group.gather(device.peak_memory_bytes())
    epochs = workload.epochs()
    events.phase("write")
    if group.rank == 0:
        write_measurement(
            folder,
            Measurement(
                schema_version=SCHEMA_VERSION,
                workload_version=workload.version,
                started_at=started_at,
                timer=device.timer,
                global_batch_size=case.global_batch_size,
                warmup_steps=case.protocol.warmup_steps,
                step_seconds=reduced.step_seconds,
                fetch_seconds=reduced.fetch_seconds,
                wall_seconds=reduced.wall_seconds,
                images=reduced.images,
                rank_wall_seconds=reduced.rank_wall_seconds,
                peak_memory_bytes=tuple(peaks),
                losses=reduced.losses,
                epochs=epochs,
                foreign_cpu_cores=foreign_cpu_cores,
                software=software(),
            ),
        )
    workload.close()
    group.barrier()
    group.close()


if __name__ == "__main__":
    sys.exit(main())
