"""`ssdbench waive`: tolerate a known regression up to a ceiling and a day, or list what is tolerated."""

from typing import Annotated

from ssdbench.cli.help import DECIDING, OUTPUT, STORING, argument, option
from ssdbench.cli.options import DEFAULT_RESULTS, BaselineName, Json, Results, StoreUrl, WaiversFile, open_store
from ssdbench.cli.printing import Terminal, print_data, print_document, print_line
from ssdbench.cli.streams import say
from ssdbench.errors import UsageError
from ssdbench.harness.stores.store import LATEST, Store
from ssdbench.report.outcome import because
from ssdbench.report.tables import status_style, status_word
from ssdbench.report.waivers import TITLE, render_waivers
from ssdbench.workflows.judging import load_whole
from ssdbench.workflows.waiving import FLAGS, Waived, list_waivers, newest_runs, waivers_path
from ssdbench.workflows.waiving import waive as write_waiver


def waive(
    case: Annotated[
        str | None, argument("Key of a case, or whole words of the names of cases: 'train amp'.", "CASE")
    ] = None,
    ceiling: Annotated[
        str | None,
        option("How much worse than the baseline is tolerated, such as 20% or 0.2.", metavar="SHARE", panel=DECIDING),
    ] = None,
    expires: Annotated[
        str | None, option("Last day on which it is, such as 2026-12-31, in UTC.", metavar="DATE", panel=DECIDING)
    ] = None,
    issue: Annotated[str | None, option("Where the regression is tracked.", metavar="URL", panel=DECIDING)] = None,
    reason: Annotated[str | None, option("Why it is tolerated.", metavar="TEXT", panel=DECIDING)] = None,
    hardware: Annotated[
        str | None, option("Words of a hardware key; default: all hardware.", metavar="KEY", panel=DECIDING)
    ] = None,
    metric: Annotated[
        str | None, option("Only for cases that are gated by this metric.", metavar="NAME", panel=DECIDING)
    ] = None,
    owner: Annotated[str | None, option("Who repairs it.", metavar="TEXT", panel=DECIDING)] = None,
    run: Annotated[
        str | None,
        option(
            "Run that has the case; default: latest, with --list the newest of each suite.",
            metavar="RUN",
            panel=DECIDING,
        ),
    ] = None,
    baseline: BaselineName = None,
    force: Annotated[
        bool, option("Write it also where it matches no case of the run.", "--force", panel=STORING)
    ] = False,
    show: Annotated[bool, option("List all waivers, with what becomes of each.", "--list", panel=OUTPUT)] = False,
    waivers: WaiversFile = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Tolerate a known regression up to a ceiling and a day, or list what is tolerated.

    The waiver is added to waivers.toml in the folder of results; commit and review it like a baseline. The entry is
    printed, and the verdicts of the run that it applies to.
    """
    given = {
        "case": case, "metric": metric, "hardware": hardware, "ceiling": ceiling, "expires": expires, "issue": issue,
        "owner": owner, "reason": reason,
    }  # fmt: skip
    values = {key: " ".join(text.split()) for key, text in given.items() if text is not None}
    store = open_store(results, store_url)
    store.waivers_file = waivers or store.waivers_file  # it need not be there yet
    if show:
        if values or force:
            raise UsageError(f"--list shows what is there: omit {FLAGS[next(iter(values))] if values else '--force'}")
        _list(store, run, baseline, as_json=as_json)
        return
    if missing := [FLAGS[key] for key in ("case", "ceiling", "expires", "issue", "reason") if key not in values]:
        raise UsageError(f"a waiver needs {' and '.join(missing)}; `ssdbench waive --list` shows those that there are")
    found = write_waiver(store, load_whole(store, run or LATEST, say), baseline, values, say, force=force)
    if as_json:
        print_data({"entry": found.text, "run_id": found.comparison.run_id, "cases": found.cases, "notes": found.notes})
    else:
        _print_waived(store, found)


def _print_waived(store: Store, found: Waived) -> None:
    console = Terminal()
    print_line(console, f"added to {waivers_path(store)}:\n")
    print_document(found.text)
    print_line(console, f"\nrun {found.comparison.run_id} against {found.comparison.baseline}:")
    for case in found.cases:
        status = case.verdict.status
        console.say((status_word(status), status_style(status)), f": {case.title}: {because(case)}")
    if not found.cases:
        print_line(console, "the waiver matches no case of it")
    for note in found.notes:
        console.say((f"{TITLE}: ", "yellow"), note)


def _list(store: Store, run: str | None, baseline: str | None, *, as_json: bool) -> None:
    runs = newest_runs(store, say) if run is None else [load_whole(store, run, say)]
    found = list_waivers(store, runs, baseline)
    if as_json:
        print_data({"waivers": found})
    elif found:
        Terminal().print(render_waivers(found))
    else:
        print_line(Terminal(), f"{waivers_path(store)}: no waivers")
