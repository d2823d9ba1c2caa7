"""Bad files and changed lines among good ones: named, passed over, and never judged."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssdbench.errors import ExitCode, StoreError
from ssdbench.harness.stores import codec, strict_json
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.opening import open_archive, spool_of
from ssdbench.schema.record import Measurement, Record, RunHeader
from tests.builders import HARDWARE, a_failure, a_header, a_measurement, a_record, a_run
from tests.cli.running import accept, keep, ssdbench

Planting = Callable[[Path], object]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A baseline and a sound run after it."""
    folder = tmp_path / "results"
    keep(folder, a_run(run_id="first"), a_run(run_id="second"))
    assert accept(folder, "first").code == ExitCode.OK
    return folder


def resealed(line: str, **changes: Any) -> str:
    """A stored line with other content and its right checksum, as another program would write it."""
    document = {**json.loads(line), **changes}
    del document["checksum"]
    return strict_json.sealed(strict_json.canonical(document))


HEADER, RECORD = codec.stored(a_header(run_id="bad")), codec.stored(a_record(run_id="bad"))
DEEP = "[" * 100_000 + "]" * 100_000
NEWER, NO_VERSION = resealed(HEADER, schema_version=9), resealed(HEADER, schema_version=True)
CONFLICT = f"<<<<<<< HEAD\n{HEADER}\n=======\n{HEADER}\n>>>>>>> x\n"
OUT_OF_RANGE = resealed(HEADER, settings={**json.loads(HEADER)["settings"], "margin": 5.0})
BAD: dict[str, tuple[tuple[str, ...], str, Planting]] = {
    "newer": (("D06",), "a header of a newer ssdbench", lambda path: path.write_text(NEWER)),
    "version": (("D05", "D08"), "a schema version that is no number", lambda path: path.write_text(NO_VERSION)),
    "conflict": (("D10", "D11"), "git conflict marks", lambda path: path.write_text(CONFLICT)),
    "empty": (("D18",), "an empty file", lambda path: path.write_text("")),
    "foreign": (("D19",), "a text file of another program", lambda path: path.write_text("hello\n")),
    "fifo": (("D20",), "a FIFO", os.mkfifo),
    "folder": (("D21",), "a folder", lambda path: path.mkdir()),
    "link": (("D22", "D63"), "a link to nothing", lambda path: path.symlink_to("nothing")),
    "half": (("D04",), "half a header", lambda path: path.write_text(HEADER[:200])),
    "other": (("D28",), "the header of another run", lambda path: path.write_text(resealed(HEADER, run_id="other"))),
    "deep": (("D31",), "a header nested 100,000 deep", lambda path: path.write_text(DEEP)),
    "settings": (("D34",), "verdict settings out of range", lambda path: path.write_text(OUT_OF_RANGE)),
    "date": (("D26",), "a time that is none", lambda path: path.write_text(resealed(HEADER, created_at="yesterday"))),
    "offset": (
        ("D27",),
        "a time of no zone",
        lambda path: path.write_text(resealed(HEADER, created_at="2026-01-05T12:00")),
    ),
    "binary": (("D07",), "bytes that are no text", lambda path: path.write_bytes(b"\xff\xfe\x00" * 99)),
}


def each(cases: dict[str, Any]) -> list[Any]:
    """Parameters with their fault markers: identifiers, what is injected, and the arguments of the test."""
    return [
        pytest.param(*arguments, marks=pytest.mark.fault(*ids, what), id=name)
        for name, (ids, what, *arguments) in cases.items()
    ]


@pytest.mark.parametrize("plant", each(BAD))
@pytest.mark.timeout(60)
def test_a_bad_file_is_named_and_blocks_no_other_run(results: Path, plant: Planting):
    expected = ssdbench("compare", "latest", "--results", results, "--json")
    plant(results / "records" / "bad.jsonl")
    compared = ssdbench("compare", "latest", "--results", results, "--json")
    assert (compared.code, compared.out) == (expected.code, expected.out)
    assert compared.err.count("bad.jsonl") == 1
    shown = ssdbench("history", "--results", results)
    assert shown.code == ExitCode.OK
    assert shown.err.count("bad.jsonl") == 1
    checked = ssdbench("store", "check", "--results", results)
    assert checked.code == ExitCode.USAGE
    assert checked.words.count("bad.jsonl") == 1
    FileStore(results).begin(a_header(run_id="next"))  # a new run begins all the same


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["main.jsonl", "other.jsonl"])
@pytest.mark.fault("D20", "D41", "D42", "a FIFO in the place of a baseline")
def test_a_bad_baseline_is_named(results: Path, name: str):
    path = results / "baselines" / HARDWARE.key / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    done = ssdbench("compare", "second", "--results", results)
    if name == "main.jsonl":
        assert (done.code, "main.jsonl: not a file of lines but a FIFO" in done.err) == (ExitCode.USAGE, True)
    else:
        assert name not in done.err
    assert name in ssdbench("baseline", "list", "--results", results).err


