"""The rows of a profile that are compared: operators by phase, and the parts of a step in which none runs.

Operators are joined over the shapes of their inputs: a convolution that chose another kernel, or a layout that was
lost, slows many shapes a little, and is one row. Rows that take less than `LEAST_SHARE` of a step, on average over both
arms (which says nothing about their difference), are not tested one by one, as each test makes the others weaker
(Bourgon, Gentleman, Huber 2010, Independent filtering, PNAS 107).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from ssdbench.analysis.profiles.differences import Difference
from ssdbench.analysis.profiles.wording import row_words
from ssdbench.schema.explanation import RowChange, RowState
from ssdbench.schema.profile import CaseProfile, OperatorRow, PartKind, ProfiledLaunch, ProfiledRank
from ssdbench.schema.record import Arm

LEAST_SHARE = 1e-3
_LAYOUT_CHANGED = 0.5
"""Of the calls with a four-dimensional input: from this difference on, an operator's layout is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row that is tested; `calls` in each launch, and `details` by shape, are those of an operator."""

    kind: PartKind
    phase: str
    seconds: Difference
    operator: str = ""
    copies: bool = False
    calls: Difference | None = None
    details: tuple[OperatorRow, ...] = ()

    @property
    def name(self) -> str:
        """Unique among the rows of a profile."""
        return f"{self.kind}/{self.phase}/{self.operator}/{self.copies}"

    @property
    def state(self) -> RowState | None:
        """What its calls show by themselves: equal in all launches of an arm, and others in the other arm."""
        if self.calls is None:
            return None
        before, after = (_constant(side) for side in (self.calls.baseline, self.calls.candidate))
        if before is None or after is None or math.isclose(before, after, rel_tol=1e-9):
            return None
        if before == 0:
            return "appeared"
        if after == 0:
            return "vanished"
        return "called more often" if after > before else "called less often"

    def changed(self, arms: Sequence[Arm]) -> RowChange:
        """This row as a finding; `arms` are those of the profile's launches, in order."""
        change = self.seconds.change()
        largest = max(self.details, key=lambda row: abs(_of_arms(row.seconds, arms).estimate), default=None)
        calls = (fmean(self.calls.baseline), fmean(self.calls.candidate)) if self.calls is not None else (0.0, 0.0)
        state = self.state or ("slower" if change.seconds > 0 else "faster")
        return RowChange(
            what=row_words(self.kind, self.operator, calls, state, copies=self.copies),
            kind=self.kind,
            phase=self.phase,
            operator=self.operator,
            copies=self.copies,
            state=state,
            change=change,
            calls=calls,
            shapes=largest.shapes if largest is not None else "",
            kernels=_kernels(self.details, arms),
        )


def arms_of(profile: CaseProfile) -> tuple[Arm, ...]:
    """The arm of each launch."""
    return tuple(launch.arm for launch in profile.launches)


def critical(launch: ProfiledLaunch) -> ProfiledRank:
    """The rank that the others wait for."""
    return next(rank for rank in launch.ranks if rank.rank == launch.critical_rank)


def part_rows(profile: CaseProfile) -> list[Row]:
    """All parts of a step, which add up to it, kernels by phase among them."""
    arms = arms_of(profile)
    tables = [{(part.kind, part.phase): part.seconds for part in critical(launch).parts} for launch in profile.launches]
    keys = dict.fromkeys(key for table in tables for key in table)
    return [
        Row(kind=kind, phase=phase, seconds=_of_arms([table.get((kind, phase), 0.0) for table in tables], arms))
        for kind, phase in keys
    ]


def tested_rows(profile: CaseProfile) -> list[Row]:
    """Operators, and the parts of a step without them, that take long enough."""
    arms = arms_of(profile)
    steps = _of_arms([critical(launch).step_seconds for launch in profile.launches], arms)
    least = LEAST_SHARE * (fmean(steps.baseline) + fmean(steps.candidate)) / 2
    rows = [row for row in part_rows(profile) if row.kind != "kernels"]
    rows += _operator_rows(profile, arms)
    return [row for row in rows if (fmean(row.seconds.baseline) + fmean(row.seconds.candidate)) / 2 >= least]


def layouts(rows: Sequence[Row], arms: Sequence[Arm]) -> tuple[dict[str, float], dict[str, float]]:
    """Calls a step by the layout of their first four-dimensional input, in both arms."""
    found: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for side, arm in zip(found, ("baseline", "candidate"), strict=True):
        for detail in (detail for row in rows for detail in row.details if detail.layout):
            calls = fmean(count for count, of in zip(detail.calls, arms, strict=True) if of == arm)
            side[detail.layout] = side.get(detail.layout, 0.0) + calls
    return found


def layout_changed(row: Row, arms: Sequence[Arm]) -> bool:
    """Whether an operator reads channels_last in one arm and not in the other."""
    sides = layouts([row], arms)
    if not all(sum(side.values()) for side in sides):
        return False
    before, after = (side.get("channels_last", 0.0) / sum(side.values()) for side in sides)
    return abs(before - after) >= _LAYOUT_CHANGED


def _operator_rows(profile: CaseProfile, arms: Sequence[Arm]) -> Iterator[Row]:
    groups: dict[tuple[str, str, bool], list[OperatorRow]] = {}
    for row in profile.operators:
        if row.operator:
            groups.setdefault((row.phase, row.operator, row.copies), []).append(row)
    for (phase, operator, copies), details in groups.items():
        yield Row(
            kind="kernels",
            phase=phase,
            operator=operator,
            copies=copies,
            seconds=_of_arms(_column_sums([row.seconds for row in details]), arms),
            calls=_of_arms(_column_sums([row.calls for row in details]), arms),
            details=tuple(details),
        )


def _column_sums(rows: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(column) for column in zip(*rows, strict=True)]


def _of_arms(values: Sequence[float], arms: Sequence[Arm]) -> Difference:
    return Difference(
        baseline=tuple(value for value, arm in zip(values, arms, strict=True) if arm == "baseline"),
        candidate=tuple(value for value, arm in zip(values, arms, strict=True) if arm == "candidate"),
    )


def _constant(values: Sequence[float]) -> float | None:
    return values[0] if all(math.isclose(value, values[0], rel_tol=1e-9) for value in values) else None


def _kernels(details: Sequence[OperatorRow], arms: Sequence[Arm]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kernels of the shape that changed most, where they are others."""
    ordered = sorted(details, key=lambda row: -abs(_of_arms(row.seconds, arms).estimate))
    for row in ordered:
        before, after = row.kernels.get("baseline", ()), row.kernels.get("candidate", ())
        if before != after:
            return before, after
    return (), ()
