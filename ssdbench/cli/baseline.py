"""`ssdbench baseline`: accept a run as the one to compare with, show and list what was accepted."""

from datetime import datetime, timezone
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.analysis import compare as comparisons
from ssdbench.analysis.acceptance import baseline_from, refuse_to_drop_cases
from ssdbench.cli.compare import Results, RunName, load_run
from ssdbench.cli.request import DEFAULT_RESULTS
from ssdbench.errors import StoreError
from ssdbench.harness.stores.files import DEFAULT_BASELINE, FileStore
from ssdbench.report.terminal import render_baseline, render_baselines, render_comparison
from ssdbench.schema.settings import Settings

app = typer.Typer(help="Accept a run as the baseline of its hardware; show and list baselines.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="Name of the baseline; one for each suite keeps them apart.")]


@app.command()
def accept(
    run: RunName,
    reason: Annotated[str, typer.Option(help="Why these figures are the ones to compare with from now on.")],
    name: Name = DEFAULT_BASELINE,
    results: Results = DEFAULT_RESULTS,
    drop_cases: Annotated[
        bool, typer.Option("--drop-cases", help="Allow that the baseline loses cases which this run lacks.")
    ] = False,
) -> None:
    """Make a whole and valid run the baseline of its hardware; show what it replaces: old, new, change."""
    store = FileStore(results)
    measured = load_run(store, run)
    accepted_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    baseline = baseline_from(measured, name=name, reason=reason, accepted_at=accepted_at)
    console = Console()
    if store.has_baseline(baseline.header.hardware.key, name):
        replaced = store.load_baseline(baseline.header.hardware.key, name)
        if not drop_cases:
            refuse_to_drop_cases(replaced, baseline)
        comparison = comparisons.compare(measured, replaced, name, Settings())
        console.print(render_comparison(comparison, comparisons.exit_code(comparison), console.width))
    else:
        console.print(render_baseline(baseline.header, comparisons.case_figures(baseline.records)))
    path = store.save_baseline(baseline)
    console.print(
        f"\naccepted: {len(baseline.records)} launches in {path}", markup=False, highlight=False, soft_wrap=True
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of the baseline.")] = DEFAULT_BASELINE,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """Show the figures of a baseline, for every hardware that has it."""
    store = FileStore(results)
    headers = store.list_baselines()
    named = [header for header in headers if header.name == name]
    if not named:
        names = ", ".join(dict.fromkeys(header.name for header in headers)) or "none yet"
        raise StoreError(f"{results}: no baseline {name!r}; there are: {names} (see `ssdbench baseline accept`)")
    for header in named:
        baseline = store.load_baseline(header.hardware.key, name)
        Console().print(render_baseline(header, comparisons.case_figures(baseline.records)))


@app.command(name="list")
def list_all(results: Results = DEFAULT_RESULTS) -> None:
    """List all baselines."""
    headers = FileStore(results).list_baselines()
    if not headers:
        raise StoreError(f"{results}: no baseline yet; accept a run with `ssdbench baseline accept RUN --reason ...`")
    Console().print(render_baselines(headers))
