"""The history of all cases as a folder of pages for any static host: relative links only, nothing is fetched.

index.html          the newest run of each hardware, then every case: latest value, last change point, trend
health.html         whether the regular runs still do what they are for, where there are any
cases/<name>.html   one case over its runs or containers, with change points
runs/<run id>.html  the report of each run
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ssdbench.report.glossary import HISTORY_TERMS
from ssdbench.report.headline import accuracy_headline, headline
from ssdbench.report.page import page, render_accuracy, render_report
from ssdbench.report.watch import headline_of, render_health_page
from ssdbench.schema.history import Grouping, Series
from ssdbench.schema.report import AccuracyReport, Report
from ssdbench.schema.watch import Health

_LONGEST_NAME = 100


def render_site(
    history: Mapping[str, tuple[Series, ...]],
    run_ids: Sequence[str],
    report_of: Callable[[str, bool], Report],
    trainings: Sequence[AccuracyReport],
    by: Grouping,
    health: Health | None = None,
) -> Iterator[tuple[str, str]]:
    """(path, HTML) of every page; `history` has the series of each case by key, `report_of` builds a run's report.

    `run_ids` are in the order in which the runs were measured. The second argument of `report_of` says whether the
    details of all cases are wanted; they are for the newest run of each hardware, so that a site stays small.
    `health` is that of the regular runs; None where there are none.
    """
    rows = [(series, file_name(key)) for key, found in history.items() for series in found]
    rows.sort(key=lambda row: _last_change(row[0]))
    newest = {run_id: report_of(run_id, True) for run_id in newest_runs(history, run_ids)}
    trained = [(report, accuracy_headline(report), file_name(report.header.run_id)) for report in trainings]
    yield (
        "index.html",
        page(
            "history_index.html",
            HISTORY_TERMS,
            rows=rows,
            newest=[
                (report, headline(report.comparison, report.code), file_name(report.header.run_id))
                for report in sorted(newest.values(), key=lambda report: report.comparison.hardware_key)
            ],
            runs=len(run_ids),
            cases=len(history),
            trained=trained,
            by=by,
            health=health,
            health_answer=headline_of(health) if health is not None else "",
        ),
    )
    if health is not None:
        pages = {key: f"cases/{file_name(key)}" for key in history}
        yield "health.html", render_health_page(health, home="index.html", pages=pages)
    reports = {run_id: f"../runs/{file_name(run_id)}" for run_id in run_ids}
    for key, found in history.items():
        case_page = page("history_case.html", HISTORY_TERMS, key=key, all_series=found, reports=reports, by=by)
        yield f"cases/{file_name(key)}", case_page
    pages = {key: f"../cases/{file_name(key)}" for key in history}
    for run_id in run_ids:
        report = newest.get(run_id) or report_of(run_id, False)
        yield f"runs/{file_name(run_id)}", render_report(report, home="../index.html", pages=pages)
    for trainings_report, _, file in trained:
        yield f"runs/{file}", render_accuracy(trainings_report, home="../index.html")


def newest_runs(history: Mapping[str, tuple[Series, ...]], run_ids: Sequence[str]) -> list[str]:
    """The newest run of each hardware of these series."""
    place = {run_id: number for number, run_id in enumerate(run_ids)}
    newest: dict[str, str] = {}
    for series in (series for found in history.values() for series in found):
        for run_id in (run_id for point in series.points for run_id in point.run_ids if run_id in place):
            if place[run_id] >= place.get(newest.get(series.hardware_key, ""), -1):
                newest[series.hardware_key] = run_id
    return list(newest.values())


def _last_change(series: Series) -> tuple[object, ...]:
    """Sorts the latest change of a level first, then the largest; series without one follow by name."""
    if not series.change_points:
        return (1, 0.0, 0.0, series.hardware_key, _natural(series.title))
    change = series.change_points[-1]
    day = series.points[change.index].measured_at[:10].replace("-", "")
    newness = -int(day) if day.isdecimal() else 0
    return (0, newness, -abs(change.change), series.hardware_key, _natural(series.title))


def file_name(name: str) -> str:
    """The file name of a page: safe characters only, with a digest of `name` where some had to go."""
    safe = re.sub(r"[^A-Za-z0-9._=-]+", "_", name).lstrip(".")
    if safe == name and 0 < len(name) <= _LONGEST_NAME:
        return f"{name}.html"
    return f"{safe[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:10]}.html"


def _natural(text: str) -> list[str]:
    # Batch 4 before batch 16.
    return [part.zfill(8) if part.isdigit() else part for part in re.split(r"(\d+)", text)]
