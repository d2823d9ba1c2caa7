"""Why a case could not be judged, and which launches were excluded. A gap never counts as a pass."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ssdbench.analysis.differences import WORKLOAD_VERSION, age_days, comparability_issues
from ssdbench.analysis.gpu_settings import remedies
from ssdbench.analysis.metrics import figure, gated_metric
from ssdbench.analysis.verdicts.wording import trimmed_mean
from ssdbench.schema.case import Plan, PlannedCase
from ssdbench.schema.case_names import find_named, names_of
from ssdbench.schema.launch_rules import group_by_case, usable
from ssdbench.schema.metrics import Metric
from ssdbench.schema.record import Failure, FailureKind, Record, Run, RunHeader
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import pluralize
from ssdbench.schema.verdict import OWN_BASELINE_ARM, CaseVerdict, Status, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The launches of one case: of the run, and of the reference."""

    planned: PlannedCase
    launches: tuple[Record, ...]
    reference: tuple[Record, ...]


def failures(records: Iterable[Record]) -> list[tuple[Record, Failure]]:
    """The launches that failed; one that was interrupted is still to be run, one that is unsupported was skipped."""
    return [
        (record, record.failure)
        for record in records
        if record.failure and record.failure.kind not in ("interrupted", "unsupported")
    ]


def does_not_fit(records: Iterable[Record]) -> bool:
    """Whether every launch that ended, and there is one, ran out of the GPU's memory."""
    ended = [record for record in records if not _has_failure(record, "interrupted")]
    return bool(ended) and all(
        record.failure is not None and (record.failure.kind, record.failure.memory) == ("out_of_memory", "gpu")
        for record in ended
    )


def gap(case: Sides, run: Run, name: str, settings: Settings) -> Verdict | None:
    """The verdict on a case that cannot be judged; None if it can."""
    found = _reason(case, run, name, settings)
    if found is None:
        return None
    metric = gated_metric(case.planned.case)
    measured, expected = usable(case.launches), usable(case.reference)
    return Verdict(
        status=found[0],
        metric=metric.name,
        sentence=found[1],
        settings=settings,
        baseline_value=trimmed_mean(values_of(metric, expected), settings.trim),
        candidate_value=trimmed_mean(values_of(metric, measured), settings.trim),
        baseline_launches=len(expected),
        candidate_launches=len(measured),
    )


def _reason(case: Sides, run: Run, name: str, settings: Settings) -> tuple[Status, str] | None:
    if found := _fit(case.launches, case.reference, name):
        return found
    ended = [record for record in case.launches if not _has_failure(record, "interrupted")]
    measured, expected = usable(case.launches), usable(case.reference)
    unsupported = [record.failure.message for record in ended if record.failure and _has_failure(record, "unsupported")]
    skip_reason = case.planned.skip_reason or (unsupported[0] if unsupported else None)
    broken = failures(case.launches)
    if broken:
        return Status.FAILED, _failed(broken, len(ended), name, case.reference)
    if skip_reason:
        return Status.SKIPPED, skip_reason + ("; the baseline has this case" if expected else "")
    if not ended:
        return Status.NOT_RUN, f"planned, not measured: {continue_with(run.header)}"
    if not measured:
        return Status.INCONCLUSIVE, f"every launch is invalid ({ended[0].invalid_reason}): measure it again"
    if not expected:
        return Status.NO_BASELINE, _no_reference(case.reference, name)
    unlike = comparability_issues(expected, measured)
    if unlike:
        status = Status.STALE if {item.name for item in unlike} == {WORKLOAD_VERSION} else Status.INCOMPARABLE
        listed = ", ".join(f"{item.name} {item.baseline} in {name} and {item.candidate} here" for item in unlike)
        remedy = remedies(unlike)
        how = f": {remedy}" if remedy else ""
        return status, f"{'stale' if status is Status.STALE else 'not comparable'}: {listed}{how}"
    days = age_days(expected, run.header.created_at)
    if days > settings.maximum_age_days:
        return Status.STALE, (
            f"stale: the newest launch of {name} is {days:.0f} days older than this run, {settings.maximum_age_days} "
            "are allowed; accept a newer run, or allow more with --max-age"
        )
    return None


def _fit(launches: Sequence[Record], reference: Sequence[Record], name: str) -> tuple[Status, str] | None:
    """The status of a case that does not fit into the GPU's memory, now or in the reference; None for all others."""
    if len({record.hardware.key for record in (*launches, *reference)}) > 1:
        return None
    fits, fitted = not does_not_fit(launches), not does_not_fit(reference)
    if not fits and not fitted:
        return Status.DOES_NOT_FIT, f"does not fit into the GPU's memory, as in {name}: {_first_message(launches)}"
    if not fits and any(record.measurement for record in reference) and not failures(reference):
        return Status.NO_LONGER_FITS, (
            f"no longer fits into the GPU's memory, it did in {name}; every launch ran out of it: "
            f"{_first_message(launches)}"
        )
    if not fitted and usable(launches) and not failures(launches):
        return Status.FITS_NOW, (
            f"fits into the GPU's memory now, it did not in {name}; accept this run so that its figures are gated too"
        )
    return None


