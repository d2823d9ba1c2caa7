"""What of the health of regular runs passes a limit, in sentences for people."""

import math
from collections.abc import Iterable, Iterator

from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.times import is_in_future
from ssdbench.schema.verdict import Status
from ssdbench.schema.watch import Attention, Drift, Health, HostHealth, Limits, SuiteHealth, WaiverHealth

_TOO_MANY_BY_CHANCE = 0.05
"""More alarms than promised are told once as many, or more, would come by chance in fewer than 5 of 100 such stores."""
_NOTHING = Attention(
    concern="nothing",
    subject="regular runs",
    sentence="no result of a regular run is stored here: let `ssdbench nightly` store one, or name another store",
)


def needs_attention(health: Health) -> Iterator[Attention]:
    """What needs attention, by the limits that the health was looked at with."""
    limits = health.limits
    if not health.suites:
        yield _NOTHING
    yield from _of_suites(health.suites, limits)
    yield from _of_hosts(health.hosts, limits)
    yield from _of_waivers(health.waivers, limits)
    yield from _of_waiting(health)


def _of_suites(suites: Iterable[SuiteHealth], limits: Limits) -> Iterator[Attention]:
    for suite in suites:
        subject = f"{suite.suite} on {suite.hardware_key}"
        if suite.is_retired:
            continue
        if is_in_future(suite.days_without_run):
            yield Attention(
                concern="suite",
                subject=subject,
                sentence=f"{suite.last_run_id} {_ahead(suite.days_without_run)}; until then no missing run is noticed",
            )
        if suite.days_without_run > limits.days_without_run:
            yield Attention(
                concern="suite",
                subject=subject,
                sentence=f"last measured {_days(suite.days_without_run)} ago ({suite.last_run_id}): look at the job",
            )
        yield from _of_cases(suite, limits)
        share = suite.inconclusive / suite.judged if suite.judged else 0.0
        if share > limits.inconclusive_share:
            yield Attention(
                concern="inconclusive",
                subject=subject,
                sentence=(
                    f"{percent(share, 0)} of the verdicts of the last "
                    f"{pluralize(min(suite.runs, limits.recent_runs), 'run')} are inconclusive: give more time, a "
                    "larger margin, or a quieter machine"
                ),
            )
        if suite.drift is not None:
            yield from _of_drift(subject, suite.drift)


def _of_cases(suite: SuiteHealth, limits: Limits) -> Iterator[Attention]:
    for case in suite.cases:
        subject = f"{case.title} on {suite.hardware_key}"
        if case.status is Status.NOT_RUN:
            yield Attention(
                concern="not_measured",
                subject=subject,
                sentence=f"planned and not measured in {suite.last_run_id}: give the run more time",
            )
        # What this machine cannot measure has no verdict to wait for.
        if case.runs_without_verdict > limits.runs_without_verdict and case.status is not Status.SKIPPED:
            since = "its last conclusive verdict" if case.had_verdict else "it was first planned, never with a verdict"
            yield Attention(
                concern="no_verdict",
                subject=subject,
                sentence=(
                    f"{pluralize(case.runs_without_verdict, 'run')} since {since}; now it is "
                    f"{case.status.value.replace('_', ' ')}"
                ),
            )


def _of_drift(subject: str, drift: Drift) -> Iterator[Attention]:
    newest = drift.changes[-1].run_id if drift.changes else ""
    alarms = [change.title for change in drift.changes if change.run_id == newest and change.is_alarm]
    if alarms:
        yield Attention(
            concern="drift",
            subject=subject,
            sentence=f"{newest} measured one build twice and called {', '.join(alarms[:3])} changed: a false alarm",
        )
    if chance_of_alarms(drift.alarm_runs, drift.runs, drift.promised_share) < _TOO_MANY_BY_CHANCE:
        yield Attention(
            concern="drift",
            subject=subject,
            sentence=(
                f"{drift.alarm_runs} of {pluralize(drift.runs, 'run')} of one build called a change, "
                f"{percent(drift.promised_share)} are promised: the two arms are not measured alike"
            ),
        )


def chance_of_alarms(alarms: int, runs: int, share: float) -> float:
    """The chance of at least as many alarms in so many runs, if each has one with this probability; 1 for none."""
    return math.fsum(
        math.comb(runs, count) * share**count * (1 - share) ** (runs - count) for count in range(alarms, runs + 1)
    )


def _of_hosts(hosts: Iterable[HostHealth], limits: Limits) -> Iterator[Attention]:
    for host in hosts:
        if is_in_future(host.days_without_run):
            yield Attention(
                concern="host",
                subject=host.host,
                sentence=f"its last run {_ahead(host.days_without_run)} ({host.hardware_key})",
            )
        if limits.days_without_run < host.days_without_run and not host.is_retired:
            yield Attention(
                concern="host",
                subject=host.host,
                sentence=f"not heard of for {_days(host.days_without_run)} ({host.hardware_key})",
            )


def _of_waivers(waivers: Iterable[WaiverHealth], limits: Limits) -> Iterator[Attention]:
    for waiver in waivers:
        if waiver.days_left <= limits.waiver_days:
            left = "has expired" if waiver.days_left < 0 else f"expires in {pluralize(waiver.days_left, 'day')}"
            owner = f", owner {waiver.owner}" if waiver.owner else ""
            yield Attention(
                concern="waiver",
                subject=f"waiver {waiver.entry} ({waiver.case})",
                sentence=f"{left}, on {waiver.expires}{owner}: {waiver.issue}",
            )


def _of_waiting(health: Health) -> Iterator[Attention]:
    if sum(waiting.count for waiting in health.records) > health.limits.waiting_records:
        for waiting in health.records:
            yield Attention(
                concern="records",
                subject=waiting.place,
                sentence=f"{pluralize(waiting.count, 'record')} not sent: `ssdbench store send` sends them",
            )
    if sum(waiting.count for waiting in health.alerts) > health.limits.waiting_alerts:
        for waiting in health.alerts:
            yield Attention(
                concern="alerts",
                subject=waiting.place,
                sentence=f"{pluralize(waiting.count, 'message')} not delivered: the next `ssdbench notify` sends them",
            )


def _ahead(days: float) -> str:
    return f"is dated {pluralize(int(-days), 'day')} in the future: set the clock of the machine that measured it"


def _days(days: float) -> str:
    return "an unknown time" if math.isinf(days) else pluralize(int(days), "day")
