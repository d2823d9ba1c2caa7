"""Which runs may become a baseline: whole ones, whose every launch was measured under valid conditions.

A case that ran out of GPU memory in every launch is stored as one that does not fit, with its failed launches.

`analysis/baselines/creep.py` decides which regressions need permission, and what becomes of the anchor.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ssdbench import __version__
from ssdbench.analysis.differences import comparability_issues, differences
from ssdbench.analysis.metrics import is_timed
from ssdbench.analysis.verdicts.coverage import failures, unfit_cases
from ssdbench.errors import UsageError
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.acceptance import Acceptance, AcceptedRegression
from ssdbench.schema.case import Plan, PlannedCase
from ssdbench.schema.launch_rules import group_by_case
from ssdbench.schema.plausibility import implausibility
from ssdbench.schema.record import Record, Run, RunHeader
from ssdbench.schema.text import shorten_list
from ssdbench.schema.verdict import Baseline, BaselineHeader

# Sessions of one build may be spread over the nodes of a pool; nothing else may differ between them.
_MAY_DIFFER_BETWEEN_SESSIONS = frozenset({"hostname"})


def sessions_of_one_build(runs: Sequence[Run]) -> Run:
    """Several runs as one: the header of the newest with all their launches; a single run stays as it is.

    Raises:
        UsageError: one cannot be accepted, or they are not sessions of one build with the same cases.
    """
    for run in runs:
        if obstacle := _obstacle(run):
            raise UsageError(f"run {run.header.run_id} cannot be accepted: {obstacle}")
    ordered = sorted(runs, key=lambda run: (run.header.created_at, run.header.run_id))
    newest = ordered[-1]
    for earlier in ordered[:-1]:
        if unlike := _unlike(earlier, newest):
            raise UsageError(
                f"runs {earlier.header.run_id} and {newest.header.run_id} are no sessions of one build: {unlike}; "
                "accept one of them"
            )
    return Run(header=newest.header, records=tuple(record for run in ordered for record in run.records))


def baseline_from(run: Run, *, name: str, reason: str, accepted_at: str) -> Baseline:
    """The baseline that this run (or `sessions_of_one_build`) would be; `accepted_at` is a time in ISO 8601, UTC.

    Its history is still empty: see `accepted`.

    Raises:
        UsageError: no reason; launches that are missing, failed, invalid or no measurement of their case; two machines.
    """
    if not reason.strip():
        raise UsageError("--reason is empty; say in a few words why these figures are the ones to compare with")
    header = run.header
    obstacle = _obstacle(run)
    if obstacle:
        raise UsageError(f"run {header.run_id} cannot be accepted: {obstacle}")
    unfit = unfit_cases(run.records)
    records = tuple(record for record in run.records if record.measurement or record.case.key in unfit)
    return Baseline(
        header=BaselineHeader(
            schema_version=SCHEMA_VERSION,
            name=name,
            reason=" ".join(reason.split()),
            accepted_at=accepted_at,
            run_id=header.run_id,
            sessions=tuple(dict.fromkeys(record.run_id for record in records)),
            measured_at=header.created_at,
            suite=header.plan.suite,
            seed=header.plan.seed,
            hardware=header.hardware,
            host=header.host,
            options=header.options,
            dataset=header.dataset,
            launches=len(records),
        ),
        records=records,
    )


def with_other_cases(baseline: Baseline, replaced: Baseline, moved: Collection[str]) -> Baseline:
    """The baseline of the moved cases, together with the launches that the replaced one has of all others."""
    kept = tuple(record for record in replaced.records if record.case.key not in moved)
    records, header = (*baseline.records, *kept), baseline.header
    there = {record.run_id for record in kept}
    # A run that is accepted again for one case keeps its place, and with it the order of the launches that stay.
    earlier = tuple(run_id for run_id in replaced.header.sessions or (replaced.header.run_id,) if run_id in there)
    sessions = tuple(dict.fromkeys((*earlier, *header.sessions)))
    return replace(baseline, header=replace(header, sessions=sessions, launches=len(records)), records=records)


def only_cases(baseline: Baseline, keys: Collection[str]) -> Baseline:
    """The baseline as if it had no other cases."""
    return replace(baseline, records=tuple(record for record in baseline.records if record.case.key in keys))


def accepted(
    baseline: Baseline,
    replaced: Baseline | None,
    *,
    margin: float,
    run_ids: tuple[str, ...] = (),
    cases: tuple[str, ...] | None = None,
    accepted_regressions: tuple[AcceptedRegression, ...] = (),
    dropped: tuple[str, ...] = (),
    reset_anchor: bool = False,
) -> Baseline:
    """The baseline with the history of the one that it replaces and the entry of its own acceptance.

    `run_ids` are the accepted runs, all of its sessions where none are given; `cases` are those that moved, if not all.
    """
    earlier = replaced.history if replaced else ()
    entry = Acceptance(
        schema_version=SCHEMA_VERSION,
        accepted_at=baseline.header.accepted_at,
        reason=baseline.header.reason,
        run_ids=run_ids or baseline.header.sessions,
        margin=margin,
        judged_by=__version__,
        accepted_regressions=accepted_regressions,
        dropped=dropped,
        reset_anchor=reset_anchor,
        cases=cases,
    )
    history = (*earlier, entry)
    return replace(baseline, header=replace(baseline.header, acceptances=len(history)), history=history)


def is_same(baseline: Baseline, replaced: Baseline) -> bool:
    """Whether accepting would change nothing but the date."""
    undated = replace(baseline.header, accepted_at="", acceptances=0)
    by_id = {record.id: record for record in replaced.records}
    return undated == replace(replaced.header, accepted_at="", acceptances=0) and by_id == {
        record.id: record for record in baseline.records
    }


def as_run(baseline: Baseline) -> Run:
    """A baseline in the form of a run, so that it can be the measured side of a comparison."""
    header = baseline.header
    cases = {record.case.key: PlannedCase(case=record.case) for record in baseline.records}
    plan = Plan(suite=header.suite, seed=header.seed, cases=tuple(cases.values()), order=())
    return Run(
        header=RunHeader(
            schema_version=header.schema_version,
            run_id=header.run_id,
            created_at=header.measured_at,
            plan=plan,
            options=header.options,
            hardware=header.hardware,
            host=header.host,
            dataset=header.dataset,
        ),
        records=baseline.records,
    )


def _unlike(earlier: Run, newest: Run) -> str | None:
    if earlier.header.run_id == newest.header.run_id:
        return "they are the same run"
    found = [item for item in differences(earlier, newest) if item.name not in _MAY_DIFFER_BETWEEN_SESSIONS]
    there, here = (group_by_case(record for record in run.records if record.measurement) for run in (earlier, newest))
    if only := sorted(there.keys() ^ here.keys()):
        return f"{shorten_list(only, 3)} in one of them only"
    for key, records in here.items():
        found += comparability_issues(there[key], records)
    return shorten_list([f"{item.name} {item.baseline} and {item.candidate}" for item in found], 3) or None


def _obstacle(run: Run) -> str | None:
    if not all(is_timed(planned.case) for planned in run.header.plan.cases):
        return "it trains for accuracy; accept its seeds with `ssdbench converge accept`"
    unfit = unfit_cases(run.records)
    broken = [_launch(record) for record, _ in failures(run.records) if record.case.key not in unfit]
    if broken:
        return f"{shorten_list(broken, 3)} failed; repair the cause and measure again"
    invalid = [f"{_launch(record)} ({record.invalid_reason})" for record in run.records if record.invalid_reason]
    if invalid:
        return (
            f"{shorten_list(invalid, 1)} not valid; measure again while nothing disturbs the machine, or allow more "
            "CPU load of other processes with --foreign-cpu"
        )
    missing = _missing(run)
    if missing:
        return (
            f"{shorten_list(missing, 3)} not measured; finish it with `ssdbench run --resume --run {run.header.run_id}`"
        )
    measured = [record for record in run.records if record.measurement]
    if not measured:
        return "it measured nothing; every case was skipped, or does not fit"
    bad = [
        f"{_launch(record)} ({reason})"
        for record in measured
        if record.measurement and (reason := implausibility(record.measurement, record.case))
    ]
    if bad:
        return f"{shorten_list(bad, 3)}: no measurement of its case; measure again"
    kept = [record for record in run.records if record.measurement or record.case.key in unfit]
    strangers = [_launch(record) for record in kept if record.hardware.key != run.header.hardware.key]
    return (
        f"{shorten_list(strangers, 3)} measured on other hardware than the run; measure all on one machine"
        if strangers
        else None
    )


def _missing(run: Run) -> list[str]:
    # An unsupported launch ends its case: the worker discovered what the plan could not know.
    ended = {record.case.key for record in run.records if record.failure and record.failure.kind == "unsupported"}
    unfit = unfit_cases(run.records)
    if run.header.baseline_arm is not None:
        ended |= unfit.keys()  # in pairs, the first launch without memory ends its case as well
    measured = {
        (record.case.key, record.launch)
        for record in run.records
        if record.measurement or (record.case.key in unfit and record.failure and record.failure.kind != "interrupted")
    }
    slots = [(slot.case_key, slot.launch) for slot in run.header.plan.order if slot.case_key not in ended]
    return [f"{key} launch {launch}" for key, launch in slots if (key, launch) not in measured]


def _launch(record: Record) -> str:
    return f"{record.case.key} launch {record.launch}"
