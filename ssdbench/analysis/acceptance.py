"""Which runs may become a baseline: whole ones, whose every launch was measured under valid conditions."""

import math
from collections.abc import Sequence

from ssdbench.analysis.compare import failures
from ssdbench.analysis.metrics import figure, gated_metric
from ssdbench.errors import UsageError
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.record import Record, Run
from ssdbench.schema.verdict import Baseline, BaselineHeader


def baseline_from(run: Run, *, name: str, reason: str, accepted_at: str) -> Baseline:
    """The baseline that this run would be; `accepted_at` is a time in ISO 8601, UTC.

    Raises:
        UsageError: no reason; launches that are missing, failed, invalid or without a usable figure; two machines.
    """
    if not reason.strip():
        raise UsageError("--reason is empty; say in a few words why these figures are the ones to compare with")
    header = run.header
    obstacle = _obstacle(run)
    if obstacle:
        raise UsageError(f"run {header.run_id} cannot be accepted: {obstacle}")
    return Baseline(
        header=BaselineHeader(
            schema_version=SCHEMA_VERSION,
            name=name,
            reason=reason.strip(),
            accepted_at=accepted_at,
            run_id=header.run_id,
            measured_at=header.created_at,
            suite=header.plan.suite,
            seed=header.plan.seed,
            hardware=header.hardware,
            host=header.host,
        ),
        records=tuple(record for record in run.records if record.measurement),
    )


def refuse_to_drop_cases(replaced: Baseline, baseline: Baseline) -> None:
    """A baseline that lost cases would leave them without a gate from then on.

    Raises:
        UsageError: the new one lacks cases of the one it would replace.
    """
    kept = {record.case.key for record in baseline.records}
    dropped = sorted({record.case.key for record in replaced.records} - kept)
    if dropped:
        raise UsageError(
            f"run {baseline.header.run_id} lacks {_few(dropped)}, which baseline {replaced.header.name} has; accept "
            "it under a --name of its own, or drop them with --drop-cases"
        )


def _obstacle(run: Run) -> str | None:
    broken = [_launch(record) for record, _ in failures(run.records)]
    if broken:
        return f"{_few(broken)} failed; repair the cause and measure again"
    invalid = [f"{_launch(record)} ({record.invalid_reason})" for record in run.records if record.invalid_reason]
    if invalid:
        return f"{_few(invalid)} not valid; measure again under the conditions of the run"
    missing = _missing(run)
    if missing:
        return f"{_few(missing)} not measured; finish it with `ssdbench run --resume`"
    measured = [record for record in run.records if record.measurement]
    if not measured:
        return "it measured nothing; every case was skipped"
    wrong = [_launch(record) for record in measured if not _has_figure(record)]
    if wrong:
        return f"{_few(wrong)} without a usable figure; measure again"
    strangers = [_launch(record) for record in measured if record.hardware.key != run.header.hardware.key]
    return (
        f"{_few(strangers)} measured on other hardware than the run; measure all on one machine" if strangers else None
    )


def _missing(run: Run) -> list[str]:
    # An unsupported launch ends its case: the worker found out what the plan could not know.
    unsupported = {record.case.key for record in run.records if record.failure and record.failure.kind == "unsupported"}
    measured = {(record.case.key, record.launch) for record in run.records if record.measurement}
    slots = [(slot.case_key, slot.launch) for slot in run.header.plan.order if slot.case_key not in unsupported]
    return [f"{key} launch {launch}" for key, launch in slots if (key, launch) not in measured]


def _has_figure(record: Record) -> bool:
    value = figure(gated_metric(record.case).name, record.measurement) if record.measurement else None
    return value is not None and 0 < value < math.inf


def _launch(record: Record) -> str:
    return f"{record.case.key} launch {record.launch}"


def _few(names: Sequence[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
