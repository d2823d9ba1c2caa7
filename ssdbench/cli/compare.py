"""`ssdbench compare`: judge a run against a baseline, or against another run."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.analysis.verdicts.arms import last_attempts, split_arms
from ssdbench.analysis.verdicts.ungated import ungated_changes
from ssdbench.cli.anchor import creep_notes
from ssdbench.cli.opening import StoreUrl, open_store
from ssdbench.cli.outputs import NAMES, outputs_of, write_outputs
from ssdbench.cli.request import DEFAULT_RESULTS
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.report.terminal import render_comparison
from ssdbench.report.ungated import render_ungated
from ssdbench.schema.record import Run
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Baseline, Comparison

RunName = Annotated[str, typer.Argument(help="A run id, its unique beginning, a .jsonl file, or latest.")]
Results = Annotated[Path, typer.Option(help="Folder of records and baselines.")]
BaselineName = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="NAME|RUN",
        help=f"What to compare with; default: {DEFAULT_BASELINE}, or the run's own baseline arm where it has one.",
    ),
]
Margin = Annotated[
    float | None, typer.Option(help="Relative change that matters, 0.05 for 5 %; default: as the run's suite says.")
]
MaximumAge = Annotated[int | None, typer.Option("--max-age", help="Days from which a baseline is stale.")]


def compare(
    run: RunName,
    baseline: BaselineName = None,
    margin: Margin = None,
    maximum_age_days: MaximumAge = None,
    all_metrics: Annotated[
        bool, typer.Option("--metrics", help="Report the metrics that are not gated too, with their intervals.")
    ] = False,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
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
    store = open_store(results, store_url)
    measured = load_whole(store, run)
    settings = adjusted(measured.header.settings, margin, maximum_age_days)
    comparison, reference = judged(store, measured, baseline, settings)
    code = comparisons.exit_code(comparison)
    if all_metrics:
        there, here = (reference, last_attempts(measured)) if reference else split_arms(measured)
        comparison = replace(comparison, ungated=ungated_changes(comparison, there.records, here.records))
    write_outputs(outputs, comparison, code)
    if as_json:
        print(codec.dump(comparison))
    elif Path("-") not in [path for _, path in outputs]:
        console = Console()
        console.print(render_comparison(comparison, code, console.width))
        if comparison.ungated:
            console.print(render_ungated(comparison.ungated))
        for creep in creep_notes(store, last_attempts(measured), reference, settings):
            console.print(creep.text)
    raise typer.Exit(code)


def judged(
    store: Store, run: Run, baseline: str | None, settings: Settings
) -> tuple[Comparison, Baseline | Run | None]:
    """The verdicts on a run, and what it was compared with: `baseline`, or what the run itself was measured for.

    Raises:
        StoreError: `baseline` is neither a baseline nor a run.
    """
    if run.header.control is not None and baseline is None:
        return comparisons.compare_arms(run, settings), None
    wanted = baseline or run.header.options.until_decided or DEFAULT_BASELINE
    reference = reference_of(store, run.header.hardware.key, wanted)
    name = reference.header.run_id if isinstance(reference, Run) else wanted
    return comparisons.compare(last_attempts(run), reference, name, settings), reference


def reference_of(store: Store, hardware_key: str, name: str) -> Baseline | Run | None:
    """The baseline or run of this name; of an interleaved run the candidate's launches."""
    reference = store.find_reference(hardware_key, name)
    return last_attempts(reference) if isinstance(reference, Run) else reference


def adjusted(settings: Settings, margin: float | None, maximum_age_days: int | None) -> Settings:
    """The run's settings, with what was given on the command line in place of theirs."""
    return replace(
        settings,
        margin=settings.margin if margin is None else margin,
        maximum_age_days=settings.maximum_age_days if maximum_age_days is None else maximum_age_days,
    )


def load_run(store: Store, name: str) -> Run:
    """A stored run, the candidate of an interleaved one; a launch lost with its writer is told on stderr."""
    return last_attempts(load_whole(store, name))


def load_whole(store: Store, name: str) -> Run:
    """A stored run with both its arms, and the launches that others have replaced."""
    run = store.load(name)
    if run.torn:
        print(f"ssdbench: run {run.header.run_id} ends in the middle of a record, which was left out", file=sys.stderr)
    return run
