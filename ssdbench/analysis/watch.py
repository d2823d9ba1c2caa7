"""Results of regular runs -> their health: what they no longer find, and who is no longer heard of."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone

from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.nightly import NightlyCase, NightlyResult
from ssdbench.schema.record import RunHeader
from ssdbench.schema.settings import DEFAULT_SETTINGS
from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.verdict import Status
from ssdbench.schema.waivers import Waiver
from ssdbench.schema.watch import (
    Attention,
    CaseHealth,
    Drift,
    Health,
    HostHealth,
    Limits,
    SameBuildChange,
    SuiteHealth,
    Waiting,
    WaiverHealth,
)

_CHANGED = {Status.REGRESSED, Status.IMPROVED, Status.WAIVED}
_DAY_SECONDS = 86400.0
_TOO_MANY_BY_CHANCE = 0.05
"""More alarms than promised are told once as many, or more, would come by chance in fewer than 5 of 100 such stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is looked at: results of regular runs in their order, headers of all runs, waivers, and what waits."""

    store: str
    results: Sequence[NightlyResult]
    headers: Sequence[RunHeader]
    waivers: Sequence[Waiver] = ()
    records: Sequence[Waiting] = ()
    alerts: Sequence[Waiting] = ()


def health_of(watched: Watched, limits: Limits, now: datetime) -> Health:
    """The health at this moment (with its time zone)."""
    suites = _suites(watched, limits, now)
    hosts = _hosts(watched, limits, now)
    waivers = tuple(_waiver(waiver, now.astimezone(timezone.utc).date()) for waiver in watched.waivers)
    found = [*_of_suites(suites, limits), *_of_hosts(hosts, limits), *_of_waivers(waivers, limits)]
    found += _of_waiting(watched, limits)
    return Health(
        schema_version=SCHEMA_VERSION,
        store=watched.store,
        looked_at=now.astimezone(timezone.utc).isoformat(timespec="seconds"),
        limits=limits,
        attention=tuple(found) if watched.results else (_NOTHING, *found),
        suites=suites,
        hosts=hosts,
        waivers=waivers,
        records=tuple(watched.records),
        alerts=tuple(watched.alerts),
    )


_NOTHING = Attention(
    concern="nothing",
    subject="regular runs",
    sentence="no result of a regular run is stored here: let `ssdbench nightly` store one, or name another store",
)


def _suites(watched: Watched, limits: Limits, now: datetime) -> tuple[SuiteHealth, ...]:
    groups: dict[tuple[str, str], list[NightlyResult]] = defaultdict(list)
    for result in watched.results:
        groups[result.hardware_key, result.suite].append(result)
    alphas = {header.run_id: header.settings.alpha for header in watched.headers}
    return tuple(_suite(results, alphas, limits, now) for _, results in sorted(groups.items()))


def _suite(results: Sequence[NightlyResult], alphas: Mapping[str, float], limits: Limits, now: datetime) -> SuiteHealth:
    regular = [result for result in results if not result.against_itself]
    last, newest = results[-1], regular[-1] if regular else None
    recent = [case for result in regular[-limits.recent_runs :] for case in result.cases]
    inconclusive = sum(case.status is Status.INCONCLUSIVE for case in recent)
    cases = [_case(case, regular) for case in newest.cases] if newest else []
    days = days_between(last.measured_at, now)
    return SuiteHealth(
        suite=last.suite,
        hardware_key=last.hardware_key,
        baseline=last.baseline,
        runs=len(regular),
        last_run_id=last.run_id,
        last_measured_at=last.measured_at,
        days_without_run=days,
        is_retired=_is_retired(days, limits),
        judged=inconclusive + sum(case.is_conclusive for case in recent),
        inconclusive=inconclusive,
        cases=tuple(sorted(cases, key=lambda case: (-case.runs_without_verdict, case.title))),
        drift=_drift([result for result in results if result.against_itself], alphas),
    )


def _case(case: NightlyCase, regular: Sequence[NightlyResult]) -> CaseHealth:
    found = [found for result in regular for found in result.cases if found.case_key == case.case_key]
    verdicts = [place for place, one in enumerate(found) if one.is_conclusive]
    pairs = [place for place, one in enumerate(found) if one.confirmed_in_pairs]
    return CaseHealth(
        case_key=case.case_key,
        title=case.title,
        status=case.status,
        runs_without_verdict=len(found) - 1 - verdicts[-1] if verdicts else len(found),
        had_verdict=bool(verdicts),
        runs_without_pairs=len(found) - 1 - pairs[-1] if pairs else len(found),
        had_pairs=bool(pairs),
    )


def _drift(results: Sequence[NightlyResult], alphas: Mapping[str, float]) -> Drift | None:
    if not results:
        return None
    changes = [change for result in results for change in _same_build(result)]
    bounded = [change for change in changes if change.low is not None and change.high is not None]
    return Drift(
        runs=len(results),
        alarm_runs=sum(any(case.status in _CHANGED for case in result.cases) for result in results),
        promised_share=max(alphas.get(result.run_id, DEFAULT_SETTINGS.alpha) for result in results),
        intervals=len(bounded),
        intervals_off_zero=sum(not (change.low or 0.0) <= 0 <= (change.high or 0.0) for change in bounded),
        changes=tuple(changes),
    )


def _same_build(result: NightlyResult) -> Iterator[SameBuildChange]:
    for case in result.cases:
        if case.change is not None and math.isfinite(case.change):
            yield SameBuildChange(
                case_key=case.case_key,
                title=case.title,
                run_id=result.run_id,
                measured_at=result.measured_at,
                change=case.change,
                low=case.low,
                high=case.high,
                is_alarm=case.status in _CHANGED,
            )


def _hosts(watched: Watched, limits: Limits, now: datetime) -> tuple[HostHealth, ...]:
    """Hosts that stored a result of a regular run; they are heard of by any run."""
    last: dict[tuple[str, str], str] = {}
    for result in watched.results:
        place = (result.host, result.hardware_key)
        last[place] = _newer(last.get(place), result.measured_at)
    for header in watched.headers:
        place = (header.host.hostname, header.hardware.key)
        if place in last:
            last[place] = _newer(last[place], header.created_at)
    return tuple(
        HostHealth(
            host=host,
            hardware_key=hardware_key,
            last_measured_at=moment,
            days_without_run=(days := days_between(moment, now)),
            is_retired=_is_retired(days, limits),
        )
        for (host, hardware_key), moment in sorted(last.items())
    )


def _waiver(waiver: Waiver, today: date) -> WaiverHealth:
    return WaiverHealth(
        entry=waiver.entry,
        case=waiver.case,
        expires=waiver.expires,
        days_left=(date.fromisoformat(waiver.expires) - today).days,
        owner=waiver.owner,
        issue=waiver.issue,
    )


def _of_suites(suites: Iterable[SuiteHealth], limits: Limits) -> Iterator[Attention]:
    for suite in suites:
        subject = f"{suite.suite} on {suite.hardware_key}"
        if suite.is_retired:
            continue
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


def _of_waiting(watched: Watched, limits: Limits) -> Iterator[Attention]:
    if sum(waiting.count for waiting in watched.records) > limits.waiting_records:
        for waiting in watched.records:
            yield Attention(
                concern="records",
                subject=waiting.place,
                sentence=f"{pluralize(waiting.count, 'record')} not sent: `ssdbench store send` sends them",
            )
    if sum(waiting.count for waiting in watched.alerts) > limits.waiting_alerts:
        for waiting in watched.alerts:
            yield Attention(
                concern="alerts",
                subject=waiting.place,
                sentence=f"{pluralize(waiting.count, 'message')} not delivered: the next `ssdbench notify` sends them",
            )


def days_between(moment: str, now: datetime) -> float:
    """Days from a moment (ISO 8601, UTC where it says nothing) to now; endless where it cannot be read."""
    found = _time(moment)
    return math.inf if found is None else (now - found).total_seconds() / _DAY_SECONDS


def _newer(first: str | None, second: str) -> str:
    there, here = _time(first or ""), _time(second)
    if there is None or here is None:
        return second if there is None else first or second
    return second if here > there else first or second


def _time(moment: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def _is_retired(days: float, limits: Limits) -> bool:
    # What cannot be dated is told, not passed over.
    return limits.retired_days < days < math.inf


def _days(days: float) -> str:
    return "an unknown time" if math.isinf(days) else pluralize(int(days), "day")
