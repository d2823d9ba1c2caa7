"""`ssdbench baseline`: accept runs as what to compare with; show, list, compare, check and forget what was accepted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ssdbench.analysis.baselines.acceptance import as_run, baseline_from, sessions_of_one_build
from ssdbench.analysis.baselines.creep import ageless, refuse_to_drop_cases, refuse_to_lower_bars, release_name
from ssdbench.analysis.baselines.verification import findings
from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.analysis.verdicts.arms import last_attempts
from ssdbench.analysis.verdicts.coverage import unfit_cases
from ssdbench.cli.acceptance import change_of, keep_change, show_change
from ssdbench.cli.compare import Results, load_run, load_whole
from ssdbench.cli.decide import is_unfinished
from ssdbench.cli.opening import StoreUrl, open_store
from ssdbench.cli.request import DEFAULT_RESULTS
from ssdbench.cli.writing import write
from ssdbench.errors import ExitCode, StoreError, UsageError
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.report.acceptance_note import render_note
from ssdbench.report.baselines import render_baseline, render_baselines, render_diff
from ssdbench.schema.record import Run
from ssdbench.schema.text import pluralize
from ssdbench.schema.times import utc_now
from ssdbench.schema.verdict import Baseline

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
    whole = [load_whole(store, run) for run in runs]
    _refuse_undecided(store, whole)
    measured, accepted_at = sessions_of_one_build([last_attempts(run) for run in whole]), utc_now()
    changes = []
    for each in [name, release_name(name)] if release else [name]:
        change = change_of(store, measured, baseline_from(measured, name=each, reason=reason, accepted_at=accepted_at))
        if change.is_nothing and not reset_anchor:
            header = change.baseline.header
            _say(console, f"{header.run_id} is baseline {each} already, for this reason: nothing was changed")
            continue
        show_change(console, change)
        changes.append(change)
    for change in changes:
        if not drop_cases:
            refuse_to_drop_cases(change.dropped, change.baseline)
        if not allow_regression:
            refuse_to_lower_bars(change.lowered, change.baseline)
    notes = []
    for change in changes:
        kept, path = keep_change(store, change, margin=measured.header.settings.margin, reset_anchor=reset_anchor)
        _say(console, f"\naccepted: {len(kept.records)} launches in {path}")
        unfit = unfit_cases(kept.records)
        for title in unfit.values():
            _say(console, f"kept as not fitting into the GPU's memory: {title}")
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
    for place in _places(store, name, hardware):
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
    there, here = _side(store, left, hardware), _side(store, right, hardware)
    measured = as_run(here) if isinstance(here, Baseline) else here
    comparison = comparisons.compare(measured, there, left, ageless(measured.header.settings))
    Console().print(render_diff(comparison, left, right))


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
    for key, found_name in _places(store, name, hardware):
        found = _findings(store, key, found_name)
        wrong += len(found)
        _say(console, f"{found_name} for {key}: {'whole' if not found else ''}".rstrip())
        for sentence in found:
            _say(console, f"  {sentence}")
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
    key, _ = _one_place(store, name, hardware)
    lost = _in_words(store, key, name)
    removed = store.forget_baseline(key, name)
    _say(Console(), f"forgotten: {name} for {key}, {lost}\nbecause: {reason.strip()}")
    for path in removed:
        _say(Console(), f"removed: {path}")


def _refuse_undecided(store: Store, runs: Sequence[Run]) -> None:
    for run in runs:
        if run.header.control is not None and is_unfinished(store, run):
            raise UsageError(
                f"run {run.header.run_id} cannot be accepted: its verdict rule asks for more pairs; finish it with "
                f"`ssdbench run --resume --run {run.header.run_id}`"
            )


def _places(store: Store, name: str | None, hardware: str | None) -> list[tuple[str, str]]:
    places = store.baseline_places()
    named = [(key, found) for key, found in places if name in (None, found)]
    found = [(key, found) for key, found in named if hardware is None or hardware in key]
    if found:
        return found
    if named:
        keys = ", ".join(dict.fromkeys(key for key, _ in named))
        raise StoreError(f"{store.name}: no baseline {name or ''!r} for hardware {hardware!r}; there is: {keys}")
    names = ", ".join(dict.fromkeys(found for _, found in places)) or "none yet"
    wanted = f"baseline {name!r}" if name else "baseline"
    raise StoreError(f"{store.name}: no {wanted}; there are: {names} (see `ssdbench baseline accept`)")


def _one_place(store: Store, name: str, hardware: str | None) -> tuple[str, str]:
    places = _places(store, name, hardware)
    exact = [place for place in places if place[0] == hardware] or places
    if len(exact) > 1:
        keys = ", ".join(key for key, _ in exact)
        raise UsageError(f"baseline {name!r} exists for {keys}; choose one with --hardware")
    return exact[0]


def _side(store: Store, name: str, hardware: str | None) -> Baseline | Run:
    if any(name == known for _, known in store.baseline_places()):
        return store.load_baseline(*_one_place(store, name, hardware))
    try:
        return load_run(store, name)
    except StoreError as error:
        raise StoreError(f"no baseline {name!r} in {store.name}, and as a run: {error}") from None


def _findings(store: Store, key: str, name: str) -> list[str]:
    try:
        baseline = store.load_baseline(key, name) if store.has_baseline(key, name) else None
        return findings(baseline, store.load_anchor(key, name), key, name)
    except StoreError as error:
        return [str(error)]


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


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
