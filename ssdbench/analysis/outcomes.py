"""Records of a run -> what became of each of its cases."""

from collections.abc import Sequence

from ssdbench.analysis.metrics import is_timed
from ssdbench.analysis.verdicts.compare import case_figures
from ssdbench.analysis.verdicts.coverage import failures
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.launch_rules import group_by_case, usable
from ssdbench.schema.record import FailureKind, Record, Run
from ssdbench.schema.run_summary import CaseOutcome, Outcome
from ssdbench.schema.text import pluralize


def case_outcomes(run: Run) -> tuple[CaseOutcome, ...]:
    """What became of every case, in the order of the plan; `run` has one arm, without replaced launches."""
    launches = group_by_case(run.records)
    return tuple(_outcome(planned, launches.get(planned.case.key, [])) for planned in run.header.plan.cases)


def _outcome(planned: PlannedCase, records: Sequence[Record]) -> CaseOutcome:
    case = planned.case
    outcome, reason = _fate(planned, records)
    return CaseOutcome(
        case_key=case.key,
        title=case.title,
        outcome=outcome,
        launches=len(usable(records)),
        planned=0 if planned.skip_reason else case.protocol.launches,
        figure=next(iter(case_figures(records)), None) if is_timed(case) else None,
        reason=reason,
    )


def _fate(planned: PlannedCase, records: Sequence[Record]) -> tuple[Outcome, str]:
    if planned.skip_reason is not None:
        return "skipped", planned.skip_reason
    if failed := failures(records):
        return "failed", f"{len(failed)} of {_launches(records)}: {failed[0][1].kind.replace('_', ' ')}"
    if unsupported := _failures_of("unsupported", records):
        return "skipped", unsupported[0]
    ended = len(records) - len(_failures_of("interrupted", records))
    if ended < planned.case.protocol.launches:
        return "unfinished", f"{ended} of {planned.case.protocol.launches} launches"
    if invalid := [record.invalid_reason for record in records if record.invalid_reason]:
        return "invalid", f"{len(invalid)} of {_launches(records)}: {invalid[0]}"
    return "measured", ""


def _failures_of(kind: FailureKind, records: Sequence[Record]) -> list[str]:
    return [record.failure.message for record in records if record.failure and record.failure.kind == kind]


def _launches(records: Sequence[Record]) -> str:
    return pluralize(len(records), "launch", "launches")
