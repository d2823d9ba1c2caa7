"""Merges the profiled launches of a case into what is kept: some kilobytes, an operator a row, a launch a column."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import Case
from ssdbench.schema.profile import (
    CaseProfile,
    LaunchProfile,
    OperatorRow,
    OperatorTime,
    ProfiledLaunch,
    ProfiledRank,
    RankProfile,
)
from ssdbench.schema.record import Arm

LEAST_SHARE = 5e-4
"""Of a step: what takes less in every launch has no row of its own."""
MOST_ROWS = 150
_MOST_KERNELS = 2
_ARMS: tuple[Arm, Arm] = ("baseline", "candidate")

_Key = tuple[str, str, bool, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A profiled launch as it came: of which arm, and the name of the folder that has its traces."""

    arm: Arm
    profile: LaunchProfile
    folder: str


def merge(
    run_id: str, case: Case, launches: Sequence[Taken], *, builds: Mapping[Arm, str], profiled_at: str
) -> CaseProfile:
    """The profile of a case, of launches in the order of measurement; `builds` says what each arm is, in words."""
    return CaseProfile(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        case_key=case.key,
        title=case.title,
        profiled_at=profiled_at,
        device=case.device,
        steps=launches[0].profile.profiled_steps,
        builds=dict(builds),
        launches=tuple(_launch(taken) for taken in launches),
        operators=_rows(launches),
        software={taken.arm: taken.profile.software for taken in launches if taken.profile.software is not None},
    )


def _critical(profile: LaunchProfile) -> RankProfile:
    """The rank whose operators were kept."""
    return next((rank for rank in profile.ranks if rank.operators), profile.ranks[0])


def _launch(taken: Taken) -> ProfiledLaunch:
    profile = taken.profile
    return ProfiledLaunch(
        arm=taken.arm,
        plain_seconds=_middle_mean(profile.plain_step_seconds),
        critical_rank=_critical(profile).rank,
        ranks=tuple(
            ProfiledRank(
                rank=rank.rank,
                step_seconds=rank.step_seconds,
                waited_seconds=rank.waited_seconds,
                parts=rank.parts,
            )
            for rank in profile.ranks
        ),
        folder=taken.folder,
        traces=profile.traces,
    )


def _middle_mean(values: Sequence[float]) -> float:
    cut = len(values) // 4
    return fmean(sorted(values)[cut : len(values) - cut])


def _rows(launches: Sequence[Taken]) -> tuple[OperatorRow, ...]:
    critical = [_critical(taken.profile) for taken in launches]
    steps = [rank.step_seconds for rank in critical]
    tables = [{_key(row): row for row in rank.operators} for rank in critical]
    # An operator that is too short joins its phase, whole; of the others, shapes that are too short are joined.
    operators = _longest_of(tables, steps, _without_shapes_and_layout)
    tables = _joined(tables, lambda key: operators[_without_shapes_and_layout(key)] >= LEAST_SHARE, _without_operator)
    rows = _longest_of(tables, steps, lambda key: key)
    kept = set(sorted((key for key in rows if rows[key] >= LEAST_SHARE), key=rows.__getitem__)[-MOST_ROWS:])
    tables = _joined(tables, lambda key: key in kept or not key[1], _without_shapes)
    keys = dict.fromkeys(key for table in tables for key in table)
    return tuple(_row(key, launches, [table.get(key) for table in tables]) for key in keys)


def _without_shapes_and_layout(key: _Key) -> _Key:
    return *key[:3], "", ""


def _without_shapes(key: _Key) -> _Key:
    phase, operator, copies, _, layout = key
    return phase, operator, copies, "", layout


def _without_operator(key: _Key) -> _Key:
    return key[0], "", False, "", ""


def _longest_of(
    tables: Sequence[dict[_Key, OperatorTime]], steps: Sequence[float], name: Callable[[_Key], _Key]
) -> dict[_Key, float]:
    """The largest share of a step that the rows of one name take together, over all launches."""
    longest: dict[_Key, float] = {}
    for table, step in zip(tables, steps, strict=True):
        shares: dict[_Key, float] = {}
        for key, row in table.items():
            shares[name(key)] = shares.get(name(key), 0.0) + abs(row.seconds) / step
        for key, share in shares.items():
            longest[key] = max(longest.get(key, 0.0), share)
    return longest


def _joined(
    tables: Sequence[dict[_Key, OperatorTime]], is_kept: Callable[[_Key], bool], join: Callable[[_Key], _Key]
) -> list[dict[_Key, OperatorTime]]:
    return [_join_rows(table, lambda key: key if is_kept(key) else join(key)) for table in tables]


def _join_rows(table: Mapping[_Key, OperatorTime], name: Callable[[_Key], _Key]) -> dict[_Key, OperatorTime]:
    groups: dict[_Key, list[OperatorTime]] = {}
    for key, row in table.items():
        groups.setdefault(name(key), []).append(row)
    return {
        key: rows[0] if len(rows) == 1 and _key(rows[0]) == key else _sum(key, rows) for key, rows in groups.items()
    }


def _sum(key: _Key, rows: Sequence[OperatorTime]) -> OperatorTime:
    phase, operator, copies, shapes, layout = key
    return OperatorTime(
        phase=phase,
        operator=operator,
        copies=copies,
        shapes=shapes,
        layout=layout,
        calls=math.fsum(row.calls for row in rows),
        seconds=math.fsum(row.seconds for row in rows),
        kernels=_longest(rows),
    )


def _longest(rows: Sequence[OperatorTime]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for row in rows:
        for name, seconds in row.kernels.items():
            sums[name] = sums.get(name, 0.0) + seconds
    return {name: sums[name] for name in sorted(sums, key=sums.__getitem__, reverse=True)[:_MOST_KERNELS]}


def _key(row: OperatorTime) -> _Key:
    return row.phase, row.operator, row.copies, row.shapes, row.layout


def _row(key: _Key, launches: Sequence[Taken], columns: Sequence[OperatorTime | None]) -> OperatorRow:
    phase, operator, copies, shapes, layout = key
    of_arms = {
        arm: _longest([row for taken, row in zip(launches, columns, strict=True) if row and taken.arm == arm])
        for arm in _ARMS
    }
    return OperatorRow(
        phase=phase,
        operator=operator,
        copies=copies,
        shapes=shapes,
        layout=layout,
        calls=tuple(column.calls if column is not None else 0.0 for column in columns),
        seconds=tuple(column.seconds if column is not None else 0.0 for column in columns),
        kernels={arm: tuple(names) for arm, names in of_arms.items() if names},
    )
