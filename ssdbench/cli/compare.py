"""`ssdbench compare`: judge a run against a baseline, or against another run."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.analysis import compare as comparisons
from ssdbench.analysis.decide import DEFAULT_MARGIN
from ssdbench.cli.anchor import creep_note
from ssdbench.cli.request import DEFAULT_RESULTS
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import DEFAULT_BASELINE, FileStore
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.record import Run
from ssdbench.schema.verdict import Settings

RunName = Annotated[str, typer.Argument(help="A run id, its unique beginning, a .jsonl file, or latest.")]
Results = Annotated[Path, typer.Option(help="Folder of records and baselines.")]


def compare(
    run: RunName,
    baseline: Annotated[str, typer.Option(metavar="NAME|RUN", help="What to compare with.")] = DEFAULT_BASELINE,
    margin: Annotated[
        float, typer.Option(help="Relative change that matters, 0.05 for 5 %. The default is provisional.")
    ] = DEFAULT_MARGIN,
    results: Results = DEFAULT_RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as one line of JSON.")] = False,
) -> None:
    """Judge a run against a baseline of the same hardware, or against another run.

    Exit code, the first that applies: 3 regressed, 4 failed, 6 not covered, 5 inconclusive, 0 (see `ssdbench --help`).
    """
    settings = Settings(margin=margin)
    store = FileStore(results)
    measured = load_run(store, run)
    reference = store.find_reference(measured.header.hardware.key, baseline)
    name = reference.header.run_id if isinstance(reference, Run) else baseline
    comparison = comparisons.compare(measured, reference, name, settings)
    code = comparisons.exit_code(comparison)
    if as_json:
        print(codec.dump(comparison))
    else:
        console = Console()
        console.print(render_comparison(comparison, code, console.width))
        if creep := creep_note(store, measured, reference, settings):
            console.print(creep.text)
    raise typer.Exit(code)


def load_run(store: FileStore, name: str) -> Run:
    """A stored run; a launch that was lost with its writer is told on stderr."""
    run = store.load(name)
    if run.torn:
        print(f"ssdbench: run {run.header.run_id} ends in the middle of a record, which was left out", file=sys.stderr)
    return run
