"""`ssdbench table`: runs, or NVIDIA's published figures, as tables in the published layout."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.options import DEFAULT_RESULTS, Results, StoreUrl, open_store, say
from ssdbench.cli.writing import write
from ssdbench.errors import UsageError
from ssdbench.harness.readers.published import load_published
from ssdbench.report import table_formats
from ssdbench.report.formats import find_format, formats
from ssdbench.schema.record import Run
from ssdbench.schema.table import Table
from ssdbench.workflows.judging import load_run


class Style(str, Enum):
    """The layout of the tables."""

    PUBLISHED = "published"


class Against(str, Enum):
    """What measured figures are put beside."""

    PUBLISHED = "published"


def table(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs, as `compare` takes them.")] = None,
    style: Annotated[Style, typer.Option(help="Which tables.")] = Style.PUBLISHED,  # noqa: ARG001  # there is one
    layout: Annotated[str, typer.Option("--format", help=f"{', '.join(formats(table_formats))}.")] = "terminal",
    uncertainty: Annotated[bool, typer.Option("--uncertainty", help="Print the 95 % interval of each figure.")] = False,
    published: Annotated[
        str | None,
        typer.Option(metavar="CONTAINER", help="NVIDIA's own tables of this container release, e.g. 22.10."),
    ] = None,
    against: Annotated[
        Against | None, typer.Option(help="Put the runs beside NVIDIA's figures for the same GPU.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write; default: print.")] = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Print runs in the layout of NVIDIA's published tables: accuracy, stability, throughput, scaling, latency.

    Figures are rounded to what their launches support; a cell without a figure says why. Runs of other hardware,
    software or images get tables of their own. docs/tables.md says how the columns are worked out.
    """
    render = find_format(table_formats, layout).render
    if published is not None and against is None:
        if runs:
            raise UsageError("--published prints NVIDIA's figures and takes no run; add --against published for both")
        tables = _published(results, published)
    elif not runs:
        raise UsageError("name a run (`ssdbench table latest`), or ask for NVIDIA's figures with --published 22.10")
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
