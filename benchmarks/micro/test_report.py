"""How long a report and the history site take with 10,000 stored launches: under 5 and under 15 seconds on two cores.

pytest benchmarks/micro/test_report.py
"""

from pathlib import Path

import pytest

from ssdbench.harness.stores.files import FileStore
from tests.builders import a_baseline
from tests.cli.running import keep, ssdbench
from tests.report.nights import a_night, plain_night

NIGHTS = 33
LARGEST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """33 nights of 60 cases with 5 launches each; the first one is the baseline."""
    folder = tmp_path_factory.mktemp("results")
    nights = [plain_night(number) for number in range(NIGHTS)]
    keep(folder, *nights)
    FileStore(folder).save_baseline(a_baseline(nights[0]))
    return folder


@pytest.mark.benchmark(max_time=5)
def test_report_with_10000_launches_in_the_store(benchmark, results: Path, tmp_path: Path):
    path = tmp_path / "report.html"
    outcome = benchmark(ssdbench, "report", "latest", "-o", path, "--results", results)
    assert outcome.code == 0
    assert path.stat().st_size < LARGEST_BYTES
    assert benchmark.stats["median"] < 5.0


@pytest.mark.benchmark(max_time=5)
def test_report_of_one_run_of_10000_launches(benchmark, tmp_path: Path):
    run = a_night(pairs=84)
    keep(tmp_path, run)
    assert len(run.records) > 9_900
    path = tmp_path / "report.html"
    outcome = benchmark(ssdbench, "report", "latest", "-o", path, "--results", tmp_path)
    assert outcome.code == 0
    assert path.stat().st_size < LARGEST_BYTES
    assert benchmark.stats["median"] < 5.0


@pytest.mark.benchmark(max_time=5)
def test_history_site_of_10000_launches(benchmark, results: Path, tmp_path: Path):
    outcome = benchmark.pedantic(
        ssdbench, ("history", "--html", tmp_path / "site", "--results", results), rounds=2, iterations=1
    )
    assert outcome.code == 0
    assert len(list(tmp_path.rglob("*.html"))) == 1 + 60 + NIGHTS
    assert benchmark.stats["median"] < 15.0
