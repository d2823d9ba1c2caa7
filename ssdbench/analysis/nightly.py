"""The run of a whole suite x the fresh pairs of its nominated cases -> one comparison, and what earlier results say.

Pairs alone decide on a nominated case. Where they are too few (the time budget was used up, or the build of the
baseline could not run the case), the case is inconclusive, unless the whole run has shown something by itself: a change
beyond any drift, a failure, or that there is nothing to compare with. A case that was nominated because it was its turn
keeps the verdict of the whole run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from ssdbench.analysis.verdicts.compare import worst_first
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.nightly import NightlyCase, NightlyResult, Nomination
from ssdbench.schema.record import RunHeader
from ssdbench.schema.verdict import CaseVerdict, Comparison, Status

_BY_ITSELF = {
    *(Status.REGRESSED, Status.IMPROVED, Status.FAILED, Status.NO_LONGER_FITS, Status.NO_BASELINE, Status.STALE),
    *(Status.INCOMPARABLE, Status.NOT_RUN),
}
"""What a whole run shows by itself."""
_ENDED = {
    *(Status.UNCHANGED, Status.IMPROVED, Status.REGRESSED, Status.FAILED),
    *(Status.NO_LONGER_FITS, Status.DOES_NOT_FIT, Status.FITS_NOW),
}
_UNSETTLED = {
    *(Status.REGRESSED, Status.WAIVED, Status.FAILED, Status.NO_LONGER_FITS, Status.INCONCLUSIVE),
}
_WHY: Mapping[str, str] = {
    "interval": "its stored figures leave a change of the margin open",
    "failed": "it was not measured whole with the suite",
    "new": "the baseline has nothing to compare it with",
    "unsettled": "its last result was bad, or no verdict",
    "turn": "it was its turn",
}


def merge(whole: Comparison, pairs: Comparison, nominated: Mapping[str, str], budget: str | None) -> Comparison:
    """The comparison of a whole run, with the verdicts of the run of pairs on the nominated cases."""
    fresh = {case.case_key: case for case in pairs.cases}
    cases = (
        _merged(case, fresh.get(case.case_key), nominated[case.case_key], budget)
        if case.case_key in nominated
        else _screened(case)
        for case in whole.cases
    )
    known = {difference.name for difference in whole.differences}
    return replace(
        whole,
        run_id=pairs.run_id,
        cases=worst_first(cases),
        differences=(*whole.differences, *(item for item in pairs.differences if item.name not in known)),
        order_effect=pairs.order_effect,
        suite=None,
    )


def rests_on_pairs(case: CaseVerdict | None) -> bool:
    """Whether a verdict of the run of pairs has the evidence that it needs, whatever it says."""
    if case is None:
        return False
    verdict = case.verdict
    least = verdict.settings.minimum_launches
    has_pairs = min(verdict.baseline_launches, verdict.candidate_launches) >= least
    return verdict.status in _ENDED or (verdict.status is Status.INCONCLUSIVE and has_pairs)


def _merged(case: CaseVerdict, pair: CaseVerdict | None, why: str, budget: str | None) -> CaseVerdict:
    reason = _WHY.get(why, why)
    if pair is not None and rests_on_pairs(pair):
        before = f" ({case.verdict.sentence})" if case.verdict.status is Status.FAILED else ""
        return replace(pair, notes=(f"measured again in fresh pairs: {reason}{before}", *pair.notes))
    within = f" within the time budget of {budget}" if budget else ""
    said = f": {pair.verdict.sentence}" if pair is not None and pair.verdict.status is not Status.NOT_RUN else ""
    note = f"nominated for fresh pairs, since {reason}, and too few of them were measured{within}{said}"
    if why == "turn" or case.verdict.status in _BY_ITSELF:
        return replace(case, notes=(note, *case.notes))
    verdict = replace(case.verdict, status=Status.INCONCLUSIVE, sentence=f"{case.verdict.sentence}; {note}")
    return replace(case, verdict=verdict)


def _screened(case: CaseVerdict) -> CaseVerdict:
    """A case that was not nominated: its session excludes a slowdown of the margin, if less surely than a verdict."""
    if case.verdict.status is not Status.INCONCLUSIVE:
        return case
    margin = 100 * case.verdict.settings.margin
    sentence = (
        f"its stored sessions exclude a slowdown of {margin:g}% well enough to do without pairs in this run "
        f"({case.verdict.sentence})"
    )
    return replace(case, verdict=replace(case.verdict, status=Status.SCREENED, sentence=sentence))


def result_of(
    header: RunHeader,
    comparison: Comparison,
    exit_code: int,
    *,
    baseline: str,
    pairs: tuple[RunHeader, Comparison] | None,
) -> NightlyResult:
    """What is kept of one call; `header` is that of the whole run, `pairs` the run of pairs as judged by itself.

    Nothing is kept of cases that --case left out: what an earlier call said of them still holds.
    """
    stage = pairs[0].nightly if pairs else None
    fresh = {case.case_key: case for case in pairs[1].cases} if pairs else {}
    nominated: Mapping[str, str] = stage.nominated if stage else {}
    is_itself = stage is not None and stage.against_itself
    return NightlyResult(
        schema_version=SCHEMA_VERSION,
        run_id=header.run_id,
        arrival=header.arrival,
        measured_at=header.created_at,
        suite=header.plan.suite,
        hardware_key=header.hardware.key,
        host=header.host.hostname,
        baseline=baseline,
        exit_code=exit_code,
        cases=tuple(
            NightlyCase(
                case_key=case.case_key,
                title=case.title,
                metric=case.verdict.metric,
                status=case.verdict.status,
                change=case.verdict.change,
                low=case.verdict.low,
                high=case.verdict.high,
                nominated=_nomination(nominated.get(case.case_key)),
                confirmed_in_pairs=(is_itself or case.case_key in nominated)
                and rests_on_pairs(fresh.get(case.case_key)),
            )
            for case in comparison.cases
            if case.verdict.status is not Status.LEFT_OUT
        ),
        pairs_run_id=pairs[0].run_id if pairs else None,
        against_itself=is_itself,
    )


def last_pairs(results: Sequence[NightlyResult]) -> dict[str, int]:
    """How many results ago each case was last measured in pairs (1 is the newest); `results` are by arrival."""
    found: dict[str, int] = {}
    for ago, result in enumerate(reversed(results), start=1):
        for case in result.cases:
            if case.confirmed_in_pairs:
                found.setdefault(case.case_key, ago)
    return found


def unsettled(results: Sequence[NightlyResult]) -> set[str]:
    """The cases whose last result was bad, or no verdict though they were nominated; `results` are by arrival."""
    last = {case.case_key: case.status for result in results for case in result.cases}
    return {key for key, status in last.items() if status in _UNSETTLED}


def inconclusive_in_a_row(comparison: Comparison, earlier: Sequence[NightlyResult]) -> dict[str, int]:
    """How many results in a row, this one included, had no conclusive verdict, for each inconclusive case by key.

    `earlier` are results of the same hardware and suite in the order of arrival; one without the case (`--case` chose
    others), or in which it was screened, is passed over.
    """
    found = {}
    for case in comparison.cases:
        if case.verdict.status is Status.INCONCLUSIVE:
            before = _results_of(case.case_key, reversed(earlier))
            found[case.case_key] = 1 + next((n for n, kept in enumerate(before) if kept.is_conclusive), len(before))
    return found


def _results_of(key: str, results: Iterable[NightlyResult]) -> list[NightlyCase]:
    cases = (case for result in results for case in result.cases if case.case_key == key)
    return [case for case in cases if case.status not in (Status.SCREENED, Status.VANISHED)]


def _nomination(reason: str | None) -> Nomination | None:
    return next((name for name in get_args(Nomination) if name == reason), None)
