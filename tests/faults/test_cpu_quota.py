"""A CPU quota, as `docker run --cpus` sets it, is hardware of its own: it is seen, recorded and compared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.analysis.differences import comparability_issues
from ssdbench.cpu_quota import cpu_quota_cores
from ssdbench.harness.machine.probe import Machine
from ssdbench.harness.machine.worker_python import WorkerPython
from ssdbench.harness.planning import make_plan
from ssdbench.harness.suite import parse_suite
from ssdbench.schema.environment import Hardware
from ssdbench.schema.record import NodeCpus, Record
from tests.builders import HARDWARE, HOST, a_measurement, a_record

V1 = "31 25 0:27 {root} /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct"
V2 = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
SETS = "32 25 0:28 / /sys/fs/cgroup/cpuset rw shared:10 - cgroup cgroup rw,cpuset"
OLD, NEW = "sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup"


@pytest.mark.fault("R23", "a CPU quota in the files of control groups of version 1 and 2, as engines lay them out")
@pytest.mark.parametrize(
    ("own", "mounts", "files", "cores"),
    [
        ("0::/", [V2.format(root="/")], {f"{NEW}/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/", [V2.format(root="/")], {f"{NEW}/cpu.max": "max 100000\n"}, None),
        ("0::/", [V2.format(root="/")], {}, None),  # the root group of a machine has no such file
        ("0::/a/b", [V2.format(root="/")], {f"{NEW}/a/b/cpu.max": "max 100000", f"{NEW}/a/cpu.max": "150000 50000"}, 3),
        ("0::/a/b", [V2.format(root="/")], {f"{NEW}/a/b/cpu.max": "200000", f"{NEW}/a/cpu.max": "800000 100000"}, 2),
        ("0::/../pod", [V2.format(root="/")], {f"{NEW}/cpu.max": "400000 100000"}, 4),
        ("0::/docker/x", [V2.format(root="/docker/x")], {f"{NEW}/cpu.max": "400000 100000"}, 4),
        ("0::/", [V2.format(root="/")], {f"{NEW}/cpu.max": "nonsense"}, None),
        ("0::/", [V2.format(root="/")], {f"{NEW}/cpu.max": "0 0"}, None),
        ("7:cpuset:/\n4:cpu,cpuacct:/", [V1.format(root="/"), SETS], {f"{OLD}/cpu.cfs_quota_us": "-1\n"}, None),
        (
            "4:cpu,cpuacct:/lxc/x\n7:cpuset:/", [SETS, V1.format(root="/")],
            {f"{OLD}/lxc/x/cpu.cfs_quota_us": "250000\n", f"{OLD}/lxc/x/cpu.cfs_period_us": "100000\n"}, 2.5,
        ),
        (
            "4:cpu,cpuacct:/docker/x\n0::/", [V1.format(root="/docker/x"), V2.format(root="/docker/x")],
            {f"{OLD}/cpu.cfs_quota_us": "50000\n", f"{OLD}/cpu.cfs_period_us": "100000\n"}, 0.5,
        ),
    ],
)  # fmt: skip
def test_the_smallest_quota_of_a_process_and_its_parents_is_found(
    tmp_path: Path, own: str, mounts: list[str], files: dict[str, str], cores: float | None
) -> None:
    for name, text in {"proc/self/cgroup": own, "proc/self/mountinfo": "\n".join(mounts), **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpu_quota_cores(tmp_path) == cores


@pytest.fixture
def half_a_core() -> Iterator[Path]:
    """The file that takes processes into a new group which may use half a core."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can make a control group")
    group = Path(f"/sys/fs/cgroup/cpu/ssdbench-test-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups of version 1 here ({error.strerror})")
    (group / "cpu.cfs_period_us").write_text("100000")
    (group / "cpu.cfs_quota_us").write_text("50000")
    yield group / "cgroup.procs"
    group.rmdir()


PROBE = "from ssdbench.harness.machine.probe import probe_machine as p; h = p().hardware; print(h.key, h.whole_cpus)"


@pytest.mark.fault("R23", "a real control group that allows half a core")
def test_a_machine_with_a_quota_is_another_machine(half_a_core: Path) -> None:
    def probed(before: str) -> list[str]:
        program = subprocess.run(
            ["sh", "-c", f'{before}; exec "$0" -c "$1"', sys.executable, PROBE], capture_output=True, text=True
        )
        return program.stdout.split()

    assert probed(f"echo $$ > {half_a_core}") == ["cpu-0.5of" + probed("true")[0].removeprefix("cpu-"), "1"]


@pytest.mark.fault("R23", "a launch under a quota compared with one without")
def test_launches_under_different_quotas_are_not_compared() -> None:
    def launch(quota: float | None) -> list[Record]:
        node = NodeCpus(host="here", cpu_count=2, cpu_quota_cores=quota)
        return [a_record(measurement=a_measurement(node_cpus=(node,)))]

    assert comparability_issues(launch(None), [a_record()]) == []  # a record of before
    assert comparability_issues(launch(0.5), launch(0.5)) == []
    (difference,) = comparability_issues(launch(None), launch(0.5))
    assert (difference.name, difference.baseline, difference.candidate) == ("CPU quota", "-", "0.5 cores")
    here = [a_record(hardware=replace(HARDWARE, cpu_quota_cores=0.5))]
    assert [difference.name for difference in comparability_issues([a_record()], here)] == ["hardware"]


@pytest.mark.fault("R23", "a quota below the number of CPUs, and what is started on them")
@pytest.mark.parametrize(("quota", "threads"), [(None, [4, 2]), (3.5, [3, 1]), (0.5, [1, 1])])
def test_threads_follow_the_quota(quota: float | None, threads: list[int]) -> None:
    hardware = Hardware(cpu_model="CPU", cpu_count=4, cpu_quota_cores=quota)
    machine = Machine(hardware=hardware, host=HOST, cpu_has_bf16=False, no_gpu_reason="no driver")
    worker = WorkerPython(executable="python", version="3.11", packages={"torch": "2.11"}, has_cpp_compiler=False)
    matrix = {"workload": "train", "backbone": "resnet18", "pipeline": "resident", "world_size": [1, 2]}
    suite = parse_suite({"name": "s", "device": "cpu", "matrix": [matrix]}, "test")
    cases = [planned.case for planned in make_plan(suite, machine, worker, seed=1).cases]
    assert [case.threads_per_rank for case in cases] == threads
