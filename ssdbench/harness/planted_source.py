"""A copy of the source in which a workload has a fault, for `ssdbench selftest`.

The installed source has no way to measure with a fault: only such a copy has, and a run records which source measured.
"""

import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssdbench.harness.process import SOURCE
from ssdbench.harness.resources import resource

Fault = Literal["step", "input", "not_finite", "out_of_memory", "hang"]

_APPENDED = """

from ssdbench.workloads.planted import Planted as _Planted

_open_as_it_is = open_workload


def open_workload(context):
    return _Planted(_open_as_it_is(context), context, fault={fault!r}, share={share!r}, rank={rank!r})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A fault of a workload: a step, or its batch, takes longer by `share` of a step; or it fails.

    `rank` is the only rank that has it; None: all of them.
    """

    fault: Fault
    share: float = 0.0
    rank: int | None = None


def plant_source(folder: Path, workload: str, plant: Plant) -> Path:
    """Copy the source to a new folder and plant the fault into a workload; returns the folder to measure from."""
    package = folder / "ssdbench"
    # Compiled files are copied as well, with the times that say they are current: a copy then starts as fast.
    shutil.copytree(SOURCE / "ssdbench", package)
    for path in (package, *package.rglob("*")):  # an installation may be read-only
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    workloads = package / "workloads"
    shutil.copyfile(resource("selftest", "planted.txt"), workloads / "planted.py")
    with (workloads / f"{workload}.py").open("a", encoding="utf-8") as file:
        file.write(_APPENDED.format(fault=plant.fault, share=plant.share, rank=plant.rank))
    return folder
