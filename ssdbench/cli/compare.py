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
from ssdbench.cli.outputs import NAMES, outputs_of, write_outputs
from ssdbench.cli.request import DEFAULT_RESULTS
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.files import DEFAULT_BASELINE, FileStore
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.record import Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline, Comparison

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
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT=FILE",
            help=f"Also write; may be repeated; - prints it in place of the table. Formats: {', '.join(NAMES)}.",
        ),
    ] = None,
) -> None:
    """Judge a run against a baseline of the same hardware, against another run, or against its own baseline arm.

    Exit code, the first that applies: 3 regressed, 4 failed, 6 not covered, 5 inconclusive, 0 (see `ssdbench --help`).
    """
    outputs = outputs_of(output or ())
    store = FileStore(results)
    measured = _load(store, run)
    settings = measured.header.settings
    settings = replace(
        settings,
        margin=settings.margin if margin is None else margin,
        maximum_age_days=settings.maximum_age_days if maximum_age_days is None else maximum_age_days,
    )
    comparison, reference = judged(store, measured, baseline, settings)
    code = comparisons.exit_code(comparison)
    write_outputs(outputs, comparison, code)
    if as_json:
        print(codec.dump(comparison))
    elif Path("-") not in [path for _, path in outputs]:
        console = Console()
        console.print(render_comparison(comparison, code, console.width))
        if creep := creep_note(store, standing(measured), reference, settings):
            console.print(creep.text)
    raise typer.Exit(code)


def judged(
    store: FileStore, measured: Run, baseline: str | None, settings: Settings
) -> tuple[Comparison, Baseline | Run | None]:
    """A run against what `baseline` names, and that reference; None is its own baseline arm, or the default baseline.

    Raises:
        StoreError: there is no such baseline or run.
    """
    if measured.header.control is not None and baseline is None:
        return comparisons.compare_arms(measured, settings), None
    wanted = baseline or DEFAULT_BASELINE
    reference = store.find_reference(measured.header.hardware.key, wanted)
    name = reference.header.run_id if isinstance(reference, Run) else wanted
    other = standing(reference) if isinstance(reference, Run) else reference
    return comparisons.compare(standing(measured), other, name, settings), reference


def load_run(store: FileStore, name: str) -> Run:
    """A stored run, the candidate of an interleaved one; a launch lost with its writer is told on stderr."""
    return standing(_load(store, name))


def _load(store: FileStore, name: str) -> Run:
    run = store.load(name)
    if run.torn:
        print(f"ssdbench: run {run.header.run_id} ends in the middle of a record, which was left out", file=sys.stderr)
    return run
