"""`ssdbench notify`: tell people what a run changed, once."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ssdbench.cli.help import OUTPUT, option
from ssdbench.cli.options import DEFAULT_RESULTS, BaselineName, Json, Results, RunName, StoreUrl, open_store
from ssdbench.cli.printing import print_data
from ssdbench.cli.streams import print_text, say
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness.alerts.issues import TRACKERS, Tracker, TrackerError
from ssdbench.harness.alerts.owners import OWNERS_FILE, Owners, read_owners
from ssdbench.harness.alerts.pushgateway import gateway_address
from ssdbench.harness.alerts.pushgateway import push as push_samples
from ssdbench.harness.alerts.sending import check_target
from ssdbench.harness.alerts.stored import AlertStore, changing_alerts, load_alerts
from ssdbench.harness.alerts.targets import read_targets
from ssdbench.harness.stores.store import Store
from ssdbench.report.tables import status_word
from ssdbench.schema.alert import Alert, Findings
from ssdbench.schema.names import quoted
from ssdbench.schema.text import pluralize
from ssdbench.workflows.alert_issues import write_issues
from ssdbench.workflows.notifying import (
    Delivery,
    deliver,
    load_findings,
    load_samples,
    preview,
    take_into_account,
    waiting_elsewhere,
)


def notify(
    run: RunName,
    to: Annotated[
        list[str] | None,
        option(
            "Where to send: env:NAME for a variable that holds a URL of Apprise, file:PATH for a file with one a line, "
            "or a URL, which others can see in the list of processes; may be repeated.",
            "--to",
            metavar="TARGET",
            panel=OUTPUT,
        ),
    ] = None,
    owners: Annotated[
        Path | None,
        option(
            f"TOML file that says who owns which case; default: {OWNERS_FILE} in --results, if it exists.",
            metavar="FILE",
            panel=OUTPUT,
        ),
    ] = None,
    push: Annotated[
        str | None,
        option(
            "Also push samples to this Prometheus Pushgateway: a URL, or env:NAME.",
            metavar="URL",
            panel=OUTPUT,
        ),
    ] = None,
    issues: Annotated[
        str | None,
        option(
            "Keep an issue for each alert, through the command line of this tracker (gh, glab).",
            metavar="|".join(TRACKERS),
            panel=OUTPUT,
        ),
    ] = None,
    project: Annotated[
        str,
        option("Project of the issues; default: that of the working directory.", metavar="OWNER/NAME", panel=OUTPUT),
    ] = "",
    dry_run: Annotated[bool, option("Print the message; send and store nothing.", "--dry-run", panel=OUTPUT)] = False,
    baseline: BaselineName = None,
    results: Results = DEFAULT_RESULTS,
    store_url: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Tell people what a run changed: each case that regressed or recovered, once.

    An alert opens when a case is regressed, failed or no longer fits, and closes when it has conclusively recovered.
    The store keeps the alerts, and messages that could not be delivered; the next `notify` sends those first.

    Exit code: 8 if a target did not take a message, the gateway the samples or the tracker an issue, else 0, whatever
    the verdicts are.
    """
    targets = read_targets(to or ())
    gateway = gateway_address(push) if push is not None else None
    tracker = _tracker(issues, project)
    if not targets and gateway is None and tracker is None and not dry_run:
        raise UsageError("nobody to tell: name a target with --to, such as --to env:NAME, or use --issues or --push")
    for target in targets:
        check_target(target)
    store = open_store(results, store_url)
    who = _owners(owners, results)
    findings = load_findings(store, run, baseline, say)
    if findings is None:
        _print_no_news("a run of the baseline's build against itself: nobody is told of it", as_json=as_json)
        return
    if dry_run:
        _preview(store, findings, who, as_json=as_json)
        return
    refused = _push(store, run, baseline, gateway, findings.hardware_key) if gateway is not None else None
    if not targets and tracker is None:
        _print_no_news("", as_json=as_json)
        raise typer.Exit(ExitCode.ENVIRONMENT if refused else ExitCode.OK)
    with changing_alerts(store.archive, findings.hardware_key, say) as held:
        changed = take_into_account(held, findings, [target.name for target in targets], who, say)
        deliveries = deliver(held, targets)
        unwritten = _write_issues(held, tracker, who) if tracker is not None else False
        elsewhere = waiting_elsewhere(held.alerts, targets)
    if as_json:
        print_data({"changed": changed, "deliveries": deliveries})
    else:
        _print(changed, deliveries)
    for name, count in elsewhere.items():
        say(f"{pluralize(count, 'message')} for {name} still wait; name it with --to to send them")
    failed = refused or unwritten or any(delivery.reason for delivery in deliveries)
    raise typer.Exit(ExitCode.ENVIRONMENT if failed else ExitCode.OK)


def _tracker(name: str | None, project: str) -> Tracker | None:
    if name is None:
        return None
    if name not in TRACKERS:
        raise UsageError(f"--issues {quoted(name)} is not known; choose {' or '.join(TRACKERS)}")
    return Tracker(name, project)


def _write_issues(held: AlertStore, tracker: Tracker, owners: Owners) -> bool:
    """Whether issues are left to the next `notify`."""
    is_left = False
    try:
        for issue in write_issues(held, tracker, owners):
            is_left = is_left or bool(issue.refusal)
            if issue.refusal:
                say(f"issue {issue.number}, {issue.title}: {issue.refusal}; the next `notify` tries again")
            else:
                say(f"issue {issue.number} ({'open' if issue.is_open else 'closed'}): {issue.title}")
    except TrackerError as error:
        say(f"{error}; the next `notify` writes the issues that are left")
        return True
    return is_left


def _push(store: Store, run: str, baseline: str | None, gateway: str, hardware_key: str) -> str | None:
    refused = push_samples(gateway, hardware_key, load_samples(store, run, baseline, say))
    if refused is not None:
        say(f"the Pushgateway did not take the samples ({refused}); the next run replaces them")
    return refused


def _owners(path: Path | None, results: Path) -> Owners:
    if path is None and not os.path.lexists(results / OWNERS_FILE):  # a link to nowhere is a mistake
        return Owners()
    return read_owners(path or results / OWNERS_FILE)


def _preview(store: Store, findings: Findings, owners: Owners, *, as_json: bool) -> None:
    changed, message = preview(load_alerts(store.archive, findings.hardware_key), findings, owners)
    if as_json:
        print_data({"changed": changed, "deliveries": (), "message": message})
    else:
        print_text(f"{message.title}\n\n{message.text}" if message else f"no news in run {findings.run_id}")


def _print_no_news(sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_data({"changed": (), "deliveries": ()})
    elif sentence:
        print_text(sentence)


def _print(changed: Sequence[Alert], deliveries: Sequence[Delivery]) -> None:
    for alert in changed:
        print_text(f"{alert.last_event.value:<9} {alert.found.title}: {status_word(alert.found.status)}")
    if not changed:
        print_text("no news")
    for delivery in deliveries:
        if delivery.sent:
            print_text(f"sent      {pluralize(delivery.sent, 'message')} to {delivery.target}")
        if delivery.reason:
            waiting = pluralize(delivery.waiting, "message")
            say(f"{delivery.target} did not take a message ({delivery.reason}): {waiting} kept for the next `notify`")
