from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Run
from tests.builders import a_header, a_record, a_run


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "results")


def keep(store: FileStore, run: Run) -> Path:
    store.begin(run.header)
    for record in run.records:
        assert store.append(record)
    return store.root / "records" / f"{run.header.run_id}.jsonl"


def test_a_run_is_read_as_it_was_written(store: FileStore):
    run = a_run()
    path = keep(store, run)
    assert store.load("run-1") == run
    assert len(path.read_text().splitlines()) == 1 + len(run.records)


def test_a_run_is_found_by_id_by_a_unique_beginning_by_path_and_as_the_latest(store: FileStore):
    older = a_run(run_id="2026-a", created_at="2026-01-05T12:00:00+00:00")
    newer = a_run(run_id="2026-b", created_at="2026-01-06T12:00:00+00:00")
    keep(store, older)
    path = keep(store, newer)
    assert store.load("2026-a") == older
    assert store.load("latest") == newer
    assert store.load(str(path)) == newer
    assert [header.run_id for header in store.headers()] == ["2026-a", "2026-b"]


def test_a_missing_file_is_named(store: FileStore):
    with pytest.raises(StoreError, match=r"elsewhere\.jsonl: no such file of a run"):
        store.load("elsewhere.jsonl")


@pytest.mark.parametrize("run_id", ["../escape", "a/b", "", ".hidden", "a\nb", "C:\\x", "-option"])
def test_a_run_id_cannot_leave_the_folder(store: FileStore, run_id: str):
    with pytest.raises(StoreError, match="is no file name"):
        store.begin(a_header(run_id=run_id))
    with pytest.raises(StoreError, match="is no file name"):
        store.append(a_record(run_id=run_id))
    assert not store.root.exists()


def test_a_record_needs_a_run_that_was_begun(store: FileStore):
    with pytest.raises(StoreError, match="no such file of a run"):
        store.append(a_record())


def test_a_record_is_kept_once_whoever_appends_it_again(store: FileStore):
    run = a_run()
    keep(store, run)
    assert not store.append(run.records[0])
    assert not FileStore(store.root).append(run.records[1])
    assert store.load("run-1") == run


def test_lines_that_a_merge_doubled_are_read_once(store: FileStore):
    run = a_run()
    path = keep(store, run)
    path.write_bytes(path.read_bytes() + codec.stored(run.records[0]).encode() + b"\n")
    assert store.load("run-1") == run


@pytest.mark.parametrize("left", [1, 20, -1])
def test_a_line_torn_by_a_kill_is_left_out_and_told_and_measured_again(store: FileStore, left: int):
    run = a_run()
    path = keep(store, replace(run, records=run.records[:2]))
    sound = path.read_bytes()
    line = codec.stored(run.records[2]).encode()
    path.write_bytes(sound + line[:left])

    torn = store.load("run-1")
    assert torn == replace(run, records=run.records[:2], torn=True)

    assert FileStore(store.root).append(run.records[2])
    assert path.read_bytes() == sound + line + b"\n"
    assert store.load("run-1") == run


def test_a_whole_last_line_without_its_line_feed_is_kept(store: FileStore):
    run = a_run()
    path = keep(store, replace(run, records=run.records[:2]))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert store.load("run-1").records == run.records[:2]
    assert store.append(run.records[2])
    assert store.load("run-1") == run


def test_a_header_cut_off_at_a_full_disk_is_an_error(store: FileStore):
    path = keep(store, a_run())
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StoreError, match=r"run-1\.jsonl line 1: not a line of JSON"):
        store.load("run-1")


@pytest.mark.parametrize("garbage", [b"<<<<<<< HEAD", b"", b"{}", b"\xff\xfe", b"\x00\x00"])
def test_any_other_broken_line_is_an_error_with_file_and_line(store: FileStore, garbage: bytes):
    path = keep(store, a_run())
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:2], garbage, *lines[2:]]))
    with pytest.raises(StoreError, match=r"run-1\.jsonl line 3: "):
        store.load("run-1")


def test_a_record_of_another_run_is_an_error(store: FileStore):
    path = keep(store, a_run())
    path.write_bytes(path.read_bytes() + codec.stored(a_record(run_id="run-9")).encode() + b"\n")
    with pytest.raises(StoreError, match="is of another run than run-1"):
        store.load("run-1")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / "results").write_text("a file, not a folder")
    with pytest.raises(StoreError, match=r"cannot be written \(.*\); choose another folder"):
        FileStore(tmp_path / "results").begin(a_header())


def test_no_unfinished_file_is_left_behind(store: FileStore):
    keep(store, a_run())
    found = sorted(path.name for path in store.root.rglob("*") if path.is_file())
    assert found == [".gitignore", "run-1.jsonl"]  # that of .locks, whose claims are gone
