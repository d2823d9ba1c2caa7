"""`ssdbench report`: what happened to the cases of a run, as one HTML file, or as Markdown for an issue."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TextIO

import typer

from ssdbench.analysis.history.series import every_series
from ssdbench.analysis.reports.accuracy import accuracy_report
from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.arms import last_attempts, split_arms
from ssdbench.cli.compare import (
    BaselineName,
    Margin,
    MaximumAge,
    Results,
    RunName,
    adjusted,
    judged,
    load_run,
    load_whole,
)
from ssdbench.cli.opening import StoreUrl, open_store
from ssdbench.cli.request import DEFAULT_RESULTS
from ssdbench.cli.writing import write, write_text
from ssdbench.errors import UsageError
from ssdbench.harness.pictures import LARGEST_PICTURES_BYTES, read_pictures, training_sheets
from ssdbench.harness.run_setup import trains_for_accuracy
from ssdbench.harness.stores.archive import Archive
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.store import Store
from ssdbench.harness.training_folders import training_folder
from ssdbench.report.headline import accuracy_headline, headline
from ssdbench.schema.history import Grouping, Series
from ssdbench.schema.record import Run
from ssdbench.schema.report import AccuracyReport, Picture, Report
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline

History = Mapping[str, tuple[Series, ...]]

DEFAULT_REPORT = Path("report.html")
HISTORY_RUNS = 60
"""Of how many earlier runs a report shows the history; `ssdbench history` shows all."""


def report(
    run: RunName,
    baseline: BaselineName = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help=f"The HTML file; default: {DEFAULT_REPORT}.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Markdown of at most 60 lines; without -o, in place of HTML.")
    ] = None,
    picture: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A PNG or JPEG to show, as of `evaluate`; may be repeated."),
    ] = None,
    margin: Margin = None,
    maximum_age_days: MaximumAge = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Write what is said of a run as one HTML file that works anywhere, and as Markdown for issues.

    It judges as `compare` does, and its exit code is 0 whatever it says: `compare` is the gate.
    """
    # Imported here: no other verb needs templates.
    from ssdbench.report import page, pr_markdown

    pictures = read_pictures(picture or [])
    store = open_store(results, store_url)
    measured = load_whole(store, run)
    if trains_for_accuracy(measured.header.plan):
        if margin is not None or maximum_age_days is not None:
            raise UsageError(f"run {measured.header.run_id} trains for accuracy: its margins are those of `converge`")
        trained = accuracy_said(store, results, measured, baseline, pictures)
        first, short = accuracy_headline(trained).text, pr_markdown.render_accuracy_markdown(trained)
        _write(output, markdown, first, lambda: page.render_accuracy(trained), short)
        return
    settings = adjusted(measured.header.settings, margin, maximum_age_days)
    history = _history(store, last_attempts(measured))
    said = replace(_said(store, measured, baseline, settings, history), pictures=pictures)
    first = headline(said.comparison, said.code).text
    _write(output, markdown, first, lambda: page.render_report(said), pr_markdown.render_markdown(said))


def _write(output: Path | None, markdown: Path | None, first: str, html: Callable[[], str], short: str) -> None:
    # Where a report goes to standard output, nothing else does.
    messages = sys.stderr if Path("-") in (output, markdown) else sys.stdout
    print(first, file=messages)
    if markdown:
        _put(markdown, short, messages)
    if output or not markdown:
        _put(output or DEFAULT_REPORT, html(), messages)


def _put(path: Path, text: str, messages: TextIO) -> None:
    if path == Path("-"):
        write(None, text)
    else:
        write_text(path, text)
        print(f"written: {path}", file=messages)


def accuracy_said(
    store: Store, results: Path, run: Run, baseline: str | None, pictures: Sequence[Picture] = ()
) -> AccuracyReport:
    """What is said of a run of trainings, with the sheets that it drew.

    Raises:
        StoreError: there is no distribution called `baseline`.
    """
    distribution = DistributionStore(store.archive).load(baseline) if baseline is not None else None
    said = accuracy_report(run, distribution)
    left = LARGEST_PICTURES_BYTES - sum(len(picture.content) for picture in pictures)
    folder = training_folder(results)
    sheets, gaps = training_sheets(folder, said.header.run_id, said.case_key, said.trainings, left)
    return replace(said, pictures=(*pictures, *sheets), gaps=(*said.gaps, *gaps))


def _history(store: Store, run: Run) -> History:
    """The series of a run's cases, over itself and the runs before it on the same hardware."""
    key, began = run.header.hardware.key, run.header.created_at
    earlier = [
        header.run_id
        for header in store.headers()
        if header.hardware.key == key and header.created_at <= began and header.run_id != run.header.run_id
    ]
    runs = [load_run(store, run_id) for run_id in earlier[-HISTORY_RUNS:]]
    return every_series([*runs, run])


def site_pages(
    store: Store, results: Path, runs: Sequence[Run], trained: Sequence[Run], history: History, by: Grouping
) -> Iterator[tuple[str, str]]:
    """(path, HTML) of the pages of a site over these series, and over runs `trained` for accuracy.

    `runs` are whole, with all their arms; the files of trainings are under `results`.
    """
    from ssdbench.report.site import render_site

    shown = {run_id for found in history.values() for series in found for p in series.points for run_id in p.run_ids}
    by_id = {run.header.run_id: run for run in runs if run.header.run_id in shown}

    read_once = _ReadOnce(store.archive)

    def report_of(run_id: str) -> Report:
        run = by_id[run_id]
        return _said(read_once, run, None, run.header.settings, {})

    trainings = [accuracy_said(read_once, results, run, None) for run in trained]
    yield from render_site(history, list(by_id), report_of, trainings, by)


class _ReadOnce(Store):
    """A store that keeps what it read: one baseline serves all runs of its hardware."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive)
        self._found: dict[tuple[str, str], Baseline | Run | None] = {}

    def find_reference(self, hardware_key: str, name: str) -> Baseline | Run | None:
        """As of the store, read once."""
        if (hardware_key, name) not in self._found:
            self._found[hardware_key, name] = super().find_reference(hardware_key, name)
        return self._found[hardware_key, name]


def _said(store: Store, run: Run, baseline: str | None, settings: Settings, history: History) -> Report:
    comparison, reference = judged(store, run, baseline, settings)
    control, candidate = split_arms(run)
    is_interleaved = run.header.control is not None and baseline is None
    return report_on(candidate, control if is_interleaved else reference, comparison, history)
