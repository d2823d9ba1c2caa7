"""`ssdbench baseline`: accept runs as the results to compare with; show, list, compare, check and remove baselines."""

from pathlib import Path
from typing import Annotated

import typer

from ssdbench.analysis.baselines.acceptance import only_cases
from ssdbench.analysis.verdicts import compare as comparisons
from ssdbench.analysis.verdicts.coverage import unfit_cases
from ssdbench.cli.help import DECIDING, OUTPUT, STORING, VerbApp, argument, option
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, StoreUrl, open_store
from ssdbench.cli.printing import Terminal, print_data, print_line
from ssdbench.cli.streams import say
from ssdbench.cli.writing import is_standard_output, write
from ssdbench.errors import ExitCode, StoreError, UsageError
from ssdbench.harness.stores.store import DEFAULT_BASELINE, Store
from ssdbench.report.acceptance_note import render_note
from ssdbench.report.baselines import render_baseline, render_baselines, render_diff
from ssdbench.report.creep import render_creep
from ssdbench.report.terminal import render_comparison
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import pluralize
from ssdbench.schema.times import utc_now
from ssdbench.workflows import baselines
from ssdbench.workflows.accepting import (
    Change,
    keep_change,
    one_at_a_time,
    plan_changes,
    require_allowed,
    sessions_to_accept,
)
from ssdbench.workflows.judging import load_whole

app = VerbApp("Accept runs as the baseline of their hardware; show, list, compare, check and remove baselines.")

Runs = Annotated[
    list[str],
    argument("Run ids, their unique beginnings, .jsonl files, or latest; several runs are sessions.", "RUN"),
]
Name = Annotated[str, option("Name of the baseline; use one name per suite.", "--name", metavar="NAME", panel=STORING)]
NameArgument = Annotated[str, argument("Name of the baseline.", "NAME")]
HardwareKey = Annotated[
    str | None,
    option("Hardware key, or a part of it (see `baseline list`).", "--hardware", metavar="KEY", panel=STORING),
]


@app.command()
def accept(
    runs: Runs,
    reason: Annotated[str, option("Why to compare with these results from now on.", metavar="TEXT", panel=DECIDING)],
    name: Name = DEFAULT_BASELINE,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    case: Annotated[
        list[str] | None,
        option(
            "Move only the cases with this key, or these words in their names; the others stay; may be repeated.",
            metavar="PATTERN",
            panel=DECIDING,
        ),
    ] = None,
    allow_regression: Annotated[
        bool, option("Allow worse results; they stay visible in the history.", "--allow-regression", panel=DECIDING)
    ] = False,
    drop_cases: Annotated[
        bool, option("Allow the baseline to lose cases that this run lacks.", "--drop-cases", panel=DECIDING)
    ] = False,
    reset_anchor: Annotated[
        bool,
        option(
            "Reset the anchor, from which creep is measured, to these results; explain why in --reason.",
            "--reset-anchor",
            panel=DECIDING,
        ),
    ] = False,
    release: Annotated[
        bool,
        option(
            "These results are a release: also keep them as NAME.release until the next one.",
            "--release",
            panel=STORING,
        ),
    ] = False,
    note: Annotated[
        Path | None,
        option(
            "Write the change as Markdown for the reviewer; - writes to standard output.", metavar="FILE", panel=OUTPUT
        ),
    ] = None,
) -> None:
    """Make a complete and valid run the baseline of its hardware; show what it replaces: old, new, change.

    Several runs are sessions of one build; a stored baseline of five sessions can show that a case is unchanged. With
    --case the runs need to be complete and valid for these cases alone. Waivers are not read.
    """
    if case and reset_anchor:
        raise UsageError("--reset-anchor resets the anchor of every case: omit it, or --case")
    store, console = open_store(results, store_url), Terminal(stderr=note is not None and is_standard_output(note))
    measured = sessions_to_accept(store, [load_whole(store, run, say) for run in runs], case or ())
    with one_at_a_time(store, measured, name, release=release):
        changes = []
        for change in plan_changes(
            store,
            measured,
            name=name,
            reason=reason,
            accepted_at=utc_now(),
            release=release,
            others_stay=bool(case),
        ):
            if change.is_unchanged and not reset_anchor:
                header = change.baseline.header
                print_line(
                    console, f"{header.run_id} is already baseline {header.name}, with this reason: nothing changed"
                )
                continue
            _show_change(console, change, measured.header.settings)
            changes.append(change)
        require_allowed(changes, drop_cases=drop_cases, allow_regression=allow_regression)
        notes = [
            _keep(console, store, change, margin=measured.header.settings.margin, reset_anchor=reset_anchor)
            for change in changes
        ]
    if note:
        write(note, "\n".join(notes))


