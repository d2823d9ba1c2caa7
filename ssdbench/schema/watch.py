"""Whether the regular runs still do what they are for: what `ssdbench watch` says, and its limits."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.verdict import Status

Concern = Literal[
    "nothing", "suite", "host", "no_verdict", "not_measured", "inconclusive", "waiver", "records", "alerts", "drift"
]
"""What something that needs attention is about; `drift`: a change was seen between two launches of one build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What needs attention once it is exceeded.

    runs_without_verdict: runs of a case since its last conclusive verdict, without those that screened it.
    days_without_run: days since the last run of a suite, and of a host.
    retired_days: days after which a host that is silent is taken for retired, and a suite as well.
    inconclusive_share: share of the verdicts of the last `recent_runs` runs that are inconclusive.
    waiver_days: days before a waiver's last day from which on it is told.
    waiting_records, waiting_alerts: records and alerts that wait to be sent.
    """

    runs_without_verdict: int = 7
    days_without_run: int = 3
    retired_days: int = 60
    inconclusive_share: float = 0.25
    recent_runs: int = 14
    waiver_days: int = 14
    waiting_records: int = 0
    waiting_alerts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One thing that needs attention: what it is about, and a sentence with what to do."""

    concern: Concern
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseHealth:
    """A case of the newest result of a suite.

    `runs_without_verdict` counts its runs since the last conclusive verdict, all of them if there was none. So does
    `runs_without_pairs` since it was last judged by fresh pairs.
    """

    case_key: str
    title: str
    status: Status
    runs_without_verdict: int
    had_verdict: bool
    runs_without_pairs: int
    had_pairs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SameBuildChange:
    """A case measured against its own build: any change is noise. `is_alarm`: it was called a change all the same."""

    case_key: str
    title: str
    run_id: str
    measured_at: str
    change: float
    low: float | None
    high: float | None
    is_alarm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The runs in which both arms were one build.

    `alarm_runs` of `runs` called a change; `promised_share` is how many may. Of `intervals` that were given,
    `intervals_off_zero` do not hold zero; the share that may is the same for each.
    """

    runs: int
    alarm_runs: int
    promised_share: float
    intervals: int
    intervals_off_zero: int
    changes: tuple[SameBuildChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteHealth:
    """A suite on one kind of hardware; cases with the longest time without a verdict come first.

    `judged` counts the verdicts of the last runs, `inconclusive` those of them that are; `drift` is None before the
    first run in which both arms were one build. `is_retired`: it has not been measured for so long that it is not
    waited for.
    """

    suite: str
    hardware_key: str
    baseline: str
    runs: int
    last_run_id: str
    last_measured_at: str
    days_without_run: float
    is_retired: bool
    judged: int
    inconclusive: int
    cases: tuple[CaseHealth, ...]
    drift: Drift | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostHealth:
    """A host that measures regularly, and when it stored its last run of any kind."""

    host: str
    hardware_key: str
    last_measured_at: str
    days_without_run: float
    is_retired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverHealth:
    """A waiver and the days that are left to it; below zero it has expired."""

    entry: int
    case: str
    expires: str
    days_left: int
    owner: str | None
    issue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits on this machine or in the store to be sent, and where: its place in a sentence, and how many."""

    place: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state of the regular runs of a store at a moment; what needs attention comes first."""

    schema_version: int
    store: str
    looked_at: str
    limits: Limits
    attention: tuple[Attention, ...]
    suites: tuple[SuiteHealth, ...]
    hosts: tuple[HostHealth, ...]
    waivers: tuple[WaiverHealth, ...] = ()
    records: tuple[Waiting, ...] = ()
    alerts: tuple[Waiting, ...] = ()
