"""Every command line that the README and docs/ show is run as printed, or a table says how else and why.

Commands that measure are run with --dry-run, on a machine of eight A100 that the test makes up: all that precedes a
measurement happens, from the options to the plan. `make long-tests` measures the tutorial for real.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from pyarrow import parquet

from ssdbench.schema.times import utc_today
from tests.cli.running import Outcome, path_with_ssdbench, ssdbench
from tests.databases import PASSWORD, PostgresqlServer
from tests.docs.shown import PAGES, ROOT, Shown, shown_commands
from tests.docs.world import RUN, machine, make_world

__all__ = ["machine"]  # a fixture


@dataclass(frozen=True, slots=True)
class As:
    """How a line is run: with these words after it, and how it has to end."""

    more: str = ""
    codes: tuple[int, ...] = (0,)
    says: str = ""
    is_long: bool = False
    """Whether it takes more than a few seconds, and is left to `make long-tests`."""
    elsewhere: str = ""
    """Not run here: what runs it, or why nothing can."""

    @property
    def is_here(self) -> bool:
        """Whether this module runs it."""
        return not self.elsewhere


PRINTED, DRY = As(), As("--dry-run")
NO_ENGINE = As(codes=(8,), says="docker")
NO_SLURM = As(codes=(8,), says="sbatch")

# The first pattern that fits a whole line says how it is run. Every pattern has to fit a line that is shown.
TABLE: dict[str, As] = {
    # Judged: the codes are those of made-up runs.
    r"ssdbench compare .*": As(codes=(0, 5)),
    r"ssdbench export .*--frame verdicts.*": As(),
    r"ssdbench verdict .*": As(codes=(0, 5)),
    r"ssdbench converge check .*": As(codes=(0, 5)),
    # Measured.
    r"ssdbench (run|plan) .*--launcher slurm.*": NO_SLURM,
    r"ssdbench converge .*--launcher slurm.*": NO_SLURM,
    r"ssdbench containers (compare|run|blame) .*--launcher slurm.*": NO_SLURM,
    r"ssdbench bisect images .*--launcher slurm.*": NO_SLURM,
    r"ssdbench nightly --resume": As(elsewhere="needs a call that was stopped: tests/cli/test_nightly.py"),
    r"ssdbench nightly .*--a-a.*": As("--dry-run", codes=(2,), says="--a-a measures the build of the baseline"),
    r"ssdbench (run|nightly) .*": DRY,
    r"ssdbench converge (--seeds|--resume|--gpus) .*": DRY,
    r"ssdbench containers (compare|run|bisect|blame|check|manifest|diff|converge) .*": NO_ENGINE,
    r"ssdbench containers evaluate .*": As(elsewhere="needs a checkpoint: tests/containers/test_accuracy.py"),
    r"ssdbench containers new( nvcr\.io/\S+)?": As(elsewhere="asks a registry: tests/harness/containers has one"),
    r"(?s)ssdbench containers new .* > new\.json\ncase .*esac": As(elsewhere="test_the_script_of_new_containers"),
    r"ssdbench bisect images .*": NO_ENGINE,
    r"ssdbench bisect (commits|requirements) .*": As(elsewhere="needs a history: tests/cli/test_bisect.py makes one"),
    r"ssdbench data synth .*": As(elsewhere="draws 1,100 images: test_the_tutorial_is_true"),
    r"ssdbench evaluate .*": As(elsewhere="needs a checkpoint: tests/cli/test_evaluate.py trains one"),
    r"ssdbench roofline latest --measure": As(elsewhere="measures a GPU: tests/cli/test_roofline.py measures the CPU"),
    r"ssdbench roofline .*": As(is_long=True),
    r"ssdbench report \S+-evaluate-\S+": As(elsewhere="needs an answer: tests/report/test_evaluation_page.py"),
    r"ssdbench watch.*": As(codes=(12,)),
    r"ssdbench selftest .*": As(elsewhere="takes a minute or more: tests/cli/test_selftest.py runs it"),
    r"ssdbench notify .*--push .*": As(codes=(8,)),
    r"ssdbench notify .*--issues .*": DRY,
    r"ssdbench notify .*": DRY,
    r"ssdbench explain .*": As(elsewhere="profiles both builds for minutes: tests/cli/test_explain.py"),
    r"ssdbench .*": PRINTED,
    # Other programs.
    r"export \w+=\S+": PRINTED,
    r"docker login .*": As(elsewhere="asks for a password: tests/containers/test_private_registry.py writes its file"),
    r"pip install .*": As(elsewhere="downloads GB: tests/packaging installs the wheel"),
    r"git clone .*|python3 -m venv .*": As(elsewhere="the repository and the environment of this test"),
    r"git worktree add .*": As(elsewhere="test_the_tutorial_is_true"),
    r"make .*": As(elsewhere="test_a_target_that_a_page_names_exists"),
    r"pytest .*": As(elsewhere="test_pytest_collects_what_a_page_names"),
    r"duckdb .*": As(elsewhere="another program; test_the_query_of_duckdb runs the query in its Python package"),
}
# What the pages have to leave open, or what is on nobody else's machine.
LATER = (utc_today() + timedelta(days=30)).isoformat()
PLACES = {
    "/datasets/coco": "../coco",
    "/other/bin/python": sys.executable,
    "--baseline RUN": f"--baseline {RUN}",
    "--expires 2026-12-31": f"--expires {LATER}",
}
ACCURACY = ("docs/convergence.md", "Accuracy runs")

SHOWN = {path.relative_to(ROOT).as_posix(): list(shown_commands(path)) for path in PAGES}
LINES = [shown for page in SHOWN.values() for shown in page]


def way(line: str) -> As:
    return next(found for pattern, found in TABLE.items() if re.fullmatch(pattern, line))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


def run_line(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Run a line in this process, in the folder where it is."""
    line = f"{shown.line} {way(shown.line).more}"
    for printed, here in PLACES.items():
        line = line.replace(printed, here)
    words = [os.path.expandvars(word) for word in shlex.split(line)]
    if words[0] == "export":
        monkeypatch.setenv(*words[1].split("=", 1))
        return Outcome(code=0, out="", err="")
    return ssdbench(*words[1:], columns=100)


