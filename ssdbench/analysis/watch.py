"""Results of regular runs -> their health: what they no longer find, and who is no longer heard of."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone

from ssdbench.analysis.attention import needs_attention
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.nightly import NightlyCase, NightlyResult
from ssdbench.schema.record import RunHeader
from ssdbench.schema.settings import DEFAULT_SETTINGS
from ssdbench.schema.times import is_in_future, moment_of
from ssdbench.schema.verdict import Status
from ssdbench.schema.waivers import Waiver
from ssdbench.schema.watch import (
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
    found = Health(
        schema_version=SCHEMA_VERSION,
        store=watched.store,
        looked_at=now.astimezone(timezone.utc).isoformat(timespec="seconds"),
        limits=limits,
        attention=(),
        suites=suites,
        hosts=hosts,
        waivers=waivers,
        records=tuple(watched.records),
        alerts=tuple(watched.alerts),
    )
    return replace(found, attention=tuple(needs_attention(found)))


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
    judged = [one for one in found if one.status is not Status.SCREENED]
    verdicts = [place for place, one in enumerate(judged) if one.is_conclusive]
    pairs = [place for place, one in enumerate(found) if one.confirmed_in_pairs]
    return CaseHealth(
        case_key=case.case_key,
        title=case.title,
        status=case.status,
        runs_without_verdict=len(judged) - 1 - verdicts[-1] if verdicts else len(judged),
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
        last[place] = _newer(last.get(place), result.measured_at, now)
    for header in watched.headers:
        place = (header.host.hostname, header.hardware.key)
        if place in last:
            last[place] = _newer(last[place], header.created_at, now)
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


def days_between(moment: str, now: datetime) -> float:
    """Days from a moment (ISO 8601, UTC where it says nothing) to now; endless where it cannot be read."""
    found = moment_of(moment)
    return math.inf if found is None else (now - found).total_seconds() / _DAY_SECONDS


def _newer(first: str | None, second: str, now: datetime) -> str:
    """The newer of two moments; one that is not in the future, where there is one: a wrong clock hides no silence."""
    there, here = moment_of(first or ""), moment_of(second)
    if first is None or there is None or here is None:
        return second if first is None or there is None else first
    there_is_wrong, here_is_wrong = is_in_future(days_between(first, now)), is_in_future(days_between(second, now))
    if there_is_wrong != here_is_wrong:
        return second if there_is_wrong else first
    return second if here > there else first


def _is_retired(days: float, limits: Limits) -> bool:
    # What cannot be dated is told, not passed over.
    return limits.retired_days < days < math.inf
