"""`ssdbench history`: a case over runs or releases, with the points where its level changed; informational."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from rich.text import Text

from ssdbench.analysis.history.series import measured_cases
from ssdbench.analysis.verdicts.arms import last_attempts
from ssdbench.cli.help import OUTPUT, SUITE, argument, option
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, StoreUrl, WaiversFile, open_store
from ssdbench.cli.printing import Terminal, print_data, print_document
from ssdbench.cli.streams import print_text, say
from ssdbench.cli.writing import write
from ssdbench.errors import UsageError
from ssdbench.report.history import csv_of, render_cases, render_series
from ssdbench.schema.history import Grouping
from ssdbench.workflows.histories import load_all_runs, select_series, trained_runs
from ssdbench.workflows.reporting import site_pages


def _grouping(text: str) -> Grouping:
    try:
        return Grouping(text)
    except ValueError:
        raise UsageError(f"--by {text} is not known; choose {' or '.join(Grouping)}") from None


def history(
    case: Annotated[
        str | None, argument("Words of the names of cases, or a key: resnet50, 'train amp'.", "CASE")
    ] = None,
    hardware: Annotated[
        str, option("Hardware key, or a part of it; default: all hardware.", metavar="KEY", panel=SUITE)
    ] = "",
    by: Annotated[
        Grouping,
        option(
            "One point per run, or per release of NVIDIA's container.",
            metavar="|".join(Grouping),
            parser=_grouping,
            panel=OUTPUT,
        ),
    ] = (Grouping.RUN),
    metric: Annotated[
        str | None, option("Metric to show; default: the gated one.", metavar="NAME", panel=OUTPUT)
    ] = None,
    as_csv: Annotated[bool, option("Print CSV for other tools.", "--csv", panel=OUTPUT)] = False,
    html: Annotated[
        Path | None,
        option("Write a static site to this folder, for any web server.", "--html", metavar="FOLDER", panel=OUTPUT),
    ] = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    waivers: WaiversFile = None,
    as_json: Json = False,
) -> None:
    """Show cases over time with their change points; without CASE, list the measured cases.

    CASE may be several words in quotes; every case whose name has all of them is shown. Change points are informational
    and do not affect the exit code. Different hardware, workload versions, protocols and images form separate series.
    --html writes pages about all cases (or CASE) and a report of every run.
    """
    if sum(map(bool, (as_csv, as_json, html))) > 1:
        raise UsageError("--csv, --json and --html are outputs of their own; choose one")
    if as_csv and case is None:
        raise UsageError("--csv needs a CASE; `ssdbench history` lists the measured ones")
    store, console = open_store(results, store_url, waivers), Terminal()
    whole = load_all_runs(store, say)
    runs = [last_attempts(run) for run in whole]
    if case is None and html is None:
        cases = measured_cases(runs)
        if as_json:
            print_data({"cases": cases})
        else:
            console.print(render_cases(cases))
        return
    found = select_series(runs, case, by=by, metric=metric, hardware=hardware)
    trained = trained_runs(whole, hardware) if html is not None and case is None else []
    if not found and not trained:
        raise UsageError(f"{store.name}: {_nothing(by, hardware)}")
    if html:
        _write_site(html, site_pages(store, results, whole, trained, found, by, say))
        return
    every = [series for of_case in found.values() for series in of_case]
    if as_csv:
        print_document(csv_of(every))
        return
    if as_json:
        print_data({"series": every})
        return
    for number, series in enumerate(every):
        console.print(*([Text()] if number else []), render_series(series, console.width), sep="\n")


def _write_site(folder: Path, pages: Iterable[tuple[str, str]]) -> None:
    count = 0
    for path, text in pages:
        write(folder / path, text)
        count += 1
    print_text(f"written: {count} pages, starting with {folder / 'index.html'}")


def _nothing(by: Grouping, hardware: str) -> str:
    """Why there is no series, and what helps."""
    where = f" on hardware {hardware!r}" if hardware else ""
    if by is Grouping.CONTAINER:
        return f"nothing was measured in NVIDIA's container{where}; use --by run, or measure there"
    return f"nothing to show{where}; `ssdbench history` lists the cases and their hardware"
