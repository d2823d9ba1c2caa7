"""Acceptance without the command line: planned first, refused or kept, and slow creep as data."""

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Run
from ssdbench.workflows.accepting import Change, keep_change, plan_changes, require_allowed, sessions_to_accept
from ssdbench.workflows.baselines import check_baseline, find_baselines
from ssdbench.workflows.creep import find_creep
from tests.builders import HARDWARE, a_case, a_run

A, B = a_case(), a_case(batch_size_per_gpu=64)
FAST, SLOW = (0.1, 0.1, 0.1), (0.12, 0.12, 0.12)


def plan(store: FileStore, *runs: Run) -> list[Change]:
    measured = sessions_to_accept(store, runs)
    accepted_at = "2026-01-05T13:00:00+00:00"
    return plan_changes(store, measured, name="main", reason="a test", accepted_at=accepted_at, release=False)


def accept(store: FileStore, run: Run) -> None:
    for change in plan(store, run):
        keep_change(store, change, margin=0.01, reset_anchor=False)


def test_a_first_acceptance_is_kept_whole_and_a_second_of_the_same_run_changes_nothing(store: FileStore) -> None:
    (change,) = plan(store, a_run((A, FAST)))
    assert (change.replaced, change.comparison, change.creep, change.is_unchanged) == (None, None, (), False)
    kept, _ = keep_change(store, change, margin=0.01, reset_anchor=False)
    assert store.load_baseline(HARDWARE.key, "main") == kept
    assert find_baselines(store, "main", None) == [(HARDWARE.key, "main")]
    assert check_baseline(store, HARDWARE.key, "main") == []
    assert plan(store, a_run((A, FAST)))[0].is_unchanged


def test_worse_results_and_dropped_cases_are_refused_unless_they_are_allowed(store: FileStore) -> None:
    accept(store, a_run((A, FAST), (B, FAST)))
    changes = plan(store, a_run((A, SLOW), run_id="run-2"))
    assert [found.case_key for found in changes[0].lowered] == [A.key]
    assert changes[0].dropped == (B.key,)
    with pytest.raises(UsageError, match="--drop-cases"):
        require_allowed(changes, drop_cases=False, allow_regression=True)
    with pytest.raises(UsageError, match="--allow-regression"):
        require_allowed(changes, drop_cases=True, allow_regression=False)
    require_allowed(changes, drop_cases=True, allow_regression=True)


def test_creep_is_data_for_whoever_shows_it(store: FileStore) -> None:
    accept(store, a_run((A, FAST)))
    accept(store, a_run((A, (0.1008, 0.1008, 0.1008)), run_id="run-2"))
    run = a_run((A, (0.1016, 0.1016, 0.1016)), run_id="run-3")
    baseline = store.load_baseline(HARDWARE.key, "main")
    (creep,) = find_creep(store, run, baseline, run.header.settings)
    assert (creep.against, creep.run_id, creep.compared_cases) == ("anchor", "run-1", 1)
    assert [found.case_key for found in creep.worse] == [A.key]
    assert find_creep(store, run, None, run.header.settings) == ()
