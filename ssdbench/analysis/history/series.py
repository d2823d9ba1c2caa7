"""Records of many runs -> the series of one case.

Launches under unlike conditions (hardware, workload version, timer, protocol, images) never share a series. Failed and
invalid launches, and those without a figure, are left out and counted in a note. A point is the middle of its launches
(the median of their logarithms): of one run, or of all launches in one release of NVIDIA's container.
"""

import math
import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from ssdbench.analysis.differences import conditions, differences_between
from ssdbench.analysis.history.change_points import change_between, levels, segments
from ssdbench.analysis.metrics import figure, gated_metric, is_timed
from ssdbench.analysis.verdicts.coverage import failures
from ssdbench.analysis.verdicts.quantised import quantised_note
from ssdbench.errors import UsageError
from ssdbench.schema.case import Case
from ssdbench.schema.case_names import find_named
from ssdbench.schema.history import CaseHistory, ChangePoint, Grouping, HistoryPoint, Series
from ssdbench.schema.launch_rules import is_usable
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.record import Record, Run
from ssdbench.schema.text import shorten_list

Conditions = tuple[tuple[str, str], ...]


@dataclass(slots=True, kw_only=True)
class _Group:
    """Launches that make one point; `runs` have no other records than these."""

    label: str
    runs: list[Run] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


def measured_cases(runs: Iterable[Run]) -> tuple[CaseHistory, ...]:
    """The cases that have a usable launch, by key."""
    seen: dict[str, list[Run]] = {}
    titles: dict[str, str] = {}
    for run in runs:
        for key, case in {record.case.key: record.case for record in run.records if is_usable(record)}.items():
            seen.setdefault(key, []).append(run)
            titles[key] = case.title
    return tuple(
        CaseHistory(
            case_key=key,
            title=titles[key],
            hardware_keys=tuple(sorted({run.header.hardware.key for run in found})),
            runs=len(found),
            first=min(run.header.created_at for run in found),
            last=max(run.header.created_at for run in found),
        )
        for key, found in sorted(seen.items())
    )


def find_case(cases: Sequence[CaseHistory], asked: str) -> CaseHistory:
    """The one case that `find_cases` finds.

    Raises:
        UsageError: none, or several; the sentence names them.
    """
    found = find_cases(cases, asked)
    if len(found) > 1:
        raise UsageError(
            f"{asked!r} names {len(found)} cases; write more of one: {shorten_list([c.case_key for c in found], 8)}"
        )
    return found[0]


def find_cases(cases: Sequence[CaseHistory], asked: str) -> tuple[CaseHistory, ...]:
    """The cases that `asked` means, as `schema.case_names.find_named` finds them.

    Raises:
        UsageError: none; the sentence names those that there are.
    """
    if not cases:
        raise UsageError(f"no case {asked!r}: no speed was measured yet; begin with `ssdbench run`")
    meant = set(find_named({case.case_key: (case.title,) for case in cases}, asked))
    if found := tuple(case for case in cases if case.case_key in meant):
        return found
    raise UsageError(f"no case {asked!r} was measured; there are {shorten_list([case.case_key for case in cases], 8)}")


def series_of(
    runs: Sequence[Run], case_key: str, *, by: Grouping = Grouping.RUN, metric: str | None = None, hardware: str = ""
) -> tuple[Series, ...]:
    """The series of a case, by conditions; `hardware` is a part of the hardware key, `metric` None the gated one.

    Raises:
        UsageError: an unknown metric, or nothing to show of this hardware or this way to group.
    """
    launches = [(run, record) for run in runs for record in run.records if record.case.key == case_key]
    here = [(run, record) for run, record in launches if hardware in record.hardware.key]
    if not here:
        keys = sorted({record.hardware.key for _, record in launches})
        raise UsageError(f"{case_key}: never measured on hardware {hardware!r}; it was on {', '.join(keys)}")
    case = here[0][1].case
    name = _metric(metric, case)
    groups, left_out = _grouped(here, name, by)
    if not groups:
        remedy = "measure in NVIDIA's container, or use --by run" if by is Grouping.CONTAINER else "measure it again"
        raise UsageError(f"{case_key}: no launch can be shown ({_counts(left_out)}); {remedy}")
    return _all_series(case, name, groups, left_out, by)


def every_series(
    runs: Sequence[Run],
    case_keys: Container[str] | None = None,
    *,
    by: Grouping = Grouping.RUN,
    metric: str | None = None,
    hardware: str = "",
) -> dict[str, tuple[Series, ...]]:
    """The series of every case that has one, by key; trainings for accuracy have none.

    `case_keys` restricts the cases; the other arguments are those of `series_of`.

    Raises:
        UsageError: an unknown metric.
    """
    by_case: dict[str, list[tuple[Run, Record]]] = {}
    for run in runs:
        for record in run.records:
            asked = case_keys is None or record.case.key in case_keys
            if asked and hardware in record.hardware.key and is_timed(record.case):
                by_case.setdefault(record.case.key, []).append((run, record))
    found = {}
    for key, launches in sorted(by_case.items()):
        case = launches[0][1].case
        name = _metric(metric, case)
        groups, left_out = _grouped(launches, name, by)
        if groups:
            found[key] = _all_series(case, name, groups, left_out, by)
    return found


