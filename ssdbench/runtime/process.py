"""Facts of the operating system about this process and its neighbours (Linux; None elsewhere)."""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends.

    torchrun's workers are session leaders, so neither its death by SIGKILL nor a killpg would reach them, and an
    orphan would go on to disturb the next measurement.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def stderr_file() -> str | None:
    """The file that this process writes its errors to; None where it is no file, or not on Linux."""
    link = Path("/proc/self/fd/2")
    target = link.resolve() if link.exists() else None
    return str(target) if target is not None and target.is_file() else None


def busy_cpu_seconds() -> float | None:
    """CPU seconds spent by the whole machine since boot, time stolen by a hypervisor included."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def tree_cpu_seconds(root: int) -> float | None:
    """CPU seconds spent by the process `root`, its living descendants and all that they have reaped."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    try:
        entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return None
    for entry in entries:
        try:
            # The command's name, in brackets, may itself hold blanks and brackets.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended between the listing and the reading
        parents[int(entry.name)] = int(fields[1])
        ticks[int(entry.name)] = sum(int(field) for field in fields[11:15])
    members = {root}
    while grown := {pid for pid, parent in parents.items() if parent in members} - members:
        members |= grown
    return sum(ticks.get(pid, 0) for pid in members) / os.sysconf("SC_CLK_TCK")


class ForeignCpu:
    """CPU use of everything but one process tree, between `begin` and `cores`."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._at_begin: float | None = None

    def begin(self) -> None:
        """Start to count."""
        self._at_begin = self._foreign_seconds()

    def cores(self, wall_seconds: float) -> float | None:
        """Mean number of cores that others kept busy; None where the system does not tell."""
        at_end = self._foreign_seconds()
        if self._at_begin is None or at_end is None or wall_seconds <= 0:
            return None
        return max(0.0, at_end - self._at_begin) / wall_seconds

    def _foreign_seconds(self) -> float | None:
        busy, own = busy_cpu_seconds(), tree_cpu_seconds(self._root)
        return None if busy is None or own is None else busy - own
