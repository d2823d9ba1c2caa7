"""`ssdbench export`: a run as CSV or Parquet, or its results in the formats of other tools."""

from pathlib import Path
from typing import Annotated

from ssdbench.cli.help import OUTPUT, option
from ssdbench.cli.options import DEFAULT_RESULTS, OutputFile, Results, RunName, StoreUrl, WaiversFile, open_store
from ssdbench.cli.streams import say
from ssdbench.cli.writing import write, write_bytes
from ssdbench.errors import UsageError
from ssdbench.harness.stores.store import Store
from ssdbench.report import exporters
from ssdbench.report.formats import find_format, formats
from ssdbench.workflows.exporting import FileFormat, FrameName, export_frame
from ssdbench.workflows.judging import load_run, load_whole

_FILES = tuple(form.value for form in FileFormat)
_FORMATS = (*formats(exporters), *_FILES)


def export(
    run: RunName,
    layout: Annotated[str, option(f"{', '.join(_FORMATS)}.", "--format", metavar="FORMAT", panel=OUTPUT)],
    frame: Annotated[
        FrameName | None,
        option(
            f"With csv and parquet: what a row is, {', '.join(name.value for name in FrameName)}; default: launches.",
            metavar="FRAME",
            panel=OUTPUT,
        ),
    ] = None,
    baseline: Annotated[
        str | None, option("With --frame verdicts: what to compare with.", metavar="NAME|RUN", panel=OUTPUT)
    ] = None,
    output: OutputFile = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    waivers: WaiversFile = None,
) -> None:
    """Write a run as CSV or Parquet, or its results in the format of another tool.

    csv and parquet hold every launch, including failed and invalid ones; docs/python.md has their columns. The other
    formats cannot hold a case without a result: it is named on stderr. docs/formats.md describes what each format holds
    and loses.
    """
    if layout not in _FORMATS:
        raise UsageError(f"format {layout!r} is not known: choose from {', '.join(_FORMATS)}")
    if baseline is not None and frame is not FrameName.VERDICTS:
        raise UsageError("--baseline is what verdicts compare with: give it with --frame verdicts")
    if frame is not None and layout not in _FILES:
        raise UsageError(f"--frame is for the formats {' and '.join(_FILES)}, not for {layout}")
    store = open_store(results, store_url, waivers)
    if layout in _FILES:
        _export_frame(store, run, frame or FrameName.LAUNCHES, FileFormat(layout), baseline, output)
    else:
        _export_results(store, run, layout, output)


def _export_frame(
    store: Store, run: str, frame: FrameName, form: FileFormat, baseline: str | None, output: Path | None
) -> None:
    if form is FileFormat.PARQUET and output is None:
        raise UsageError("Parquet is binary: name a file with --output")
    content = export_frame(store, load_whole(store, run, say), frame, form, baseline)
    if form is FileFormat.PARQUET and output is not None:
        write_bytes(output, content)
    else:
        write(output, content.decode())


def _export_results(store: Store, run: str, layout: str, output: Path | None) -> None:
    from ssdbench.analysis.reports.export import exported

    found = exported(load_run(store, run, say))
    for reason in found.left_out:
        say(f"omitted: {reason}")
    if not found.cases:
        raise UsageError(f"run {found.header.run_id} has no result to export; see `ssdbench compare {run}`")
    write(output, find_format(exporters, layout).render(found))