def _keep(console: Terminal, store: Store, change: Change, *, margin: float, reset_anchor: bool) -> str:
    """Store a change, say so, and return its note for the reviewer."""
    kept, path = keep_change(store, change, margin=margin, reset_anchor=reset_anchor)
    moved = kept if change.cases is None else only_cases(kept, change.cases)
    others = len({record.case.key for record in kept.records} - set(change.cases or ()))
    stay = f"; unchanged: {pluralize(others, 'case')} of earlier runs" if change.cases is not None else ""
    print_line(console, f"\naccepted: {len(moved.records)} launches in {path}{stay}")
    unfit = unfit_cases(kept.records)
    for title in unfit.values():
        print_line(console, f"kept as not fitting into the GPU's memory: {title}")
    return render_note(kept, change.comparison, comparisons.case_figures(kept.records), unfit)


@app.command()
def show(
    name: NameArgument = DEFAULT_BASELINE,
    hardware: HardwareKey = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Show the results of a baseline, their distance from the anchor, and its history, for all hardware that has it."""
    store, console, shown = open_store(results, store_url), Terminal(), []
    for place in baselines.find_baselines(store, name, hardware):
        baseline, anchor = store.load_baseline(*place), store.load_anchor(*place)
        oldest = comparisons.case_figures(anchor.records) if anchor else ()
        figures, unfit = comparisons.case_figures(baseline.records), unfit_cases(baseline.records)
        if as_json:
            history = baseline.history
            shown.append(
                {"header": baseline.header, "cases": figures, "anchor": oldest, "unfit": unfit, "history": history}
            )
        else:
            console.print(render_baseline(baseline, figures, oldest, unfit))
    if as_json:
        print_data({"baselines": shown})


@app.command(name="list")
def list_all(results: Results = DEFAULT_RESULTS, store_url: StoreUrl = None, as_json: Json = False) -> None:
    """List all baselines."""
    store = open_store(results, store_url)
    headers = store.list_baselines()
    if not headers:
        raise StoreError(
            f"{store.name}: no baseline yet; accept a run with `ssdbench baseline accept RUN --reason ...`"
        )
    if as_json:
        print_data({"baselines": headers})
    else:
        Terminal().print(render_baselines(headers))


@app.command()
def diff(
    left: Annotated[str, argument("Name of a baseline, or a run.", "A")],
    right: Annotated[str, argument("Name of a baseline, or a run.", "B")],
    hardware: HardwareKey = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two baselines, or a baseline and a run; without a verdict, so the exit code is 0."""
    store = open_store(results, store_url)
    found = baselines.compare_two(store, left, right, hardware, say)
    if as_json:
        print_data(found)
    else:
        Terminal().print(render_diff(found, left, right))


@app.command()
def verify(
    name: Annotated[str | None, argument("Name of a baseline; default: all.", "NAME")] = None,
    hardware: HardwareKey = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Check that stored baselines are complete and in the right place; exit code 2 if one is not."""
    store, console = open_store(results, store_url), Terminal()
    faults = {
        place: list(baselines.check_baseline(store, *place))
        for place in baselines.find_baselines(store, name, hardware)
    }
    if as_json:
        checked = [{"hardware_key": key, "name": found, "faults": said} for (key, found), said in faults.items()]
        print_data({"baselines": checked})
    else:
        for (key, found_name), found in faults.items():
            print_line(console, f"{found_name} for {key}: {'complete' if not found else ''}".rstrip())
            for sentence in found:
                print_line(console, f"  {sentence}")
    if any(faults.values()):
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def forget(
    name: NameArgument,
    reason: Annotated[str, option("Why nothing is compared with it any more.", metavar="TEXT", panel=DECIDING)],
    hardware: HardwareKey = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
) -> None:
    """Remove a baseline of one hardware, with its anchor and history, and report what was removed."""
    if not reason.strip():
        raise UsageError("--reason is empty; explain in a few words why nothing is compared with it any more")
    store = open_store(results, store_url)
    key, _ = baselines.find_one_baseline(store, name, hardware)
    lost = _in_words(store, key, name)
    with store.accepting("baseline", key, name):
        removed = store.forget_baseline(key, name)
    print_line(Terminal(), f"forgotten: {name} for {key}, {lost}\nbecause: {reason.strip()}")
    for path in removed:
        print_line(Terminal(), f"removed: {path}")


def _show_change(console: Terminal, change: Change, settings: Settings) -> None:
    """Print what an acceptance changes: old, new, change, and the distance from older results."""
    if change.comparison:
        console.print(render_comparison(change.comparison, comparisons.exit_code(change.comparison), console.width))
    else:
        records = change.baseline.records
        console.print(render_baseline(change.baseline, comparisons.case_figures(records), unfit=unfit_cases(records)))
    for check in change.creep:
        console.print(render_creep(check.creep, settings))
        if check.creep.better:
            better = ", ".join(check.creep.better)
            print_line(console, f"better than the anchor: {better}; --reset-anchor keeps the gain")


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
