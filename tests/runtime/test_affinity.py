"""CPUs of a process: in the kernel's words, and narrowed to those near a GPU; /sys is made up, the binding is real."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ssdbench.errors import EnvironmentLacksError
from ssdbench.runtime.affinity import bind_near, cpu_list, cpus_near, parse_cpu_list, usable_cpus

GPU = "0000:3B:00.0"
OWN = sorted(os.sched_getaffinity(0))


@pytest.fixture
def sys_with(tmp_path: Path) -> Callable[[str], Path]:
    def make(cpus: str) -> Path:
        folder = tmp_path / "sys" / "bus" / "pci" / "devices" / "0000:3b:00.0"
        folder.mkdir(parents=True)
        (folder / "local_cpulist").write_text(cpus)
        return tmp_path / "sys"

    return make


@pytest.fixture
def own_affinity() -> Iterator[None]:
    yield
    for task in tasks():
        with suppress(ProcessLookupError):  # a thread may end a moment after it is joined
            os.sched_setaffinity(task, OWN)


def tasks() -> list[int]:
    return [int(task.name) for task in Path("/proc/self/task").iterdir()]


@pytest.mark.parametrize(
    ("cpus", "text"),
    [({0}, "0"), ({0, 1}, "0-1"), ({5, 0, 1, 2}, "0-2,5"), ({*range(32), *range(64, 96)}, "0-31,64-95"), ((), "")],
)
def test_cpus_are_written_and_read_as_the_kernel_does(cpus: set[int], text: str) -> None:
    assert cpu_list(cpus) == text
    assert parse_cpu_list(f"{text}\n") == frozenset(cpus)


def test_the_kernel_says_the_same_of_this_process() -> None:
    found = re.search(r"Cpus_allowed_list:\s*(\S+)", Path("/proc/thread-self/status").read_text())
    assert found is not None
    assert usable_cpus() == parse_cpu_list(found[1]) & frozenset(OWN)
    assert usable_cpus(2**22 - 1) is None  # no such process


def test_the_cpus_near_a_gpu_are_those_of_its_numa_node(sys_with: Callable[[str], Path]) -> None:
    assert cpus_near(GPU, sys_with("0-15,32-47\n")) == frozenset([*range(16), *range(32, 48)])


@pytest.mark.skipif(len(OWN) < 2, reason="needs two CPUs")
def test_all_threads_are_bound_and_those_that_start_later(sys_with: Callable[[str], Path], own_affinity: None) -> None:
    end, later = threading.Event(), []
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert bind_near(GPU, sys_with(f"{OWN[-1]},4000-4001\n")) == {OWN[-1]}
        assert {frozenset(os.sched_getaffinity(task)) for task in tasks()} == {frozenset({OWN[-1]})}
    finally:
        end.set()
        thread.join()
    newer = threading.Thread(target=lambda: later.append(usable_cpus()))
    newer.start()
    newer.join()
    assert later == [{OWN[-1]}]


@pytest.mark.parametrize(
    ("cpus", "words"),
    [
        ("\n", "names no CPU"),
        ("all\n", "cannot be read"),
        ("4000-4001\n", f"is near CPUs 4000-4001, and this process may use {cpu_list(OWN)} only"),
    ],
)
def test_where_it_is_not_known_the_sentence_says_so_and_nothing_is_bound(
    sys_with: Callable[[str], Path], cpus: str, words: str
) -> None:
    with pytest.raises(EnvironmentLacksError, match=re.escape(words)) as caught:
        bind_near(GPU, sys_with(cpus))
    assert "\n" not in str(caught.value)
    assert os.sched_getaffinity(0) == set(OWN)


def test_a_machine_that_does_not_list_the_gpu_fails_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacksError, match=r"^bind = numa: .*local_cpulist cannot be read .*omit bind"):
        bind_near(GPU, tmp_path)
