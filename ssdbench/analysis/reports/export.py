"""A run -> what neighbours' formats can hold of it: valid launches with figures; nothing failed passes as fast."""

import math
from collections import defaultdict

from ssdbench.analysis.metrics import figures, gated_metric
from ssdbench.analysis.verdicts.coverage import does_not_fit, failures
from ssdbench.schema.exchange import ExportedCase, ExportedLaunch, ExportedRun
from ssdbench.schema.launch_rules import usable_measurement
from ssdbench.schema.record import Record, Run


def exported(run: Run) -> ExportedRun:
    """All cases with at least one figure; a case with a failed launch is left out, as a verdict would have it.

    Raises:
        UsageError: a case of a workload that this version does not know.
    """
    records: dict[str, list[Record]] = defaultdict(list)
    for record in run.records:
        records[record.case.key].append(record)
    reasons = {item.case.key: item.skip_reason or "not measured" for item in run.header.plan.cases}
    cases = []
    for key, launches in records.items():
        broken = failures(launches)
        if broken:
            reasons[key] = f"{'does not fit' if does_not_fit(launches) else 'failed'}: {broken[0][1].message}"
            continue
        found = _case(launches)
        if found.launches or found.trainings:
            cases.append(found)
            reasons.pop(key, None)
        elif launches[0].failure is not None:
            reasons[key] = launches[0].failure.message
    left_out = tuple(f"{key}: {reason}" for key, reason in reasons.items())
    return ExportedRun(header=run.header, cases=tuple(cases), left_out=left_out)


def _case(records: list[Record]) -> ExportedCase:
    case = records[0].case
    launches = []
    for record in records:
        measurement = usable_measurement(record)
        if measurement is None:
            continue
        found = {name: value for name, value in figures(measurement).items() if math.isfinite(value)}
        gated = gated_metric(case).name
        if gated not in found:
            continue
        is_rate = gated == "throughput"
        launches.append(
            ExportedLaunch(
                launch=record.launch,
                started_at=measurement.started_at,
                step_seconds=case.global_batch_size / found[gated] if is_rate else found[gated],
                figures=found,
            )
        )
    trainings = tuple(record.training for record in records if record.training and record.invalid_reason is None)
    return ExportedCase(case=case, launches=tuple(launches), trainings=trainings)
