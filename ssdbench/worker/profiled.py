"""A profiled launch: the warm-up, some steps without the profiler, then as many with it, reduced here to a table.

It measures nothing for a record: no measurement is written. The raw trace of each rank is kept, compressed, in the
launch's folder, where it is not larger than allowed.
"""

from __future__ import annotations

import gzip
import importlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import Device
from ssdbench.runtime.run_queue import open_run_queue
from ssdbench.runtime.software import software
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.profile import FETCH, LaunchProfile, RankProfile, TraceFile
from ssdbench.schema.times import utc_now
from ssdbench.worker.chrome_trace import MARK, read_trace
from ssdbench.worker.events import Events
from ssdbench.worker.exchange_files import write_profile
from ssdbench.worker.step_tree import reduce_trace
from ssdbench.workloads.workload import Workload


def take_profile(context: RankContext, request: LaunchRequest, events: Events) -> None:
    """Profile this rank's part of the case; rank 0 writes the profile of all ranks."""
    assert request.profile is not None
    started_at, group, steps = utc_now(), context.group, request.profile.steps
    workload = importlib.import_module(f"ssdbench.workloads.{context.case.workload}").open_workload(context)
    events.phase("warm-up")
    given = request.step_counts or context.case.protocol
    _run_steps(context, workload, given.warmup_steps, lambda _phase: None)
    group.barrier()
    events.phase("measure")
    plain = _plain_steps(context, workload, steps)
    group.barrier()
    events.phase("profile")
    path = Path(request.output) / f"trace-{group.rank}.json"
    waited, ran = _trace_steps(context, workload, steps, path)
    events.phase("write")
    content = json.loads(path.read_text(encoding="utf-8"))
    rank = reduce_trace(read_trace(content["traceEvents"], waited, ran), group.rank)
    results: list[tuple[list[float], RankProfile, TraceFile]] = group.gather(
        (plain, rank, _keep(path, request.profile.largest_trace_bytes))
    )
    if group.rank == 0:
        profiles = [found for _, found, _ in results]
        critical = critical_rank(profiles)
        found = LaunchProfile(
            schema_version=EXCHANGE_VERSION,
            started_at=started_at,
            workload_version=workload.version,
            profiled_steps=steps,
            plain_step_seconds=tuple(max(times) for times in zip(*(times for times, _, _ in results))),
            ranks=tuple(one if one.rank == critical else replace(one, operators=()) for one in profiles),
            traces=tuple(trace for _, _, trace in results),
            software=software(),
        )
        write_profile(Path(request.output), found)
    workload.close()


def critical_rank(ranks: list[RankProfile]) -> int:
    """The rank that the others wait for: the one that waits least for them."""

    def waits(found: RankProfile) -> float:
        return sum(part.seconds for part in found.parts if part.kind == "communication")

    return min(ranks, key=waits).rank


def _run_steps(context: RankContext, workload: Workload[Any], steps: int, mark: Callable[[str], None]) -> None:
    """Run steps as the timed loop does; `mark` hears of the beginning of each, of its phases' ends, of the last end."""
    for _ in range(steps):
        mark("")
        batch = workload.fetch()
        mark(FETCH)
        workload.step(batch, mark)
        if context.case.is_synchronised:
            context.device.synchronize_stream()
    mark("")
    context.device.synchronize()


def _plain_steps(context: RankContext, workload: Workload[Any], steps: int) -> list[float]:
    """Seconds of each step without the profiler, less what the thread waited for a CPU on a CPU."""
    clock, waited = context.device.clock(), _waits(context.device)
    waits: list[float] = []

    def mark(phase: str) -> None:
        if not phase:
            clock.mark()
            waits.append(waited())

    _run_steps(context, workload, steps, mark)
    return [seconds - (after - before) for seconds, before, after in zip(clock.seconds(), waits, waits[1:])]


def _trace_steps(
    context: RankContext, workload: Workload[Any], steps: int, path: Path
) -> tuple[list[float], list[float]]:
    """Run steps with the profiler and write its trace.

    Returns how long the thread had waited for a CPU by each mark, and how long it had had one; nothing on a GPU.
    """
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if context.device.kind == "cuda" else [])]
    waited = _waits(context.device)
    waits: list[float] = []
    runs: list[float] = []

    def mark(phase: str) -> None:
        with record_function(MARK + phase):
            waits.append(waited())
            runs.append(time.thread_time())

    with profile(activities=activities, record_shapes=True) as profiler:
        _run_steps(context, workload, steps, mark)
    profiler.export_chrome_trace(str(path))
    return (waits, runs) if context.device.kind == "cpu" else ([], [])


def _waits(device: Device) -> Callable[[], float]:
    """How long this thread has waited for a CPU; on a GPU, where the host runs ahead, it does not count."""
    found = open_run_queue() if device.kind == "cpu" else None
    return found or (lambda: 0.0)


def _keep(path: Path, largest_bytes: int) -> TraceFile:
    """Compress a trace, and remove it where it is too large."""
    packed = path.with_suffix(".json.gz")
    with path.open("rb") as source, gzip.open(packed, "wb", compresslevel=5) as target:
        shutil.copyfileobj(source, target)
    path.unlink()
    size = packed.stat().st_size
    if size > largest_bytes:
        packed.unlink()
    return TraceFile(name=packed.name, bytes=size, kept=size <= largest_bytes)
