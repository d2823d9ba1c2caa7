"""A launch that measures the ceilings of its device and counts the work of cases; it runs before all others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import open_device
from ssdbench.runtime.distributed import local_rank
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import PRECISIONS, WORKLOADS, Case, DeviceKind, LaunchRequest
from ssdbench.schema.limits import LimitsAnswer, StepWork
from ssdbench.schema.roofline import Ceilings, arithmetic_of
from ssdbench.schema.times import utc_now
from ssdbench.worker.ceilings import measure_rates
from ssdbench.worker.events import Events
from ssdbench.worker.exchange_files import write_limits


def find_limits(context: RankContext, request: LaunchRequest, events: Events) -> None:
    """Write the ceilings of this rank's device, and the work of an image of each case."""
    assert request.limits is not None
    cases = request.limits.cases
    notes: tuple[str, ...] = ()
    events.phase("measure")
    started_at, ceilings = utc_now(), _ceilings(cases)
    events.phase("count")
    work: Sequence[StepWork | None] = [None] * len(cases)
    try:
        work = _work(cases)
    except EnvironmentLacksError as error:
        notes = (str(error),)
    events.phase("write")
    if context.group.rank == 0:
        answer = LimitsAnswer(
            schema_version=EXCHANGE_VERSION,
            measured_at=started_at,
            work=tuple(work),
            ceilings=tuple(ceilings),
            notes=notes,
        )
        write_limits(Path(request.output), answer)


def _ceilings(cases: Sequence[Case]) -> list[Ceilings]:
    """The ceilings for each case; a rank on a CPU has those of its threads."""
    found: dict[tuple[DeviceKind, int], Ceilings] = {}
    for kind, threads in dict.fromkeys(_place(case) for case in cases):
        device = open_device(kind, local_rank(), threads, time.perf_counter)
        used = dict.fromkeys(arithmetic_of(case) for case in cases if _place(case) == (kind, threads))
        found[kind, threads] = measure_rates(device, used)
    return [found[_place(case)] for case in cases]


def _place(case: Case) -> tuple[DeviceKind, int]:
    return case.device, case.threads_per_rank if case.device == "cpu" else 1


def _work(cases: Sequence[Case]) -> list[StepWork]:
    """Cases that differ in nothing that their work depends on are counted once."""
    from ssdbench.worker.work import count_work  # not for torch before 2.1

    found: dict[tuple[object, ...], StepWork] = {}
    for case in cases:
        if _same_work(case) not in found:
            found[_same_work(case)] = count_work(case)
    return [found[_same_work(case)] for case in cases]


def _same_work(case: Case) -> tuple[object, ...]:
    lowered = PRECISIONS[case.precision].autocast_dtype is not None
    return WORKLOADS[case.workload].trains, case.backbone, lowered, case.batch_size_per_gpu
