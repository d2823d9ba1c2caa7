"""A report as one self-contained HTML file: style, script and charts are inside, and nothing is fetched.

The templates escape every text, and so do the charts (`svg`). As a second line of defence, a content security policy
allows only the page's own script.
"""

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ssdbench import __version__
from ssdbench.report import explanations, roofline_chart
from ssdbench.report.case_charts import fetch_chart, launches_chart, phases_chart, throttled_sides, trace_chart
from ssdbench.report.change_charts import forest_reach, forest_row, interval_chart
from ssdbench.report.contents import NO_CAUSE, NOTHING, RANK_WORDS, ranked, rest_words, shown
from ssdbench.report.contents import TITLE as CONTENTS_TITLE
from ssdbench.report.creep import KEPT, capital, creep_text
from ssdbench.report.curves import page_charts, seed_style
from ssdbench.report.glossary import GLOSSARY, SEED_TERMS, STATUS_MEANINGS, TERMS
from ssdbench.report.headline import accuracy_headline, headline
from ssdbench.report.history import series_digits, short_labels
from ssdbench.report.numbers import (
    change_text,
    interval_text,
    shown_unit,
    significant_digits,
    spread,
    value_text,
)
from ssdbench.report.seed_charts import seeds_chart
from ssdbench.report.seeds import SEED_COLUMNS, seed_cells
from ssdbench.report.suite_change import suite_text
from ssdbench.report.tables import status_word, tone_of
from ssdbench.report.trend_charts import change_style, sparkline, trend_chart
from ssdbench.report.waivers import waiver_notes
from ssdbench.schema.history import HistoryPoint, Series
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.plain_text import visible
from ssdbench.schema.report import AccuracyReport, Picture, Report
from ssdbench.schema.text import LARGEST_OPEN_CHANGE, percent, pluralize
from ssdbench.schema.verdict import Verdict

OPEN_AT_FIRST = 3
"""How many of the worst cases have their details open at first, if they regressed or failed."""


def render_report(report: Report, *, home: str = "", pages: Mapping[str, str] | None = None) -> str:
    """The report as HTML; on a site, `home` is the address of its index and `pages` has those of the cases by key."""
    verdicts = [case.verdict for case in report.comparison.cases]
    return page(
        "report.html",
        {**TERMS, **_statuses_in_words(verdicts)},
        report=report,
        header=report.header,
        comparison=report.comparison,
        answer=headline(report.comparison, report.code),
        statuses=Counter(verdict.status for verdict in verdicts).items(),
        reach=forest_reach(verdicts),
        metrics=[METRICS[name] for name in dict.fromkeys(verdict.metric for verdict in verdicts)],
        home=home,
        pages=pages or {},
        open_at_first=OPEN_AT_FIRST,
    )


def render_accuracy(report: AccuracyReport, *, home: str = "") -> str:
    """The report of trainings as HTML; on a site, `home` is the address of its index."""
    answer = accuracy_headline(report)
    return page("accuracy.html", SEED_TERMS, report=report, header=report.header, answer=answer, home=home)


def page(template: str, terms: Mapping[str, str], **content: object) -> str:
    """A page from a template; every string in `content` is escaped where it is used. `terms` are explained below."""
    return _environment().get_template(template).render(content, terms=terms)


def _statuses_in_words(verdicts: Iterable[Verdict]) -> dict[str, str]:
    found = {verdict.status for verdict in verdicts}
    return {status_word(s).capitalize(): f"{m[:1].upper()}{m[1:]}." for s, m in STATUS_MEANINGS.items() if s in found}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ssdbench.report"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template("script.js").render()
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {
        "version": __version__,
        "script": script,
        "script_digest": digest,
        "METRICS": METRICS,
        "GLOSSARY": GLOSSARY,
        "STATUS_MEANINGS": STATUS_MEANINGS,
        "tone": tone_of,
        "status_word": status_word,
        "pluralize": pluralize,
        "unit": shown_unit,
        "change_text": change_text,
        "interval_text": interval_text,
        "verdict_value": _verdict_value,
        "figure_value": _figure_value,
        "percent": _signed_percent,
        "size_of_change": _size_of_change,
        "case_parts": lambda title: title.partition(" · ")[::2],
        "change_style": change_style,
        "launches_chart": launches_chart,
        "interval_chart": interval_chart,
        "trace_chart": trace_chart,
        "throttled_sides": throttled_sides,
        "phases_chart": phases_chart,
        "explanations": explanations,
        "roofline": roofline_chart,
        "fetch_chart": fetch_chart,
        "trend": _trend,
        "sparkline": sparkline,
        "forest_row": forest_row,
        "page_charts": page_charts,
        "seed_style": seed_style,
        "SEED_COLUMNS": SEED_COLUMNS,
        "seed_cells": seed_cells,
        "seeds_chart": seeds_chart,
        "data_address": _data_address,
        "capital": capital,
        "creep_text": creep_text,
        "waiver_notes": waiver_notes,
        "kept": KEPT,
        "shown_content": shown,
        "ranked_contents": ranked,
        "rest_words": rest_words,
        "RANK_WORDS": RANK_WORDS,
        "NO_CAUSE": NO_CAUSE,
        "NOTHING": NOTHING,
        "CONTENTS_TITLE": CONTENTS_TITLE,
        "suite_text": suite_text,
        "short_labels": short_labels,
        "series_value": _series_value,
    }
    return environment


def _visible(value: object) -> object:
    """What a template is about to write, before it is escaped; charts and scripts are markup and stay that."""
    if isinstance(value, Markup):
        return Markup(visible(value))
    return visible(value) if isinstance(value, str) else value


def _verdict_value(verdict: Verdict, value: float | None) -> str:
    metric = METRICS[verdict.metric]
    return "–" if value is None else f"{value_text(metric, value, significant_digits(spread(verdict)))}"


def _figure_value(metric: str, value: float | None) -> str:
    return "–" if value is None else f"{value_text(METRICS[metric], value, 4)} {shown_unit(METRICS[metric])}"


def _series_value(series: Series, value: float) -> str:
    return value_text(METRICS[series.metric], value, series_digits(series))


def _trend(series: Series, run_id: str, width: int, reports: Mapping[str, str]) -> Markup:
    """The trend of a series; a dot links to the report of its newest run that `reports` knows by its id."""
    metric, labels = METRICS[series.metric], short_labels([point.label for point in series.points])

    def describe(point: HistoryPoint) -> str:
        value, low, high = (value_text(metric, v, series_digits(series)) for v in (point.value, point.low, point.high))
        spread = f" ({low} to {high})" if point.launches > 1 else ""
        launches, runs = pluralize(point.launches, "launch", "launches"), ", ".join(point.run_ids[-3:])
        return f"{point.label[:16].replace('T', ' ')}: {value} {shown_unit(metric)}{spread}, {launches}, {runs}"

    def address(point: HistoryPoint) -> str:
        return next((quote(reports[run_id]) for run_id in reversed(point.run_ids) if run_id in reports), "")

    return trend_chart(series, labels, run_id=run_id, width=width, describe=describe, address=address)


def _signed_percent(change: float | None) -> str:
    return "" if change is None else percent(change, sign="+")


def _size_of_change(change: float) -> str:
    return percent(change, largest=LARGEST_OPEN_CHANGE).replace(">", "more than ")


def _data_address(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{b64encode(picture.content).decode()}"
