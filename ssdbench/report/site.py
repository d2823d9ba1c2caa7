"""The history of all cases as a folder of pages for any static host: relative links only, nothing is fetched.

index.html          every case on every hardware: latest value, last change point, trend
cases/<name>.html   one case over its runs or containers, with change points
runs/<run id>.html  the report of each run
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ssdbench.report.glossary import HISTORY_TERMS
from ssdbench.report.headline import accuracy_headline
from ssdbench.report.page import page, render_accuracy, render_report
from ssdbench.schema.history import Grouping, Series
from ssdbench.schema.report import AccuracyReport, Report

_LONGEST_NAME = 100


def render_site(
    history: Mapping[str, tuple[Series, ...]],
    run_ids: Sequence[str],
    report_of: Callable[[str], Report],
    trainings: Sequence[AccuracyReport],
    by: Grouping,
) -> Iterator[tuple[str, str]]:
    """(path, HTML) of every page; `history` has the series of each case by key, `report_of` builds a run's report."""
    rows = [(series, file_name(key)) for key, found in history.items() for series in found]
    rows.sort(key=lambda row: (row[0].hardware_key, _natural(row[0].title)))
    trained = [(report, accuracy_headline(report), file_name(report.header.run_id)) for report in trainings]
    yield (
        "index.html",
        page(
            "history_index.html",
            HISTORY_TERMS,
            rows=rows,
            runs=len(run_ids),
            cases=len(history),
            trained=trained,
            by=by,
        ),
    )
    reports = {run_id: f"../runs/{file_name(run_id)}" for run_id in run_ids}
    for key, found in history.items():
        case_page = page("history_case.html", HISTORY_TERMS, key=key, all_series=found, reports=reports, by=by)
        yield f"cases/{file_name(key)}", case_page
    pages = {key: f"../cases/{file_name(key)}" for key in history}
    for run_id in run_ids:
        yield f"runs/{file_name(run_id)}", render_report(report_of(run_id), home="../index.html", pages=pages)
    for report, _, file in trained:
        yield f"runs/{file}", render_accuracy(report, home="../index.html")


def file_name(name: str) -> str:
    """The file name of a page: safe characters only, with a digest of `name` where some had to go."""
    safe = re.sub(r"[^A-Za-z0-9._=-]+", "_", name).lstrip(".")
    if safe == name and 0 < len(name) <= _LONGEST_NAME:
        return f"{name}.html"
    return f"{safe[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:10]}.html"


def _natural(text: str) -> list[str]:
    # Batch 4 before batch 16.
    return [part.zfill(8) if part.isdigit() else part for part in re.split(r"(\d+)", text)]
