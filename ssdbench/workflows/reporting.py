"""Gathers what reports show: the comparison of a run with its history, a run of trainings, the pages of a site."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ssdbench.analysis.convergence.arms import baseline_distribution, judge_arms
from ssdbench.analysis.history.series import every_series
from ssdbench.analysis.reports.accuracy import accuracy_report
from ssdbench.analysis.reports.images import image_evaluation_report
from ssdbench.analysis.reports.run import report_on
from ssdbench.analysis.verdicts.arms import last_attempts
from ssdbench.errors import StoreError
from ssdbench.harness.image_evaluations import evaluation_ids, read_answer
from ssdbench.harness.pictures import LARGEST_PICTURES_BYTES, image_sheets, training_sheets
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.store import Store
from ssdbench.harness.training_folders import training_folder
from ssdbench.schema.convergence import DEFAULT_CONVERGENCE_SETTINGS
from ssdbench.schema.history import Grouping, Series
from ssdbench.schema.record import Run
from ssdbench.schema.report import AccuracyReport, EvaluationReport, Picture, Report
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import shorten_list
from ssdbench.schema.verdict import Baseline
from ssdbench.schema.watch import Limits
from ssdbench.workflows.display import Say
from ssdbench.workflows.explained import explanations
from ssdbench.workflows.judging import is_against_itself, judge_run, load_readable
from ssdbench.workflows.manifests import with_contents
from ssdbench.workflows.watching import look_at

History = Mapping[str, tuple[Series, ...]]
"""The series of each case, by case key."""

HISTORY_RUNS = 60
"""How many earlier runs a report's history shows; `ssdbench history` shows all."""


def build_report(
    store: Store, run: Run, baseline: str | None, settings: Settings, say: Say, pictures: Sequence[Picture] = ()
) -> Report:
    """The report of a whole run that measures speed, with the history of its cases.

    Raises:
        StoreError: `baseline` is neither a baseline nor a run, or a run cannot be read.
    """
    history = _history(store, last_attempts(run), say)
    return replace(_report_of(store, run, baseline, settings, history), pictures=tuple(pictures))


def build_accuracy_report(
    store: Store, results: Path, run: Run, baseline: str | None, pictures: Sequence[Picture] = ()
) -> AccuracyReport:
    """The report of a run of trainings, with the sheets that it drew below `results`.

    Raises:
        StoreError: there is no distribution called `baseline`.
    """
    if baseline is None and run.header.baseline_arm is not None:
        report = accuracy_report(run, baseline_distribution(run))
        report = replace(report, verdict=judge_arms(run, DEFAULT_CONVERGENCE_SETTINGS))
    else:
        report = accuracy_report(run, DistributionStore(store.archive).load(baseline) if baseline is not None else None)
    left_bytes = LARGEST_PICTURES_BYTES - sum(len(picture.content) for picture in pictures)
    folder = training_folder(results)
    sheets, gaps = training_sheets(folder, report.header.run_id, report.case_key, report.trainings, left_bytes)
    return replace(report, pictures=(*pictures, *sheets), gaps=(*report.gaps, *gaps))


def find_evaluation(store: Store, results: Path, name: str) -> Path | None:
    """The folder of the one evaluation of two images whose id begins so; None if there is none, or a run begins so.

    Raises:
        StoreError: several evaluations begin so.
    """
    found = [run_id for run_id in evaluation_ids(results) if name and run_id.startswith(name)]
    if not found or any(header.run_id.startswith(name) for header in store.headers()):
        return None
    if len(found) > 1:
        raise StoreError(f"{name!r} begins several evaluations ({shorten_list(found, 5)}); write more of it")
    return results / "evaluations" / found[0]