LINES: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "deep": (("D30",), "a record nested 100,000 deep", DEEP, "nested too deeply"),
    "double": (("D38",), "a key twice", '{"id":1,"id":2}', "key 'id' is there twice"),
    "digits": (("M06",), "an integer of 400 digits", f'{{"launch":{"9" * 400}}}', "an integer of 400 digits"),
    "date": (("D39",), "a measurement that started yesterday",
             resealed(RECORD, measurement=json.loads(codec.dump(a_measurement(started_at="yesterday")))),
             "started_at 'yesterday' is no date with an offset"),
    "stranger": (("D24",), "a record of another run", codec.stored(a_record(run_id="another")), "is of another run"),
    "unsealed": (("D47",), "a line without a checksum", codec.dump(a_record(run_id="bad")), "its checksum is missing"),
    "digit": (("D47",), "one digit of a line", RECORD.replace("0.1,", "0.2,", 1), "changed after it was written"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "sentence"), each(LINES))
def test_a_bad_line_is_named_with_file_and_line(results: Path, line: str, sentence: str):
    path = results / "records" / "bad.jsonl"
    path.write_text(f"{HEADER}\n{line}\n{RECORD}\n")
    done = ssdbench("compare", "bad", "--results", results)
    assert done.code == ExitCode.USAGE
    assert sentence in done.err
    assert "bad.jsonl" in done.err
    shown = ssdbench("history", "--results", results)
    assert (shown.code, shown.err.count("bad.jsonl")) == (ExitCode.OK, 1)


@pytest.mark.fault("D47", "one digit of a baseline is changed")
def test_a_changed_digit_of_a_baseline_is_refused(results: Path):
    path = results / "baselines" / HARDWARE.key / "main.jsonl"
    text = path.read_text()
    path.write_text(re.sub(r'"wall_seconds":\d', '"wall_seconds":7', text, count=1))
    assert path.read_text() != text
    for command in (("compare", "second"), ("baseline", "verify"), ("store", "check")):
        done = ssdbench(*command, "--results", results)
        assert done.code == ExitCode.USAGE, command
        assert "main.jsonl line 3: changed after it was written" in " ".join((done.out + done.err).split())


@pytest.mark.fault("D48", "a baseline is made slower by a program that seals its lines")
def test_verify_compares_a_baseline_with_its_runs(results: Path):
    assert ssdbench("baseline", "verify", "--results", results).code == ExitCode.OK
    path = results / "baselines" / HARDWARE.key / "main.jsonl"
    *others, last = path.read_text().splitlines()
    path.write_text("\n".join([*others, resealed(last, launch_seconds=7.0)]) + "\n")
    done = ssdbench("baseline", "verify", "--results", results)
    assert done.code == ExitCode.USAGE
    assert "has another measurement in run first" in done.words


@pytest.mark.fault("D49", "one id with two measurements in a run")
def test_check_names_unlike_doubles(results: Path):
    path = results / "records" / "second.jsonl"
    last = path.read_text().splitlines()[-1]
    path.write_text(path.read_text() + resealed(last, launch_seconds=7.0) + "\n")
    done = ssdbench("store", "check", "--results", results)
    assert done.code == ExitCode.USAGE
    assert "is there twice with different measurements" in done.words


@pytest.mark.fault("M12", "a record with a kind of failure that only a newer ssdbench knows")
def test_a_failure_of_an_unknown_kind_is_a_failure():
    line = codec.stored(a_record(failure=a_failure(message="gone")))
    found = codec.read(Record, resealed(line, failure={**json.loads(line)["failure"], "kind": "melted"}), "x")
    assert found.failure is not None
    assert (found.failure.kind, found.failure.message) == ("crash", "melted: gone")


