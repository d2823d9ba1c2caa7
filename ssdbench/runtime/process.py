"""What the operating system knows about this process and the others on the machine (Linux; None elsewhere)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ssdbench.compatibility import dataclass
from ssdbench.runtime.affinity import usable_cpus
from ssdbench.schema.case import HOST_PROCESS

_PR_SET_PDEATHSIG = 1
_PROC = Path("/proc")


def die_with_parent(parent_variable: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when its parent ends.

    Killing a parent with SIGKILL does not reach its children, and an orphan would disturb the next measurement. A
    parent may end before its child gets here. So `parent_variable` names an environment variable with the parent's pid,
    if the parent set it, and a process with another parent ends at once. If it holds this process's own pid, this
    process has replaced (exec) the program that set it.
    """
    if sys.platform != "linux":
        return
    named = int(os.environ.get(parent_variable) or os.getpid())
    parent = os.getppid() if named == os.getpid() else named
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def name_to_children(parent_variable: str) -> None:
    """Put this process's pid into the environment of its children, for their `die_with_parent`."""
    os.environ[parent_variable] = str(os.getpid())


def stderr_file() -> str | None:
    """The file that standard error is redirected to; None if it is not a file, or not on Linux."""
    link = Path("/proc/self/fd/2")
    target = link.resolve() if link.exists() else None
    return str(target) if target is not None and target.is_file() else None


def busy_cpu_seconds(cpus: Collection[int] | None = None, proc: Path = _PROC) -> float | None:
    """CPU seconds spent on these CPUs since boot (None: on all CPUs), including time stolen by a hypervisor.

    If the system does not list each of them, as in a container with virtual CPU numbers, all listed CPUs count.
    """
    try:
        lines = [line.split() for line in (proc / "stat").read_text().splitlines() if line.startswith("cpu")]
    except OSError:
        return None
    seconds = {name: _busy(list(map(int, fields))) for name, *fields in lines}
    names = {f"cpu{number}" for number in cpus or ()}
    return sum(seconds[name] for name in names) if names and names <= seconds.keys() else seconds.get("cpu")


def _busy(ticks: list[int]) -> float:
    # `user` already contains the time of guests (proc(5)).
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    """Times in clock ticks: of the process itself, and of the children it has waited for."""

    parent: int
    own: int
    reaped: int


def own_cpu_seconds(root: int, host: int | None = None, proc: Path = _PROC) -> float | None:
    """CPU seconds spent by the process `root`, its living descendants and all children they have waited for.

    Plus those of the process `host` itself, without its children, if it is an ancestor of `root`.
    """
    processes = _processes(proc)
    if processes is None:
        return None
    members = _tree(root, processes)
    ticks = sum(processes[pid].own + processes[pid].reaped for pid in members & processes.keys())
    if host is not None and host not in members and host in _ancestors(root, processes):
        ticks += processes[host].own
    return ticks / os.sysconf("SC_CLK_TCK")


def descendants(root: int, proc: Path = _PROC) -> list[int]:
    """The process ids of the descendants of `root`; empty where the system does not list processes."""
    return sorted(_tree(root, _processes(proc) or {}) - {root})


def _tree(root: int, processes: dict[int, _Process]) -> set[int]:
    members = {root}
    while grown := {pid for pid, process in processes.items() if process.parent in members} - members:
        members |= grown
    return members


def _ancestors(pid: int, processes: dict[int, _Process]) -> list[int]:
    found: list[int] = []
    while pid in processes and (pid := processes[pid].parent) in processes:
        found.append(pid)
    return found


def _processes(proc: Path) -> dict[int, _Process] | None:
    found: dict[int, _Process] = {}
    try:
        entries = [entry for entry in proc.iterdir() if entry.name.isdigit()]
    except OSError:
        return None
    for entry in entries:
        try:
            # The command name, in parentheses, may itself contain blanks and parentheses.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended between the listing and the reading
        user, system, children_user, children_system = map(int, fields[11:15])
        found[int(entry.name)] = _Process(
            parent=int(fields[1]), own=user + system, reaped=children_user + children_system
        )
    return found


class OtherCpuUsage:
    """CPU use of all processes outside a launch, on the CPUs that the launch may use, from `begin` to `cores`.

    The launch is the process tree of `root` and the process `host` that monitors it. `cpus` are the CPUs it may use,
    None if the system does not say. Use one per machine: every rank would get the same answer.
    """

    def __init__(
        self,
        root: int,
        *,
        cpus: Collection[int] | None = None,
        host: int | None = None,
        proc: Path = _PROC,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root, self._host, self._cpus = root, host, cpus
        self._proc, self._now = proc, now
        self._at_begin: float | None = None
        self._began = 0.0

    @property
    def cpu_count(self) -> int | None:
        """How many CPUs the launch may use; None if the system does not say."""
        return None if self._cpus is None else len(self._cpus)

    def begin(self) -> None:
        """Start counting."""
        self._at_begin, self._began = self._other_seconds(), self._now()

    def cores(self) -> float | None:
        """Mean number of cores that other processes kept busy since `begin`; None if the system does not say."""
        at_end, seconds = self._other_seconds(), self._now() - self._began
        if self._at_begin is None or at_end is None or seconds <= 0:
            return None
        return max(0.0, at_end - self._at_begin) / seconds

    def _other_seconds(self) -> float | None:
        busy, own = busy_cpu_seconds(self._cpus, self._proc), own_cpu_seconds(self._root, self._host, self._proc)
        return None if busy is None or own is None else busy - own


def open_other_cpu_usage() -> OtherCpuUsage:
    """For a rank: the launch is its parent with all descendants, plus the host process that started it."""
    root, host = os.getppid(), os.environ.get(HOST_PROCESS)
    return OtherCpuUsage(root, cpus=usable_cpus(root), host=int(host) if host else None)