@pytest.fixture
def here(world: Path, tmp_path: Path, machine: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the world on the machine of the pages."""
    copy = tmp_path / "world"
    shutil.copytree(world, copy, symlinks=True)
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setenv("PATH", str(tmp_path))  # neither a container engine nor Slurm, installed or not
    for variable in ("SSDBENCH_STORE", "SSDBENCH_RESULTS"):
        monkeypatch.delenv(variable, raising=False)
    return copy


@pytest.mark.xdist_group("pages")
@pytest.mark.parametrize("page", [page for page, lines in SHOWN.items() if lines])
def test_the_commands_of_a_page_do_what_it_says(
    page: str, here: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    lines = [shown for shown in SHOWN[page] if way(shown.line).is_here and not way(shown.line).is_long]
    if any("postgresql://" in shown.line for shown in lines):
        reach(request.getfixturevalue("postgresql"), monkeypatch)
        monkeypatch.chdir(here / "speed")
        assert ssdbench("store", "sync", "results", DATABASE).code == 0
    assert wrong_ends(lines, here, monkeypatch) == []


@pytest.mark.long
@pytest.mark.xdist_group("pages")
def test_the_long_commands_do_what_the_pages_say(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [shown for shown in LINES if way(shown.line).is_long]
    assert wrong_ends(lines, here, monkeypatch) == []


def wrong_ends(lines: Iterable[Shown], here: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the lines one after the other; those that end in another way than the table says."""
    wrong = []
    for shown in lines:
        monkeypatch.chdir(here / ("accuracy" if {shown.page, shown.section} & set(ACCURACY) else "speed"))
        done, asked = run_line(shown, monkeypatch), way(shown.line)
        if done.code not in asked.codes or asked.says not in done.out + done.err:
            wrong.append(f"{shown.line}: exit code {done.code}: {done.err.strip() or done.out.strip()[-300:]}")
    return wrong


DATABASE = "postgresql://bench@db.example/bench"


def reach(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the database that the pages name be on the test's server."""
    server.make_database("bench")
    for name, value in (("PGHOSTADDR", "127.0.0.1"), ("PGPORT", str(server.port)), ("PGPASSWORD", PASSWORD)):
        monkeypatch.setenv(name, value)


def test_every_line_has_a_way_and_every_way_a_line() -> None:
    assert [shown.line for shown in LINES if not any(re.fullmatch(pattern, shown.line) for pattern in TABLE)] == []
    used = {next(p for p in TABLE if re.fullmatch(p, shown.line)) for shown in LINES}
    assert set(TABLE) - used == set()
    assert sum(way(shown.line).is_here for shown in LINES) > 90
    named = {path for asked in TABLE.values() for path in re.findall(r"tests/\S+\b", asked.elsewhere)}
    assert {path for path in named if not (ROOT / path).exists()} == set()
    functions = {name for asked in TABLE.values() for name in re.findall(r"\btest_\w+$", asked.elsewhere)}
    assert functions <= set(globals())


@pytest.mark.xdist_group("pages")
def test_tables_of_verdicts_have_the_headings_that_compare_prints(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here / "speed")
    printed = next(line for line in ssdbench("compare", "latest").out.splitlines() if line.startswith("case "))
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    shown = re.findall(r"^    (case .* verdict\b.*)$", text, re.M)
    assert len(shown) >= 2
    assert {tuple(line.split()) for line in shown} == {tuple(printed.split())}


def test_a_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES if path.name != "CHANGELOG.md")
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.M))
    assert len(named) > 8
    assert named - targets == set()


