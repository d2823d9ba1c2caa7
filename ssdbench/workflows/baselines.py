"""Finds, checks and compares the baselines of a store."""

from collections.abc import Iterable, Iterator

from ssdbench.analysis.baselines.acceptance import as_run
from ssdbench.analysis.baselines.creep import ignoring_age
from ssdbench.analysis.baselines.verification import findings
from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.stores.store import Store
from ssdbench.schema.record import Record, Run
from ssdbench.schema.verdict import Baseline, Comparison
from ssdbench.workflows.display import Say
from ssdbench.workflows.judging import load_run


def find_baselines(store: Store, name: str | None, hardware: str | None) -> list[tuple[str, str]]:
    """Hardware key and name of the baselines called `name` (None: all) for this hardware key, or a part of it.

    Raises:
        StoreError: there is none.
    """
    places = store.baseline_places()
    named = [(key, found) for key, found in places if name in (None, found)]
    found = [(key, found) for key, found in named if hardware is None or hardware in key]
    if found:
        return found
    if named:
        keys = ", ".join(dict.fromkeys(key for key, _ in named))
        raise StoreError(f"{store.name}: no baseline {name or ''!r} for hardware {hardware!r}; there is: {keys}")
    names = ", ".join(dict.fromkeys(found for _, found in places)) or "none yet"
    wanted = f"baseline {name!r}" if name else "baseline"
    raise StoreError(f"{store.name}: no {wanted}; there are: {names} (see `ssdbench baseline accept`)")


def find_one_baseline(store: Store, name: str, hardware: str | None) -> tuple[str, str]:
    """Hardware key and name of the one baseline called `name` for this hardware key, or a part of it.

    Raises:
        StoreError: there is none.
        UsageError: there are several.
    """
    places = find_baselines(store, name, hardware)
    exact = [place for place in places if place[0] == hardware] or places
    if len(exact) > 1:
        keys = ", ".join(key for key, _ in exact)
        raise UsageError(f"baseline {name!r} exists for {keys}; choose one with --hardware")
    return exact[0]


def compare_two(store: Store, left: str, right: str, hardware: str | None, say: Say) -> Comparison:
    """Compare two baselines, or a baseline and a run, each given by name; their age is ignored.

    Raises:
        StoreError: one of them is neither a baseline nor a run.
        UsageError: a name is that of several baselines.
    """
    baseline, candidate = _load_side(store, left, hardware, say), _load_side(store, right, hardware, say)
    measured = as_run(candidate) if isinstance(candidate, Baseline) else candidate
    return comparisons.compare(measured, baseline, left, ignoring_age(measured.header.settings))


def check_baseline(store: Store, hardware_key: str, name: str) -> list[str]:
    """Faults of a stored baseline and its anchor, a sentence each; empty if both are sound."""
    try:
        is_there = store.has_baseline(hardware_key, name)
        baseline = store.load_baseline(hardware_key, name) if is_there else None
        anchor = store.load_anchor(hardware_key, name)
        found = findings(baseline, anchor, hardware_key, name)
        return [*found, *_unlike_runs(store, "", baseline), *_unlike_runs(store, "anchor: ", anchor)]
    except StoreError as error:
        return [str(error)]


def _unlike_runs(store: Store, of: str, baseline: Baseline | None) -> Iterator[str]:
    """A sentence for each launch that its run, where the store has it, has with another measurement or not at all."""
    stored, ids = _by_run(baseline.records if baseline else ()), store.archive.run_ids()
    for run_id in sorted(stored.keys() & set(ids)):
        try:
            measured = {record.id: record for record in store.load(run_id).records}
        except StoreError:
            continue  # `store check` names it
        for record in stored[run_id]:
            if measured.get(record.id) != record:
                what = "has another measurement" if record.id in measured else "is not there"
                yield f"{of}launch {record.id} {what} in run {run_id}; restore the baseline from version control"


def _by_run(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The launches of each run by its id."""
    runs: dict[str, list[Record]] = {}
    for record in records:
        runs.setdefault(record.run_id, []).append(record)
    return runs


def _load_side(store: Store, name: str, hardware: str | None, say: Say) -> Baseline | Run:
    if any(name == known for _, known in store.baseline_places()):
        return store.load_baseline(*find_one_baseline(store, name, hardware))
    try:
        return load_run(store, name, say)
    except StoreError as error:
        raise StoreError(f"no baseline {name!r} in {store.name}, and as a run: {error}") from None
