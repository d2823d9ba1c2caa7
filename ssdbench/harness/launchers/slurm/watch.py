"""Samples the GPUs of a launch on each node of a cluster; the samples are kept in the launch's folder."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.harness.launchers.following import read_event
from ssdbench.harness.launchers.slurm.shared_files import wait_for
from ssdbench.harness.machine.gpu_monitor import PERIOD_SECONDS, GpuMonitor
from ssdbench.harness.stores.codec import dump, read, read_measurement
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.environment import GpuState
from ssdbench.schema.gpu import GpuSamples
from ssdbench.schema.record import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWatch:
    """The samples of the GPUs that a launch used on one node."""

    schema_version: int
    name: str
    gpus: tuple[GpuSamples, ...]


def run_watched(
    run: Callable[[], int],
    gpus: Sequence[GpuState],
    node: str,
    file: Path,
    period_seconds: float = PERIOD_SECONDS,
) -> int:
    """Run a worker and sample these GPUs; if it has measured, the samples are written to `file`, next to its result.

    Returns the worker's exit code as `run` does, in a shell's convention. The timed region is that of rank 0, which may
    be on another node: it is located by wall-clock time, so the nodes' clocks should agree to a fraction of a second.
    """
    with GpuMonitor(gpus, period_seconds=period_seconds) as monitor:
        code = run()
    result = file.with_name("measurement.json")
    if result.is_file() or (code == 0 and wait_for(result)):
        measurement = read_measurement(result.read_text(encoding="utf-8"))
        for event in _phases(file.parent):
            monitor.on_event(event)
        seen = tuple(replace(gpu, host=node) for gpu in monitor.samples(measurement.wall_seconds))
        write_bytes(file, dump(NodeWatch(schema_version=SCHEMA_VERSION, name=node, gpus=seen)).encode())
    return code if code >= 0 else 128 - code


def with_watched_gpus(measurement: Measurement, folder: Path) -> Measurement:
    """The measurement with the GPU samples of the nodes from `folder`, in the order of its ranks."""
    watches = [
        read(NodeWatch, path.read_text(encoding="utf-8"), str(path)) for path in sorted(folder.glob("gpus-*.json"))
    ]
    hosts = measurement.network.rank_hosts if measurement.network else ()
    watches.sort(key=lambda watch: hosts.index(watch.name) if watch.name in hosts else len(hosts))
    return replace(measurement, gpus=tuple(gpu for watch in watches for gpu in watch.gpus))


def _phases(folder: Path) -> list[dict[str, object]]:
    """The starts of rank 0's phases, on this machine's monotonic clock."""
    here = time.monotonic() - time.time()
    lines = (folder / "events-0.jsonl").read_bytes().splitlines()
    events = [event for event in map(read_event, lines) if event is not None and event["event"] == "phase"]
    return [event | {"seconds": float(str(event["epoch_seconds"])) + here} for event in events]
