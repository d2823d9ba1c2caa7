"""Alerts: what is known of each case that regressed, what people were told of it, and what waits to be told."""

from __future__ import annotations

from enum import Enum

from ssdbench.compatibility import dataclass
from ssdbench.schema.verdict import Difference, Status


class Event(str, Enum):
    """What a run did to an alert. CHANGED: still bad, and by other figures or in another way than people were told."""

    OPENED = "opened"
    REOPENED = "reopened"
    CHANGED = "changed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a run found of one case, however it was judged; `change`, `low` and `high` as in `Verdict`."""

    case_key: str
    title: str
    status: Status
    metric: str
    sentence: str
    change: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a run found; `measured_at` (UTC) puts runs in order, `build` says what was measured, for people.

    `differences` lists what else changed between the baseline and this run.
    """

    run_id: str
    measured_at: str
    hardware_key: str
    baseline: str
    build: str
    cases: tuple[Finding, ...]
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """The issue that shows an alert in a tracker (`github`, `gitlab`), and up to where it does.

    `project` is empty for that of the working directory. `revision` and `events` are those of the alert when the issue
    was last written; `is_open` is how ssdbench left it.
    """

    tracker: str
    project: str
    number: int
    revision: int
    events: int
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One case on one hardware that was bad: open while it lasts, closed when it recovered, then opened again.

    `found` is the last conclusive finding, `told` the one that people were last told. `bad_runs` counts the runs since
    `first_run_id` that found the case bad; `build` and `differences` are those of that first run. `last_run_id` is the
    newest run that was taken into account. `revision` counts all changes of this alert, `events` those worth a message,
    and `openings` how often it was opened.
    """

    found: Finding
    told: Finding
    is_open: bool
    bad_runs: int
    first_run_id: str
    first_measured_at: str
    build: str
    differences: tuple[Difference, ...]
    last_run_id: str
    last_measured_at: str
    last_event: Event = Event.OPENED
    revision: int = 1
    events: int = 1
    openings: int = 1
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that is to be sent to one target, which has a name here and never its address."""

    target: str
    run_id: str
    title: str
    text: str
    markdown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """All alerts of one hardware, by case key, and the messages that wait, in their order: one stored line."""

    schema_version: int
    hardware_key: str
    updated_at: str
    alerts: tuple[Alert, ...] = ()
    messages: tuple[Message, ...] = ()
