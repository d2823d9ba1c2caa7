"""Reports and the pages of a site as data, without a file and without a line of output."""

from pathlib import Path

from ssdbench.analysis.history.series import every_series
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.history import Grouping
from ssdbench.workflows.reporting import build_report, site_pages
from tests.builders import a_case, a_run, stored_sessions
from tests.cli.running import keep

A = a_case()
SAME = (0.1, 0.1001, 0.0999)


def nothing(text: str) -> None:
    raise AssertionError(f"nothing is to be said, but: {text}")


def test_a_report_has_the_comparison_and_the_history_before_the_run(store: FileStore, tmp_path: Path) -> None:
    store.save_baseline(stored_sessions(a_run((A, SAME), run_id="run-0")))
    runs = [a_run((A, SAME), run_id=f"run-{day}", created_at=f"2026-01-0{day}T12:00:00+00:00") for day in range(1, 4)]
    keep(tmp_path / "results", *runs)
    report = build_report(store, runs[1], None, runs[1].header.settings, nothing)
    assert report.comparison.run_id == "run-2"
    assert report.comparison.baseline == "main"
    shown = [point for case in report.cases for series in case.history for point in series.points]
    assert [point.run_ids for point in shown] == [("run-1",), ("run-2",)]


def test_the_pages_of_a_site_are_an_index_and_a_report_of_each_run(store: FileStore, tmp_path: Path) -> None:
    runs = [a_run((A, SAME), run_id="run-1"), a_run((A, SAME), run_id="run-2")]
    history = every_series(runs)
    pages = dict(site_pages(store, tmp_path, runs, [], history, next(iter(Grouping)), print))
    assert "index.html" in pages
    assert all(any(run.header.run_id in path for path in pages) for run in runs)