@pytest.mark.fault("D15", "R08", "a byte order mark before a run")
def test_a_byte_order_mark_is_no_content(results: Path, tmp_path: Path):
    path = results / "records" / "second.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert ssdbench("compare", "second", "--results", results).err == ""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    assert ssdbench("store", "sync", results, url).code == ExitCode.OK
    assert ssdbench("store", "check", "--store", url, "--results", tmp_path).code == ExitCode.OK


@pytest.mark.fault("D25", "the order of a plan names a case that it does not have")
def test_an_order_of_unknown_cases_is_refused(results: Path):
    plan = json.loads(HEADER)["plan"]
    plan["order"].append({"case_key": "strange", "launch": 0})
    (results / "records" / "bad.jsonl").write_text(resealed(HEADER, plan=plan) + "\n")
    done = ssdbench("run", "--resume", "--run", "bad", "--results", results)
    assert (done.code, "names case strange" in done.err) == (ExitCode.USAGE, True)


DATABASES: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "version": (("D52",), "a version that is none", "UPDATE ssdbench_version SET version_num = 'x'", "says 'x'"),
    "emptied": (("D53",), "an emptied version table", "DELETE FROM ssdbench_version", "says nothing"),
    "blob": (("D56",), "a blob as record", "UPDATE ssdbench_records SET document = x'ff' WHERE number = 1", ": not "),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "sentence"), each(DATABASES))
def test_a_broken_database_is_one_sentence(results: Path, tmp_path: Path, statement: str, sentence: str):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    assert ssdbench("store", "sync", results, url).code == ExitCode.OK
    with sqlite3.connect(tmp_path / "store.db") as database:
        database.execute(statement)
    elsewhere, nothing = str(tmp_path / "elsewhere"), str(tmp_path / "nothing")
    for words in ("check", "compare first", "sync"):
        command = [*words.split(), "--store", url, "--results", nothing] if words != "sync" else [words, url, elsewhere]
        done = ssdbench(*(["store"] if words in ("check", "sync") else []), *command)
        assert done.code == ExitCode.USAGE, command
        assert sentence in " ".join((done.out + done.err).split())


@pytest.mark.fault("K5", "stored lines of ssdbench 0.2, which have no checksum")
def test_lines_without_a_checksum_are_read_and_counted(tmp_path: Path):
    old = json.loads(codec.dump(a_header(run_id="old")))
    del old["arrival"]
    (tmp_path / "records").mkdir()
    lines = [{**old, "schema_version": 2}, {**json.loads(codec.dump(a_record(run_id="old"))), "schema_version": 2}]
    (tmp_path / "records" / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = ssdbench("store", "check", "--results", tmp_path)
    assert done.code == ExitCode.OK, done.out
    assert "2 lines without a checksum, of ssdbench 0.2 or earlier" in done.words


@pytest.mark.fault("D30", "deep, long and doubled JSON from a worker")
@pytest.mark.parametrize("text", [DEEP, '{"a":1,"a":1}', f'{{"images":{"9" * 400}}}', "", "[]", "7"])
def test_a_measurement_that_is_none_is_one_sentence(text: str):
    with pytest.raises(StoreError):
        codec.read(Measurement, text, "measurement.json")


@pytest.mark.fault("D47", "a line that another program wrote in another form")
def test_a_checksum_is_of_the_content_and_not_of_the_form():
    header = a_header()
    document = json.loads(codec.stored(header))
    assert codec.read(RunHeader, json.dumps(dict(sorted(document.items())), indent=1), "x") == header
    document["run_id"] = "run-2"
    with pytest.raises(StoreError, match="changed after it was written"):
        codec.read(RunHeader, json.dumps(document), "x")


@pytest.mark.timeout(60)
@pytest.mark.fault("D45", "a FIFO in a spool")
def test_a_fifo_in_a_spool_is_named_and_waits_for_nobody(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    assert ssdbench("store", "migrate", url).code == ExitCode.OK
    records = spool_of(tmp_path, open_archive(url)).folder / "records"
    records.mkdir(parents=True)
    os.mkfifo(records / "bad.jsonl")
    command = [sys.executable, "-m", "ssdbench", "store", "send", "--store", url, "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "not a file of lines but a FIFO" in done.stderr
