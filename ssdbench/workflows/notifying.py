"""Tells people what a run changed: each change once to each target, also if a target fails or this process is killed.

The alerts and the messages about them are stored together, in one step, before the first message is sent; a message is
taken out when its target has it. So nothing is lost. A process that is killed between the two leaves one message that
is sent a second time.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ssdbench.analysis.alerting import Advance, advance
from ssdbench.analysis.reports.run import build_of
from ssdbench.analysis.verdicts.compare import exit_code
from ssdbench.errors import ExitCode
from ssdbench.harness.alerts.owners import Owners
from ssdbench.harness.alerts.sending import send
from ssdbench.harness.alerts.stored import AlertStore
from ssdbench.harness.alerts.targets import Target
from ssdbench.harness.stores.nightly_results import NightlyResults
from ssdbench.harness.stores.store import Store
from ssdbench.report.alerts import compose
from ssdbench.report.ci import openmetrics
from ssdbench.schema.alert import Alert, Alerts, Finding, Findings, Message
from ssdbench.schema.nightly import NightlyCase, NightlyResult
from ssdbench.schema.record import Run
from ssdbench.schema.verdict import CaseVerdict, Comparison
from ssdbench.workflows.display import Say
from ssdbench.workflows.judging import judge_run, load_whole

MOST_WAITING = 50
"""Messages that wait for one target; of more the oldest are dropped, which is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of the messages for one target: how many it took, how many wait, and why, where one failed."""

    target: str
    sent: int
    waiting: int
    reason: str = ""


def load_findings(store: Store, name: str, baseline: str | None, say: Say) -> Findings | None:
    """What a run found: as `nightly` stored it, where it did and no baseline is named, else judged now as by `compare`.

    None for a run of a build against itself, of which nobody is told.

    Raises:
        StoreError: there is no such run or baseline, or it cannot be read.
    """
    run = load_whole(store, name, say)
    result = None if baseline is not None else _nightly_result(store, run.header.run_id, say)
    if result is None:
        return _findings_of_run(run, judge_run(store, run, baseline).comparison)
    return None if result.against_itself else _findings_of_nightly(store, result, say)


def _nightly_result(store: Store, run_id: str, say: Say) -> NightlyResult | None:
    results = NightlyResults(store.archive, say).all()
    return next((found for found in reversed(results) if run_id in (found.run_id, found.pairs_run_id)), None)


def _findings_of_run(run: Run, comparison: Comparison) -> Findings:
    options = replace(run.header.options, source=None, measured_by=None)
    return Findings(
        run_id=run.header.run_id,
        measured_at=run.header.created_at,
        hardware_key=comparison.hardware_key,
        baseline=comparison.baseline,
        build=build_of(run.header.host, options),
        cases=tuple(_finding(case) for case in comparison.cases),
        differences=comparison.differences,
    )


def _finding(case: CaseVerdict) -> Finding:
    verdict = case.verdict
    return Finding(
        case_key=case.case_key,
        title=case.title,
        status=verdict.status,
        metric=verdict.metric,
        sentence="; ".join(filter(None, (verdict.sentence, case.explanation))),
        change=verdict.change,
        low=verdict.low,
        high=verdict.high,
    )


def _findings_of_nightly(store: Store, result: NightlyResult, say: Say) -> Findings:
    """The stored verdicts, with the sentences and differences of the runs that they rest on."""
    runs: list[tuple[str, str | None]] = [(result.run_id, result.baseline)]
    if result.pairs_run_id is not None:
        runs.append((result.pairs_run_id, None))  # judged against its own baseline arm
    judged = []
    for run_id, baseline in runs:
        run = load_whole(store, run_id, say)
        judged.append(_findings_of_run(run, judge_run(store, run, baseline).comparison))
    return replace(
        judged[-1],
        run_id=result.run_id,
        measured_at=result.measured_at,
        baseline=result.baseline,
        cases=tuple(_stored_finding(case, judged) for case in result.cases),
    )


def _stored_finding(case: NightlyCase, judged: Sequence[Findings]) -> Finding:
    """The verdict as it was stored; its sentence where a run is judged so today, the newest first."""
    same = (
        finding
        for findings in reversed(judged)
        for finding in findings.cases
        if (finding.case_key, finding.status) == (case.case_key, case.status)
    )
    return Finding(
        case_key=case.case_key,
        title=case.title,
        status=case.status,
        metric=case.metric,
        sentence=next((finding.sentence for finding in same), ""),
        change=case.change,
        low=case.low,
        high=case.high,
    )


def load_samples(store: Store, name: str, baseline: str | None, say: Say) -> str:
    """The samples of a run for Prometheus, with the verdicts that `load_findings` has; errors as there."""
    run = load_whole(store, name, say)
    result = None if baseline is not None else _nightly_result(store, run.header.run_id, say)
    if result is not None:
        run, baseline = load_whole(store, result.run_id, say), result.baseline
    comparison = judge_run(store, run, baseline).comparison
    if result is None:
        return openmetrics.render(comparison, exit_code(comparison))
    stored = {case.case_key: case for case in result.cases}
    cases = tuple(_as_stored(case, stored.get(case.case_key)) for case in comparison.cases)
    return openmetrics.render(replace(comparison, cases=cases), ExitCode(result.exit_code))


def _as_stored(case: CaseVerdict, stored: NightlyCase | None) -> CaseVerdict:
    if stored is None:
        return case
    found = replace(case.verdict, status=stored.status, change=stored.change, low=stored.low, high=stored.high)
    return replace(case, verdict=found)


def preview(stored: Alerts, findings: Findings, owners: Owners) -> tuple[tuple[Alert, ...], Message | None]:
    """The alerts that a run would make news, and the whole message about them; None without news."""
    after = advance(stored.alerts, findings)
    found = _messages(after, findings, ("",), owners)
    return after.told, found[0] if found else None


def take_into_account(
    store: AlertStore, findings: Findings, targets: Sequence[str], owners: Owners, say: Say
) -> tuple[Alert, ...]:
    """Store what a run changes together with the messages about it, for the targets of these names.

    Returns the alerts that are news. Errors as `AlertStore.save`.
    """
    after = advance(store.alerts.alerts, findings)
    waiting = _limited([*store.alerts.messages, *_messages(after, findings, targets, owners)], say)
    store.save(replace(store.alerts, alerts=after.alerts, messages=waiting))
    return after.told


def _messages(after: Advance, findings: Findings, targets: Sequence[str], owners: Owners) -> list[Message]:
    """One for each target that has something to be told."""
    owned = owners.of_cases({case.case_key: case.title for case in findings.cases}, findings.hardware_key)
    mentions = {case_key: owner.mention for case_key, owner in owned.items()}
    news = {alert.found.case_key for alert in after.told}
    others = [alert for alert in after.alerts if alert.is_open and alert.found.case_key not in news]

    def is_for(alert: Alert, target: str) -> bool:
        owner = owned.get(alert.found.case_key)
        return owner is None or owner.target in ("", target) or owner.target not in targets

    chosen = {target: [alert for alert in after.told if is_for(alert, target)] for target in targets}
    return [compose(target, findings, told, others, mentions) for target, told in chosen.items() if told]


def _limited(messages: Sequence[Message], say: Say) -> tuple[Message, ...]:
    counts = Counter(message.target for message in messages)
    kept = []
    for message in messages:
        if counts[message.target] > MOST_WAITING:
            counts[message.target] -= 1
            say(
                f"target {message.target}: more than {MOST_WAITING} messages wait; "
                f"the one about run {message.run_id} is dropped"
            )
        else:
            kept.append(message)
    return tuple(kept)


def waiting_elsewhere(alerts: Alerts, named: Sequence[Target]) -> dict[str, int]:
    """How many messages wait for targets that are not named, by target."""
    names = {target.name for target in named}
    return dict(Counter(message.target for message in alerts.messages if message.target not in names))


Sending = Callable[[Target, Message], str | None]


def deliver(store: AlertStore, targets: Sequence[Target], sending: Sending = send) -> list[Delivery]:
    """Send to these targets what waits for them, in order; each stops at its first failure. Errors as `save`."""
    return [_deliver_to(store, target, sending) for target in targets]


def _deliver_to(store: AlertStore, target: Target, sending: Sending) -> Delivery:
    waiting = [message for message in store.alerts.messages if message.target == target.name]
    for sent, message in enumerate(waiting):
        reason = sending(target, message)
        if reason is not None:
            return Delivery(target=target.name, sent=sent, waiting=len(waiting) - sent, reason=reason)
        left = tuple(item for item in store.alerts.messages if item is not message)
        store.save(replace(store.alerts, messages=left))
    return Delivery(target=target.name, sent=len(waiting), waiting=0)
