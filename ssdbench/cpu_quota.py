"""The CPU time that the kernel allows this process: quotas of control groups, as `docker run --cpus` sets them.

A quota is not visible in the CPU affinity: a process may run on every CPU, but is stopped for the rest of each period
once its group has used up its time. See the kernel's documentation, "CFS Bandwidth Control" and "Control Group v2".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def cpu_quota_cores(root: Path = _ROOT) -> float | None:
    """The smallest quota of this process's control groups and their parents, in cores; None if there is none.

    `root` is where /proc and the mounted control groups are. Groups above those that a container shows are not seen.
    """
    quotas = [quota for group in _groups(root) if (quota := _v1(group) or _v2(group)) is not None]
    return min(quotas, default=None)


def quota_below(cpu_count: int) -> float | None:
    """The quota of this process in cores if it is less than all of the CPUs that it may use; else None."""
    quota = cpu_quota_cores()
    return quota if quota is not None and quota < cpu_count else None


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process's groups that can limit CPU time, from each group up to its mount."""
    try:
        own = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        mounts = (root / "proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    paths: dict[str, str] = {}  # by the type of the file system
    for line in own:
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0" or "cpu" in controllers.split(","):
            paths["cgroup2" if hierarchy == "0" else "cgroup"] = path
    for line in mounts:
        before, _, after = line.partition(" - ")
        mounted, point = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind not in paths or (kind == "cgroup" and "cpu" not in options.split(",")):
            continue
        top = root / point.lstrip("/")
        group = Path(paths[kind])
        # A container may show a path of the host, while its own group is what is mounted.
        is_below = Path(mounted) in (group, *group.parents) and ".." not in group.parts
        inside = group.relative_to(mounted) if is_below else Path()
        yield from (top / part for part in (inside, *inside.parents))


def _v2(group: Path) -> float | None:
    quota, *period = _words(group / "cpu.max") or ["max"]
    return None if quota == "max" else _cores(quota, period[0] if period else "100000")


def _v1(group: Path) -> float | None:
    quota, period = (_words(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return _cores(quota[0], period[0]) if quota and period else None


def _cores(quota_us: str, period_us: str) -> float | None:
    try:
        quota, period = int(quota_us), int(period_us)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []
