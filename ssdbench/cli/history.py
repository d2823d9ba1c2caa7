"""`ssdbench history`: one case over nights or containers, with the places where its level changed. Report-only."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ssdbench.analysis.history import find_case, measured_cases, series_of
from ssdbench.cli.compare import Results, load_run
from ssdbench.cli.request import DEFAULT_RESULTS
from ssdbench.errors import StoreError, UsageError
from ssdbench.harness.stores.files import FileStore
from ssdbench.report.history import csv_of, render_cases, render_series
from ssdbench.schema.history import Grouping


def history(
    case: Annotated[str | None, typer.Argument(help="Key of a case, or a part of its key or title.")] = None,
    hardware: Annotated[str, typer.Option(metavar="KEY", help="Hardware key, or a part of it; all by default.")] = "",
    by: Annotated[Grouping, typer.Option(help="One point a run, or one a release of NVIDIA's container.")] = (
        Grouping.NIGHT
    ),
    metric: Annotated[str | None, typer.Option(help="Another metric than the one that is gated.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for other tools.")] = False,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """Show a case over time with its change points; without CASE, list the cases that were measured.

    Change points are for looking at: the exit code says nothing of them. Other hardware, workload versions, protocols
    and images are series of their own.
    """
    if as_csv and case is None:
        raise UsageError("--csv needs a CASE; `ssdbench history` lists those that were measured")
    store, console = FileStore(results), Console()
    runs = [load_run(store, header.run_id) for header in store.headers()]
    if not runs:
        raise StoreError(f"{results}: nothing was measured yet; begin with `ssdbench run`")
    cases = measured_cases(runs)
    if case is None:
        console.print(render_cases(cases))
        return
    found = series_of(runs, find_case(cases, case).case_key, by=by, metric=metric, hardware=hardware)
    if as_csv:
        print(csv_of(found), end="")
        return
    for number, series in enumerate(found):
        console.print(*([Text()] if number else []), render_series(series, console.width), sep="\n")
