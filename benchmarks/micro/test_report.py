"""CPU seconds (user and system) of a fresh process that tells 10,000 stored launches: report, table, history site.

    pytest benchmarks/micro/test_report.py

On two quiet cores a report is to take less than 5 s, a table less than 2 s and a site less than 15 s. What is printed
are CPU seconds of whole processes, imports included, so that other load tells on it least; nothing is asserted of them.
Byte code has to be kept (no PYTHONDONTWRITEBYTECODE): without it imports alone take twice as long.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.harness.stores.files import FileStore
from tests.builders import a_baseline
from tests.cli.running import keep
from tests.report.made_up_runs import interleaved_run, plain_run

RUNS = 33
LARGEST_BYTES = 2_000_000


def cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


pytestmark = pytest.mark.benchmark(timer=cpu_seconds_of_children)


def run(benchmark, *arguments: str | Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "ssdbench", *map(str, arguments)]

    def process() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=kept)

    # The first round writes byte code where there is none yet.
    benchmark.pedantic(process, rounds=3, warmup_rounds=1)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """33 runs of 60 cases with 5 launches each; the first one is the baseline."""
    folder = tmp_path_factory.mktemp("results")
    runs = [plain_run(number) for number in range(RUNS)]
    keep(folder, *runs)
    FileStore(folder).save_baseline(a_baseline(runs[0]))
    return folder


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One interleaved run of 10,000 launches."""
    folder = tmp_path_factory.mktemp("results")
    run = interleaved_run(pairs=84)
    assert len(run.records) > 9_900
    keep(folder, run)
    return folder


def test_report_with_10000_launches_in_the_store(benchmark, results: Path, tmp_path: Path):
    run(benchmark, "report", "latest", "-o", tmp_path / "report.html", "--results", results)
    assert (tmp_path / "report.html").stat().st_size < LARGEST_BYTES


def test_report_of_one_run_of_10000_launches(benchmark, one_run: Path, tmp_path: Path):
    run(benchmark, "report", "latest", "-o", tmp_path / "report.html", "--results", one_run)
    assert (tmp_path / "report.html").stat().st_size < LARGEST_BYTES


def test_table_of_one_run_of_10000_launches(benchmark, one_run: Path, tmp_path: Path):
    run(benchmark, "table", "latest", "--format", "html", "-o", tmp_path / "table.html", "--results", one_run)
    assert "Training performance" in (tmp_path / "table.html").read_text(encoding="utf-8")


def test_history_site_of_10000_launches(benchmark, results: Path, tmp_path: Path):
    run(benchmark, "history", "--html", tmp_path / "site", "--results", results)
    assert len(list(tmp_path.rglob("*.html"))) == 1 + 60 + RUNS
