"""Records of an interleaved run -> the values that the verdict rule judges, and the two arms as runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ssdbench.analysis.differences import comparability_issues
from ssdbench.analysis.metrics import figure, gated_metric
from ssdbench.schema.case import Case, Plan
from ssdbench.schema.launch_rules import group_by_case, may_be_replaced, usable
from ssdbench.schema.launch_values import Arms, CaseLaunches
from ssdbench.schema.metrics import Metric
from ssdbench.schema.record import Arm, Record, Run, StageName


def launches_by_case(
    plan: Plan, records: Iterable[Record], stored: Iterable[Record] | None = None
) -> dict[str, CaseLaunches]:
    """Every case that is measured, by key, with its whole pairs so far, invalid launches left out.

    A case of which a launch failed, or stayed invalid to the last replacement, is abandoned. `stored` are launches
    of a baseline that is not measured now: they are the baseline's arm of `measure`, in their order. A case is also
    abandoned if they cannot be compared, or if all have a partner: further launches of the candidate decide nothing.
    """
    own, kept = group_by_case(records), group_by_case(usable(stored or ()))
    return {
        case.key: _launches(case, own.get(case.key, []), None if stored is None else kept.get(case.key, []))
        for case in (planned.case for planned in plan.cases if planned.skip_reason is None)
    }


def split_arms(run: Run) -> tuple[Run, Run]:
    """The two arms of an interleaved run as runs of their own: baseline, candidate; replaced launches left out."""
    last = {(record.case.key, record.arm, record.stage, record.launch): record for record in run.records}
    baseline, candidate = (
        replace(run, records=tuple(record for record in last.values() if record.arm == arm))
        for arm in ("baseline", "candidate")
    )
    arm = run.header.baseline_arm
    if arm is None:
        return replace(baseline, header=replace(run.header, options=replace(run.header.options, image=None))), candidate
    options = replace(run.header.options, image=arm.image, measured_by=arm.python, source=arm.source)
    host = run.header.host
    if arm.image is None:  # images have the candidate's source mounted
        host = replace(host, ssdbench_commit=arm.commit)
    return replace(baseline, header=replace(run.header, options=options, host=host)), candidate


def last_attempts(run: Run) -> Run:
    """The candidate's launches of a run, without those that were replaced."""
    return split_arms(run)[1]


def _launches(case: Case, records: Sequence[Record], stored: Sequence[Record] | None) -> CaseLaunches:
    metric = gated_metric(case)
    last = {(record.arm, record.stage, record.launch): record for record in records}
    if stored is not None:
        last |= {("baseline", "measure", number): record for number, record in enumerate(stored)}
    # An invalid launch that was interrupted before its replacement counts as not measured yet.
    last = {place: record for place, record in last.items() if not may_be_replaced(record, records)}
    fault = next(filter(None, map(_fault, last.values())), None)
    return CaseLaunches(
        metric=metric,
        measure=_arms(metric, last, "measure", is_stored=stored is not None),
        confirm=_arms(metric, last, "confirm", is_stored=stored is not None),
        abandoned=fault or (None if stored is None else _exhausted(records, stored)),
    )


def _arms(
    metric: Metric, last: Mapping[tuple[Arm, StageName, int], Record], stage: StageName, *, is_stored: bool
) -> Arms:
    values: dict[Arm, list[float]] = {"baseline": [], "candidate": []}
    candidate_is_first, pair = [], 0
    while all((arm, stage, pair) in last for arm in values):
        for arm, column in values.items():
            measurement = last[arm, stage, pair].measurement
            value = figure(metric.name, measurement) if measurement else None
            column.append(float("nan") if value is None else value)
        candidate_is_first.append(last["candidate", stage, pair].order < last["baseline", stage, pair].order)
        pair += 1
    return Arms(
        baseline=tuple(values["baseline"]),
        candidate=tuple(values["candidate"]),
        candidate_is_first=() if is_stored else tuple(candidate_is_first),
    )


def _fault(record: Record) -> str | None:
    name = f"{record.arm} launch {record.launch + 1}"
    if record.failure is not None:
        return f"{name} failed: {record.failure.message}"
    if record.invalid_reason is not None:
        return f"{name} stayed invalid: {record.invalid_reason}"
    return None


def _exhausted(records: Sequence[Record], stored: Sequence[Record]) -> str | None:
    measured = usable(records)
    if len(measured) >= len(stored):
        return f"the stored baseline has {len(stored)} launches: more of the candidate alone would decide nothing"
    if unlike := comparability_issues(stored, measured):
        return f"not comparable with the stored baseline: {', '.join(item.name for item in unlike)}"
    return None