def build_evaluation_report(folder: Path, pictures: Sequence[Picture] = ()) -> EvaluationReport:
    """The report of an evaluation of two images, with what both of them drew.

    Raises:
        StoreError: there is no answer yet, or it cannot be read.
    """
    report = image_evaluation_report(read_answer(folder))
    left_bytes = LARGEST_PICTURES_BYTES - sum(len(picture.content) for picture in pictures)
    question = report.found.question
    names = {"baseline": question.baseline.reference, "candidate": question.candidate.reference}
    sheets = {f"{arm} {name}": folder / f"{arm}.png" for arm, name in names.items()}
    drawn, gaps = image_sheets(sheets, left_bytes)
    return replace(report, pictures=(*pictures, *drawn), gaps=tuple(gaps))


def site_pages(
    store: Store,
    results: Path,
    runs: Sequence[Run],
    trained: Sequence[Run],
    history: History,
    by: Grouping,
    say: Say,
) -> Iterator[tuple[str, str]]:
    """(path, HTML) of the pages of a site over these series, and over runs `trained` for accuracy.

    `runs` are whole, with all their arms; the files of trainings are below `results`.

    Raises:
        StoreError: a baseline cannot be read.
    """
    # Imported here: only a site needs templates.
    from ssdbench.report.site import render_site

    shown = {run_id for found in history.values() for series in found for p in series.points for run_id in p.run_ids}
    by_id = {run.header.run_id: run for run in runs if run.header.run_id in shown}

    read_once = _ReadOnce(store)

    def report_of(run_id: str, detailed: bool) -> Report:
        run = by_id[run_id]
        return _report_of(read_once, run, None, run.header.settings, {}, detailed=detailed)

    trainings = [build_accuracy_report(read_once, results, run, None) for run in trained]
    health = look_at(store, results, Limits(), say)
    yield from render_site(history, list(by_id), report_of, trainings, by, health if health.suites else None)


class _ReadOnce(Store):
    """A store that keeps what it read: one baseline serves all runs of its hardware."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.archive, waivers_file=store.waivers_file)
        self._found: dict[tuple[str, str], Baseline | Run | None] = {}
        self._baselines: dict[tuple[str, str], Baseline] = {}
        self._anchors: dict[tuple[str, str], Baseline | None] = {}

    def find_reference(self, hardware_key: str, name: str) -> Baseline | Run | None:
        """Like `Store.find_reference`, but reads each reference once."""
        if (hardware_key, name) not in self._found:
            self._found[hardware_key, name] = super().find_reference(hardware_key, name)
        return self._found[hardware_key, name]

    def load_baseline(self, hardware_key: str, name: str) -> Baseline:
        """Like `Store.load_baseline`, but reads each baseline once."""
        if (hardware_key, name) not in self._baselines:
            self._baselines[hardware_key, name] = super().load_baseline(hardware_key, name)
        return self._baselines[hardware_key, name]

    def load_anchor(self, hardware_key: str, name: str) -> Baseline | None:
        """Like `Store.load_anchor`, but reads each anchor once."""
        if (hardware_key, name) not in self._anchors:
            self._anchors[hardware_key, name] = super().load_anchor(hardware_key, name)
        return self._anchors[hardware_key, name]


def _history(store: Store, run: Run, say: Say) -> History:
    """The series of a run's cases, over itself and the runs before it on the same hardware."""
    key, began = run.header.hardware.key, run.header.created_at
    earlier = [
        header.run_id
        for header in store.headers()
        if header.hardware.key == key and header.created_at <= began and header.run_id != run.header.run_id
        if not is_against_itself(header)
    ]
    runs = [last_attempts(each) for each in load_readable(store, earlier[-HISTORY_RUNS:], say)]
    return every_series([*runs, run])


def _report_of(
    store: Store, run: Run, baseline: str | None, settings: Settings, history: History, *, detailed: bool = True
) -> Report:
    judgement = with_contents(store, judge_run(store, run, baseline, settings).with_creep(store))
    reference, candidate = judgement.sides
    report = report_on(candidate, reference, judgement.comparison, history, detailed=detailed)
    why = {found.case_key: found for found in explanations(store, judgement)} if detailed else {}
    cases = tuple(replace(case, why=why.get(case.judged.case_key)) for case in report.cases) if why else report.cases
    return replace(report, cases=cases)
