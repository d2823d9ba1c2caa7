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
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from ssdbench.analysis.verdicts.compare import worst_first
from ssdbench.schema.case_names import find_named
from ssdbench.schema.metrics import METRICS, Direction
from ssdbench.schema.names import quoted
from ssdbench.schema.plain_text import one_line
from ssdbench.schema.text import percent
from ssdbench.schema.verdict import CaseVerdict, CaseWaiver, Comparison, Status, Verdict
from ssdbench.schema.waivers import Waiver, WaiverState, WaiverUse

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
    )


def holds_on(waiver: Waiver, hardware_key: str) -> bool:
    """Whether the waiver is for this hardware: every word of its `hardware` is in the key."""
    key = hardware_key.casefold()
    return all(word in key for word in (waiver.hardware or "").casefold().split())


def matching_cases(waiver: Waiver, cases: Sequence[CaseVerdict]) -> tuple[str, ...]:
    """The keys of the cases that a waiver names: the one of this key or title, else those with all its whole words.

    Parts of words do not count: a waiver whose case is gone must not fall to another one.
    """
    named = set(find_named({case.case_key: (case.title,) for case in cases}, waiver.case, with_parts=False))
    return tuple(
        case.case_key for case in cases if case.case_key in named and waiver.metric in (None, case.verdict.metric)
    )


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
    worst = worse_by(verdict)
    state = _state(verdict.status, worst, ceiling, is_expired=_is_over(expires, today))
    return CaseWaiver(
        state=state,
        judged=verdict.status,
        entries=tuple(waiver.entry for waiver in waivers),
        ceiling=ceiling,
        expires=expires,
        worse_by=worst,
        sentence=_sentence(state, verdict, ceiling, expires, waivers),
    )


def _state(status: Status, worst: float | None, ceiling: float, *, is_expired: bool) -> WaiverState:
    if is_expired:
        return "expired"
    if status in _RECOVERED:
        return "not_needed"
    if status is not Status.REGRESSED:
        return "idle"
    is_within = worst is not None and math.isfinite(worst) and worst <= ceiling
    return "used" if is_within else "ceiling_passed"


def _sentence(state: WaiverState, verdict: Verdict, ceiling: float, expires: str, waivers: Sequence[Waiver]) -> str:
    about = " and ".join(map(_about, waivers))
    end = worse_by(verdict)
    reached = "which has no figures to compare" if end is None else f"{_end_of(verdict)} reaches {percent(end, 2)}"
    if state == "used":
        return f"waived up to {_percent(ceiling)} worse until {expires}, {reached}: {about}"
    if state == "ceiling_passed":
        return f"the waiver's ceiling of {_percent(ceiling)} worse is passed, {reached}: {about}"
    if state == "expired" and verdict.status is Status.REGRESSED:
        return f"the waiver expired, its last day was {expires}: {about}"
    return "the waiver is not needed for this case" if state == "not_needed" else ""


def _end_of(verdict: Verdict) -> str:
    if verdict.low is None or verdict.high is None:
        return f"the change with {_percent(verdict.settings.drift_cap)} for the drift between sessions"
    return f"the {_percent(1 - verdict.settings.alpha)} interval"


def _about(waiver: Waiver) -> str:
    by = f" ({one_line(waiver.owner)})" if waiver.owner else ""
    return f"{one_line(waiver.reason)}, {one_line(waiver.issue)}{by}"


def _use(
    waiver: Waiver, keys: tuple[str, ...], found: dict[str, CaseWaiver], here: Sequence[Waiver], today: date
) -> WaiverUse:
    states = {found[key].state for key in keys}
    state: WaiverState = "idle"
    if _is_over(waiver.expires, today):
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


def _is_over(expires: str, today: date) -> bool:
    return today > date.fromisoformat(expires)


def _percent(share: float) -> str:
    return f"{100 * share:g}%"
