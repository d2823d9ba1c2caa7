"""Many launches in one run leave nothing but records, and the folders of launches are removed by age."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from ssdbench.cli import clean as verb
from ssdbench.harness import cache
from tests.faults.scripted import measure

_LAUNCHES = 200
_DAY_SECONDS = 86400


def launch_folder(work: Path, run: str, days: float, *, name: str = "launch", job: bool = False) -> Path:
    """The folder of a run whose only launch changed its files so many days ago."""
    folder = work / run / name
    folder.mkdir(parents=True)
    (folder / ("job" if job else "launch.log")).write_text("17\n")
    then = time.time() - days * _DAY_SECONDS
    for path in [folder / ("job" if job else "launch.log"), folder, folder.parent]:
        os.utime(path, (then, then))
    return folder.parent


@pytest.mark.fault("K15", "folders of launches of all ages, one in progress and one in a queue, are in the cache")
def test_folders_of_old_launches_are_removed_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path))
    work = tmp_path / "work"
    old, fresh = launch_folder(work, "old", 31), launch_folder(work, "fresh", 29)
    queued = launch_folder(work, "queued", 31, job=True)
    trains = launch_folder(work, "trains", 31)
    (trains / "launch" / "events-0.jsonl").write_text("{}\n")  # an epoch that began a month ago reports a step
    os.utime(trains / "launch", (0, 0))
    os.utime(trains, (0, 0))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (work / "link").symlink_to(elsewhere)
    os.utime(elsewhere, (0, 0))
    for kept in ("prepared", "synthetic"):
        (tmp_path / kept).mkdir()
        os.utime(tmp_path / kept, (0, 0))

    assert cache.clean_work(cache.KEPT_DAYS, dry_run=True).folders == (old,)
    assert old.exists()
    assert cache.clean_work(cache.KEPT_DAYS) == cache.Cleaned(folders=(old,), bytes=3)
    assert sorted(path.name for path in work.iterdir()) == ["fresh", "link", "queued", "trains"]
    assert elsewhere.exists()
    assert fresh.exists()
    assert queued.exists()
    assert (tmp_path / "prepared").exists()
    assert (tmp_path / "synthetic").exists()


@pytest.mark.fault("K15", "a cache that does not exist is cleaned")
def test_cleaning_says_what_it_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path))
    verb.clean(days=30)
    assert capsys.readouterr().out.startswith("removed: the launches of 0 runs in ")
    launch_folder(tmp_path / "work", "old", 31)
    verb.clean(days=30, dry_run=True)
    assert "would be removed: the launches of 1 run in" in capsys.readouterr().out


@pytest.mark.fault("F01", f"{_LAUNCHES} launches in one run of one host process")
@pytest.mark.slow
def test_many_launches_leave_neither_memory_nor_descriptors_nor_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    host = psutil.Process()
    measure(tmp_path / "warm-up", "pass", launches=20, work=cache.work_folder())
    descriptors, memory = host.num_fds(), host.memory_info().rss
    records = measure(tmp_path / "many", "pass", launches=_LAUNCHES, work=cache.work_folder())
    assert len(records) == _LAUNCHES
    assert host.num_fds() == descriptors
    # A record of seven steps takes some kilobytes of memory, and the run keeps them all.
    assert host.memory_info().rss - memory < _LAUNCHES * 50_000
    assert [child for child in host.children(recursive=True) if child.status() == psutil.STATUS_ZOMBIE] == []
    cache.clean_work(0)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "python"]
    assert [path for path in left if "results" not in path.parts] == []
