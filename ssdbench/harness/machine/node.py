"""Describes another machine: `python -m ssdbench.harness.machine.node FILE PYTHON` runs there."""

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import SsdbenchError
from ssdbench.harness.machine.probe import Machine, probe_machine
from ssdbench.harness.machine.worker_python import WorkerPython, inspect_python
from ssdbench.harness.stores.codec import dump, read
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.environment import Hardware, Host

_GPU_SETTINGS = (
    *("power_limit_watts", "sm_clock_limit_mhz", "memory_clock_limit_mhz", "ecc", "mig"),
    *("sm_application_clock_mhz", "memory_application_clock_mhz", "sm_target_clock_mhz", "memory_target_clock_mhz"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a cluster as seen by a job; `worker` is None if no interpreter was inspected."""

    schema_version: int
    name: str
    machine: Machine
    worker: WorkerPython | None = None


def describe(path: Path, python: str | None = None) -> Node:
    """Write what this node is, and what the interpreter `python` has installed here."""
    name = os.environ.get("SLURMD_NODENAME", platform.node())
    machine = probe_machine()
    on_gpu = bool(machine.hardware.gpu_count)
    worker = None if python is None else inspect_python(python, with_gpu_code=on_gpu)
    node = Node(schema_version=SCHEMA_VERSION, name=name, machine=machine, worker=worker)
    write_bytes(path, dump(node).encode())
    return node


def read_node(path: Path) -> Node:
    """The description that a node wrote."""
    return read(Node, path.read_text(encoding="utf-8"), str(path))


def node_mismatch(hardware: Hardware, host: Host, node: Node) -> str | None:
    """How a node differs from the one that the run was planned for, in a sentence; None if it is of the same kind.

    A job sees only the CPUs and GPUs allocated to it, so their numbers are not compared.
    """
    there = node.machine
    pairs = [
        (name, getattr(hardware, name), getattr(there.hardware, name))
        for name in ("cpu_model", "gpu_model", "gpu_memory_bytes", "compute_capability")
        if there.hardware.gpu_count or name == "cpu_model"
    ]
    pairs.append(("driver", host.driver, there.host.driver))
    changed = [f"{name} {before} -> {now}" for name, before, now in pairs if before != now]
    for name in _GPU_SETTINGS if host.gpus else ():
        planned = {getattr(gpu, name) for gpu in host.gpus}
        found = {getattr(gpu, name) for gpu in there.host.gpus}
        changed += [f"{name} {_joined(planned)} -> {_joined(found)}"] if found - planned else []
    return f"{node.name} is not like the node that the run was planned for: {', '.join(changed)}" if changed else None


def _joined(values: Iterable[object]) -> str:
    return " or ".join(sorted(map(str, values)))


def main() -> None:
    """Describe this node in the requested file."""
    try:
        describe(Path(sys.argv[1]), sys.argv[2])
    except SsdbenchError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
