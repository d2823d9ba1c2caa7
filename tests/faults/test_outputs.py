"""Where output goes away, where it may not go, and what strangers put into the texts that are shown."""

import io
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest

from ssdbench.cli import main
from ssdbench.errors import ExitCode
from tests.builders import HARDWARE, a_case, a_run
from tests.cli.running import accept, keep, ssdbench
from tests.hostile import commands_in, hostile_run, invisible_in

SSDBENCH = (sys.executable, "-m", "ssdbench")
PACED = (
    "run",
    "--workload",
    "pace",
    "--option",
    "step_seconds=0.01",
    "--device",
    "cpu",
    "--warmup",
    "0",
    "--steps",
    "3",
)
MEASURED = (*PACED, "--launches", "2", "--foreign-cpu", "100")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that regressed against its baseline."""
    folder = tmp_path_factory.mktemp("store") / "results"
    keep(folder, a_run((a_case(), (0.1, 0.1, 0.1)), run_id="run-0"))
    assert accept(folder).code == 0
    keep(folder, a_run((a_case(), (0.3, 0.3, 0.3)), run_id="run-1"))
    return folder


def in_shell(command: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run `command` with the words as "$@"; the exit code is that of the first of a pipe."""
    script = f"set -o pipefail; {command}"
    return subprocess.run(["bash", "-c", script, "-", *words], capture_output=True, text=True, check=False)


JUDGING = (
    ("compare", "run-1"), ("compare", "run-1", "--json"), ("history",), ("history", "train", "--csv"),
    ("table", "run-1"), ("export", "run-1", "--format", "csv"), ("baseline", "show"),
)  # fmt: skip


@pytest.mark.fault("A30", "the reader of standard output leaves before anything is written")
def test_a_reader_that_leaves_changes_no_exit_code(results: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*SSDBENCH, "compare", "run-1", "--results", str(results)]
    left = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    own = ssdbench("compare", "run-1", "--results", results).code
    assert own not in (0, 1)
    assert (left.returncode, left.stderr) == (own, "")


@pytest.mark.parametrize("words", [JUDGING[0], JUDGING[4]], ids=["compare", "table"])
@pytest.mark.fault("K14", "the disk behind standard output is full")
def test_a_full_disk_behind_stdout_is_said_and_a_verdict_keeps_its_code(results: Path, words: Sequence[str]) -> None:
    own = ssdbench(*words, "--results", results).code
    full = in_shell('"$@" > /dev/full', *SSDBENCH, *words, "--results", results)
    assert full.returncode == (own or ExitCode.ENVIRONMENT)
    assert full.stderr.startswith("ssdbench: standard output could not be written (No space left on device)")
    assert "Traceback" not in full.stderr


@pytest.mark.fault("K14", "standard output is closed")
def test_a_closed_stdout_changes_no_exit_code(results: Path) -> None:
    closed = in_shell('"$@" >&-', *SSDBENCH, "compare", "run-1", "--results", results)
    assert (closed.returncode, closed.stderr) == (ssdbench("compare", "run-1", "--results", results).code, "")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["| head -1", "> /dev/full", ">&-"])
@pytest.mark.fault("A29", "the log collector of a measurement dies, or its disk is full")
def test_a_measurement_goes_on_without_its_stdout(tmp_path: Path, where: str) -> None:
    kept = tmp_path / "results"
    done = in_shell(f'"$@" {where}; exit "${{PIPESTATUS[0]}}"', *SSDBENCH, *MEASURED, "--results", kept)
    assert done.returncode == (ExitCode.ENVIRONMENT if "full" in where else ExitCode.OK), done.stderr
    assert "Traceback" not in done.stderr
    (records,) = (kept / "records").glob("*.jsonl")
    assert len(records.read_text().splitlines()) == 3  # the header and both launches


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.fault("B35", "standard output takes ASCII or Latin-1 only")
def test_characters_that_an_encoding_lacks_are_replaced(results: Path, encoding: str) -> None:
    for words in (*JUDGING, ("plan", "smoke")):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        command = ["ssdbench", *words, "--results", str(results)]
        with (
            mock.patch.object(sys, "argv", command),
            mock.patch.object(sys, "stdout", out),
            mock.patch.object(sys, "stderr", err),
            pytest.raises(SystemExit) as end,
        ):
            main()
        out.flush()
        assert end.value.code in (0, 3, 5)
        assert out.buffer.getvalue().decode(encoding)


WRITING = [
    (("report", "run-1"), "-o"),
    (("report", "run-1"), "--markdown"),
    (("table", "run-1"), "-o"),
    (("export", "run-1", "--format", "csv"), "-o"),
    (("compare", "run-1"), "--output"),
]


