"""Records x baseline -> Comparison: which cases can be judged, and what is said of those that cannot.

A run and its baseline were measured at different times, so the cases are judged as stored sessions (`sessions`): a run
is a session. Such a comparison may clear a case and find large changes; small ones need an interleaved run (`decide`).

Cases are joined by key. Launches marked invalid are left out, on both sides, and the sentence says so. A case with any
failed launch has failed, however good its other launches are. Launches that were interrupted count as not run, cases
that the worker found unsupported as skipped.

Exit codes, the first that applies (`exit_code`):

    3  regressed     at least one case is worse: known whatever else is missing
    4  failed        at least one case failed
    6  not covered   a case is planned and not run, has no baseline, a stale or an incomparable one, is in the baseline
                     and no longer planned, or is skipped although the baseline has it; or no case at all was judged
    5  inconclusive  every case was measured and compared, and for at least one the data support no verdict
    0                every case that was judged is unchanged or improved; cases skipped with a reason, which the
                     baseline does not have either, are no gap: the same suite serves machines of different sizes

Not covered goes before inconclusive, because a nightly run repairs it by measuring or accepting, not by repeating.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ssdbench.analysis.decide import judge
from ssdbench.analysis.differences import WORKLOAD_VERSION, age_days, differences, what_forbids_comparison
from ssdbench.analysis.metrics import figure, gated_metric, middle
from ssdbench.analysis.night import night_of, sides
from ssdbench.analysis.sessions import judge_stored
from ssdbench.errors import ExitCode
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.night import CaseSessions
from ssdbench.schema.record import Failure, FailureKind, Record, Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import (
    METRICS,
    OWN_BASELINE_ARM,
    Baseline,
    CaseFigure,
    CaseVerdict,
    Comparison,
    Direction,
    Metric,
    Status,
    Verdict,
)

WORST_FIRST = (
    Status.REGRESSED,
    Status.FAILED,
    Status.NOT_RUN,
    Status.INCOMPARABLE,
    Status.NO_BASELINE,
    Status.STALE,
    Status.VANISHED,
    Status.INCONCLUSIVE,
    Status.SKIPPED,
    Status.UNCHANGED,
    Status.IMPROVED,
)
_NOT_COVERED = {Status.NOT_RUN, Status.INCOMPARABLE, Status.NO_BASELINE, Status.STALE, Status.VANISHED}
_JudgeOpen = Callable[[Mapping[str, "_Sides"]], dict[str, Verdict]]
_JUDGED = {Status.UNCHANGED, Status.IMPROVED}


def compare(run: Run, reference: Baseline | Run | None, name: str, settings: Settings) -> Comparison:
    """All cases of a run, and those that only the reference has, worst first, judged as stored sessions.

    `reference` is a baseline, another run, or None where there is no baseline called `name` for this hardware.

    Raises:
        UsageError: a case of a workload that this version does not know.
    """

    def judge_sessions(cases: Mapping[str, _Sides]) -> dict[str, Verdict]:
        return judge_stored({key: _sessions(case) for key, case in cases.items()}, settings)

    return _compare(run, reference, name, settings, judge_sessions)


def compare_arms(run: Run, settings: Settings) -> Comparison:
    """All cases of an interleaved run, its candidate against its own baseline arm, worst first."""
    baseline, candidate = sides(run)
    night = night_of(run.header.plan, run.records)

    def judge_night(cases: Mapping[str, _Sides]) -> dict[str, Verdict]:
        return judge({key: night[key] for key in cases}, settings)

    return _compare(candidate, baseline, OWN_BASELINE_ARM, settings, judge_night)


def _compare(
    run: Run, reference: Baseline | Run | None, name: str, settings: Settings, judge_open: _JudgeOpen
) -> Comparison:
    records = _by_case(run.records)
    expected = _by_case(reference.records if reference else ())
    planned = {case.case.key: case for case in run.header.plan.cases}
    for key, launches in records.items():
        planned.setdefault(key, PlannedCase(case=launches[0].case))
    both = {
        key: _Sides(planned=case, launches=tuple(records.get(key, ())), reference=tuple(expected.get(key, ())))
        for key, case in planned.items()
    }
    judged = {key: verdict for key, case in both.items() if (verdict := _obstacle(case, run, name, settings))}
    open_cases = {key: case for key, case in both.items() if key not in judged}
    notes = {key: _left_out(case) for key, case in open_cases.items()}
    judged |= judge_open(open_cases)
    verdicts: list[CaseVerdict | None] = [
        CaseVerdict(case_key=key, title=case.case.title, verdict=judged[key], notes=notes.get(key, ()))
        for key, case in planned.items()
    ]
    verdicts += [_vanished(launches, name, settings) for key, launches in expected.items() if key not in planned]
    return Comparison(
        schema_version=SCHEMA_VERSION,
        run_id=run.header.run_id,
        hardware_key=run.header.hardware.key,
        baseline=name,
        baseline_run_id=reference.header.run_id if reference else None,
        settings=settings,
        cases=tuple(sorted((verdict for verdict in verdicts if verdict), key=_badness)),
        differences=differences(reference, run) if reference else (),
    )


def exit_code(comparison: Comparison) -> ExitCode:
    """What the process tells its caller; the order of precedence is at the head of this file."""
    statuses = {case.verdict.status for case in comparison.cases}
    lost = any(case.verdict.status is Status.SKIPPED and case.verdict.baseline_launches for case in comparison.cases)
    if Status.REGRESSED in statuses:
        return ExitCode.REGRESSED
    if Status.FAILED in statuses:
        return ExitCode.CASE_FAILED
    if statuses & _NOT_COVERED or lost:
        return ExitCode.NOT_COVERED
    if Status.INCONCLUSIVE in statuses:
        return ExitCode.INCONCLUSIVE
    return ExitCode.OK if statuses & _JUDGED else ExitCode.NOT_COVERED


def case_figures(records: Iterable[Record]) -> tuple[CaseFigure, ...]:
    """The gated metric of each case on its own, by case key; cases without a usable value are left out."""
    found = []
    for key, launches in sorted(_by_case(records).items()):
        metric = gated_metric(launches[0].case)
        values = [value for value in _values(metric, _usable(launches)) if 0 < value < math.inf]
        value = middle(values)
        if value is not None:
            found.append(
                CaseFigure(
                    case_key=key,
                    title=launches[0].case.title,
                    metric=metric.name,
                    value=value,
                    low=min(values),
                    high=max(values),
                    launches=len(values),
                )
            )
    return tuple(found)


def failures(records: Iterable[Record]) -> list[tuple[Record, Failure]]:
    """The launches that failed; one that was interrupted is still to be run, one that is unsupported was skipped."""
    return [
        (record, record.failure)
        for record in records
        if record.failure and record.failure.kind not in ("interrupted", "unsupported")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """All that is known of one case: its launches of the run, and those of the reference."""

    planned: PlannedCase
    launches: tuple[Record, ...]
    reference: tuple[Record, ...]


def _sessions(case: _Sides) -> CaseSessions:
    metric = gated_metric(case.planned.case)
    sides = []
    for records in (_usable(case.reference), _usable(case.launches)):
        sessions: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            sessions[record.run_id].append(record)
        sides.append(tuple(tuple(_values(metric, launches)) for launches in sessions.values()))
    return CaseSessions(metric=metric, baseline=sides[0], candidate=sides[1])


def _obstacle(case: _Sides, run: Run, name: str, settings: Settings) -> Verdict | None:
    """What is said of a case that cannot be judged, None where it can."""
    found = _reason(case, run, name, settings)
    if found is None:
        return None
    metric = gated_metric(case.planned.case)
    measured, expected = _usable(case.launches), _usable(case.reference)
    return Verdict(
        status=found[0],
        metric=metric.name,
        sentence=found[1],
        settings=settings,
        baseline_value=middle(_values(metric, expected)),
        measured_value=middle(_values(metric, measured)),
        baseline_launches=len(expected),
        measured_launches=len(measured),
    )


def _reason(case: _Sides, run: Run, name: str, settings: Settings) -> tuple[Status, str] | None:
    ended = [record for record in case.launches if not _has_failure(record, "interrupted")]
    measured, expected = _usable(case.launches), _usable(case.reference)
    unsupported = [record.failure.message for record in ended if record.failure and _has_failure(record, "unsupported")]
    skip_reason = case.planned.skip_reason or (unsupported[0] if unsupported else None)
    broken = failures(case.launches)
    if broken:
        return Status.FAILED, _failed(broken, len(ended), name, case.reference)
    if skip_reason:
        return Status.SKIPPED, skip_reason + ("; the baseline has this case" if expected else "")
    if not ended:
        return Status.NOT_RUN, "planned, not measured: go on with `ssdbench run --resume`"
    if not measured:
        return Status.INCONCLUSIVE, f"every launch is invalid ({ended[0].invalid_reason}): measure it again"
    if not expected:
        return Status.NO_BASELINE, f"{name} has no usable launch of this case: accept a run that measured it"
    unlike = what_forbids_comparison(expected, measured)
    if unlike:
        status = Status.STALE if {item.name for item in unlike} == {WORKLOAD_VERSION} else Status.INCOMPARABLE
        listed = ", ".join(f"{item.name} {item.baseline} in {name} and {item.measured} here" for item in unlike)
        return status, f"{'stale' if status is Status.STALE else 'not comparable'}: {listed}"
    days = age_days(expected, run.header.created_at)
    if days > settings.maximum_age_days:
        return Status.STALE, (
            f"stale: the newest launch of {name} is {days:.0f} days older than this run, {settings.maximum_age_days} "
            "are allowed; accept a newer run, or allow more with --max-age"
        )
    return None


def _failed(broken: Sequence[tuple[Record, Failure]], ended: int, name: str, reference: Sequence[Record]) -> str:
    record, failure = broken[0]
    before = ""
    if reference:
        before = f"; it failed in {name} as well" if failures(reference) else f"; it did not fail in {name}"
    return (
        f"{len(broken)} of {ended} launches failed, the first one (launch {record.launch}) with "
        f"{failure.kind.replace('_', ' ')}: {failure.message}{before}"
    )


def _left_out(case: _Sides) -> tuple[str, ...]:
    notes = []
    for side, records in (("measured", case.launches), ("baseline", case.reference)):
        invalid = [record.invalid_reason for record in records if record.invalid_reason]
        if invalid:
            notes.append(f"{_counted(len(invalid), f'{side} launch')} left out as invalid ({invalid[0]})")
        broken = failures(records)
        if broken:
            notes.append(f"{_counted(len(broken), f'{side} launch')} left out as failed")
    asked = case.planned.case.protocol.launches
    missing = asked - len({record.launch for record in case.launches if record.measurement})
    if missing > 0:
        notes.append(f"{missing} of {asked} planned launches not measured")
    return tuple(notes)


def _vanished(launches: Sequence[Record], name: str, settings: Settings) -> CaseVerdict | None:
    usable = _usable(launches)
    if not usable:
        return None
    case = launches[0].case
    metric = gated_metric(case)
    verdict = Verdict(
        status=Status.VANISHED,
        metric=metric.name,
        sentence=f"{name} has this case, the run does not plan it",
        settings=settings,
        baseline_value=middle(_values(metric, usable)),
        baseline_launches=len(usable),
    )
    return CaseVerdict(case_key=case.key, title=case.title, verdict=verdict)


def _badness(case: CaseVerdict) -> tuple[int, float]:
    verdict = case.verdict
    better = METRICS[verdict.metric].direction is Direction.HIGHER_IS_BETTER
    change = verdict.change or 0.0
    return WORST_FIRST.index(verdict.status), change if better else -change


def _by_case(records: Iterable[Record]) -> dict[str, list[Record]]:
    cases: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        cases[record.case.key].append(record)
    return cases


def _usable(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.measurement and not record.invalid_reason]


def _values(metric: Metric, records: Iterable[Record]) -> list[float]:
    found = [figure(metric.name, record.measurement) for record in records if record.measurement]
    return [math.nan if value is None else value for value in found]


def _has_failure(record: Record, kind: FailureKind) -> bool:
    return record.failure is not None and record.failure.kind == kind


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}es"
