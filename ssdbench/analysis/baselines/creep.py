"""Which regressions an acceptance has to allow explicitly, and how creep is noticed.

A case needs permission if the new launches are judged regressed, and also if they support no verdict but their value is
worse than the baseline by more than the margin. The new launches are about to become the reference: whether they are
worse because of the code or by bad luck, later runs would be compared with the worse value.

Age does not matter here: the comparisons are made with `ignoring_age` settings, so a stale case is one of another
workload version, whose values are not comparable with the new ones.

Half a per cent per release is within the margin of every comparison with the previous baseline. So the *anchor* keeps
the launches with which each case was first accepted, and the same rule applies against it. An allowed regression is not
asked about again: against the anchor, a case needs permission only if it is also worse than the value last allowed.

After a real gain the anchor is far below, and a case could creep back to it: `improved_cases` names those cases. For
them the *last release* is kept as well, a baseline of its own (`release_name`) that only a release replaces, with the
same rule.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ssdbench.analysis.differences import comparability_issues
from ssdbench.errors import UsageError
from ssdbench.schema.acceptance import Acceptance, AcceptedRegression, Against
from ssdbench.schema.launch_rules import group_by_case
from ssdbench.schema.metrics import METRICS, Direction
from ssdbench.schema.record import Record
from ssdbench.schema.settings import Settings
from ssdbench.schema.text import shorten_list
from ssdbench.schema.verdict import Baseline, BaselineHeader, CaseVerdict, Comparison, Creep, Status

# Judged to be no worse, or not compared at all; what is left is a comparison that the data could not decide.
_NO_WORSE = frozenset(Status) - {Status.REGRESSED, Status.INCONCLUSIVE}
_GIVEN_UP = (Status.VANISHED, Status.LEFT_OUT, Status.INCOMPARABLE, Status.STALE, Status.NO_LONGER_FITS)
_ANY_AGE_DAYS = 99_999
_RELEASE = ".release"


def release_name(name: str) -> str:
    """The name of the baseline that keeps the last release of baseline `name`."""
    return name + _RELEASE


def ignoring_age(settings: Settings) -> Settings:
    """For figures that are old on purpose, or about to be replaced: no age makes them stale."""
    return replace(settings, maximum_age_days=_ANY_AGE_DAYS)


def find_regressions(comparison: Comparison, against: Against) -> tuple[AcceptedRegression, ...]:
    """The cases that got worse than the reference of this comparison, worst first; cases without figures have none."""
    margin = math.log1p(comparison.settings.margin)
    return tuple(
        _lowered(case, against)
        for case in comparison.cases
        if case.verdict.status is Status.REGRESSED
        or (case.verdict.status not in _NO_WORSE and _log_loss(case) > margin)
    )


def creep_of(
    comparison: Comparison,
    kept: BaselineHeader,
    against: Against,
    worse: Sequence[AcceptedRegression],
    lowered: Sequence[AcceptedRegression],
) -> Creep:
    """The creep of a run away from older results.

    Args:
        comparison: the run compared with the older results.
        kept: the header of those results.
        against: which of the two they are.
        worse: all cases that got worse (`find_regressions`).
        lowered: those of them that were not accepted so (`not_yet_accepted`).
    """
    keys = {item.case_key for item in lowered}
    crept = [case for case in comparison.cases if case.case_key in keys]
    return Creep(
        against=against,
        baseline=kept.name.removesuffix(_RELEASE),
        run_id=kept.run_id,
        measured_at=kept.measured_at,
        compared_cases=sum(case.verdict.mode is not None for case in comparison.cases),
        worse=worst_crept(crept),
        allowed_cases=len(worse) - len(lowered),
        better=tuple(improved_cases(comparison)) if against == "anchor" else (),
    )


def worst_crept(cases: Iterable[CaseVerdict]) -> tuple[CaseVerdict, ...]:
    """The cases in the order of `Creep.worse`; equal ones by key."""
    return tuple(sorted(cases, key=lambda case: (-_log_loss(case), case.case_key)))


def not_yet_accepted(
    lowered: Iterable[AcceptedRegression], history: Iterable[Acceptance], margin: float
) -> tuple[AcceptedRegression, ...]:
    """Without those that are no worse, by more than the margin, than what `history` last allowed for their case."""
    allowed = {bar.case_key: bar for entry in history for bar in entry.accepted_regressions}
    return tuple(
        bar
        for bar in lowered
        if bar.case_key not in allowed
        or _log_worsening(bar.metric, allowed[bar.case_key].new_value, bar.new_value) > math.log1p(margin)
    )


def since_anchor(history: Sequence[Acceptance]) -> Sequence[Acceptance]:
    """The acceptances after the one that set the anchor: its own exceptions came before the anchor."""
    since = max((place for place, entry in enumerate(history) if entry.reset_anchor), default=-1)
    return history[since + 1 :]


def since_release(history: Sequence[Acceptance], release: Baseline) -> Sequence[Acceptance]:
    """The acceptances since that of the release."""
    return [entry for entry in history if entry.accepted_at >= release.header.accepted_at]


def improved_cases(comparison: Comparison) -> list[str]:
    """Titles of the cases that are better than the reference by more than the margin."""
    margin = math.log1p(comparison.settings.margin)
    return [
        case.title for case in comparison.cases if case.verdict.status is Status.IMPROVED and -_log_loss(case) > margin
    ]


def dropped_cases(comparison: Comparison) -> tuple[str, ...]:
    """Keys of the cases that lose their baseline: no longer planned, skipped, out of memory, or not comparable."""
    return tuple(
        sorted(
            case.case_key
            for case in comparison.cases
            if case.verdict.status in _GIVEN_UP
            or (case.verdict.status is Status.SKIPPED and case.verdict.baseline_launches)
        )
    )


def refuse_to_drop_cases(dropped: Sequence[str], baseline: Baseline) -> None:
    """A baseline that lost cases would leave them without a gate from then on.

    Raises:
        UsageError: there are cases in `dropped`.
    """
    if dropped:
        raise UsageError(
            f"run {baseline.header.run_id} lacks {shorten_list(dropped, 3)}, which baseline {baseline.header.name} "
            "has, or no longer fits it into the GPU's memory, or measured it in a way that is not comparable; accept "
            "only the others with --case, or it under a --name of its own, or drop these cases with --drop-cases"
        )


def refuse_regressions(lowered: Sequence[AcceptedRegression], baseline: Baseline) -> None:
    """Every later run would pass with the worse figures.

    Raises:
        UsageError: there are cases in `lowered`.
    """
    if lowered:
        names = shorten_list(
            [f"{item.case_key} ({100 * item.change:+.1f}% against the {item.against})" for item in lowered], 3
        )
        raise UsageError(
            f"run {baseline.header.run_id} makes {names} worse; find the cause, or accept it with "
            "--allow-regression, which stays in the history of the baseline"
        )


def next_anchor(
    anchor: Baseline | None, replaced: Baseline | None, accepted: Baseline, *, reset: bool = False
) -> Baseline:
    """The oldest launches of each case, after an acceptance: those of the first source that has it.

    The sources are the anchor, the baseline that is replaced, and the one that was accepted; with `reset` the last
    alone. Passed over are launches without figures, and those that are no longer comparable with the accepted ones.
    A dropped case keeps its anchor, so that it cannot return with a worse value unnoticed.
    """
    sources = [accepted] if reset else [source for source in (anchor, replaced, accepted) if source]
    now = group_by_case(accepted.records)
    kept: dict[str, list[Record]] = {}
    for source in sources:
        for key, records in group_by_case(record for record in source.records if record.measurement).items():
            usable = source is accepted or key not in now or not comparability_issues(records, now[key])
            if usable and key not in kept:
                kept[key] = records
    oldest = tuple(record for _, found in sorted(kept.items()) for record in found)
    header = replace(
        sources[0].header,
        sessions=tuple(sorted({record.run_id for record in oldest})),
        acceptances=0,
        launches=len(oldest),
    )
    return Baseline(header=header, records=oldest)


def same_launches(one: Baseline, other: Baseline) -> bool:
    """Whether both have the same launches of the cases that both have."""
    there, here = group_by_case(one.records), group_by_case(other.records)
    return all(_ids(there[key]) == _ids(here[key]) for key in there.keys() & here.keys())


def _lowered(case: CaseVerdict, against: Against) -> AcceptedRegression:
    verdict = case.verdict
    old, new = verdict.baseline_value or math.nan, verdict.candidate_value or math.nan
    return AcceptedRegression(
        case_key=case.case_key,
        metric=verdict.metric,
        old_value=old,
        new_value=new,
        change=new / old - 1,
        against=against,
    )


def _log_loss(case: CaseVerdict) -> float:
    """How much worse the measured side is, as a logarithm; 0 where one side has no figure."""
    verdict = case.verdict
    if not verdict.baseline_value or not verdict.candidate_value:
        return 0.0
    return _log_worsening(verdict.metric, verdict.baseline_value, verdict.candidate_value)


def _log_worsening(metric: str, old: float, new: float) -> float:
    change = math.log(new) - math.log(old)
    return -change if METRICS[metric].direction is Direction.HIGHER_IS_BETTER else change


def _ids(records: Iterable[Record]) -> set[str]:
    return {record.id for record in records}
