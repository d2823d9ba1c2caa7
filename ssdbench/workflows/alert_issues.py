"""Keeps one issue for each alert: opened with it, its text replaced at each run, closed and opened again with it.

The number of the issue is stored with the alert; where it was lost, the issue is found by a marker in its text, so that
none is opened twice. Replacing the text tells nobody; a comment is written at what people are to be told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ssdbench.harness.alerts.issues import Tracker
from ssdbench.harness.alerts.owners import Owners
from ssdbench.harness.alerts.stored import AlertStore
from ssdbench.report.alerts import issue_body, issue_comment, issue_marker, issue_title
from ssdbench.schema.alert import Alert, Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueChange:
    """An issue that was written, and the case it is about; `is_open` as it was left."""

    number: int
    title: str
    is_open: bool


def write_issues(store: AlertStore, tracker: Tracker, owners: Owners) -> Iterator[IssueChange]:
    """Bring the issues of all alerts up to date, one after the other, each stored once it is.

    Raises:
        TrackerError: the tracker refused; the alerts that are left are written by the next call.
    """
    key = store.alerts.hardware_key
    owned = owners.of_cases({alert.found.case_key: alert.found.title for alert in store.alerts.alerts}, key)
    for alert in store.alerts.alerts:
        known = _issue_of(alert, tracker)
        if known.revision == alert.revision or (known.number == 0 and not alert.is_open):
            continue
        owner = owned.get(alert.found.case_key)
        issue = _written(alert, known, tracker, key, owner.mention if owner else "")
        _keep(store, alert, known, issue)
        yield IssueChange(number=issue.number, title=alert.found.title, is_open=issue.is_open)


def _issue_of(alert: Alert, tracker: Tracker) -> Issue:
    place = (tracker.name, tracker.project)
    none = Issue(tracker=tracker.name, project=tracker.project, number=0, revision=0, events=0, is_open=False)
    return next((issue for issue in alert.issues if (issue.tracker, issue.project) == place), none)


def _written(alert: Alert, known: Issue, tracker: Tracker, hardware_key: str, mention: str) -> Issue:
    body = issue_body(alert, hardware_key, mention)
    number = known.number or tracker.find(issue_marker(hardware_key, alert.found.case_key)) or 0
    if number == 0:
        number = tracker.create(issue_title(alert, hardware_key), body)
    else:
        # An issue that people closed stays closed until its alert opens again.
        is_news = known.is_open != alert.is_open
        if known.number and alert.events > known.events:
            tracker.comment(number, issue_comment(alert))
        tracker.edit(number, body, alert.is_open if is_news else None)
    return replace(known, number=number, revision=alert.revision, events=alert.events, is_open=alert.is_open)


def _keep(store: AlertStore, alert: Alert, known: Issue, issue: Issue) -> None:
    changed = replace(alert, issues=(*(item for item in alert.issues if item is not known), issue))
    alerts = tuple(changed if item is alert else item for item in store.alerts.alerts)
    store.save(replace(store.alerts, alerts=alerts))
