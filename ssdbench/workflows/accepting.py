"""Accept runs as a baseline: plan the change first, then refuse or store it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from ssdbench.analysis.baselines.acceptance import (
    accepted,
    baseline_from,
    is_same,
    only_cases,
    sessions_of_one_build,
    with_other_cases,
)
from ssdbench.analysis.baselines.creep import (
    dropped_cases,
    find_regressions,
    ignoring_age,
    next_anchor,
    refuse_regressions,
    refuse_to_drop_cases,
    release_name,
)
from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.analysis.verdicts.arms import last_attempts
from ssdbench.errors import UsageError
from ssdbench.harness.planning import select_cases
from ssdbench.harness.stores.archive import Place
from ssdbench.harness.stores.store import Store
from ssdbench.schema.acceptance import AcceptedRegression
from ssdbench.schema.record import Run
from ssdbench.schema.verdict import Baseline, Comparison
from ssdbench.workflows.creep import CreepCheck, anchor_creep, release_creep
from ssdbench.workflows.deciding import is_unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`baseline` (without its history yet) in place of `replaced`, with the cases it makes worse and those it drops.

    `comparison` is of both; None where nothing is replaced. `creep` compares it with older results. `expected` are the
    first lines of what is replaced, by its places. `run_ids` are the accepted runs. `cases` are the keys of those that
    move to them while the others stay, None where all move: the comparison and the refusals are about these alone.
    """

    baseline: Baseline
    replaced: Baseline | None
    anchor: Baseline | None
    comparison: Comparison | None
    creep: tuple[CreepCheck, ...]
    lowered: tuple[AcceptedRegression, ...]
    dropped: tuple[str, ...]
    expected: Mapping[Place, str | None]
    run_ids: tuple[str, ...]
    cases: tuple[str, ...] | None = None

    @property
    def is_unchanged(self) -> bool:
        """Whether accepting would change nothing but the date."""
        return bool(self.replaced and self.anchor and is_same(self.baseline, self.replaced))


def sessions_to_accept(store: Store, runs: Sequence[Run], cases: Sequence[str] = ()) -> Run:
    """Whole runs as sessions of one build, in one run with all their launches.

    Pairs that follow a run of the whole suite (`ssdbench nightly`) stand for that run, which has all cases. With
    `cases`, patterns as `harness.planning.select_cases` takes them, as if the runs had no other cases.

    Raises:
        UsageError: a run is not finished, or cannot be accepted, or they are not of one build; a pattern fits no case.
        StoreError: the run that pairs follow cannot be read.
    """
    runs = [_of_cases(_whole(store, run), cases) for run in runs]
    for run in runs:
        if run.header.baseline_arm is not None and is_unfinished(store, run):
            raise UsageError(
                f"run {run.header.run_id} cannot be accepted: its verdict rule asks for more pairs; finish it with "
                f"`ssdbench run --resume --run {run.header.run_id}`"
            )
    return sessions_of_one_build([last_attempts(run) for run in runs])


def _whole(store: Store, run: Run) -> Run:
    stage = run.header.nightly
    if stage is not None and stage.against_itself:
        raise UsageError(
            f"run {run.header.run_id} cannot be accepted: it measured the build of baseline {stage.baseline} against "
            "itself"
        )
    return run if stage is None or stage.follows is None else store.load(stage.follows)


def plan_changes(
    store: Store,
    measured: Run,
    *,
    name: str,
    reason: str,
    accepted_at: str,
    release: bool,
    others_stay: bool = False,
) -> list[Change]:
    """Plan what accepting `measured` under this name changes; with `release` also under the name of the last release.

    With `others_stay` only the cases of `measured` move, and the baseline keeps its launches of all others.

    Raises:
        UsageError: the run cannot be accepted, or other cases are to stay and there is no baseline that has them.
        StoreError: a baseline cannot be read.
    """
    return [
        change_of(
            store,
            measured,
            baseline_from(measured, name=each, reason=reason, accepted_at=accepted_at),
            others_stay=others_stay,
        )
        for each in _names(name, release=release)
    ]


