"""A store of runs as DataFrames."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ssdbench.analysis.frames.cells import cells_frame
from ssdbench.analysis.frames.comparable import refuse_mixed
from ssdbench.analysis.frames.history import history_frame, refuse_several
from ssdbench.analysis.frames.launches import launches_frame
from ssdbench.analysis.frames.published import published_frame
from ssdbench.analysis.frames.steps import curves_frame, phases_frame, steps_frame
from ssdbench.analysis.frames.verdicts import verdicts_frame
from ssdbench.analysis.history.series import find_case, measured_cases, series_of
from ssdbench.analysis.verdicts.arms import last_attempts
from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.readers.published import load_published
from ssdbench.harness.stores.files import FileArchive
from ssdbench.harness.stores.opening import open_store, results_folder
from ssdbench.harness.stores.store import Store
from ssdbench.schema.history import Grouping
from ssdbench.schema.record import Run
from ssdbench.workflows.judging import adjust_settings, judge_run, load_readable, load_whole
from ssdbench.workflows.tabulating import measured_tables, tables_against_published

RunLike = str | Run
"""A run, or what names one: a run id, its unique beginning, the path of a .jsonl file, or `latest`."""


def open(url: str | os.PathLike[str] | None = None, *, results: str | os.PathLike[str] | None = None) -> Lab:
    """Open a store of runs. Nothing is created.

    Args:
        url: a folder of results, `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`; None: the store that the
            variable SSDBENCH_STORE names, else the folder `results`.
        results: the folder whose spool is sent to a database first, as on the command line; None: the folder that the
            variable SSDBENCH_RESULTS names, else `results`.

    Raises:
        StoreError: the URL is none that can be used, or the database has another version.
        EnvironmentLacksError: the packages for databases are missing (`pip install 'ssdbench[sql]'`).

    >>> import ssdbench
    >>> lab = ssdbench.open("no-such-folder")
    >>> lab.launches()
    Traceback (most recent call last):
    ssdbench.errors.StoreError: no-such-folder: no such folder of results; measure with `ssdbench run`, or name another
    >>> len(lab.published(container="22.10"))
    111
    """
    asked = results_folder() if results is None else Path(results)
    store = open_store(asked, None if url is None else os.fspath(url), _warn)
    folder = store.archive.root if isinstance(store.archive, FileArchive) else asked
    return Lab(store, folder)


class Lab:
    """The runs of a store as DataFrames; `ssdbench.open` makes one.

    Every method reads the store anew, so a frame has what is stored now. Columns and dtypes of each frame are in
    docs/python.md. A frame holds launches that may be compared: where the store has others as well (of other hardware,
    workload versions, protocols or images) the method raises UsageError and says how to choose, or `mixed=True` gives
    all of them, told apart by the columns `hardware` and `conditions`.
    """

    def __init__(self, store: Store, results: Path) -> None:
        self._store = store
        self._results = results

    def __repr__(self) -> str:
        return f"ssdbench.open({self._store.name!r})"

    def runs(self, *, suite: str | None = None) -> list[str]:
        """The ids of all runs (of a suite), oldest first.

        Raises:
            StoreError: there is no such folder, or a line that cannot be read.
        """
        if isinstance(self._store.archive, FileArchive) and not self._results.is_dir():
            raise StoreError(
                f"{self._results}: no such folder of results; measure with `ssdbench run`, or name another"
            )
        return [header.run_id for header in self._store.headers() if suite in (None, header.plan.suite)]

    def run(self, run: RunLike = "latest") -> Run:
        """A run with all its launches: both arms, failures, and launches that others replaced.

        Raises:
            StoreError: no such run, several of them, or a line that cannot be read.
        """
        return run if isinstance(run, Run) else load_whole(self._store, run, _warn)

    def launches(
        self,
        *,
        suite: str | None = None,
        run: RunLike | Sequence[RunLike] | None = None,
        case: str | None = None,
        hardware: str | None = None,
        mixed: bool = False,
    ) -> pd.DataFrame:
        """A row for each launch, in the order of measurement; no launch is left out.

        `usable` says whether verdicts use a launch: failed, invalid and replaced ones are in the frame and are not
        usable. Index: rows, from 0.

        Args:
            suite: of this suite alone.
            run: of this run or these runs alone.
            case: of cases that have this in their key or title.
            hardware: of hardware keys that have this in them.
            mixed: also launches that are never compared with one another.

        Raises:
            StoreError: no such run, or a line that cannot be read.
            UsageError: launches that are never compared, and not `mixed`.

        Example::

            usable = lab.launches(suite="nightly").query("usable")
            usable.groupby("case")["global_throughput_images_per_second"].describe()
        """
        found = [_chosen(item, case, hardware) for item in self._whole_runs(suite, run)]
        if not mixed:
            refuse_mixed(found)
        return launches_frame(found)

    def steps(self, run: RunLike = "latest") -> pd.DataFrame:
        """A row for each step of each measured launch of a run, warm-up included; times in seconds.

        Raises:
            StoreError: no such run, or a line that cannot be read.

        Example::

            timed = lab.steps("latest").query("usable and is_timed")
            timed.groupby("case", observed=True)["step_seconds"].quantile([0.5, 0.99])
        """
        return steps_frame(self.run(run))

    def phases(self, run: RunLike = "latest") -> pd.DataFrame:
        """A row for each phase (fetch, forward, ...) of each instrumented step of a run; times in seconds.

        Errors as `steps`.
        """
        return phases_frame(self.run(run))

    def curves(self, run: RunLike = "latest") -> pd.DataFrame:
        """A row for each finished epoch of each training of a run: loss, learning rate, COCO's figures, times.

        The figures are missing for an epoch that was not evaluated. Errors as `steps`.

        Example::

            curves = lab.curves("latest").dropna(subset="ap")
            curves.pivot(index="epoch", columns="seed", values="ap").plot()
        """
        return curves_frame(self.run(run))

    def verdicts(
        self,
        run: RunLike = "latest",
        baseline: str | None = None,
        *,
        margin: float | None = None,
        maximum_age_days: int | None = None,
    ) -> pd.DataFrame:
        """A row for each case of a run, judged as `ssdbench compare` judges it, worst first. Index: rows, from 0.

        Args:
            run: the run to judge.
            baseline: a baseline of its hardware, or another run; None: the run's own baseline arm, or what it was
                measured for, or the baseline `main`.
            margin: relative change that matters, 0.01 for 1 %; None: that of the run's suite.
            maximum_age_days: age from which a baseline is stale; None: that of the run's suite.

        Raises:
            StoreError: no such run, no such baseline, or a line that cannot be read.
            UsageError: a margin that cannot be, or a run of trainings, which are judged by `ssdbench converge`.
        """
        whole = self.run(run)
        settings = adjust_settings(whole.header.settings, margin, maximum_age_days)
        return verdicts_frame(judge_run(self._store, whole, baseline, settings).comparison)

    def history(
        self,
        case: str,
        *,
        hardware: str | None = None,
        by: str = Grouping.RUN.value,
        metric: str | None = None,
        mixed: bool = False,
    ) -> pd.DataFrame:
        """A row for each run that measured a case (or each release of the container), oldest first.

        Failed and invalid launches are left out, as `ssdbench history` does it. Index: rows, from 0.

        Args:
            case: key of the case, or words of its key or title that name one case.
            hardware: of hardware keys that have this in them.
            by: what makes a point, as `ssdbench history --by` takes it.
            metric: another metric than the one that is gated.
            mixed: also series that are never compared with one another.

        Raises:
            StoreError: a line cannot be read.
            UsageError: no such case, metric or grouping; or several series, and not `mixed`.
        """
        if by not in list(Grouping):
            raise UsageError(f"by = {by!r} is not known: choose {' or '.join(Grouping)}")
        runs = [last_attempts(run) for run in self._whole_runs(None, None)]
        key = find_case(measured_cases(runs), case).case_key
        found = series_of(runs, key, by=Grouping(by), metric=metric, hardware=hardware or "")
        if not mixed:
            refuse_several(found)
        return history_frame(found)

    def table(
        self,
        run: RunLike | Sequence[RunLike] = "latest",
        *,
        against_published: bool = False,
        container: str | None = None,
    ) -> pd.DataFrame:
        """A row for each cell of the tables that `ssdbench table` prints of these runs. Index: rows, from 0.

        Args:
            run: a run, or several whose figures are put together where they may be.
            against_published: compare with NVIDIA's published figures for the same GPU.
            container: release of the published figures; None: the newest of this GPU.

        Raises:
            StoreError: no such run, or a line that cannot be read.
            UsageError: figures that cannot be in one cell, or nothing is published for this GPU.

        Example::

            cells = lab.table("latest").query("metric == 'throughput'")
            cells.pivot(index="batch_size_per_gpu", columns="precision", values="value")
        """
        runs = [last_attempts(item) for item in self._whole_runs(None, run)]
        if not against_published:
            return cells_frame(measured_tables(runs))
        return cells_frame(tables_against_published(runs, self._results, container))

    def published(self, *, container: str | None = None, gpu: str | None = None) -> pd.DataFrame:
        """A row for each figure that NVIDIA published for this model. Index: `gpu`, `container`.

        Args:
            container: of this release alone, such as 22.10.
            gpu: of this GPU alone, such as A100-80GB.

        Raises:
            UsageError: nothing is published for them.
        """
        figures = load_published(self._results)
        found = [item for item in figures if container in (None, item.container) and gpu in (None, item.gpu)]
        if not found:
            there = ", ".join(sorted({f"{item.gpu} with {item.container}" for item in figures}))
            raise UsageError(
                f"nothing is published for {gpu or 'any GPU'} with {container or 'any container'}: {there}"
            )
        return published_frame(found)

    def _whole_runs(self, suite: str | None, run: RunLike | Sequence[RunLike] | None) -> list[Run]:
        if run is None:
            return load_readable(self._store, self.runs(suite=suite), _warn)
        asked = [run] if isinstance(run, (str, Run)) else run
        found = {item.header.run_id: item for item in map(self.run, asked)}
        return [item for item in found.values() if suite in (None, item.header.plan.suite)]


def _chosen(run: Run, case: str | None, hardware: str | None) -> Run:
    records = run.records
    if hardware is not None:
        records = tuple(record for record in records if hardware in record.hardware.key)
    if case is not None:
        part = case.casefold()
        records = tuple(
            record for record in records if part in record.case.key.casefold() or part in record.case.title.casefold()
        )
    return replace(run, records=records)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=4)
