"""Comparison x waivers -> the comparison with known regressions shown as waived.

A waiver tolerates a regression of the cases that it names, up to a ceiling and a day. Only *regressed* is waived: a
case that failed, no longer fits or was not measured has no figures that a ceiling could bound, and an inconclusive one
may hide anything.

    waived      regressed, today <= expires, and the bad end of the 99 % interval <= ceiling
    regressed   as judged: a later day, or a bad end beyond the ceiling
    the rest    as judged; once all cases of a waiver are unchanged or improved, it is no longer needed

The bad end is the bound of the interval on the worse side. Against fewer stored sessions than show the drift between
sessions there is no interval: the change is then widened by the largest drift that the rule assumes (`drift_cap`).

Of several waivers for a case and metric the smaller ceiling and the earlier day count.

A waived case is no creep either, as long as it is within the ceiling of the older results as well: the known regression
is part of its distance from them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from ssdbench.analysis.baselines.creep import worst_crept
from ssdbench.analysis.verdicts.compare import worst_first
from ssdbench.schema.case_names import find_named
from ssdbench.schema.metrics import METRICS, Direction
from ssdbench.schema.names import quoted
from ssdbench.schema.plain_text import one_line
from ssdbench.schema.text import percent
from ssdbench.schema.verdict import CaseVerdict, CaseWaiver, Comparison, Creep, Status, Verdict
from ssdbench.schema.waivers import ListedWaiver, Waiver, WaiverState, WaiverUse

_WORST_FIRST: tuple[WaiverState, ...] = ("expired", "ceiling_passed", "used", "idle", "not_needed", "unused")
_RECOVERED = (Status.UNCHANGED, Status.IMPROVED, Status.FITS_NOW)


def apply_waivers(comparison: Comparison, waivers: Iterable[Waiver], today: date) -> Comparison:
    """The comparison with these waivers in force on this day (in UTC), in place of those that were in force before."""
    here = [waiver for waiver in waivers if holds_on(waiver, comparison.hardware_key)]
    if not here and not comparison.waivers:
        return comparison
    cases = [_as_judged(case) for case in comparison.cases]
    matched = {waiver.entry: matching_cases(waiver, cases) for waiver in here}
    found = {}
    for case in cases:
        of_case = [waiver for waiver in here if case.case_key in matched[waiver.entry]]
        if of_case:
            found[case.case_key] = _case_waiver(case.verdict, of_case, today)
    return replace(
        comparison,
        cases=worst_first(_waived(case, found.get(case.case_key)) for case in cases),
        waivers=tuple(_use(waiver, matched[waiver.entry], found, here, today) for waiver in here),
        creep=waived_creep(comparison.creep, found),
    )


def waived_creep(found: Iterable[Creep], waivers: Mapping[str, CaseWaiver]) -> tuple[Creep, ...]:
    """Creep without the cases that are waived, by the waiver of each case of the comparison that has one."""
    return tuple(_waived_creep(creep, waivers) for creep in found)


def _waived_creep(creep: Creep, waivers: Mapping[str, CaseWaiver]) -> Creep:
    cases = worst_crept([*creep.worse, *creep.waived])
    ceilings = {key: waiver.ceiling for key, waiver in waivers.items() if waiver.state == "used"}
    waived = tuple(case for case in cases if _is_within(case.verdict, ceilings.get(case.case_key, -math.inf)))
    return replace(creep, worse=tuple(case for case in cases if case not in waived), waived=waived)


def holds_on(waiver: Waiver, hardware_key: str) -> bool:
    """Whether the waiver is for this hardware: every word of its `hardware` is in the key."""
    key = hardware_key.casefold()
    return all(word in key for word in (waiver.hardware or "").casefold().split())


def matching_cases(waiver: Waiver, cases: Sequence[CaseVerdict]) -> tuple[str, ...]:
    """The sorted keys of the cases that a waiver names: by key or title, else by all its words, each a whole one.

    Parts of words do not count: a waiver whose case is gone must not fall to another one.
    """
    named = set(find_named({case.case_key: (case.title,) for case in cases}, waiver.case, with_parts=False))
    of_metric = {case.case_key for case in cases if waiver.metric in (None, case.verdict.metric)}
    return tuple(sorted(named & of_metric))


def worse_by(verdict: Verdict) -> float | None:
    """How much worse than the baseline a case may be: the bad end of its interval, 0.12 is 12 %; None without figures.

    Without an interval it is the change, widened by the drift between sessions that the rule assumes at most.
    """
    if verdict.change is None:
        return None
    drift = 1 + verdict.settings.drift_cap
    if METRICS[verdict.metric].direction is Direction.HIGHER_IS_BETTER:
        return -((1 + verdict.change) / drift - 1 if verdict.low is None else verdict.low)
    return (1 + verdict.change) * drift - 1 if verdict.high is None else verdict.high


def days_left(waiver: Waiver, today: date) -> int:
    """Days until the last one that counts: 0 on that day, negative once the waiver expired."""
    return (date.fromisoformat(waiver.expires) - today).days


def listed_waivers(
    waivers: Iterable[Waiver], comparisons: Iterable[Comparison], today: date
) -> tuple[ListedWaiver, ...]:
    """All these waivers with what became of each in the comparisons, which have them in force."""
    uses: dict[int, list[WaiverUse]] = {}
    for comparison in comparisons:
        for use in comparison.waivers:
            uses.setdefault(use.waiver.entry, []).append(use)
    return tuple(_listed(waiver, uses.get(waiver.entry, []), today) for waiver in waivers)


def _listed(waiver: Waiver, uses: Sequence[WaiverUse], today: date) -> ListedWaiver:
    left, states = days_left(waiver, today), {use.state for use in uses}
    state: WaiverState | None = next((state for state in _WORST_FIRST if state in states), None)
    # A waiver may match nothing in a run of one suite, and hold for a run of another.
    notes = dict.fromkeys(note for use in uses if use.state in (state, "used") for note in use.notes)
    return ListedWaiver(
        waiver=waiver,
        state="expired" if left < 0 else state,
        days_left=left,
        cases=tuple(sorted({key for use in uses for key in use.cases})),
        notes=tuple(notes),
    )


def _as_judged(case: CaseVerdict) -> CaseVerdict:
    """The case without its waiver."""
    if case.waiver is None:
        return case
    return replace(case, verdict=replace(case.verdict, status=case.waiver.judged), waiver=None)


def _waived(case: CaseVerdict, waiver: CaseWaiver | None) -> CaseVerdict:
    if waiver is None or waiver.state != "used":
        return replace(case, waiver=waiver)
    return replace(case, waiver=waiver, verdict=replace(case.verdict, status=Status.WAIVED))


def _case_waiver(verdict: Verdict, waivers: Sequence[Waiver], today: date) -> CaseWaiver:
    ceiling, expires = min(waiver.ceiling for waiver in waivers), min(waiver.expires for waiver in waivers)
    state = _state(verdict, ceiling, is_expired=today > date.fromisoformat(expires))
    return CaseWaiver(
        state=state,
        judged=verdict.status,
        entries=tuple(waiver.entry for waiver in waivers),
        ceiling=ceiling,
        expires=expires,
        worse_by=worse_by(verdict),
        sentence=_sentence(state, verdict, ceiling, expires, waivers),
    )


def _state(verdict: Verdict, ceiling: float, *, is_expired: bool) -> WaiverState:
    if is_expired:
        return "expired"
    if verdict.status in _RECOVERED:
        return "not_needed"
    if verdict.status is not Status.REGRESSED:
        return "idle"
    return "used" if _is_within(verdict, ceiling) else "ceiling_passed"


def _is_within(verdict: Verdict, ceiling: float) -> bool:
    end = worse_by(verdict)
    return end is not None and math.isfinite(end) and end <= ceiling


def _sentence(state: WaiverState, verdict: Verdict, ceiling: float, expires: str, waivers: Sequence[Waiver]) -> str:
    about = f"see {' and '.join(map(_about, waivers))}"
    end = worse_by(verdict)
    reached = "which has no figures to compare" if end is None else f"{_end_of(verdict)} reaches {percent(end, 2)}"
    if state == "used":
        return f"waived up to {_percent(ceiling)} worse until {expires}, {reached}, {about}"
    if state == "ceiling_passed":
        return f"the waiver's ceiling of {_percent(ceiling)} worse is passed, {reached}, {about}"
    if state == "expired" and verdict.status is Status.REGRESSED:
        return f"the waiver expired, its last day was {expires}, {about}"
    return "the waiver is not needed for this case" if state == "not_needed" else ""


def _end_of(verdict: Verdict) -> str:
    if verdict.low is None or verdict.high is None:
        return f"the change with {_percent(verdict.settings.drift_cap)} for the drift between sessions"
    return f"the {_percent(1 - verdict.settings.alpha)} interval"


def _about(waiver: Waiver) -> str:
    by = f" ({one_line(waiver.owner)})" if waiver.owner else ""
    return f"{one_line(waiver.issue)}{by}: {one_line(waiver.reason)}"


def _use(
    waiver: Waiver, keys: tuple[str, ...], found: dict[str, CaseWaiver], here: Sequence[Waiver], today: date
) -> WaiverUse:
    states = {found[key].state for key in keys}
    state: WaiverState = "idle"
    if days_left(waiver, today) < 0:
        state = "expired"
    elif not keys:
        state = "unused"
    elif "ceiling_passed" in states:
        state = "ceiling_passed"
    elif "used" in states:
        state = "used"
    elif states == {"not_needed"}:
        state = "not_needed"
    overlaps = [other for other in here if other.entry < waiver.entry and _share(waiver, other, keys, found)]
    notes = [_note(waiver, state), *(_overlap(waiver, other) for other in overlaps)]
    return WaiverUse(waiver=waiver, state=state, cases=keys, notes=tuple(filter(None, notes)))


def _share(waiver: Waiver, other: Waiver, keys: Iterable[str], found: dict[str, CaseWaiver]) -> bool:
    return any({waiver.entry, other.entry} <= set(found[key].entries) for key in keys)


def _note(waiver: Waiver, state: WaiverState) -> str:
    if state == "expired":
        return f"{_name(waiver)} expired, its last day was {waiver.expires}: remove it, or agree on another day"
    if state == "unused":
        gated = f" that is gated by {waiver.metric}" if waiver.metric else ""
        return f"{_name(waiver)} matches no case{gated} of this run: correct it, or remove it"
    if state == "not_needed":
        return f"{_name(waiver)} is no longer needed, what it waived is not regressed: remove it"
    return ""


def _overlap(waiver: Waiver, other: Waiver) -> str:
    return (
        f"{_name(waiver)} and {_name(other)} match the same case: the smaller ceiling and the earlier day count; keep "
        "one of them"
    )


def _name(waiver: Waiver) -> str:
    return f"waiver {waiver.entry} ({quoted(one_line(waiver.case))})"


def _percent(share: float) -> str:
    return f"{100 * share:g}%"