def change_of(store: Store, measured: Run, baseline: Baseline, *, others_stay: bool = False) -> Change:
    """Plan what accepting `baseline`, made from `measured`, changes in the store.

    Raises:
        UsageError: other cases are to stay, and there is no baseline that has them.
        StoreError: a baseline cannot be read.
    """
    run_ids = baseline.header.sessions
    cases: tuple[str, ...] | None = None
    key, name, settings = baseline.header.hardware.key, baseline.header.name, measured.header.settings
    expected = store.first_lines(key, name)
    replaced = store.load_baseline(key, name) if store.has_baseline(key, name) else None
    anchor = store.load_anchor(key, name)
    reference = replaced
    if others_stay:
        if replaced is None:
            raise UsageError(
                f"there is no baseline {name} for this hardware whose other cases could stay: accept the whole run, "
                "without --case"
            )
        cases = tuple(sorted(planned.case.key for planned in measured.header.plan.cases))
        baseline, reference = with_other_cases(baseline, replaced, cases), only_cases(replaced, cases)
    comparison, creep = None, anchor_creep(measured, replaced, anchor, settings)
    lowered: tuple[AcceptedRegression, ...] = ()
    if replaced:
        comparison = comparisons.compare(measured, reference, name, ignoring_age(settings))
        creep = [*release_creep(store, measured, replaced, anchor, settings), *creep]
        lowered = find_regressions(comparison, "baseline")
    for each in creep:
        known = {bar.case_key for bar in lowered}
        lowered += tuple(bar for bar in each.lowered if bar.case_key not in known)
    return Change(
        baseline=baseline,
        replaced=replaced,
        anchor=anchor,
        comparison=comparison,
        creep=tuple(creep),
        lowered=lowered,
        dropped=dropped_cases(comparison) if comparison else (),
        expected=expected,
        run_ids=run_ids,
        cases=cases,
    )


def require_allowed(changes: Sequence[Change], *, drop_cases: bool, allow_regression: bool) -> None:
    """Refuse changes that drop cases or make them worse, unless that is allowed.

    Raises:
        UsageError: a change does what is not allowed.
    """
    for change in changes:
        if not drop_cases:
            refuse_to_drop_cases(change.dropped, change.baseline)
        if not allow_regression:
            refuse_regressions(change.lowered, change.baseline)


def keep_change(store: Store, change: Change, *, margin: float, reset_anchor: bool) -> tuple[Baseline, str]:
    """Write baseline and anchor; returns the baseline with its history, and where it is.

    Raises:
        StoreError: one of them cannot be written, or another acceptance came first.
    """
    anchor = next_anchor(change.anchor, change.replaced, change.baseline, reset=reset_anchor)
    kept = accepted(
        change.baseline,
        change.replaced,
        margin=margin,
        run_ids=change.run_ids,
        cases=change.cases,
        accepted_regressions=change.lowered,
        dropped=change.dropped,
        reset_anchor=reset_anchor or not (change.anchor or change.replaced),
    )
    return kept, store.save_together(kept, anchor, change.expected)


@contextmanager
def one_at_a_time(store: Store, measured: Run, name: str, *, release: bool) -> Iterator[None]:
    """Hold what `plan_changes` reads and `keep_change` writes against other acceptances.

    Raises:
        StoreLockedError: another process keeps it for minutes.
    """
    with ExitStack() as held:
        for each in _names(name, release=release):
            held.enter_context(store.accepting("baseline", measured.header.hardware.key, each))
        yield


def _of_cases(run: Run, patterns: Sequence[str]) -> Run:
    if not patterns:
        return run
    plan = select_cases(run.header.plan, patterns)
    keys = {planned.case.key for planned in plan.cases}
    records = tuple(record for record in run.records if record.case.key in keys)
    return replace(run, header=replace(run.header, plan=plan), records=records)


def _names(name: str, *, release: bool) -> list[str]:
    return [name, release_name(name)] if release else [name]
