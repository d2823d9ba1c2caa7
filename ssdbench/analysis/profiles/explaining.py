"""Explains the change of a case by its profile: where the step changed, what of it is real, and whether to believe it.

All rows are tested together (Holm): operators by phase, waiting for input, for the host and for other ranks, and each
rank against the others. What is called more often in every launch of one arm, or reads another memory layout, needs no
test. Nothing is blamed where the profiled steps do not show the difference that the steps without the profiler
show, or these not the one that was judged.
"""

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median

from ssdbench.analysis.profiles.differences import FALSE_ALARMS, Difference, total
from ssdbench.analysis.profiles.rows import Row, arms_of, critical, layout_changed, layouts, part_rows, tested_rows
from ssdbench.analysis.profiles.wording import layout_words, place_words, rank_words
from ssdbench.analysis.verdicts.contrast import holm
from ssdbench.schema.explanation import Cause, Explanation, PartChange, RankExcess, RowChange
from ssdbench.schema.profile import CaseProfile, PartKind, ProfiledLaunch
from ssdbench.schema.record import Arm
from ssdbench.schema.text import milliseconds

LARGEST_GAP = 0.5
"""Share of a difference that its repetition may miss, or exceed it by, and still count as the same."""
_RANK_FIRST = 0.5
"""Of the largest other cause: a rank that explains so much is named before what it does."""
_WORK: tuple[PartKind, ...] = ("kernels", "host", "input")
_Excesses = dict[tuple[PartKind, str], tuple[Difference, int]]


def explain(profile: CaseProfile, measured: Difference | None) -> Explanation:
    """The explanation; `measured` has the steps of the launches that were judged, None if they are not known."""
    arms = arms_of(profile)
    plain = _split(profile, [launch.plain_seconds for launch in profile.launches])
    profiled = _split(profile, [critical(launch).step_seconds for launch in profile.launches])
    rows, excesses = tested_rows(profile), _rank_excesses(profile)
    layout = [row for row in rows if row.kind == "kernels" and (row.copies or layout_changed(row, arms))]
    if not any("conv" in row.operator and not row.copies for row in layout):
        layout = []
    p_values = {row.name: row.seconds.p for row in rows}
    p_values |= {_name(part): found.p for part, (found, _) in excesses.items()}
    real = holm(p_values, FALSE_ALARMS)
    gone = _gone(plain, measured)
    refusal = gone or _refusal(plain, profiled)
    causes = [] if refusal else _causes(rows, layout, excesses, real, arms)
    detectable = [row.seconds.detectable(len(p_values)) for row in rows]
    return Explanation(
        run_id=profile.run_id,
        case_key=profile.case_key,
        title=profile.title,
        device=profile.device,
        launches=(arms.count("baseline"), arms.count("candidate")),
        steps=profile.steps,
        builds=(profile.builds.get("baseline", ""), profile.builds.get("candidate", "")),
        measured_seconds=measured.estimate if measured is not None else None,
        plain=plain.change(),
        profiled=profiled.change(),
        waited=_split(profile, [critical(launch).waited_seconds for launch in profile.launches]).change(),
        parts=tuple(
            PartChange(kind=row.kind, phase=row.phase, change=row.seconds.change()) for row in part_rows(profile)
        ),
        causes=tuple(causes),
        ranks=tuple(
            RankExcess(kind=kind, phase=phase, rank=rank, change=found.change())
            for (kind, phase), (found, rank) in excesses.items()
        ),
        refusal=refusal,
        is_gone=bool(gone),
        detectable_seconds=(median(detectable), max(detectable)) if detectable else (0.0, 0.0),
        rows_tested=len(p_values),
        traces=tuple(
            f"{launch.folder}/{trace.name}" for launch in profile.launches for trace in launch.traces if trace.kept
        ),
    )


def _name(part: tuple[PartKind, str]) -> str:
    return f"rank/{'/'.join(part)}"


def _split(profile: CaseProfile, values: Sequence[float]) -> Difference:
    arms = arms_of(profile)
    return Difference(
        baseline=tuple(value for value, arm in zip(values, arms, strict=True) if arm == "baseline"),
        candidate=tuple(value for value, arm in zip(values, arms, strict=True) if arm == "candidate"),
    )


def _gone(plain: Difference, measured: Difference | None) -> str:
    """That the change that was judged is not here now, a sentence; empty where it is, or the noise could make it so."""
    if measured is not None and _is_another(measured, plain, math.hypot(plain.half_width(), measured.half_width())):
        return (
            f"the run showed {milliseconds(measured.estimate)} a step, and these launches without the profiler "
            f"{milliseconds(plain.estimate)} ± {milliseconds(plain.half_width(), sign='')}: what changed then is not "
            "here now"
        )
    return ""


