"""What a run does to the alerts of its hardware: which open, change, close or open again. Pure functions.

One alert for each case on one hardware. It opens when the case is regressed, failed or no longer fits; it closes when a
run says conclusively that the case is well again. An inconclusive verdict, a case that was not measured, and a run that
is older than the newest one taken into account change nothing, nor does a run that is told a second time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ssdbench.schema.alert import Alert, Event, Finding, Findings
from ssdbench.schema.verdict import Status

BAD = frozenset({Status.REGRESSED, Status.FAILED, Status.NO_LONGER_FITS})
"""What opens an alert and keeps it open."""

WELL = frozenset({Status.UNCHANGED, Status.IMPROVED, Status.FITS_NOW, Status.DOES_NOT_FIT, Status.WAIVED})
"""What closes an alert; `DOES_NOT_FIT` was accepted so."""

_MOST_DIFFERENCES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """The alerts after a run, in the order of case keys, and those of them that people are to be told of."""

    alerts: tuple[Alert, ...]
    told: tuple[Alert, ...]


def advance(alerts: Sequence[Alert], findings: Findings) -> Advance:
    """Take a run into account."""
    known = {alert.found.case_key: alert for alert in alerts}
    told = []
    for finding in findings.cases:
        before = known.get(finding.case_key)
        after = _after(before, finding, findings)
        if after is None or after is before:
            continue
        known[finding.case_key] = after
        if before is None or after.events > before.events:
            told.append(after)
    return Advance(alerts=_in_order(known), told=tuple(told))


def _in_order(known: Mapping[str, Alert]) -> tuple[Alert, ...]:
    return tuple(known[key] for key in sorted(known))


def _after(alert: Alert | None, finding: Finding, findings: Findings) -> Alert | None:
    """The alert of one case after a run; the same object, or None, where nothing changes."""
    is_bad = finding.status in BAD
    if not is_bad and finding.status not in WELL:
        return alert
    if alert is None:
        return _opened(finding, findings) if is_bad else None
    if not _counts(alert, findings, is_bad):
        return alert
    if is_bad and not alert.is_open:
        return _reopened(alert, finding, findings)
    if is_bad:
        return _still_bad(alert, finding, findings)
    return _closed(alert, finding, findings) if alert.is_open else _still_well(alert, finding, findings)


def _counts(alert: Alert, findings: Findings, is_bad: bool) -> bool:
    """Whether the run is newer than what is known, or is the same run with another outcome, as after `--resume`."""
    if findings.run_id == alert.last_run_id:
        return is_bad != alert.is_open
    return _moment(findings.measured_at) >= _moment(alert.last_measured_at)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)


def _opened(finding: Finding, findings: Findings) -> Alert:
    return Alert(
        found=finding,
        told=finding,
        is_open=True,
        bad_runs=1,
        first_run_id=findings.run_id,
        first_measured_at=findings.measured_at,
        build=findings.build,
        differences=findings.differences[:_MOST_DIFFERENCES],
        last_run_id=findings.run_id,
        last_measured_at=findings.measured_at,
    )


def _reopened(alert: Alert, finding: Finding, findings: Findings) -> Alert:
    return replace(
        _opened(finding, findings),
        last_event=Event.REOPENED,
        revision=alert.revision + 1,
        events=alert.events + 1,
        openings=alert.openings + 1,
        issues=alert.issues,
    )


def _still_bad(alert: Alert, finding: Finding, findings: Findings) -> Alert:
    is_news = differs(alert.told, finding)
    return replace(
        _seen(alert, finding, findings),
        told=finding if is_news else alert.told,
        bad_runs=alert.bad_runs + 1,
        last_event=Event.CHANGED if is_news else alert.last_event,
        events=alert.events + is_news,
    )


def _closed(alert: Alert, finding: Finding, findings: Findings) -> Alert:
    return replace(
        _seen(alert, finding, findings),
        told=finding,
        is_open=False,
        last_event=Event.CLOSED,
        events=alert.events + 1,
    )


def _still_well(alert: Alert, finding: Finding, findings: Findings) -> Alert:
    """The run is remembered, so that an older bad one opens nothing; there is nothing to write into an issue."""
    return replace(_seen(alert, finding, findings), revision=alert.revision)


def _seen(alert: Alert, finding: Finding, findings: Findings) -> Alert:
    return replace(
        alert,
        found=finding,
        last_run_id=findings.run_id,
        last_measured_at=findings.measured_at,
        revision=alert.revision + 1,
    )


def differs(told: Finding, now: Finding) -> bool:
    """Whether a finding is news: another status or metric, or an interval apart from the one told."""
    if (told.status, told.metric) != (now.status, now.metric):
        return True
    if told.low is None or told.high is None or now.low is None or now.high is None:
        return False
    return now.low > told.high or now.high < told.low
