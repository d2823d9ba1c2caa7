"""Keeps one issue for each alert: opened with it, its text replaced at each run, closed and opened again with it.

That an issue is about to be opened is stored before it is, and its number after: a process that is killed between the
two finds the issue by a marker in its text, also when the alert has closed meanwhile. So is one found whose number was
lost. Replacing the text tells nobody; a comment is written at what people are to be told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ssdbench.harness.alerts.issues import IssueError, Tracker
from ssdbench.harness.alerts.owners import Owners
from ssdbench.harness.alerts.stored import AlertStore
from ssdbench.report.alerts import issue_body, issue_comment, issue_marker, issue_title
from ssdbench.schema.alert import Alert, Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueChange:
    """An issue that was written, and the case it is about; `is_open` as it was left. Or why it was not written."""

    number: int
    title: str
    is_open: bool
    refusal: str = ""


def write_issues(store: AlertStore, tracker: Tracker, owners: Owners) -> Iterator[IssueChange]:
    """Bring the issues of all alerts up to date, one after the other, each stored once it is.

    What is refused for one issue alone, as for one that people locked, keeps no other from being written.

    Raises:
        TrackerError: the tracker refused; the alerts that are left are written by the next call.
    """
    owned = owners.of_cases(
        {alert.found.case_key: alert.found.title for alert in store.alerts.alerts}, store.alerts.hardware_key
    )
    for alert in store.alerts.alerts:
        known = _issue_of(alert, tracker)
        if known.revision == alert.revision or (known not in alert.issues and not alert.is_open):
            continue
        owner = owned.get(alert.found.case_key)
        writing = _Writing(store, tracker, owner.mention if owner else "", alert, known)
        try:
            writing.write()
        except IssueError as error:
            yield IssueChange(number=known.number, title=alert.found.title, is_open=known.is_open, refusal=str(error))
            continue
        if writing.issue.number:
            yield IssueChange(number=writing.issue.number, title=alert.found.title, is_open=writing.issue.is_open)


def _issue_of(alert: Alert, tracker: Tracker) -> Issue:
    place = (tracker.name, tracker.project)
    none = Issue(tracker=tracker.name, project=tracker.project, number=0, revision=0, events=0, is_open=False)
    return next((issue for issue in alert.issues if (issue.tracker, issue.project) == place), none)


class _Writing:
    """Brings the issue of one alert up to date; `issue` is what is stored of it, with number 0 while none is known."""

    def __init__(self, store: AlertStore, tracker: Tracker, mention: str, alert: Alert, issue: Issue) -> None:
        self._store, self._tracker, self._alert, self.issue = store, tracker, alert, issue
        key = store.alerts.hardware_key
        self._title, self._body = issue_title(alert, key), issue_body(alert, key, mention)
        self._marker = issue_marker(key, alert.found.case_key)

    def write(self) -> None:
        """Change the issue, or open one where there is none; errors as `write_issues`, IssueError too."""
        try:
            if self.issue.number:
                self._change(self.issue.number)
        except IssueError as error:
            if not error.is_gone:
                raise
            self._look_for_another(error)
        if not self.issue.number:
            self._find_or_open()
        self._keep(revision=self._alert.revision, events=self._alert.events, is_open=self._alert.is_open)

    def _change(self, number: int) -> None:
        if self._alert.is_open:
            # An issue that people closed stays closed until its alert opens again.
            self._tracker.edit(number, self._body, None if self.issue.is_open else True)
        else:
            # Stored first: whatever becomes of this call, the issue is opened again with its alert.
            self._keep(is_open=False)
            self._tracker.edit(number, self._body, False)
        # After what can be repeated: a comment that is written again would tell people again.
        if self.issue.events and self._alert.events > self.issue.events:
            self._tracker.comment(number, issue_comment(self._alert))

    def _look_for_another(self, gone: IssueError) -> None:
        """Forget the number of an issue that was deleted; it is not if the tracker still lists it."""
        if self._tracker.find(self._marker) == self.issue.number:
            raise gone
        self._keep(number=0, events=0)

    def _find_or_open(self) -> None:
        number = self._tracker.find(self._marker)
        if number is not None:
            self._change(number)
            self._keep(number=number)
        elif self._alert.is_open:
            self._keep(events=self._alert.events, is_open=True)
            self._keep(number=self._tracker.create(self._title, self._body))

    def _keep(self, **changes: object) -> None:
        issue = replace(self.issue, **changes)  # type: ignore[arg-type]
        alert = replace(self._alert, issues=(*(item for item in self._alert.issues if item != self.issue), issue))
        alerts = tuple(alert if item is self._alert else item for item in self._store.alerts.alerts)
        self._store.save(replace(self._store.alerts, alerts=alerts))
        self._alert, self.issue = alert, issue
