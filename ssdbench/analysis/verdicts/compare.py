"""Records x baseline -> Comparison: which cases can be judged, and what is said of those that cannot.

A run and its baseline were measured at different times, so the cases are judged as stored sessions (`sessions`): a run
is a session. Such a comparison may clear a case and find large changes; small ones need an interleaved run (`decide`).

Cases are joined by key. Launches marked invalid are left out, on both sides, and the sentence says so. A case with any
failed launch has failed, however good its other launches are; one that is out of the GPU's memory in all of them
does not fit, which a baseline may keep (`coverage`). Launches that were interrupted count as not run, cases
that the worker found unsupported as skipped.

Exit codes, the first that applies (`exit_code`):

    3  regressed     at least one case is worse, or no longer fits into the GPU's memory: known whatever is missing
    4  failed        at least one case failed
   10  crept         where that is asked for: a case is worse by more than the margin than the anchor or last release
    6  not covered   a case is planned and not run, has no baseline, a stale or an incomparable one, is in the baseline
                     and no longer planned, or is skipped although the baseline has it; or no case at all was judged
    5  inconclusive  every case was measured and compared, and for at least one the data support no verdict
    0                every case that was judged is unchanged, improved, waived or fits now; cases skipped with a reason,
                     which the baseline does not have either, and cases accepted as not fitting are no gap: the same
                     suite serves machines of different sizes; nor are those that a nightly run has screened, or that
                     were left out because others were asked for (--case)

Not covered goes before inconclusive, because a nightly run repairs it by measuring or accepting, not by repeating.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ssdbench.analysis.differences import differences
from ssdbench.analysis.metrics import gated_metric
from ssdbench.analysis.verdicts.arms import launches_by_case, split_arms
from ssdbench.analysis.verdicts.coverage import (
    Sides,
    continue_with,
    gap,
    left_out,
    measured_again,
    missing_launches,
    not_planned,
    values_of,
)
from ssdbench.analysis.verdicts.explain import why
from ssdbench.analysis.verdicts.interim import undecided_pairs
from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.analysis.verdicts.machine_change import machine_words
from ssdbench.analysis.verdicts.order import with_order_effect
from ssdbench.analysis.verdicts.quantised import quantised_note
from ssdbench.analysis.verdicts.sessions import sessions_of
from ssdbench.analysis.verdicts.stored import judge_stored
from ssdbench.analysis.verdicts.suite_change import suite_change
from ssdbench.analysis.verdicts.wording import pairs, trimmed_mean
from ssdbench.errors import ExitCode
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import PlannedCase
from ssdbench.schema.launch_rules import group_by_case, usable
from ssdbench.schema.metrics import METRICS, Direction
from ssdbench.schema.record import Record, Run
from ssdbench.schema.settings import DEFAULT_SETTINGS, Settings
from ssdbench.schema.verdict import OWN_BASELINE_ARM, Baseline, CaseFigure, CaseVerdict, Comparison, Status, Verdict

WORST_FIRST = (
    Status.REGRESSED,
    Status.NO_LONGER_FITS,
    Status.FAILED,
    Status.NOT_RUN,
    Status.INCOMPARABLE,
    Status.NO_BASELINE,
    Status.STALE,
    Status.VANISHED,
    Status.INCONCLUSIVE,
    Status.WAIVED,
    Status.FITS_NOW,
    Status.DOES_NOT_FIT,
    Status.SKIPPED,
    Status.LEFT_OUT,
    Status.SCREENED,
    Status.UNCHANGED,
    Status.IMPROVED,
)
_NOT_COVERED = {Status.NOT_RUN, Status.INCOMPARABLE, Status.NO_BASELINE, Status.STALE, Status.VANISHED}
_JudgeOpen = Callable[[Mapping[str, "Sides"]], dict[str, Verdict]]
_JUDGED = {Status.UNCHANGED, Status.IMPROVED, Status.FITS_NOW, Status.WAIVED, Status.SCREENED}
_WORSE = {Status.REGRESSED, Status.NO_LONGER_FITS}
_CHANGED = {Status.REGRESSED, Status.IMPROVED}


def compare(run: Run, reference: Baseline | Run | None, name: str, settings: Settings) -> Comparison:
    """All cases of a run, and those that only the reference has, worst first, judged as stored sessions.

    `reference` is a baseline, another run, or None where there is no baseline called `name` for this hardware.

    Raises:
        UsageError: a case of a workload that this version does not know.
    """

    def judge_sessions(cases: Mapping[str, Sides]) -> dict[str, Verdict]:
        return judge_stored({key: sessions_of(case.reference, case.launches) for key, case in cases.items()}, settings)

    return _compare(run, reference, name, settings, judge_sessions, missing_launches(run))


def compare_arms(run: Run, settings: Settings) -> Comparison:
    """All cases of an interleaved run, its candidate against its own baseline arm, worst first."""
    baseline, candidate = split_arms(run)
    launches = launches_by_case(run.header.plan, run.records)

    def judge_pairs(cases: Mapping[str, Sides]) -> dict[str, Verdict]:
        return judge({key: launches[key] for key in cases}, settings)

    wanted = undecided_pairs(launches, settings)
    within = f" within the time budget of {run.header.options.budget}" if run.header.options.budget else ""
    missing = {
        key: f"undecided{within}: the plan asks for {pairs(more.pairs, 'more ')}, {continue_with(run.header)}"
        for key, more in wanted.items()
    }
    comparison = _compare(candidate, baseline, OWN_BASELINE_ARM, settings, judge_pairs, missing)
    again = measured_again(run.records)
    cases = (replace(case, notes=(*case.notes, *again.get(case.case_key, ()))) for case in comparison.cases)
    return with_order_effect(replace(comparison, cases=tuple(cases)), launches)


def _compare(
    run: Run,
    reference: Baseline | Run | None,
    name: str,
    settings: Settings,
    judge_open: _JudgeOpen,
    missing: Mapping[str, str],
) -> Comparison:
    records = group_by_case(run.records)
    expected = group_by_case(reference.records if reference else ())
    planned = {case.case.key: case for case in run.header.plan.cases}
    for key, launches in records.items():
        planned.setdefault(key, PlannedCase(case=launches[0].case))
    both = {
        key: Sides(planned=case, launches=tuple(records.get(key, ())), reference=tuple(expected.get(key, ())))
        for key, case in planned.items()
    }
    judged = {key: verdict for key, case in both.items() if (verdict := gap(case, run, name, settings))}
    open_cases = {key: case for key, case in both.items() if key not in judged}
    notes = {
        key: (*left_out(case), *filter(None, [missing.get(key), _quantised(case)])) for key, case in open_cases.items()
    }
    judged |= judge_open(open_cases)
    verdicts = [
        CaseVerdict(
            case_key=key,
            title=case.case.title,
            verdict=judged[key],
            notes=notes.get(key, ()),
            explanation=_why(both[key], judged[key]) if judged[key].status in _CHANGED else "",
        )
        for key, case in planned.items()
    ]
    only_there = {key: launches for key, launches in expected.items() if key not in planned}
    verdicts += not_planned(only_there, run.header.plan, name, settings)
    return Comparison(
        schema_version=SCHEMA_VERSION,
        run_id=run.header.run_id,
        hardware_key=run.header.hardware.key,
        baseline=name,
        baseline_run_id=reference.header.run_id if reference else None,
        settings=settings,
        cases=worst_first(verdicts),
        differences=differences(reference, run) if reference else (),
        suite=suite_change([(METRICS[verdict.metric], verdict) for verdict in judged.values()], settings),
    )


def _quantised(case: Sides) -> str:
    metric = gated_metric(case.planned.case)
    return quantised_note(*(values_of(metric, usable(records)) for records in (case.reference, case.launches)))


def _why(case: Sides, verdict: Verdict) -> str:
    there, here = (
        [record.measurement for record in usable(records) if record.measurement]
        for records in (case.reference, case.launches)
    )
    in_the_machine = machine_words(there, here, METRICS[verdict.metric], verdict.change)
    return "; ".join(filter(None, (why(there, here, verdict.settings.trim), in_the_machine)))


def exit_code(comparison: Comparison, *, fail_on_creep: bool = False) -> ExitCode:
    """The exit code; the order of precedence is at the top of this file."""
    statuses = {case.verdict.status for case in comparison.cases}
    lost = any(case.verdict.status is Status.SKIPPED and case.verdict.baseline_launches for case in comparison.cases)
    if statuses & _WORSE:
        return ExitCode.REGRESSED
    if Status.FAILED in statuses:
        return ExitCode.CASE_FAILED
    if fail_on_creep and any(creep.worse for creep in comparison.creep):
        return ExitCode.CREPT
    if statuses & _NOT_COVERED or lost:
        return ExitCode.NOT_COVERED
    if Status.INCONCLUSIVE in statuses:
        return ExitCode.INCONCLUSIVE
    return ExitCode.OK if statuses & _JUDGED else ExitCode.NOT_COVERED


def case_figures(records: Iterable[Record]) -> tuple[CaseFigure, ...]:
    """The gated metric of each case on its own, by case key, as verdicts have it (the trimmed mean of its launches).

    Cases without a usable value are left out.
    """
    found = []
    for key, launches in sorted(group_by_case(records).items()):
        metric = gated_metric(launches[0].case)
        values = [value for value in values_of(metric, usable(launches)) if 0 < value < math.inf]
        value = trimmed_mean(values, DEFAULT_SETTINGS.trim)
        if value is not None:
            found.append(
                CaseFigure(
                    case_key=key,
                    title=launches[0].case.title,
                    metric=metric.name,
                    value=value,
                    low=min(values),
                    high=max(values),
                    launches=len(values),
                )
            )
    return tuple(found)


def worst_first(cases: Iterable[CaseVerdict]) -> tuple[CaseVerdict, ...]:
    """The cases in the order of a comparison."""
    return tuple(sorted(cases, key=_badness))


def _badness(case: CaseVerdict) -> tuple[int, float]:
    verdict = case.verdict
    better = METRICS[verdict.metric].direction is Direction.HIGHER_IS_BETTER
    change = verdict.change or 0.0
    return WORST_FIRST.index(verdict.status), change if better else -change
