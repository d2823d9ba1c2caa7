"""Several processes at one store: nothing lost, nothing twice, and no lock that outlives its holder."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import StoreError
from ssdbench.harness.stores.files import FileArchive, FileStore
from ssdbench.harness.stores.lock_files import FileClaims
from ssdbench.harness.stores.locks import EXPIRY_SECONDS, Claims, Lock, StoreLockedError, locked
from ssdbench.harness.stores.opening import open_store
from tests.builders import HARDWARE, a_baseline, a_header, a_record, a_run
from tests.cli.running import keep, ssdbench
from tests.databases import STORES

FORK = multiprocessing.get_context("fork")


def at_once(work: Callable[[int], object], processes: int) -> list[int]:
    """Exit codes of this many processes that do the same at the same time."""
    start = FORK.Barrier(processes)

    def begin(number: int) -> None:
        start.wait()
        work(number)

    started = [FORK.Process(target=begin, args=(number,)) for number in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [process.exitcode or 0 for process in started]


def place_of(kind: str, new_place: Callable[[str], str], folder: Path) -> str:
    return str(folder / "results") if kind == "files" else new_place(kind)


@pytest.mark.fault("B29", "R11", "three `baseline accept` of one name at once")
def test_some_acceptances_at_once_are_all_kept(tmp_path: Path):
    accept_at_once(3, str(tmp_path / "results"), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.fault("B29", "R11", "eight `baseline accept` of one name at once")
def test_acceptances_at_once_are_all_kept(kind: str, new_place: Callable[[str], str], tmp_path: Path):
    accept_at_once(8, place_of(kind, new_place, tmp_path), tmp_path)


def accept_at_once(count: int, place: str, tmp_path: Path) -> None:
    runs = [a_run(run_id=f"run-{number}", created_at=f"2026-01-1{number}T12:00:00+00:00") for number in range(count)]
    keep(tmp_path / "source", *runs)
    assert ssdbench("store", "sync", tmp_path / "source", place).code == 0
    options = ("--results", tmp_path / "results", "--store", place)

    def accept_one(number: int) -> None:
        done = ssdbench("baseline", "accept", f"run-{number}", "--reason", f"reason {number}", *options)
        assert done.code == 0, done.err

    assert at_once(accept_one, count) == [0] * count
    store = open_store(tmp_path / "results", place, pytest.fail)
    baseline, anchor = store.load_baseline(HARDWARE.key, "main"), store.load_anchor(HARDWARE.key, "main")
    assert sorted(entry.reason for entry in baseline.history) == [f"reason {number}" for number in range(count)]
    assert anchor is not None
    assert anchor.header.run_id == baseline.history[0].run_ids[0]
    assert ssdbench("baseline", "verify", *options).code == 0


@pytest.mark.fault("B29", "a baseline is replaced while another acceptance compares with it")
@pytest.mark.parametrize("kind", STORES)
def test_an_acceptance_replaces_only_what_it_compared_with(kind: str, new_place: Callable[[str], str], tmp_path: Path):
    store = open_store(tmp_path, place_of(kind, new_place, tmp_path), pytest.fail)
    first, second = a_run(run_id="first"), a_run(run_id="second")
    expected = store.first_lines(HARDWARE.key, "main")
    store.save_together(a_baseline(first), a_baseline(first), expected)
    with pytest.raises(StoreError, match="was replaced meanwhile, nothing was accepted"):
        store.save_together(a_baseline(second), a_baseline(second), expected)
    anchor = store.load_anchor(HARDWARE.key, "main")
    assert anchor is not None
    assert (anchor.header.run_id, store.load_baseline(HARDWARE.key, "main").header.run_id) == ("first", "first")


@pytest.mark.timeout(120)
@pytest.mark.fault("B44", "eight processes append to one run of files")
def test_writers_of_one_run_leave_every_line_whole(tmp_path: Path):
    FileStore(tmp_path).begin(a_header())

    def write(number: int) -> None:
        store = FileStore(tmp_path)
        for launch in range(10):
            store.append(a_record(launch=10 * number + launch, order=10 * number + launch))

    assert at_once(write, 8) == [0] * 8
    run = FileStore(tmp_path).load("run-1")
    assert sorted(record.launch for record in run.records) == list(range(80))


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.fault("B28", "a second process measures a run that is being measured")
def test_a_run_is_measured_by_one_process_which_is_named(kind: str, new_place: Callable[[str], str], tmp_path: Path):
    place = place_of(kind, new_place, tmp_path)
    open_store(tmp_path, place, pytest.fail).begin(a_header())
    held = FORK.Event()

    def hold() -> None:
        lock = open_store(tmp_path, place, pytest.fail).measuring("run-1")
        held.set()
        time.sleep(100)
        lock.release()

    holder = FORK.Process(target=hold)
    holder.start()
    said: list[str] = []
    try:
        assert held.wait(60)
        store = open_store(tmp_path, place, said.append)
        with pytest.raises(StoreLockedError, match=rf"process {holder.pid} of .*, is measuring run run-1; wait for it"):
            store.measuring("run-1")
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGKILL)
        holder.join()
        assert said == []
        store.measuring("run-1").release()
        assert "that process has ended" in said[0]
        store.measuring("run-1").release()
        assert len(said) == 1
    finally:
        holder.kill()


def of_another_machine(folder: Path, *, age_seconds: float) -> None:
    """A claim that a machine which does not answer has left, this long ago."""
    claim = folder / "work.lock"
    claim.unlink(missing_ok=True)
    lock = Lock(FileClaims(folder, "here"), "work", "measuring", say=pytest.fail)
    lock.acquire(0)
    text = json.dumps({**json.loads(claim.read_text()), "host": "elsewhere"})
    lock.release()
    claim.write_text(text)
    then = time.time() - age_seconds
    os.utime(claim, (then, then))


@pytest.mark.fault("B44", "the machine that holds a lock vanishes")
def test_a_lock_of_another_machine_is_broken_when_it_is_no_longer_renewed(tmp_path: Path):
    said: list[str] = []
    lock = Lock(FileClaims(tmp_path, "here"), "work", "measuring", say=said.append)
    of_another_machine(tmp_path, age_seconds=EXPIRY_SECONDS / 2)
    with pytest.raises(StoreLockedError, match=r"on elsewhere, since .* is measuring"):
        lock.acquire(0)
    of_another_machine(tmp_path, age_seconds=2 * EXPIRY_SECONDS)
    lock.acquire(0)
    assert "no sign of life for" in said[0]
    lock.require()


@pytest.mark.fault("B44", "a process that seemed to be dead comes back")
def test_whose_lock_was_taken_over_hears_of_it(tmp_path: Path):
    claims = FileClaims(tmp_path, "here")
    lock, other = (Lock(claims, "work", "measuring", say=pytest.fail) for _ in range(2))
    lock.acquire(0)
    text = claims.find("work")
    assert text is not None
    assert claims.remove("work", text)
    other.acquire(0)
    with pytest.raises(StoreLockedError, match="seemed to be dead, and its work is done by process"):
        lock.require()
    lock.release()  # does not take the other's lock away
    other.require()


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.fault("B44", "a dead process's lock is found by six others at once, with and without hard links")
def test_of_those_that_break_a_lock_one_has_it(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if not links:

        def refused(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refused)
    claims: Claims = FileClaims(tmp_path / "locks", "here")
    of_another_machine(tmp_path / "locks", age_seconds=2 * EXPIRY_SECONDS)
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count(_number: int) -> None:
        for _ in range(10):
            with locked(claims, "work", "counting", lambda _: None):
                value = int(counter.read_text())
                time.sleep(0.001)
                counter.write_text(str(value + 1))

    assert at_once(count, 6) == [0] * 6
    assert counter.read_text() == "60"
    assert [path.name for path in (tmp_path / "locks").iterdir()] == [".gitignore"]


@pytest.mark.fault("D49", "one id, two measurements in one run")
def test_another_measurement_under_a_known_id_is_refused(tmp_path: Path):
    store = FileStore(tmp_path)
    store.begin(a_header())
    record = a_record()
    assert store.append(record)
    assert not store.append(record)
    with pytest.raises(StoreError, match="two processes measure this run"):
        store.append(replace(record, launch_seconds=7.0))


_NO_FLOCK = "#include <errno.h>\nint flock(int fd, int op) { (void)fd; (void)op; errno = ENOLCK; return -1; }\n"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, for a file system without flock")
@pytest.mark.fault("R15", "a database out of reach, and a results folder on a file system without flock")
def test_a_spool_needs_no_flock(tmp_path: Path):
    (tmp_path / "no.c").write_text(_NO_FLOCK)
    library = tmp_path / "no.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "no.c"], check=True)
    program = (
        "import sys; from pathlib import Path; from ssdbench.harness.stores.opening import open_store;"
        "from tests.builders import a_header, a_record;"
        "store = open_store(Path(sys.argv[1]), 'postgresql://x@127.0.0.1:1/none', print);"
        "store.begin(a_header()); store.append(a_record())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "results"],
        env={**os.environ, "LD_PRELOAD": str(library)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "results").glob("spool/*/records/run-1.jsonl")
    assert len(kept.read_text().splitlines()) == 2


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.fault("B28", "two `run --resume` of one run at once")
def test_two_that_resume_a_run_at_once_measure_each_launch_once(tmp_path: Path):
    command = [sys.executable, "-m", "ssdbench", "run"]
    grid = ["--workload", "pace", "--option", "step_seconds=0.01", "--warmup", "0", "--steps", "3", "--launches", "4"]
    here = ["--device", "cpu", "--foreign-cpu", "100", "--results", str(tmp_path)]
    subprocess.run([*command, *grid, *here, "--budget", "0s"], check=True, capture_output=True)
    both = [
        subprocess.Popen([*command, "--resume", "--results", str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    codes = sorted(process.returncode for process in both)
    (run,) = FileArchive(tmp_path).run_ids()
    records = FileStore(tmp_path).load(run).records
    assert sorted(record.launch for record in records) == [0, 1, 2, 3]
    assert [record.order for record in records] == [0, 1, 2, 3]
    if codes != [0, 0]:  # else the second began after the first had measured all
        assert codes == [0, 2]
        assert any("is measuring run" in text for text in said)