def _refusal(plain: Difference, profiled: Difference) -> str:
    """Why nothing is blamed, a sentence; empty where the differences are the same, or the noise could make them so."""
    # Both are of the same launches, so their common noise cancels.
    gap = Difference(
        baseline=tuple(a - b for a, b in zip(profiled.baseline, plain.baseline, strict=True)),
        candidate=tuple(a - b for a, b in zip(profiled.candidate, plain.candidate, strict=True)),
    )
    if _is_another(plain, profiled, gap.half_width()):
        return (
            f"with the profiler a step differs by {milliseconds(profiled.estimate)}, without it by "
            f"{milliseconds(plain.estimate)}: the profiler itself changes what is compared"
        )
    return ""


def _is_another(expected: Difference, found: Difference, noise: float) -> bool:
    """Whether two differences are not the same, and at least one of them is more than noise."""
    gap = abs(found.estimate - expected.estimate)
    is_seen = any(abs(one.estimate) > one.half_width() for one in (expected, found))
    return is_seen and gap > LARGEST_GAP * abs(expected.estimate) and gap > noise


def _causes(
    rows: Sequence[Row],
    layout: Sequence[Row],
    excesses: _Excesses,
    real: set[str],
    arms: Sequence[Arm],
) -> list[Cause]:
    """What changed: first what certainly takes more or less time, the largest first."""
    causes, taken = [], set()
    if layout:  # like a call that appeared, it needs no test
        taken = {row.name for row in layout}
        found = [row.changed(arms) for row in layout if row.name in real or row.state is not None]
        change = total([row.seconds for row in layout]).change()
        convolutions = [row for row in layout if "conv" in row.operator and not row.copies]
        before, after = (max(side, key=side.__getitem__) for side in layouts(convolutions, arms))
        what = layout_words(before, after)
        causes.append(Cause(kind="layout", what=what, change=change, rows=_largest_first(found)))
    places: dict[str, list[Row]] = {}
    for row in rows:
        if row.name not in taken and (row.name in real or row.state is not None):
            places.setdefault(row.phase or row.kind, []).append(row)
    for place, found_rows in places.items():
        changed = _largest_first([row.changed(arms) for row in found_rows])
        change = total([row.seconds for row in found_rows]).change()
        causes.append(Cause(kind="step", what=place_words(place, changed), change=change, rows=changed))
    causes.sort(key=lambda cause: (cause.change.low <= 0 <= cause.change.high, -abs(cause.change.seconds)))
    largest = abs(causes[0].change.seconds) if causes else 0.0
    for part, (difference, rank) in sorted(excesses.items(), key=lambda item: abs(item[1][0].estimate)):
        if _name(part) in real:
            cause = Cause(kind="rank", what=rank_words(*part, rank), change=difference.change())
            first = abs(difference.estimate) >= _RANK_FIRST * largest
            causes.insert(0 if first else len(causes), cause)
    return causes


def _largest_first(rows: Sequence[RowChange]) -> tuple[RowChange, ...]:
    return tuple(sorted(rows, key=lambda row: -abs(row.change.seconds)))


def _rank_excesses(profile: CaseProfile) -> _Excesses:
    """By part: what the slowest rank works longer than the median rank, in each launch, and which one it is.

    Part by part, as a short one is told from its noise where a whole phase is not.
    """
    if len(profile.launches[0].ranks) < 2:
        return {}
    parts = dict.fromkeys(
        (part.kind, part.phase)
        for launch in profile.launches
        for rank in launch.ranks
        for part in rank.parts
        if part.kind in _WORK
    )
    found, arms = {}, arms_of(profile)
    for kind, phase in parts:
        excesses, slowest = zip(*(_excess(launch, kind, phase) for launch in profile.launches), strict=True)
        named = Counter(rank for rank, arm in zip(slowest, arms, strict=True) if arm == "candidate")
        found[kind, phase] = (_split(profile, excesses), named.most_common(1)[0][0])
    return found


def _excess(launch: ProfiledLaunch, kind: PartKind, phase: str) -> tuple[float, int]:
    work = {
        rank.rank: sum(part.seconds for part in rank.parts if (part.kind, part.phase) == (kind, phase))
        for rank in launch.ranks
    }
    slowest = max(work, key=work.__getitem__)
    # Of two ranks the faster one is the other.
    ordered = sorted(work.values())
    return work[slowest] - ordered[(len(ordered) - 1) // 2], slowest
