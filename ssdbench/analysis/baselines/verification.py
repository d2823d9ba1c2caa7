"""Faults of a stored baseline that can be read: a sentence each, none if it is sound."""

import math
from collections import Counter
from collections.abc import Iterator

from ssdbench.analysis.differences import comparability_issues
from ssdbench.analysis.metrics import figure, gated_metric
from ssdbench.analysis.verdicts.coverage import does_not_fit
from ssdbench.schema.case import WORKLOADS
from ssdbench.schema.launch_rules import group_by_case
from ssdbench.schema.record import Record
from ssdbench.schema.verdict import Baseline

_RESTORE = "restore the file from version control"
_FEWEST_LAUNCHES = 2


def findings(baseline: Baseline | None, anchor: Baseline | None, folder: str, name: str) -> list[str]:
    """What a baseline and its anchor, as they were read from `folder` under `name`, have that cannot be right."""
    found: list[str] = []
    if baseline is None:
        return [f"only the anchor is left; {_RESTORE}, or remove it with `ssdbench baseline forget {name}`"]
    found += _of_place(baseline, folder, name)
    found += _of_history(baseline)
    found += _of_launches(baseline)
    if anchor is None:
        return [*found, "it has no anchor, so creep is not noticed; the next `ssdbench baseline accept` makes it one"]
    in_anchor = [*_of_place(anchor, folder, name), *_of_launches(anchor), *_of_origin(anchor, baseline)]
    return found + [f"anchor: {sentence}" for sentence in in_anchor]


def _of_place(baseline: Baseline, folder: str, name: str) -> Iterator[str]:
    header = baseline.header
    if header.hardware.key != folder:
        yield f"its header says hardware {header.hardware.key}; move the file to the folder of that name"
    if header.name != name:
        yield f"its header says name {header.name!r}; give the file that name"


def _of_history(baseline: Baseline) -> Iterator[str]:
    if not baseline.history:
        yield "it has no history of acceptances; the next `ssdbench baseline accept` begins one"
        return
    last, header = baseline.history[-1], baseline.header
    # After an acceptance of some cases the others are of earlier runs.
    runs_fit = last.run_ids == header.sessions if last.cases is None else set(last.run_ids) <= set(header.sessions)
    if not runs_fit or last.accepted_at != header.accepted_at:
        yield f"the last line of its history is of {', '.join(last.run_ids)}, not of {header.run_id}; {_RESTORE}"
    unsorted = [entry.accepted_at for entry in baseline.history]
    if unsorted != sorted(unsorted):
        yield f"its history is not in the order of time; {_RESTORE}"


def _of_launches(baseline: Baseline) -> Iterator[str]:
    if not baseline.records:
        yield f"it has no launch; {_RESTORE}"
    for record in baseline.records:
        if wrong := _fault(record, baseline):
            yield f"launch {record.launch} of {record.case.key} (run {record.run_id}) {wrong}"
    for identity, times in Counter(record.id for record in baseline.records).items():
        if times > 1:
            yield f"launch {identity} is in {times} lines; {_RESTORE}"
    for key, records in sorted(group_by_case(baseline.records).items()):
        yield from _of_case(key, records)


def _fault(record: Record, baseline: Baseline) -> str | None:
    if _is_unfit(record):
        return None
    if record.measurement is None:
        return "has no measurement; accept a run without failures"
    if record.invalid_reason:
        return f"is invalid ({record.invalid_reason}); accept a run without invalid launches"
    if record.hardware.key != baseline.header.hardware.key:
        return f"was measured on {record.hardware.key}; accept a run of this hardware"
    if record.case.workload not in WORKLOADS:
        return f"is of the workload {record.case.workload!r}, which is unknown here; update ssdbench"
    value = figure(gated_metric(record.case).name, record.measurement)
    if value is None or not 0 < value < math.inf:
        return "has no usable figure; accept a run that has"
    return None


def _of_case(key: str, records: list[Record]) -> Iterator[str]:
    if any(record.measurement for record in records) and any(map(_is_unfit, records)):
        yield f"{key} has some launches that ran out of memory and others that did not; accept a run without"
    launches, sessions = len({record.id for record in records}), {record.run_id for record in records}
    planned = records[0].case.protocol.launches * len(sessions)
    if launches < planned:
        yield f"{key} has {launches} of {planned} planned launches; {_RESTORE}"
    elif launches < _FEWEST_LAUNCHES:
        yield f"{key} has one launch, which supports no verdict; accept a run with more `launches`"
    for item in comparability_issues(records, records):
        yield f"the launches of {key} are not comparable with each other: {item.name} {item.baseline}; {_RESTORE}"


def _of_origin(anchor: Baseline, baseline: Baseline) -> Iterator[str]:
    runs = {run_id for entry in baseline.history for run_id in entry.run_ids}
    strangers = sorted(set(anchor.header.sessions) - runs) if runs else []
    if strangers:
        yield f"run {', '.join(strangers)} is not in the history of the baseline; {_RESTORE}"
    measured = group_by_case(record for record in baseline.records if record.measurement)
    lacking = sorted(measured.keys() - group_by_case(anchor.records).keys())
    if lacking:
        yield f"it lacks {', '.join(lacking)}; the next `ssdbench baseline accept` adds what is missing"


def _is_unfit(record: Record) -> bool:
    return does_not_fit([record])
