"""`ssdbench baseline`: accept runs as what to compare with; show, list, compare, check and forget what was accepted."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.analysis.verdicts.coverage import unfit_cases
from ssdbench.cli.options import DEFAULT_RESULTS, Results, StoreUrl, open_store, say
from ssdbench.cli.printing import print_creep, print_line
from ssdbench.cli.writing import write
from ssdbench.errors import ExitCode, StoreError, UsageError
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.report.acceptance_note import render_note
from ssdbench.report.baselines import render_baseline, render_baselines, render_diff
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.text import pluralize
from ssdbench.schema.times import utc_now
from ssdbench.workflows import baselines
from ssdbench.workflows.accepting import Change, keep_change, plan_changes, require_allowed, sessions_to_accept
from ssdbench.workflows.judging import load_whole

app = typer.Typer(
    help="Accept runs as the baseline of their hardware; show, list, compare, check and forget baselines.",
    no_args_is_help=True,
)

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Run ids, their unique beginnings, .jsonl files, or latest; several are sessions."
    ),
]
Name = Annotated[str, typer.Option("--name", help="Name of the baseline; one for each suite keeps them apart.")]
NameArgument = Annotated[str, typer.Argument(help="Name of the baseline.")]
HardwareKey = Annotated[
    str | None, typer.Option("--hardware", metavar="KEY", help="Hardware key, or a part of it (see `baseline list`).")
]


@app.command()
def accept(
    runs: Runs,
    reason: Annotated[str, typer.Option(help="Why these figures are the ones to compare with from now on.")],
    name: Name = DEFAULT_BASELINE,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    allow_regression: Annotated[
        bool, typer.Option("--allow-regression", help="Allow worse figures; they stay visible in the history.")
    ] = False,
    drop_cases: Annotated[
        bool, typer.Option("--drop-cases", help="Allow that the baseline loses cases which this run lacks.")
    ] = False,
    reset_anchor: Annotated[
        bool, typer.Option("--reset-anchor", help="Measure creep from these figures on; the reason says why.")
    ] = False,
    release: Annotated[
        bool, typer.Option("--release", help="These figures are a release: keep them as NAME.release until the next.")
    ] = False,
    note: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the change as Markdown, for who reviews it; - prints it.")
    ] = None,
) -> None:
    """Make a whole and valid run the baseline of its hardware; show what it replaces: old, new, change.

    Several runs are sessions of one build: with five of them a stored baseline can clear a case.
    """
    store, console = open_store(results, store_url), Console(stderr=note == Path("-"))
    measured = sessions_to_accept(store, [load_whole(store, run, say) for run in runs])
    changes = []
    for change in plan_changes(store, measured, name=name, reason=reason, accepted_at=utc_now(), release=release):
        if change.is_unchanged and not reset_anchor:
            header = change.baseline.header
            print_line(
                console, f"{header.run_id} is baseline {header.name} already, for this reason: nothing was changed"
            )
            continue
        _show_change(console, change)
        changes.append(change)
    require_allowed(changes, drop_cases=drop_cases, allow_regression=allow_regression)
    notes = []
    for change in changes:
        kept, path = keep_change(store, change, margin=measured.header.settings.margin, reset_anchor=reset_anchor)
        print_line(console, f"\naccepted: {len(kept.records)} launches in {path}")
        unfit = unfit_cases(kept.records)
        for title in unfit.values():
            print_line(console, f"kept as not fitting into the GPU's memory: {title}")
        notes.append(render_note(kept, change.comparison, comparisons.case_figures(kept.records), unfit))
    if note:
        write(note, "\n".join(notes))


@app.command()
def show(
    name: NameArgument = DEFAULT_BASELINE,
    hardware: HardwareKey = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Show figures, distance from the anchor, and history of a baseline, for every hardware that has it."""
    store, console = open_store(results, store_url), Console()
    for place in baselines.find_baselines(store, name, hardware):
        baseline, anchor = store.load_baseline(*place), store.load_anchor(*place)
        oldest = comparisons.case_figures(anchor.records) if anchor else ()
        figures, unfit = comparisons.case_figures(baseline.records), unfit_cases(baseline.records)
        console.print(render_baseline(baseline, figures, oldest, unfit))


@app.command(name="list")
def list_all(results: Results = DEFAULT_RESULTS, store_url: StoreUrl = None) -> None:
    """List all baselines."""
    store = open_store(results, store_url)
    headers = store.list_baselines()
    if not headers:
        raise StoreError(
            f"{store.name}: no baseline yet; accept a run with `ssdbench baseline accept RUN --reason ...`"
        )
    Console().print(render_baselines(headers))


@app.command()
def diff(
    left: Annotated[str, typer.Argument(metavar="A", help="Name of a baseline, or a run.")],
    right: Annotated[str, typer.Argument(metavar="B", help="Name of a baseline, or a run.")],
    hardware: HardwareKey = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Show what differs between two baselines, or a baseline and a run; no verdict, so the exit code is 0."""
    store = open_store(results, store_url)
    Console().print(render_diff(baselines.compare_two(store, left, right, hardware, say), left, right))


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="Name of a baseline; all when left out.")] = None,
    hardware: HardwareKey = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Check that stored baselines are whole and in their place; findings are sentences, and exit code 2."""
    store, console = open_store(results, store_url), Console()
    wrong = 0
    for key, found_name in baselines.find_baselines(store, name, hardware):
        found = baselines.check_baseline(store, key, found_name)
        wrong += len(found)
        print_line(console, f"{found_name} for {key}: {'whole' if not found else ''}".rstrip())
        for sentence in found:
            print_line(console, f"  {sentence}")
    if wrong:
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def forget(
    name: NameArgument,
    reason: Annotated[str, typer.Option(help="Why nothing is to be compared with it any more.")],
    hardware: HardwareKey = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Remove a baseline with its anchor and history, of one hardware, and say what was forgotten."""
    if not reason.strip():
        raise UsageError("--reason is empty; say in a few words why nothing is to be compared with it any more")
    store = open_store(results, store_url)
    key, _ = baselines.find_one_baseline(store, name, hardware)
    lost = _in_words(store, key, name)
    removed = store.forget_baseline(key, name)
    print_line(Console(), f"forgotten: {name} for {key}, {lost}\nbecause: {reason.strip()}")
    for path in removed:
        print_line(Console(), f"removed: {path}")


def _show_change(console: Console, change: Change) -> None:
    """Print what an acceptance changes: old, new, change, and the distance from older results."""
    if change.comparison:
        console.print(render_comparison(change.comparison, comparisons.exit_code(change.comparison), console.width))
    else:
        records = change.baseline.records
        console.print(render_baseline(change.baseline, comparisons.case_figures(records), unfit=unfit_cases(records)))
    for creep in change.creep:
        print_creep(console, creep)
        if creep.gained:
            print_line(console, f"better than the anchor: {', '.join(creep.gained)}; --reset-anchor keeps the gain")


def _in_words(store: Store, key: str, name: str) -> str:
    try:
        baseline = store.load_baseline(key, name)
    except StoreError:
        return "which could not be read"
    cases = pluralize(len({record.case.key for record in baseline.records}), "case")
    return (
        f"accepted {baseline.header.accepted_at[:10]} from run {baseline.header.run_id}: {len(baseline.records)} "
        f"launches of {cases}, {pluralize(len(baseline.history), 'acceptance')}"
    )