@pytest.mark.long
@pytest.mark.parametrize("line", sorted({s.line for s in LINES if s.line.startswith("pytest ")}))
def test_pytest_collects_what_a_page_names(line: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", *shlex.split(line), "--collect-only", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "SSDBENCH_CACHE": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b[1-9]\d*(/\d+)? tests? collected", done.stdout)


def test_the_columns_of_the_query_of_duckdb_exist(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = (shown.line for shown in LINES if shown.line.startswith("duckdb"))
    monkeypatch.chdir(here / "speed")
    assert ssdbench("export", "latest", "--format", "parquet", "-o", "launches.parquet").code == 0
    columns = set(parquet.read_schema("launches.parquet").names)
    assert {"case", "latency_p50_seconds", "usable"} <= columns
    assert all(name in line for name in ("case", "latency_p50_seconds", "usable", "'launches.parquet'"))


@pytest.mark.parametrize(("code", "calls"), [(0, 2), (9, 1), (8, 1)])
def test_the_script_of_new_containers(code: int, calls: int, tmp_path: Path) -> None:
    (script,) = (shown.line for shown in LINES if "case $? in" in shown.line)
    answer = '{"tags": [{"name": "25.01-py3"}, {"name": "25.02-py3"}]}'
    stub = tmp_path / "ssdbench"
    stub.write_text(f"#!/bin/sh\necho \"$@\" >> calls\necho '{answer}'\nexit {code}\n")
    stub.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, check=False)
    said = (tmp_path / "calls").read_text().splitlines()
    assert len(said) == calls
    assert said[0] == r"containers new --match \d\d\.\d\d-py3 --json"
    if calls == 2:
        assert said[1] == "containers run 25.01-py3 25.02-py3 --suite monthly"
    assert done.returncode == (1 if code == 8 else 0)


@pytest.mark.long
def test_the_tutorial_is_true(tmp_path: Path) -> None:
    """Measures the suite `smoke` twice and in pairs, in a clone of this repository: some ten minutes."""
    lines = [shown.line for shown in SHOWN["docs/tutorial.md"] if not re.match(r"git clone|python3 -m|pip", shown.line)]
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "ssdbench"], check=True)
    environment = {**os.environ, "PATH": path_with_ssdbench(tmp_path), "SSDBENCH_CACHE": str(tmp_path / "cache")}
    codes = {}
    for line in [*lines, "ssdbench data synth images --train-images 1000 --val-images 100"]:
        command = line.replace("--budget 30m", "--budget 3m")
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path / "ssdbench",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        codes[line] = done.returncode
        assert done.returncode in (0, 5), (line, done.stdout, done.stderr)
    assert codes["ssdbench run smoke"] == 0
