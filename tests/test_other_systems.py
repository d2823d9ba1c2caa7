"""The host side on macOS and Windows: imports, judges and reports without the modules and names that only POSIX has.

A fresh interpreter withholds those from ssdbench alone: libraries have code of their own for each system, which is not
run here.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from tests.builders import a_case, a_run
from tests.cli.running import accept, keep

PACKAGE = Path(__file__).parents[1] / "ssdbench"
DEVICE_SIDE = ("runtime", "ssd", "workloads", "worker")
WITHHELD = """
import builtins, os, platform, signal, sys

MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline"}
NAMES = {
    os: ("fork", "forkpty", "killpg", "setsid", "getpgid", "getuid", "geteuid", "getgid", "getegid", "uname",
         "sched_getaffinity", "sched_setaffinity", "getloadavg", "sysconf", "statvfs", "mkfifo", "O_NONBLOCK"),
    signal: ("SIGKILL", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGCHLD", "SIGPIPE", "alarm"),
}
import_module = builtins.__import__

def import_for_others(name, globals=None, *rest, **named):
    if name in MODULES and (globals or {}).get("__name__", "").startswith("ssdbench"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return import_module(name, globals, *rest, **named)

def give_to_others(module, kept):
    def getattribute(name):
        if name not in kept or sys._getframe(1).f_globals.get("__name__", "").startswith("ssdbench"):
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return kept[name]
    return getattribute

builtins.__import__ = import_for_others
for module, names in NAMES.items():
    kept = {name: getattr(module, name) for name in names if hasattr(module, name)}
    for name in kept:
        delattr(module, name)
    module.__getattr__ = give_to_others(module, kept)
platform.system = lambda: "Windows"
"""
RUN_VERBS = """
import contextlib, io, json
from ssdbench.cli import main

found = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["ssdbench", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    found.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(found))
"""
LAUNCHES = "case,arm,launch,value\n" + "".join(
    f"train,{arm},{launch},{value + launch / 1000}\n"
    for arm, value in (("baseline", 0.1), ("candidate", 0.12))
    for launch in range(6)
)


def elsewhere(code: str, *arguments: str, cwd: Path) -> str:
    """What this code prints in a fresh interpreter without what POSIX alone has."""
    done = subprocess.run(
        [sys.executable, "-c", WITHHELD + code, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def verbs(folder: Path, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    return [(code, out, err) for code, out, err in json.loads(elsewhere(RUN_VERBS, json.dumps(commands), cwd=folder))]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with two runs, a baseline and a failure; the folder of the commands is its parent."""
    keep(tmp_path / "results", a_run(run_id="run-1"))
    assert accept(tmp_path / "results").code == 0
    keep(
        tmp_path / "results", a_run((a_case(), (0.2, 0.2, 0.2)), run_id="run-2", created_at="2026-02-01T00:00:00+00:00")
    )
    return tmp_path / "results"


def test_every_module_of_the_host_side_imports(tmp_path: Path) -> None:
    files = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    modules = [
        ".".join(file.parts)
        for file in files
        if file.parts[1] not in DEVICE_SIDE and file.stem != "__main__" and "migrations" not in file.parts
    ]
    assert len(modules) > 100
    code = "import importlib, json\nfor name in json.loads(sys.argv[1]): importlib.import_module(name)"
    elsewhere(code, json.dumps([name.removesuffix(".__init__") for name in modules]), cwd=tmp_path)


def test_stored_results_are_judged_shown_and_reported(results: Path) -> None:
    (results.parent / "launches.csv").write_text(LAUNCHES)
    bmf = ("--format", "bmf")
    expected = (
        (("compare", "run-2"), ExitCode.INCONCLUSIVE, "against main"),
        (("history",), ExitCode.OK, "2026-02-01"),
        (("table", "run-1"), ExitCode.OK, "Throughput"),
        (("report", "run-2", "--output", "report.html"), ExitCode.OK, "written: report.html"),
        (("verdict", "--csv", "launches.csv"), ExitCode.REGRESSED, "+19.5%"),
        (("baseline", "list"), ExitCode.OK, "first figures"),
        (("export", "run-1", *bmf, "--output", "first.json"), ExitCode.OK, ""),
        (("export", "run-2", *bmf, "--output", "second.json"), ExitCode.OK, ""),
        (
            ("import", *bmf, "--baseline", "first.json", "--candidate", "second.json", "--metric", "throughput"),
            ExitCode.OK,
            "",
        ),
        (("store", "sync", "results", "sqlite:///copy.db"), ExitCode.OK, "2 runs"),
        (("compare", "run-2", "--store", "sqlite:///copy.db"), ExitCode.INCONCLUSIVE, "against main"),
    )
    done = verbs(results.parent, *(command for command, _, _ in expected))
    for (command, code, words), (found, out, err) in zip(expected, done, strict=True):
        assert found == code, (command, out, err)
        assert words in out + err, command


def test_the_python_api_reads_and_judges(results: Path) -> None:
    code = """
import ssdbench

lab = ssdbench.open("results")
print(len(lab.launches(suite="smoke")), *lab.verdicts("run-2", baseline="main")["status"])
"""
    assert elsewhere(code, cwd=results.parent).split() == ["6", "inconclusive"]


def test_a_plan_says_what_is_missing_and_every_measurement_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"a checkpoint")
    plan, *refused = verbs(
        tmp_path,
        ("plan", "smoke"),
        ("run", "smoke"),
        ("converge", "--suite", "convergence-smoke"),
        ("evaluate", "model.pt", "--data", "."),
    )
    assert plan[0] == ExitCode.OK
    assert "launches need Linux, this is Windows" in plan[1]
    for code, _, err in refused:
        assert code == ExitCode.ENVIRONMENT, err
        assert err.startswith("ssdbench: ")
        assert "here: launches need Linux, this is Windows" in err
        assert err.count("\n") == 1


def test_records_wait_in_a_spool_and_leave_it(tmp_path: Path) -> None:
    """The lock of a spool needs no `fcntl` of ours."""
    code = """
from pathlib import Path
from ssdbench.harness.stores.opening import open_store
from tests.builders import a_run

run, url = a_run(), "sqlite:///mounted/store.db"
store = open_store(Path("results"), url, print)
store.begin(run.header)
store.append(run.records[0])
Path("mounted").mkdir()
print(open_store(Path("results"), url, print).load(run.header.run_id).records == run.records[:1])
"""
    said = elsewhere(f"sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}", cwd=tmp_path)
    assert "records are kept in" in said
    assert said.splitlines()[-1] == "True"
