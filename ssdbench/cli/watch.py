"""`ssdbench watch`: whether the regular runs still measure, still reach verdicts, and raise no false alarms."""

from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.help import DECIDING, OUTPUT, SUITE, option
from ssdbench.cli.options import DEFAULT_RESULTS, Json, Results, StoreUrl, open_store
from ssdbench.cli.printing import Terminal, print_data
from ssdbench.cli.streams import print_text, say
from ssdbench.cli.writing import write
from ssdbench.errors import ExitCode, UsageError
from ssdbench.schema.watch import Health, Limits
from ssdbench.workflows.watching import look_at

_DEFAULT = Limits()


def watch(
    suite: Annotated[str | None, option("Only this suite; default: all.", metavar="NAME", panel=SUITE)] = None,
    hardware: Annotated[
        str, option("Only hardware with this in its key; default: all.", metavar="KEY", panel=SUITE)
    ] = "",
    without_verdict: Annotated[
        int, option("Runs that a case may be without a conclusive verdict.", min=0, metavar="N", panel=DECIDING)
    ] = _DEFAULT.runs_without_verdict,
    without_run: Annotated[
        int, option("Days that a suite or a host may be without a run.", min=0, metavar="DAYS", panel=DECIDING)
    ] = _DEFAULT.days_without_run,
    retired: Annotated[
        int,
        option(
            "Days after which a silent suite or host is no longer waited for.", min=0, metavar="DAYS", panel=DECIDING
        ),
    ] = _DEFAULT.retired_days,
    inconclusive: Annotated[
        float,
        option("Share of the verdicts of the last runs that may be inconclusive.", metavar="FRACTION", panel=DECIDING),
    ] = _DEFAULT.inconclusive_share,
    recent: Annotated[
        int, option("How many runs count as the last ones.", min=1, metavar="N", panel=DECIDING)
    ] = _DEFAULT.recent_runs,
    waiver_days: Annotated[
        int, option("Days before its last day from which on a waiver is told.", min=0, metavar="DAYS", panel=DECIDING)
    ] = _DEFAULT.waiver_days,
    waiting_records: Annotated[
        int, option("Records that may wait to be sent.", min=0, metavar="N", panel=DECIDING)
    ] = _DEFAULT.waiting_records,
    waiting_alerts: Annotated[
        int, option("Alerts that may wait to be delivered.", min=0, metavar="N", panel=DECIDING)
    ] = _DEFAULT.waiting_alerts,
    html: Annotated[
        Path | None, option("Write a page to this file, instead of printing.", "--html", metavar="FILE", panel=OUTPUT)
    ] = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Report whether the regular runs still measure, still reach verdicts, and raise no false alarms.

    It looks at the stored results of `ssdbench nightly`, at the hosts that measure, at waivers, and at what waits to be
    sent; it measures nothing. What exceeds a limit needs attention.

    Exit code: 12 something needs attention, else 0.
    """
    if not 0 <= inconclusive <= 1:
        raise UsageError(f"--inconclusive {inconclusive:g} is no share between 0 and 1; write 0.25 for 25 %")
    if html is not None and as_json:
        raise UsageError("--html and --json are outputs of their own; choose one")
    limits = Limits(
        runs_without_verdict=without_verdict,
        days_without_run=without_run,
        retired_days=retired,
        inconclusive_share=inconclusive,
        recent_runs=recent,
        waiver_days=waiver_days,
        waiting_records=waiting_records,
        waiting_alerts=waiting_alerts,
    )
    store = open_store(results, store_url)
    health = look_at(store, results, limits, say, suite=suite, hardware=hardware)
    _show(health, html, as_json=as_json)
    raise typer.Exit(ExitCode.ATTENTION if health.attention else ExitCode.OK)


def _show(health: Health, html: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_data(health)
        return
    from ssdbench.report.watch import headline_of, render_health, render_health_page  # templates load slowly

    if html is None:
        Terminal().print(render_health(health))
    else:
        write(html, render_health_page(health))
        print_text(f"{headline_of(health)}; written to {html}")
