"""Foreign CPU use over a made-up /proc: whose work counts, on which CPUs, and on which machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ssdbench.runtime.process import OtherCpuUsage, busy_cpu_seconds
from ssdbench.schema.case import HOST_PROCESS, LAUNCH_PROCESS
from ssdbench.schema.record import NodeCpus
from ssdbench.worker.reduction import most_foreign_cores

TICKS = os.sysconf("SC_CLK_TCK")
INIT, HOST, ROOT, RANK, LOADER, NEIGHBOUR = 1, 10, 20, 21, 22, 90


@dataclass
class Machine:
    """A /proc whose CPUs and processes spend given times, in seconds."""

    proc: Path
    cpus: int = 4
    seconds: float = 100.0
    parents: dict[int, int] = field(
        default_factory=lambda: {INIT: 0, HOST: INIT, ROOT: HOST, RANK: ROOT, LOADER: RANK, NEIGHBOUR: INIT}
    )

    def __post_init__(self) -> None:
        self.used = {cpu: {"user": 50.0, "idle": 900.0, "steal": 0.0} for cpu in range(self.cpus)}
        self.own = dict.fromkeys(self.parents, 7.0)
        self.reaped = dict.fromkeys(self.parents, 3.0)
        self.write()

    def spend(self, pid: int | None, seconds: float, *, cpu: int = 0, kind: str = "user") -> None:
        """CPU seconds of a process (None: of none that is listed)."""
        self.used[cpu][kind] += seconds
        if pid is not None:
            self.own[pid] += seconds
        self.write()

    def end(self, pid: int) -> None:
        """A process ends, and its parent waits for it."""
        parent = self.parents.pop(pid)
        self.reaped[parent] += self.own[pid] + self.reaped[pid]
        self.write()

    def write(self) -> None:
        def line(name: str, cpus: Collection[int]) -> str:
            user, idle, steal = (round(TICKS * sum(self.used[c][k] for c in cpus)) for k in ("user", "idle", "steal"))
            return f"{name} {user} 0 0 {idle} 5 0 0 {steal} {user} 0\n"

        self.proc.mkdir(parents=True, exist_ok=True)
        lines = [line("cpu ", self.used), *(line(f"cpu{cpu}", [cpu]) for cpu in self.used), "intr 12 3\n"]
        (self.proc / "stat").write_text("".join(lines))
        (self.proc / "self").mkdir(exist_ok=True)
        for folder in self.proc.iterdir():
            if folder.name.isdigit() and int(folder.name) not in self.parents:
                (folder / "stat").unlink()
                folder.rmdir()
        for pid, parent in self.parents.items():
            (self.proc / str(pid)).mkdir(exist_ok=True)
            times = [self.own[pid], 0.0, self.reaped[pid], 0.0]
            spent = " ".join(str(round(TICKS * value)) for value in times)
            (self.proc / str(pid) / "stat").write_text(
                f"{pid} (a) b) c) S {parent} 1 1 0 -1 0 0 0 0 0 {spent} 20 0 1\n"
            )

    def other_cpu_usage(self, *, host: int | None = HOST, cpus: Collection[int] | None = None) -> OtherCpuUsage:
        watch = OtherCpuUsage(ROOT, cpus=cpus, host=host, proc=self.proc, now=lambda: self.seconds)
        watch.begin()
        return watch


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "proc")


def test_use_by_other_processes_is_their_cpu_time_over_the_elapsed_time(machine: Machine) -> None:
    watch = machine.other_cpu_usage()
    machine.seconds += 10.0
    machine.spend(NEIGHBOUR, 4.0)
    machine.spend(NEIGHBOUR, 1.0, cpu=3)
    assert watch.cores() == pytest.approx(0.5)


def test_the_launch_its_descendants_and_its_host_are_not_other_processes(machine: Machine) -> None:
    watch = machine.other_cpu_usage()
    machine.seconds += 10.0
    for pid in (HOST, ROOT, RANK, LOADER):
        machine.spend(pid, 6.0, cpu=1)
    assert watch.cores() == pytest.approx(0.0)


def test_a_host_that_is_not_visible_counts_as_another_process(machine: Machine) -> None:
    watch = machine.other_cpu_usage(host=None)
    machine.seconds += 10.0
    machine.spend(HOST, 2.0)
    assert watch.cores() == pytest.approx(0.2)


def test_a_host_is_only_a_process_that_the_launch_descends_from(machine: Machine) -> None:
    watch = machine.other_cpu_usage(host=NEIGHBOUR)  # the number of a process elsewhere, and here of another
    machine.seconds += 10.0
    machine.spend(NEIGHBOUR, 2.0)
    assert watch.cores() == pytest.approx(0.2)


def test_other_children_of_the_host_count_as_other_processes(machine: Machine) -> None:
    machine.parents[30] = HOST
    machine.own[30], machine.reaped[30] = 1.0, 0.0
    machine.write()
    watch = machine.other_cpu_usage()
    machine.seconds += 10.0
    machine.spend(30, 2.0)
    assert watch.cores() == pytest.approx(0.2)
    machine.end(30)  # the host waits for it: still none of the host's own work
    assert watch.cores() == pytest.approx(0.2)


def test_time_stolen_by_a_hypervisor_counts_as_other_processes(machine: Machine) -> None:
    watch = machine.other_cpu_usage()
    machine.seconds += 10.0
    machine.spend(None, 3.0, kind="steal")
    assert watch.cores() == pytest.approx(0.3)


def test_idle_time_does_not_count(machine: Machine) -> None:
    watch = machine.other_cpu_usage()
    machine.seconds += 10.0
    machine.spend(None, 40.0, kind="idle")
    assert watch.cores() == pytest.approx(0.0)


def test_a_descendant_that_ends_in_between_stays_part_of_the_launch(machine: Machine) -> None:
    watch = machine.other_cpu_usage()
    machine.seconds += 10.0
    machine.spend(LOADER, 5.0)
    machine.end(LOADER)
    assert watch.cores() == pytest.approx(0.0)


def test_another_process_that_ends_in_between_still_counts(machine: Machine) -> None:
    watch = machine.other_cpu_usage()
    machine.seconds += 10.0
    machine.spend(NEIGHBOUR, 5.0)
    machine.end(NEIGHBOUR)
    assert watch.cores() == pytest.approx(0.5)


def test_a_process_that_ends_while_it_is_read_is_passed_over(machine: Machine) -> None:
    watch = machine.other_cpu_usage()
    (machine.proc / str(NEIGHBOUR) / "stat").unlink()
    machine.seconds += 10.0
    assert watch.cores() == pytest.approx(0.0)


def test_only_the_cpus_that_the_launch_may_use_are_looked_at(machine: Machine) -> None:
    watch = machine.other_cpu_usage(cpus={0, 1})
    machine.seconds += 10.0
    machine.spend(NEIGHBOUR, 9.0, cpu=2)
    machine.spend(NEIGHBOUR, 1.0, cpu=1)
    assert watch.cores() == pytest.approx(0.1)
    assert watch.cpu_count == 2


def test_where_a_container_is_shown_cpus_of_its_own_all_that_it_is_shown_count(machine: Machine) -> None:
    watch = machine.other_cpu_usage(cpus={64, 65})
    machine.seconds += 10.0
    machine.spend(NEIGHBOUR, 1.0, cpu=3)
    assert watch.cores() == pytest.approx(0.1)


def test_less_than_nothing_is_nothing(machine: Machine) -> None:
    watch = machine.other_cpu_usage()
    machine.seconds += 10.0
    machine.own[RANK] += 5.0  # the process's time is updated before its CPU's
    machine.write()
    assert watch.cores() == 0.0


def test_a_system_that_does_not_say_gives_none(tmp_path: Path) -> None:
    watch = OtherCpuUsage(1, proc=tmp_path / "none")
    watch.begin()
    assert watch.cores() is None
    assert watch.cpu_count is None
    (tmp_path / "stat").write_text("no line of a CPU\n")
    assert busy_cpu_seconds(proc=tmp_path) is None


def test_each_machine_is_measured_by_itself_and_the_busiest_is_reported(tmp_path: Path) -> None:
    nodes = []
    for name, foreign in (("node-1", 1.0), ("node-2", 8.0)):
        machine = Machine(tmp_path / name)
        watch = machine.other_cpu_usage(cpus={0, 1, 2, 3})
        machine.seconds += 10.0
        machine.spend(NEIGHBOUR, foreign)
        machine.spend(RANK, 9.0)
        assert watch.cpu_count is not None
        nodes.append(NodeCpus(host=name, cpu_count=watch.cpu_count, foreign_cores=watch.cores()))
    assert [node.foreign_cores for node in nodes] == pytest.approx([0.1, 0.8])
    assert most_foreign_cores(nodes) == pytest.approx(0.8)
    assert most_foreign_cores([NodeCpus(host="x", cpu_count=4), *nodes[:1]]) == pytest.approx(0.1)
    assert most_foreign_cores([]) is None


@pytest.mark.parametrize(
    ("module", "variable"), [("ssdbench.worker", LAUNCH_PROCESS), ("ssdbench.worker.launch", HOST_PROCESS)]
)
def test_a_process_whose_parent_ended_before_it_could_ask_for_a_signal_ends_at_once(module: str, variable: str) -> None:
    with subprocess.Popen(["sleep", "0"]) as gone:
        gone.wait()
    environment = os.environ | {variable: str(gone.pid)}
    done = subprocess.run([sys.executable, "-m", module, "x"], env=environment, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert done.stderr == b""


def test_a_process_that_replaced_the_program_which_named_itself_lives() -> None:
    code = f"import os, sys; os.environ[{HOST_PROCESS!r}] = str(os.getpid()); os.execv(sys.executable, sys.argv[1:])"
    ask = f"from ssdbench.runtime.process import die_with_parent; die_with_parent({HOST_PROCESS!r})"
    command = [sys.executable, "-c", code, sys.executable, "-c", ask]
    assert subprocess.run(command, check=False).returncode == 0