def _no_reference(records: Sequence[Record], name: str) -> str:
    """Why the reference has nothing to compare with; launches that were measured together with the run say it."""
    if name != OWN_BASELINE_ARM:
        return f"{name} has no usable launch of this case: accept a run that measured it"
    broken, invalid = failures(records), [record.invalid_reason for record in records if record.invalid_reason]
    first = [f"failed with {failure.kind.replace('_', ' ')}: {failure.message}" for _, failure in broken]
    first += [f"is invalid ({reason})" for reason in invalid]
    return f"no usable launch of the baseline's build: the first one {first[0] if first else 'was not measured'}"


def _first_message(records: Iterable[Record]) -> str:
    return next(record.failure.message for record in records if record.failure is not None)


def _failed(broken: Sequence[tuple[Record, Failure]], ended: int, name: str, reference: Sequence[Record]) -> str:
    record, failure = broken[0]
    before = ""
    if reference:
        before = f"; it failed in {name} as well" if failures(reference) else f"; it did not fail in {name}"
    elif len(broken) == ended and does_not_fit(item for item, _ in broken):
        before = "; if it cannot fit, accept the run: the baseline then keeps that it does not"
    return (
        f"{len(broken)} of {ended} launches failed, the first one (launch {record.launch}) with "
        f"{failure.kind.replace('_', ' ')}: {failure.message}{before}"
    )


def continue_with(header: RunHeader) -> str:
    """What to do about launches that a run still lacks: a clause with the command."""
    verb = "run" if header.nightly is None else "nightly"
    return f"continue with `ssdbench {verb} --resume --run {header.run_id}`"


def left_out(case: Sides) -> tuple[str, ...]:
    """Which launches of a case are not judged, and why; a sentence for each side and reason."""
    notes = []
    for side, records in (("candidate", case.launches), ("baseline", case.reference)):
        invalid = [record.invalid_reason for record in records if record.invalid_reason]
        if invalid:
            notes.append(
                f"{pluralize(len(invalid), f'{side} launch', f'{side} launches')} left out as invalid ({invalid[0]})"
            )
        broken = failures(records)
        if broken:
            notes.append(f"{pluralize(len(broken), f'{side} launch', f'{side} launches')} left out as failed")
    return tuple(notes)


def measured_again(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """A sentence for each case and arm of which invalid launches were measured again, by case key.

    Where a build itself makes launches invalid (it throttles the GPU), those that are left flatter it.
    """
    attempts: dict[tuple[str, str, str, int], list[Record]] = defaultdict(list)
    for record in records:
        attempts[record.case.key, record.arm, record.stage, record.launch].append(record)
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (key, arm, _, _), several in attempts.items():
        reasons[key, arm] += [record.invalid_reason for record in several[:-1] if record.invalid_reason]
    found: dict[str, tuple[str, ...]] = {}
    for (key, arm), said in sorted(reasons.items()):
        if said:
            count = pluralize(len(said), f"{arm} launch", f"{arm} launches")
            found[key] = (*found.get(key, ()), f"{count} measured again, invalid at first ({said[0]})")
    return found


def missing_launches(run: Run) -> dict[str, str]:
    """A sentence for each case of which the plan has launches that were not measured, by case key."""
    measured: dict[str, set[int]] = defaultdict(set)
    for record in run.records:
        if record.measurement:
            measured[record.case.key].add(record.launch)
    asked = {planned.case.key: planned.case.protocol.launches for planned in run.header.plan.cases}
    missing = {key: number - len(measured[key]) for key, number in asked.items()}
    return {key: f"{few} of {asked[key]} planned launches not measured" for key, few in missing.items() if few > 0}


def not_planned(
    only: Mapping[str, Sequence[Record]], plan: Plan, name: str, settings: Settings
) -> Iterator[CaseVerdict]:
    """The cases that only the reference has, without those that it never measured either; `only` is by case key."""
    cases = {key: launches[0].case for key, launches in only.items()}
    names = {key: names_of(case) for key, case in (*cases.items(), *((one.case.key, one.case) for one in plan.cases))}
    chosen = {key for asked in plan.chosen or () for key in find_named(names, asked)}
    for key, launches in only.items():
        if found := usable(launches):
            yield _not_planned(found, name, settings, is_left_out=plan.chosen is not None and key not in chosen)


def _not_planned(found: Sequence[Record], name: str, settings: Settings, *, is_left_out: bool) -> CaseVerdict:
    case = found[0].case
    metric = gated_metric(case)
    why = "the run was asked for other cases" if is_left_out else "the run does not plan it"
    verdict = Verdict(
        status=Status.LEFT_OUT if is_left_out else Status.VANISHED,
        metric=metric.name,
        sentence=f"{name} has this case, {why}",
        settings=settings,
        baseline_value=trimmed_mean(values_of(metric, found), settings.trim),
        baseline_launches=len(found),
    )
    return CaseVerdict(case_key=case.key, title=case.title, verdict=verdict)


def unfit_cases(records: Iterable[Record]) -> dict[str, str]:
    """Titles of the cases that do not fit into the GPU's memory, by case key."""
    cases = sorted(group_by_case(records).items())
    return {key: launches[0].case.title for key, launches in cases if does_not_fit(launches)}


def values_of(metric: Metric, records: Iterable[Record]) -> list[float]:
    """The metric of each launch that was measured; NaN where it has none."""
    found = [figure(metric.name, record.measurement) for record in records if record.measurement]
    return [math.nan if value is None else value for value in found]


def _has_failure(record: Record, kind: FailureKind) -> bool:
    return record.failure is not None and record.failure.kind == kind
