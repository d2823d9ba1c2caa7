"""`ssdbench export`: the results of a run in the formats of other tools."""

from typing import Annotated

from ssdbench.cli.help import OUTPUT, option
from ssdbench.cli.options import DEFAULT_RESULTS, OutputFile, Results, RunName, StoreUrl, open_store, say
from ssdbench.cli.writing import write
from ssdbench.errors import UsageError
from ssdbench.report import exporters
from ssdbench.report.formats import find_format, formats
from ssdbench.workflows.judging import load_run


def export(
    run: RunName,
    layout: Annotated[str, option(f"{', '.join(formats(exporters))}.", "--format", metavar="FORMAT", panel=OUTPUT)],
    output: OutputFile = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Write the results of a run in the format of another tool; cases without a result are named on stderr.

    docs/formats.md describes what each format holds and loses.
    """
    from ssdbench.analysis.reports.export import exported

    render = find_format(exporters, layout).render
    found = exported(load_run(open_store(results, store_url), run, say))
    for reason in found.left_out:
        say(f"omitted: {reason}")
    if not found.cases:
        raise UsageError(f"run {found.header.run_id} has no result to export; see `ssdbench compare {run}`")
    write(output, render(found))
