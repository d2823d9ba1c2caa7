"""Whatever happens while a file or folder is written, nobody ever sees half of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.atomic import atomic_file, atomic_folder

KILLED_BEFORE_THE_RENAME = """
import os, signal, sys
from pathlib import Path
from ssdbench.atomic import atomic_file, atomic_folder
target = Path(sys.argv[1])
with (atomic_folder if sys.argv[2] == "folder" else atomic_file)(target) as part:
    (part / "content" if sys.argv[2] == "folder" else part).write_text("new")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write_and_be_killed(target: Path, kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_RENAME, str(target), kind], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_process_killed_after_writing_and_before_the_rename_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")
    write_and_be_killed(target, "file")
    assert target.read_text() == "old"
    with atomic_file(target) as part:
        part.write_text("newer")
    assert target.read_text() == "newer"


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_and_be_killed(target, "file")
    write_and_be_killed(target, "file")
    old, recent = tmp_path.glob("result.json.*.part")
    os.utime(old, (0, 0))
    (tmp_path / "another.part").touch()
    os.utime(tmp_path / "another.part", (0, 0))
    write_and_be_killed(target, "file")
    assert not old.exists()
    assert recent.exists()
    assert (tmp_path / "another.part").exists()


def test_a_link_planted_at_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)  # as if it had been foreseen
    target, victim = tmp_path / "result.json", tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f"result.json.{'0' * 16}.part").symlink_to(victim)
    with pytest.raises(FileExistsError), atomic_file(target) as part:
        part.write_text("new")
    assert victim.read_text() == "precious"
    assert not target.exists()


def test_what_is_no_regular_file_is_written_in_place(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE, text=True)
    with atomic_file(fifo) as part:
        part.write_text("through the pipe")
    assert reader.communicate(timeout=60)[0] == "through the pipe"
    assert fifo.is_fifo()


def test_a_link_stays_and_the_file_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere" / "result.json", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to(target)
    for text in ("new", "newer"):
        with atomic_file(link) as part:
            part.write_text(text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_is_refused_and_stays(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), atomic_file(tmp_path / "."):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 127)
    with atomic_file(target) as part:
        part.write_text("new")
    assert target.read_text() == "new"


def test_a_process_killed_before_the_rename_leaves_no_folder_of_that_name(tmp_path: Path) -> None:
    target = tmp_path / "data"
    write_and_be_killed(target, "folder")
    assert not target.exists()
    with atomic_folder(target) as part:
        (part / "content").write_text("newer")
    assert (target / "content").read_text() == "newer"


def test_after_an_error_the_old_file_stays_and_the_partial_one_goes(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")

    def fail() -> None:
        with atomic_file(target) as part:
            part.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_after_an_error_nothing_is_left_of_a_folder(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "a" / "data") as part:
            (part / "content").write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list((tmp_path / "a").iterdir()) == []


def test_a_folder_that_another_process_finished_first_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "data"

    def finish_late() -> None:
        with atomic_folder(target) as part:
            (part / "content").write_text("late")
            target.mkdir()
            (target / "content").write_text("first")

    with pytest.raises(OSError, match="not empty"):
        finish_late()
    assert (target / "content").read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_other_users_can_read_a_folder(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "data"):
        pass
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o755
