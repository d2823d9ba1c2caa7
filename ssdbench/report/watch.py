"""The health of regular runs, for a terminal and as a page."""

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from ssdbench.report.drift_chart import drift_chart
from ssdbench.report.page import page
from ssdbench.report.tables import case_cell, new_table, status_style, status_word
from ssdbench.schema.text import percent, pluralize
from ssdbench.schema.times import is_in_future
from ssdbench.schema.watch import Attention, Concern, Drift, Health, HostHealth, SuiteHealth

CONCERNS: Mapping[Concern, str] = {
    "nothing": "nothing to watch",
    "suite": "suite not measured",
    "host": "host silent",
    "no_verdict": "no verdict",
    "not_measured": "not measured",
    "inconclusive": "inconclusive",
    "waiver": "waiver",
    "records": "records waiting",
    "alerts": "alerts waiting",
    "drift": "false alarm",
}
TERMS: Mapping[str, str] = {
    "Regular run": "A run of `ssdbench nightly`, whose verdicts are stored as they were found.",
    "Conclusive": "Every verdict but inconclusive, and those that say that nothing could be compared.",
    "Fresh pairs": "Launches of the baseline's build and of the candidate, measured in turns in the same run.",
    "One build twice": "A run in which both arms are the build of the baseline: whatever changes is noise.",
    "False alarm": "A change that was called although both arms were one build.",
}


def headline_of(health: Health) -> str:
    """The answer in a sentence."""
    if not health.attention:
        return f"HEALTHY: {pluralize(len(health.suites), 'suite')}, no limit is passed"
    return f"NEEDS ATTENTION: {pluralize(len(health.attention), 'thing')}"


def render_health(health: Health) -> RenderableType:
    """The answer, what needs attention, and a line for each suite, host and waiver."""
    parts: list[RenderableType] = [
        Text(headline_of(health), "bold red" if health.attention else "bold green"),
        Text(f"{health.store}, looked at {health.looked_at[:16].replace('T', ' ')} UTC", "dim"),
    ]
    if health.attention:
        parts += [Text(), *(_line(attention) for attention in health.attention)]
    for suite in health.suites:
        parts += [Text(), *_suite_lines(suite)]
    if health.hosts:
        parts += [Text(), _hosts(health)]
    return Group(*parts)


def _line(attention: Attention) -> Text:
    return Text.assemble(
        (f"{CONCERNS[attention.concern]}: ", "yellow"), (attention.subject, "bold"), f": {attention.sentence}"
    )


def _suite_lines(suite: SuiteHealth) -> Iterator[RenderableType]:
    yield Text.assemble((suite.suite, "bold"), (f" on {suite.hardware_key}", "dim"))
    yield Text("; ".join(facts_of(suite)))
    if suite.cases:
        table = new_table("case", "runs without a verdict", "runs without pairs", "now")
        table.columns[-1].justify = "left"
        for case in suite.cases:
            pairs = str(case.runs_without_pairs) if case.had_pairs else "never"
            now = Text(status_word(case.status), status_style(case.status))
            table.add_row(case_cell(case.title), str(case.runs_without_verdict), pairs, now)
        yield table


def facts_of(suite: SuiteHealth) -> list[str]:
    """What is said of a suite, in parts of a sentence."""
    facts = [
        f"{pluralize(suite.runs, 'run')}, the last {age(suite.days_without_run)}",
        f"{suite.inconclusive} inconclusive among the last {pluralize(suite.judged, 'verdict')}",
    ]
    return [*facts, *([drift_text(suite.drift)] if suite.drift else ["no build was measured twice"])]


def drift_text(drift: Drift) -> str:
    """Alarms and intervals of one build measured twice, seen and promised."""
    promised, runs = percent(drift.promised_share), pluralize(drift.runs, "run")
    alarms, intervals = pluralize(drift.alarm_runs, "false alarm"), pluralize(drift.intervals, "interval")
    return (
        f"one build measured twice: {alarms} in {runs} (promised: at most {promised} of runs), "
        f"{drift.intervals_off_zero} of {intervals} without zero (promised: {promised})"
    )


def age(days: float) -> str:
    """How long ago something was, in words."""
    if days == float("inf"):
        return "at an unknown time"
    if is_in_future(days):
        return f"{pluralize(int(-days), 'day')} in the future"
    return "today" if days < 1 else f"{pluralize(int(days), 'day')} ago"


def _hosts(health: Health) -> RenderableType:
    table = new_table("host", "last heard of", "hardware", number_columns=False)
    for host in health.hosts:
        table.add_row(host.host, host_state(host), host.hardware_key)
    return table


def host_state(host: HostHealth) -> str:
    """When a host was last heard of, in words."""
    return f"{age(host.days_without_run)}{', taken for retired' if host.is_retired else ''}"


def render_health_page(health: Health, *, home: str = "", pages: Mapping[str, str] | None = None) -> str:
    """The health as HTML; on a site, `home` is the address of its index and `pages` has those of the cases by key."""
    return page(
        "health.html",
        TERMS,
        health=health,
        answer=headline_of(health),
        concerns=CONCERNS,
        facts_of=facts_of,
        host_state=host_state,
        drift_chart=drift_chart,
        home=home,
        pages=pages or {},
    )
