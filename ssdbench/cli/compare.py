"""`ssdbench compare`: judge a run against a baseline, or against another run."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.analysis import compare as comparisons
from ssdbench.analysis.night import standing
from ssdbench.cli.anchor import creep_note
from ssdbench.cli.request import DEFAULT_RESULTS
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import DEFAULT_BASELINE, FileStore
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.record import Run

RunName = Annotated[str, typer.Argument(help="A run id, its unique beginning, a .jsonl file, or latest.")]
Results = Annotated[Path, typer.Option(help="Folder of records and baselines.")]


def compare(
    run: RunName,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|RUN",
            help=f"What to compare with; default: {DEFAULT_BASELINE}, or the run's own baseline arm where it has one.",
        ),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="Relative change that matters, 0.05 for 5 %; default: as the run's suite says.")
    ] = None,
    maximum_age_days: Annotated[
        int | None, typer.Option("--max-age", help="Days from which a baseline is stale.")
    ] = None,
    results: Results = DEFAULT_RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as one line of JSON.")] = False,
) -> None:
    """Judge a run against a baseline of the same hardware, against another run, or against its own baseline arm.

    Exit code, the first that applies: 3 regressed, 4 failed, 6 not covered, 5 inconclusive, 0 (see `ssdbench --help`).
    """
    store = FileStore(results)
    measured = _load(store, run)
    candidate = standing(measured)
    settings = measured.header.settings
    settings = replace(
        settings,
        margin=settings.margin if margin is None else margin,
        maximum_age_days=settings.maximum_age_days if maximum_age_days is None else maximum_age_days,
    )
    reference = None
    if measured.header.control is not None and baseline is None:
        comparison = comparisons.compare_arms(measured, settings)
    else:
        wanted = baseline or DEFAULT_BASELINE
        reference = store.find_reference(measured.header.hardware.key, wanted)
        name = reference.header.run_id if isinstance(reference, Run) else wanted
        other = standing(reference) if isinstance(reference, Run) else reference
        comparison = comparisons.compare(candidate, other, name, settings)
    code = comparisons.exit_code(comparison)
    if as_json:
        print(codec.dump(comparison))
    else:
        console = Console()
        console.print(render_comparison(comparison, code, console.width))
        if creep := creep_note(store, candidate, reference, settings):
            console.print(creep.text)
    raise typer.Exit(code)


def load_run(store: FileStore, name: str) -> Run:
    """A stored run, the candidate of an interleaved one; a launch lost with its writer is told on stderr."""
    return standing(_load(store, name))


def _load(store: FileStore, name: str) -> Run:
    run = store.load(name)
    if run.torn:
        print(f"ssdbench: run {run.header.run_id} ends in the middle of a record, which was left out", file=sys.stderr)
    return run
