"""One rank of one launch, from its request to its results."""

from __future__ import annotations

import faulthandler
import signal
import sys
import time
import traceback
from pathlib import Path

from ssdbench.runtime.affinity import bind_near
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.cuda_libraries import pci_bus_id
from ssdbench.runtime.device import open_device, seed_everything
from ssdbench.runtime.distributed import ProcessGroup, global_rank, local_rank
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.evaluation import EVALUATE
from ssdbench.worker.events import Events
from ssdbench.worker.exchange_files import read_request, require_source, write_failure, write_location
from ssdbench.worker.measurement import take_measurement


def main() -> int:
    """Run this rank's launch and report the result or the failure to the host; returns the exit code."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # the host asks a stalled rank for its stack trace
    request = read_request(Path(sys.argv[1]))
    folder, rank = Path(request.output), global_rank()
    write_location(folder, rank)
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
    require_source(request)
    events.phase("build")
    context = _open_context(request)
    # Imported on demand: the modules for accuracy take longer to import than torch itself.
    if request.case.workload == "accuracy":
        from ssdbench.worker.training import train

        train(context, request, events)
    elif request.case.workload == EVALUATE:
        from ssdbench.worker.evaluation import evaluate_checkpoint

        evaluate_checkpoint(request, context, events)
    elif request.profile is not None:
        from ssdbench.worker.profiled import take_profile

        take_profile(context, request, events)
    elif request.limits is not None:
        from ssdbench.worker.limits import find_limits

        find_limits(context, request, events)
    else:
        take_measurement(context, folder, events, request.step_counts)
    context.group.barrier()
    context.group.close()


def _open_context(request: LaunchRequest) -> RankContext:
    case = request.case
    if case.binds_to_numa_node:
        bind_near(pci_bus_id(local_rank()))  # before any thread starts
    device = open_device(case.device, local_rank(), case.threads_per_rank, time.perf_counter)
    policy = PrecisionPolicy(case.precision, device)
    group = ProcessGroup(device, case.protocol.timeout_seconds)
    seed_everything(request.seed + group.rank)
    return RankContext(
        case=case,
        device=device,
        precision=policy,
        group=group,
        seed=request.seed,
        prepared_data=Path(request.prepared_data) if request.prepared_data else None,
        backbone_weights=request.backbone_weights,
        allow_download=request.allow_download,
    )
