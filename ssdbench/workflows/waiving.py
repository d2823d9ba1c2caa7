"""Writes a waiver and says what it does to the verdicts of a run; lists waivers with what becomes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ssdbench.analysis.waivers import apply_waivers, days_left, holds_on, listed_waivers, matching_cases
from ssdbench.errors import UsageError
from ssdbench.harness.run_setup import trains_for_accuracy
from ssdbench.harness.stores.store import Store
from ssdbench.harness.waiver_file import append_entry, entry_text, new_waiver
from ssdbench.harness.waivers import read_waivers
from ssdbench.schema.record import Run
from ssdbench.schema.text import shorten_list
from ssdbench.schema.times import utc_today
from ssdbench.schema.verdict import CaseVerdict, Comparison
from ssdbench.schema.waivers import ListedWaiver, Waiver
from ssdbench.workflows.display import Say
from ssdbench.workflows.judging import judge_run, load_readable

FLAGS = {
    "case": "CASE", "ceiling": "--ceiling", "expires": "--expires", "issue": "--issue", "reason": "--reason",
    "metric": "--metric", "hardware": "--hardware", "owner": "--owner",
}  # fmt: skip
"""The option that gives each key of a waiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """A waiver that was written as `text`, and the verdicts on the cases that it matches, now that it is in force."""

    text: str
    comparison: Comparison
    cases: tuple[CaseVerdict, ...]
    notes: tuple[str, ...]


def waive(store: Store, run: Run, baseline: str | None, values: Mapping[str, str], say: Say, *, force: bool) -> Waived:
    """Add a waiver to the file of the store.

    Args:
        store: where the run is, and whose file of waivers is written.
        run: what tells whether the waiver matches a case.
        baseline: what the run is compared with, as `judge_run` takes it.
        values: of the keys of a waiver, as they are written in the file.
        say: hears of a lock that was broken.
        force: write it also where it matches no case of the run.

    Raises:
        UsageError: a value cannot be, the waiver matches no case, or the file cannot be read.
        StoreError: the file cannot be written.
    """
    path, today = waivers_path(store), utc_today()
    waiver = new_waiver(values, len(read_waivers(path)) + 1, FLAGS)
    if days_left(waiver, today) < 0:
        raise UsageError(f"--expires {waiver.expires} is over, today is {today.isoformat()} in UTC; give a later day")
    judged = judge_run(store, run, baseline, today=today).comparison
    if not force:
        _require_match(waiver, judged)
    in_force = append_entry(path, values, say)
    comparison = apply_waivers(judged, in_force, today)
    use = next((use for use in comparison.waivers if use.waiver == in_force[-1]), None)
    keys = use.cases if use else ()
    return Waived(
        text=entry_text(values),
        comparison=comparison,
        cases=tuple(case for case in comparison.cases if case.case_key in keys),
        notes=use.notes if use else (),
    )


def list_waivers(store: Store, runs: list[Run], baseline: str | None) -> tuple[ListedWaiver, ...]:
    """All waivers of the store, with what became of them in these runs.

    Raises:
        UsageError: the file cannot be read.
        StoreError: `baseline` is neither a baseline nor a run.
    """
    today = utc_today()
    comparisons = [judge_run(store, run, baseline, today=today).comparison for run in runs]
    return listed_waivers(read_waivers(waivers_path(store)), comparisons, today)


def newest_runs(store: Store, say: Say) -> list[Run]:
    """The newest run of each suite on each hardware; those that train for accuracy are omitted."""
    newest = {(header.hardware.key, header.plan.suite): header for header in store.headers()}
    ids = [header.run_id for header in newest.values() if not trains_for_accuracy(header.plan)]
    return load_readable(store, ids, say)


def waivers_path(store: Store) -> Path:
    """The file of waivers of a store."""
    assert store.waivers_file is not None
    return store.waivers_file


def _require_match(waiver: Waiver, judged: Comparison) -> None:
    if not holds_on(waiver, judged.hardware_key):
        raise UsageError(
            f"--hardware {waiver.hardware!r} is not that of run {judged.run_id}, {judged.hardware_key}; correct it, "
            "name another --run, or write it anyway with --force"
        )
    if not matching_cases(waiver, judged.cases):
        gated = f" that is gated by {waiver.metric}" if waiver.metric else ""
        raise UsageError(
            f"{waiver.case!r} matches no case{gated} of run {judged.run_id}, by key or by whole words; there are "
            f"{shorten_list([case.case_key for case in judged.cases], 8)}; correct it, or write it anyway with --force"
        )
