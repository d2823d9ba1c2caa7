"""Starts the ranks of one machine, and ends together with its parent and with all of them.

`python -m ssdbench.worker.launch OUTPUT TORCHRUN-ARGUMENTS...`. If all ranks are on this machine, they are started
here: torchrun would listen on every network interface and unpickle what it is sent there, ask for a host name that can
be resolved, obey the variables of other launchers, and import torch first, which takes seconds. The ranks meet in a
file of a folder that only this user can read. Launches on several machines run torchrun, within this process.

The exit code of each rank on this machine that ended by itself (minus the signal's number) is written to
OUTPUT/exits-<rank>.json, named after the lowest. Rank 2 writes to LOG_DIR/2/stdout.log and LOG_DIR/2/stderr.log.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssdbench.atomic import atomic_file
from ssdbench.compatibility import dataclass
from ssdbench.runtime.process import die_with_parent, name_to_children
from ssdbench.runtime.supervision import (
    StoppedError,
    adopt_orphans,
    end_all,
    ignore_stops,
    start_program,
    stopped_by_signals,
    wait_for_programs,
)
from ssdbench.schema.case import HOST_PROCESS, LAUNCH_PROCESS, RENDEZVOUS_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What torchrun's arguments ask for, as far as one machine needs it."""

    nodes: int
    ranks: int
    log_folder: Path
    program: list[str]


def main() -> int:
    """Run the ranks to their end; 0 if all of them succeeded."""
    die_with_parent(HOST_PROCESS, signal.SIGTERM)  # not SIGKILL: what the ranks have started is to be ended as well
    name_to_children(LAUNCH_PROCESS)
    adopt_orphans()
    # Slurm sends the signal that asks for a stack trace to all processes of a job: ranks answer, this one ignores it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    output, arguments = Path(sys.argv[1]), sys.argv[2:]
    order = _read_order(arguments)
    return _run_here(order, output) if order.nodes == 1 else _run_torchrun(arguments, output)


def _read_order(arguments: list[str]) -> _Order:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--nnodes", type=int, required=True)
    parser.add_argument("--nproc-per-node", type=int, required=True)
    parser.add_argument("--log-dir", type=Path, required=True)
    parser.add_argument("-m", nargs=argparse.REMAINDER, required=True)
    found, _ = parser.parse_known_args(arguments)
    return _Order(nodes=found.nnodes, ranks=found.nproc_per_node, log_folder=found.log_dir, program=found.m)


def _run_here(order: _Order, output: Path) -> int:
    exits: dict[int, int] = {}
    ranks: dict[int, int] = {}
    with stopped_by_signals(), tempfile.TemporaryDirectory(prefix="ssdbench-") as private:
        try:
            for rank in range(order.ranks):
                ranks[_start(order, rank, Path(private) / "rendezvous")] = rank
            wait_for_programs(ranks, exits.__setitem__)
        except StoppedError as stopped:
            return 128 + signal.Signals[str(stopped)]
        finally:
            ignore_stops()
            end_all(ranks)
        _write_exits(output, exits)
    return 0 if set(exits.values()) == {0} else 1


def _start(order: _Order, rank: int, rendezvous: Path) -> int:
    """Start a rank; returns its process id."""
    return start_program(
        [sys.executable, "-u", "-m", *order.program],
        {
            **{"RANK": str(rank), "LOCAL_RANK": str(rank), RENDEZVOUS_FILE: str(rendezvous)},
            **{"WORLD_SIZE": str(order.ranks), "LOCAL_WORLD_SIZE": str(order.ranks)},
        },
        order.log_folder / str(rank),
    )


def _run_torchrun(arguments: list[str], output: Path) -> int:
    # Imported only now: importing torch takes seconds, and a launch whose host ends meanwhile would survive.
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.run(run.parse_args(_as_older_torch_spells(arguments)))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        _write_exits(output, {rank: failure.exitcode for rank, failure in error.failures.items()})
        return 1
    finally:
        end_all()
    return 0


def _as_older_torch_spells(arguments: Sequence[str]) -> list[str]:
    """torchrun's own options with underscores: torch before 2.0 knows no hyphens, later ones know both."""
    own = arguments.index("-m")
    options = [
        re.sub("(?<=[a-z])-(?=[a-z])", "_", name) + "".join((equals, value)) if word.startswith("--") else word
        for word in arguments[:own]
        for name, equals, value in [word.partition("=")]
    ]
    return [*options, *arguments[own:]]


def _write_exits(output: Path, exits: Mapping[int, int]) -> None:
    with atomic_file(output / f"exits-{min(exits)}.json") as part:
        part.write_text(json.dumps(exits), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