def _all_series(
    case: Case, metric: str, groups: dict[Conditions, dict[str, _Group]], left_out: Counter[str], by: Grouping
) -> tuple[Series, ...]:
    notes = (f"left out: {_counts(left_out)}",) if left_out else ()
    return tuple(
        _series(case, metric, found, list(points.values()), by, notes) for found, points in sorted(groups.items())
    )


def _grouped(
    launches: Iterable[tuple[Run, Record]], metric: str, by: Grouping
) -> tuple[dict[Conditions, dict[str, _Group]], Counter[str]]:
    groups: dict[Conditions, dict[str, _Group]] = {}
    left_out: Counter[str] = Counter()
    by_release = by is Grouping.CONTAINER
    for run, record in launches:
        value = figure(metric, record.measurement) if record.measurement else None
        release = record.measurement.software.container_release if record.measurement else None
        reason = _left_out(record, value) or ("outside of a container" if by_release and not release else None)
        if reason or value is None:
            left_out[reason or ""] += 1
            continue
        place, label = (release, release) if by_release and release else (run.header.run_id, run.header.created_at)
        found = tuple(conditions(record).items())
        group = groups.setdefault(found, {}).setdefault(place, _Group(label=label))
        group.runs.append(replace(run, records=(record,)))
        group.values.append(value)
    return groups, left_out


def _left_out(record: Record, value: float | None) -> str | None:
    if record.failure:
        return "failed" if failures([record]) else record.failure.kind
    if record.invalid_reason:
        return "invalid"
    return None if value is not None and 0 < value < math.inf else "without a figure"


def _series(
    case: Case, metric: str, found: Conditions, groups: list[_Group], by: Grouping, notes: tuple[str, ...]
) -> Series:
    groups = sorted(groups, key=lambda group: _natural(group.label) if by is Grouping.CONTAINER else [_began(group)])
    points = [_point(group) for group in groups]
    values = [point.value for point in points]
    answer = levels(values)
    parts = segments(len(points), answer.breaks)
    placed: list[HistoryPoint] = []
    for number, part in enumerate(parts):
        before = [values[index] for index in parts[number - 1]] if number else None
        placed += [
            replace(points[i], segment=number, change=change_between(before, [values[i]]) if before else None)
            for i in part
        ]
    changes = tuple(
        ChangePoint(
            index=after.start,
            change=change_between([values[i] for i in before], [values[i] for i in after]),
            differences=differences_between(groups[after.start - 1].runs, groups[after.start].runs),
        )
        for before, after in pairwise(parts)
    )
    return Series(
        case_key=case.key,
        title=case.title,
        metric=metric,
        hardware_key=dict(found)["hardware"],
        conditions=tuple((name, value) for name, value in found if name != "hardware"),
        points=tuple(placed),
        change_points=changes,
        notes=(*notes, *_rounded(groups), answer.note or f"{_changes(len(changes))} among {len(points)} points"),
    )


def _point(group: _Group) -> HistoryPoint:
    return HistoryPoint(
        label=group.label,
        measured_at=_began(group),
        run_ids=tuple(dict.fromkeys(run.header.run_id for run in group.runs)),
        value=math.exp(median(map(math.log, group.values))),
        low=min(group.values),
        high=max(group.values),
        launches=len(group.values),
    )


def _rounded(groups: Sequence[_Group]) -> list[str]:
    # A step that is coarse next to the spread of all launches hides changes; a change of level only widens that.
    note = quantised_note(*(group.values for group in groups), finds="change points")
    return [note] if note else []


def _began(group: _Group) -> str:
    return min(run.header.created_at for run in group.runs)


def _changes(count: int) -> str:
    return f"{count or 'no'} change point{'' if count == 1 else 's'}"


def _natural(label: str) -> list[str]:
    # 24.9 before 24.10: releases are in the order of their numbers.
    return [part.zfill(8) if part.isdigit() else part for part in re.split(r"(\d+)", label)]


def _metric(asked: str | None, case: Case) -> str:
    if asked is None:
        return gated_metric(case).name
    if asked not in METRICS:
        raise UsageError(f"--metric {asked!r} is unknown; there are {', '.join(METRICS)}")
    return asked


def _counts(reasons: Counter[str]) -> str:
    return ", ".join(
        f"{count} {'launch' if count == 1 else 'launches'} {reason.replace('_', ' ')}"
        for reason, count in reasons.most_common()
    )
