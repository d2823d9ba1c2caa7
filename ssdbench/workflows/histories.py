"""Selects what a history shows: the series of one case or of all, and the runs trained for accuracy."""

from collections.abc import Iterable, Sequence

from ssdbench.analysis.history.series import every_series, find_cases, measured_cases, series_of
from ssdbench.errors import StoreError
from ssdbench.harness.run_setup import trains_for_accuracy
from ssdbench.harness.stores.store import Store
from ssdbench.schema.history import Grouping
from ssdbench.schema.record import Run
from ssdbench.workflows.display import Say
from ssdbench.workflows.judging import is_against_itself, load_readable
from ssdbench.workflows.reporting import History


def load_all_runs(store: Store, say: Say) -> list[Run]:
    """Every stored run with all its arms; one that cannot be read is named and passed over.

    Runs of a baseline's build against itself are left out: they have nothing of the build of their time.

    Raises:
        StoreError: there is none that can be read.
    """
    runs = load_readable(store, [header.run_id for header in store.headers() if not is_against_itself(header)], say)
    if not runs:
        raise StoreError(f"{store.name}: there are no runs yet; measure with `ssdbench run`")
    return runs


def select_series(runs: Sequence[Run], case: str | None, *, by: Grouping, metric: str | None, hardware: str) -> History:
    """The series of the cases that `case` names, as `find_cases` takes it; None: of all cases.

    Of several cases those without a series are left out.

    Raises:
        UsageError: no such case or metric, or nothing of the only case can be shown.
    """
    if case is None:
        return every_series(runs, by=by, metric=metric, hardware=hardware)
    keys = [found.case_key for found in find_cases(measured_cases(runs), case)]
    if len(keys) == 1:
        return {keys[0]: series_of(runs, keys[0], by=by, metric=metric, hardware=hardware)}
    return every_series(runs, keys, by=by, metric=metric, hardware=hardware)


def trained_runs(runs: Iterable[Run], hardware: str) -> list[Run]:
    """The runs of trainings on hardware with this in its key."""
    return [run for run in runs if trains_for_accuracy(run.header.plan) and hardware in run.header.hardware.key]
