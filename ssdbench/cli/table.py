"""`ssdbench table`: runs, or NVIDIA's published results, as tables in the published layout."""

from enum import Enum
from typing import Annotated

from ssdbench.cli.help import OUTPUT, SUITE, argument, option
from ssdbench.cli.options import DEFAULT_RESULTS, Json, OutputFile, Results, StoreUrl, open_store
from ssdbench.cli.printing import print_data
from ssdbench.cli.streams import say
from ssdbench.cli.writing import write, write_bytes
from ssdbench.errors import UsageError
from ssdbench.report import table_formats
from ssdbench.report.formats import find_format, formats
from ssdbench.workflows.judging import load_run
from ssdbench.workflows.tabulating import measured_tables, published_tables, tables_against_published

PARQUET = "parquet"
_FORMATS = (*formats(table_formats), PARQUET)


class Against(str, Enum):
    """The published results that measured ones are compared with."""

    PUBLISHED = "published"


def table(
    runs: Annotated[
        list[str] | None, argument("Run ids, the beginnings of ids, .jsonl files, or latest.", "RUN")
    ] = None,
    layout: Annotated[str, option(f"{', '.join(_FORMATS)}.", "--format", metavar="FORMAT", panel=OUTPUT)] = "terminal",
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
    as_json: Json = False,
) -> None:
    """Print runs in the layout of NVIDIA's published tables: accuracy, stability, throughput, scaling, latency.

    Values are rounded to the digits that their launches support; a cell without a value says why. Runs on different
    hardware, software or images get separate tables. docs/tables.md defines the columns.
    """
    if as_json and (layout != "terminal" or output is not None):
        raise UsageError("--json prints JSON to standard output: omit --format and --output")
    if layout not in _FORMATS:
        raise UsageError(f"format {layout!r} is not known: choose from {', '.join(_FORMATS)}")
    if layout == PARQUET and output is None:
        raise UsageError("Parquet is binary: name a file with --output")
    if published is not None and against is None:
        if runs:
            raise UsageError(
                "--published prints NVIDIA's results and takes no run; add --against published to show both"
            )
        tables = published_tables(results, published)
    elif not runs:
        raise UsageError("name a run (`ssdbench table latest`), or ask for NVIDIA's results with --published 22.10")
    else:
        store = open_store(results, store_url)
        measured = [load_run(store, name, say) for name in runs]
        tables = tables_against_published(measured, results, published) if against else measured_tables(measured)
    if as_json:
        print_data({"tables": tables})
    elif layout == PARQUET and output is not None:
        from ssdbench.analysis.frames.cells import cells_frame
        from ssdbench.analysis.frames.files import to_parquet

        write_bytes(output, to_parquet(cells_frame(tables)))
    else:
        write(output, find_format(table_formats, layout).render(tables, uncertainty=uncertainty))
