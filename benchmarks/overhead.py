"""What a launch costs beside its steps: CPU seconds of the host side and of the worker's start.

python -m benchmarks.overhead [--launches 4]

The workload `pace` sleeps, so that all CPU time is overhead. A run of one launch is taken from a run of several: what
is left is that of one more launch. CPU time, not the clock: the machine may have other work.
"""

import argparse
import contextlib
import io
import resource
import sys
import tempfile
from pathlib import Path
from unittest import mock

from ssdbench.cli import main as ssdbench
from ssdbench.harness.stores.files import FileStore

STEPS = 20


def measured(launches: int) -> tuple[float, float]:
    """CPU seconds of this process and of its children for a run of `launches` launches."""
    with tempfile.TemporaryDirectory() as results:
        words = ["run", "--workload", "pace", "--device", "cpu", "--option", "step_seconds=0.01", "--results", results]
        words += ["--warmup", "2", "--steps", str(STEPS), "--launches", str(launches), "--foreign-cpu", "1000"]
        before = _seconds()
        with (
            mock.patch.object(sys, "argv", ["ssdbench", *words]),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.suppress(SystemExit),
        ):
            ssdbench()
        after = _seconds()
        run = FileStore(Path(results)).load("latest")
    done = [record for record in run.records if record.measurement is not None]
    if len(done) != launches:
        raise SystemExit(f"{len(done)} of {launches} launches were measured: {run.records[-1].failure}")
    return after[0] - before[0], after[1] - before[1]


def _seconds() -> tuple[float, float]:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    host, workers = (usage.ru_utime + usage.ru_stime for usage in usages)
    return host, workers


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=int, default=4)
    many = parser.parse_args().launches
    measured(1)  # imports
    one, several = measured(1), measured(many)
    host, workers = ((b - a) / (many - 1) for a, b in zip(one, several, strict=True))
    print(f"a run of one launch: {one[0]:.2f} s of CPU on the host side")
    print(f"each further launch: {host:.2f} s of CPU on the host side, {workers:.2f} s of its rank")


if __name__ == "__main__":
    main()
