"""Runs of `pace`, which measures nothing, as processes of their own: what the tests of launches inject faults into."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Failure, Run

PACE = ("run", "--workload", "pace", "--device", "cpu", "--batch-size", "1", "--warmup", "0", "--foreign-cpu", "100")


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "SSDBENCH_CACHE": str(folder / "cache"), "COLUMNS": "200", **more}


def run_pace(folder: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end in this folder."""
    command = [sys.executable, "-m", "ssdbench", *PACE, *more]
    return subprocess.run(
        command, cwd=folder, env=environment(folder, **variables), capture_output=True, text=True, check=False
    )


@contextmanager
def running_pace(folder: Path, *more: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start it in this folder, and end it with the block if it still runs."""
    command = [sys.executable, "-m", "ssdbench", *PACE, *more]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(folder, **variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def eventually(holds: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "this never became true"
        time.sleep(0.05)


def measures(folder: Path, ranks: int = 1) -> bool:
    """Whether all ranks of a launch are in its timed region."""
    files = list(folder.glob("cache/work/*/*/events-*.jsonl"))
    return len(files) >= ranks and all('"measure"' in file.read_text() for file in files)


def steps(folder: Path) -> bool:
    """Whether rank 0 of a launch has reported a step."""
    files = list(folder.glob("cache/work/*/*/events-0.jsonl"))
    return any('"event": "step"' in file.read_text() for file in files)


def ranks_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The ranks of the launch in progress, in rank order."""
    family = psutil.Process(process.pid).children(recursive=True)
    found = {child: child.cmdline() for child in family if child.status() != psutil.STATUS_ZOMBIE}
    ranks = [child for child, line in found.items() if line[-3:-1] == ["-m", "ssdbench.worker"]]
    return sorted(
        (rank for rank in ranks if "ssdbench.worker.launch" not in found[rank]),
        key=lambda rank: int(rank.environ()["RANK"]),
    )


def stored(folder: Path) -> Run:
    return FileStore(folder / "results").load("latest")


def the_failure(folder: Path) -> Failure:
    """The failure of the only launch."""
    (record,) = stored(folder).records
    assert record.failure is not None
    return record.failure
