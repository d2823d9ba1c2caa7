"""CPU affinity on Linux: read it, format it, and restrict a process to the CPUs near a GPU."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError

_SYS = Path("/sys")
_OWN_TASKS = Path("/proc/self/task")


def usable_cpus(pid: int = 0) -> frozenset[int] | None:
    """The CPUs that a process may use (0: this process); None where the system does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    try:
        return frozenset(os.sched_getaffinity(pid))
    except OSError:
        return None  # it has ended


def cpu_list(cpus: Collection[int]) -> str:
    """Format CPUs in the kernel's notation: "0-31,64-95"."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and parts[-1][-1] == cpu - 1:
            parts[-1] = [parts[-1][0], cpu]
        else:
            parts.append([cpu])
    return ",".join("-".join(map(str, part)) for part in parts)


def parse_cpu_list(text: str) -> frozenset[int]:
    """Parse a list in the kernel's notation; ValueError if it is malformed."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def cpus_near(pci_bus_id: str, sys: Path = _SYS) -> frozenset[int]:
    """The CPUs of the NUMA node of a PCI device ("0000:3b:00.0").

    Raises:
        EnvironmentLacksError: the system does not say.
    """
    path = sys / "bus" / "pci" / "devices" / pci_bus_id.lower() / "local_cpulist"
    try:
        cpus = parse_cpu_list(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise EnvironmentLacksError(f"bind = numa: {path} cannot be read ({error}): omit bind here") from None
    if not cpus:
        raise EnvironmentLacksError(f"bind = numa: {path} names no CPU: omit bind here")
    return cpus


def bind_near(pci_bus_id: str, sys: Path = _SYS) -> frozenset[int]:
    """Bind all threads of this process to those of its CPUs that are near a PCI device; returns these CPUs.

    Threads inherit the binding when they start, so call this early.

    Raises:
        EnvironmentLacksError: the system does not say which CPUs are near, or this process may use none of them.
    """
    near = cpus_near(pci_bus_id, sys)
    allowed = usable_cpus()
    if allowed is None:
        raise EnvironmentLacksError("bind = numa: this system cannot bind a process to CPUs: omit bind here")
    cpus = near & allowed
    if not cpus:
        raise EnvironmentLacksError(
            f"bind = numa: the GPU at {pci_bus_id} is near CPUs {cpu_list(near)}, and this process may use "
            f"{cpu_list(allowed)} only: allow it the GPU's CPUs, or omit bind"
        )
    for task in _OWN_TASKS.iterdir():
        with suppress(ProcessLookupError):  # ended between the listing and the binding
            os.sched_setaffinity(int(task.name), cpus)
    return cpus
