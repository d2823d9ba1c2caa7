"""`ssdbench table`: runs, or NVIDIA's published results, as tables in the published layout."""

from enum import Enum
from pathlib import Path
from typing import Annotated

from ssdbench.cli.help import OUTPUT, SUITE, argument, option
from ssdbench.cli.options import DEFAULT_RESULTS, OutputFile, Results, StoreUrl, open_store, say
from ssdbench.cli.writing import write
from ssdbench.errors import UsageError
from ssdbench.harness.readers.published import load_published
from ssdbench.report import table_formats
from ssdbench.report.formats import find_format, formats
from ssdbench.schema.record import Run
from ssdbench.schema.table import Table
from ssdbench.workflows.judging import load_run


class Against(str, Enum):
    """What measured results are compared with."""

    PUBLISHED = "published"


def table(
    runs: Annotated[
        list[str] | None, argument("Run ids, the beginnings of ids, .jsonl files, or latest.", "RUN")
    ] = None,
    layout: Annotated[
        str, option(f"{', '.join(formats(table_formats))}.", "--format", metavar="FORMAT", panel=OUTPUT)
    ] = "terminal",
    uncertainty: Annotated[
        bool, option("Print the 95 % interval of each value.", "--uncertainty", panel=OUTPUT)
    ] = False,
    published: Annotated[
        str | None,
        option("NVIDIA's own tables of this container release, such as 22.10.", metavar="RELEASE", panel=SUITE),
    ] = None,
    against: Annotated[
        Against | None,
        option("Compare with NVIDIA's published results for the same GPU.", metavar="published", panel=SUITE),
    ] = None,
    output: OutputFile = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Print runs in the layout of NVIDIA's published tables: accuracy, stability, throughput, scaling, latency.

    Values are rounded to the digits that their launches support; a cell without a value says why. Runs on different
    hardware, software or images get separate tables. docs/tables.md defines the columns.
    """
    render = find_format(table_formats, layout).render
    if published is not None and against is None:
        if runs:
            raise UsageError(
                "--published prints NVIDIA's results and takes no run; add --against published to show both"
            )
        tables = _published(results, published)
    elif not runs:
        raise UsageError("name a run (`ssdbench table latest`), or ask for NVIDIA's results with --published 22.10")
    else:
        store = open_store(results, store_url)
        tables = _measured([load_run(store, name, say) for name in runs], results, against, published)
    write(output, render(tables, uncertainty=uncertainty))


def _published(results: Path, container: str) -> tuple[Table, ...]:
    from ssdbench.analysis.tables.layout import published_style
    from ssdbench.analysis.tables.published import published_sheets

    return published_style(published_sheets(load_published(results), container))


def _measured(runs: list[Run], results: Path, against: Against | None, container: str | None) -> tuple[Table, ...]:
    from ssdbench.analysis.tables.against import against_published
    from ssdbench.analysis.tables.layout import published_style
    from ssdbench.analysis.tables.measured import measured_sheets

    distinct = list({run.header.run_id: run for run in runs}.values())
    if against is None:
        return published_style(measured_sheets(distinct))
    figures = load_published(results)
    return tuple(table for sheet in measured_sheets(distinct) for table in against_published(sheet, figures, container))