@pytest.mark.parametrize(("words", "option"), WRITING, ids=lambda value: value if isinstance(value, str) else value[0])
@pytest.mark.fault("K16", "the file to write is a FIFO")
def test_a_fifo_is_written_and_stays_one(results: Path, tmp_path: Path, words: Sequence[str], option: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        target = f"junit={fifo}" if option == "--output" else fifo
        assert ssdbench(*words, option, target, "--results", results).code in (0, 3, 5)
        assert reader.communicate(timeout=60)[0]
    assert fifo.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


@pytest.mark.parametrize(("words", "option"), WRITING, ids=lambda value: value if isinstance(value, str) else value[0])
@pytest.mark.fault("K16", "the file to write is a device such as /dev/null, and the user is root")
def test_a_device_stays_a_device(results: Path, tmp_path: Path, words: Sequence[str], option: str) -> None:
    null = tmp_path / "null"  # one of our own, as a fault would otherwise break this machine
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        null.write_text("")
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    target = f"junit={null}" if option == "--output" else null
    assert ssdbench(*words, option, target, "--results", results).code in (0, 3, 5)
    assert null.is_char_device()


@pytest.mark.fault("E49", "links are planted at the names that a temporary file would have, in a folder of others")
def test_planted_links_are_not_followed(tmp_path: Path) -> None:
    kept, victim = tmp_path / "results", tmp_path / "victim"
    keep(kept, a_run(run_id="run-0"))
    victim.write_text("precious")
    folder = kept / "baselines" / HARDWARE.key
    folder.mkdir(parents=True)
    for name in ("main.jsonl.part", "main.anchor.jsonl.part"):
        (folder / name).symlink_to(victim)
    (tmp_path / "report.html.part").symlink_to(victim)
    assert accept(kept).code == 0
    assert ssdbench("report", "run-0", "-o", tmp_path / "report.html", "--results", kept).code == 0
    assert victim.read_text() == "precious"


LONG = "n" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("report", "run-1", "-o", "."), ("report", "run-1", "-o", LONG), ("table", "run-1", "-o", f"{LONG}/t.csv"),
        ("compare", LONG), ("compare", "run-1", "--output", f"junit={LONG}"), ("compare", "run-1", "--baseline", LONG),
        ("run", LONG), ("run", f"{LONG}.toml"), ("plan", LONG), ("history", "train", "--html", LONG), ("report", LONG),
    ],
    ids=lambda words: " ".join(words)[:24],
)  # fmt: skip
@pytest.mark.fault("G01", "a name of 300 letters, or a folder where a file is asked for")
def test_a_name_that_no_file_can_have_is_one_sentence(results: Path, words: Sequence[str]) -> None:
    found = ssdbench(*words, "--results", results)
    assert found.code == ExitCode.USAGE
    assert found.err.startswith("ssdbench: ")
    assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize("words", JUDGING[:2], ids=" ".join)
@pytest.mark.fault("E29", "E30", "E32", "a stored run whose texts hold markup, escapes and workflow commands")
def test_the_texts_of_a_record_are_only_text(tmp_path: Path, words: Sequence[str]) -> None:
    kept = tmp_path / "results"
    keep(kept, hostile_run("run-0", fails=False))
    assert accept(kept).code == 0
    keep(kept, hostile_run("run-1"))
    done = subprocess.run([*SSDBENCH, *words, "--results", kept], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 4)
    assert "Traceback" not in done.stderr
    assert not invisible_in(done.stdout + done.stderr)
    assert not commands_in(done.stdout + done.stderr)


@pytest.mark.fault("E05", "E16", "markup in the name of a suite and in an option's value")
def test_markup_in_a_suite_is_text(tmp_path: Path) -> None:
    suite = tmp_path / "s.toml"
    suite.write_text('name = "a"\ndevice = "cpu"\n[[matrix]]\nworkload = "pace"\noptions = { x = "[/b] [red]" }\n')
    found = ssdbench("plan", suite, "--results", tmp_path / "results")
    assert "Traceback" not in found.err
    assert found.code == ExitCode.USAGE or "[/b] [red]" in found.words


@pytest.mark.parametrize("name", ["a b", "größe 😀", "q'\"", "[/b]", "l\nf", "\x1b[31m"])
@pytest.mark.fault("C74", "C75", "the folder of the results has quotes, a line feed, markup or escapes in its name")
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    kept = tmp_path / name
    keep(kept, a_run(run_id="run-0"))
    assert accept(kept).code == 0
    for words in (("history",), ("table", "run-0"), ("report", "run-0", "-o", kept / "r.html"), ("store", "check")):
        found = ssdbench(*words, "--results", kept)
        assert found.code == 0, found.err
        assert not invisible_in(found.out + found.err)
    assert (kept / "r.html").is_file()
