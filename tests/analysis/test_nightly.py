"""A whole run and the pairs of its nominated cases as one comparison, and what earlier results say."""

from dataclasses import replace

import pytest

from ssdbench.analysis.nightly import inconclusive_in_a_row, last_pairs, merge, rests_on_pairs, result_of, unsettled
from ssdbench.analysis.verdicts.compare import exit_code
from ssdbench.errors import ExitCode
from ssdbench.report.outcome import because
from ssdbench.schema.nightly_stage import NightlyStage
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Mode, Status, Verdict
from tests.builders import a_header, a_nightly_result

SETTINGS = Settings()


def case(key: str, status: Status, *, pairs: int = 0, sentence: str = "") -> CaseVerdict:
    verdict = Verdict(
        status=status,
        metric="throughput",
        sentence=sentence or status.value,
        settings=SETTINGS,
        mode=Mode.INTERLEAVED if pairs else Mode.STORED,
        baseline_launches=pairs,
        candidate_launches=pairs,
    )
    return CaseVerdict(case_key=key, title=f"title of {key}", verdict=verdict)


def comparison(*cases: CaseVerdict, run_id: str = "whole") -> Comparison:
    return Comparison(
        schema_version=4, run_id=run_id, hardware_key="gpu", baseline="main", baseline_run_id="old", settings=SETTINGS,
        cases=cases,
    )  # fmt: skip


def merged(first: CaseVerdict, pair: CaseVerdict | None, why: str = "interval") -> CaseVerdict:
    pairs = comparison(*([pair] if pair else ()), run_id="pairs")
    found = merge(comparison(first, case("other", Status.UNCHANGED)), pairs, {"a": why}, "3h")
    assert (found.run_id, found.baseline, found.baseline_run_id) == ("pairs", "main", "old")
    by_key = {found.case_key: found for found in found.cases}
    assert by_key["other"] == case("other", Status.UNCHANGED)
    return by_key["a"]


@pytest.mark.parametrize("status", [Status.REGRESSED, Status.UNCHANGED, Status.INCONCLUSIVE, Status.FAILED])
@pytest.mark.parametrize("before", [Status.REGRESSED, Status.INCONCLUSIVE, Status.NO_BASELINE, Status.FAILED])
def test_pairs_alone_decide_on_a_nominated_case(before: Status, status: Status) -> None:
    found = merged(case("a", before), case("a", status, pairs=5))
    assert found.verdict.status is status
    assert found.verdict.mode is Mode.INTERLEAVED
    assert found.notes[0].startswith("measured again in fresh pairs: ")


def test_a_failure_of_the_whole_run_is_not_forgotten_when_the_pairs_are_sound() -> None:
    found = merged(
        case("a", Status.FAILED, sentence="1 of 3 launches failed"), case("a", Status.UNCHANGED, pairs=3), "failed"
    )
    assert found.verdict.status is Status.UNCHANGED
    assert found.notes == (
        "measured again in fresh pairs: it was not measured whole with the suite (1 of 3 launches failed)",
    )


@pytest.mark.parametrize("pair", [None, case("a", Status.NOT_RUN), case("a", Status.INCONCLUSIVE, pairs=1)])
def test_too_few_pairs_are_inconclusive_and_say_so(pair: CaseVerdict | None) -> None:
    for before in (Status.UNCHANGED, Status.INCONCLUSIVE):
        found = merged(case("a", before), pair)
        assert found.verdict.status is Status.INCONCLUSIVE
        assert "too few of them were measured within the time budget of 3h" in found.verdict.sentence
        assert because(found).count("too few of them") == 1


@pytest.mark.parametrize("before", [Status.REGRESSED, Status.FAILED, Status.NO_BASELINE, Status.STALE, Status.NOT_RUN])
def test_what_the_whole_run_shows_by_itself_stands_without_pairs(before: Status) -> None:
    found = merged(
        case("a", before), case("a", Status.NO_BASELINE, sentence="baseline launch 1 failed: no such option")
    )
    assert found.verdict.status is before
    assert "no such option" in found.notes[0]


def test_a_case_that_only_had_its_turn_keeps_its_verdict_without_pairs() -> None:
    assert merged(case("a", Status.UNCHANGED), None, "turn").verdict.status is Status.UNCHANGED


@pytest.mark.parametrize("status", sorted(Status))
def test_an_open_case_that_was_not_nominated_is_screened_and_any_other_stays_as_it_is(status: Status) -> None:
    whole = comparison(case("a", Status.UNCHANGED), case("b", status, sentence="too few launches"))
    (found,) = [item for item in merge(whole, comparison(), {"a": "turn"}, None).cases if item.case_key == "b"]
    if status is not Status.INCONCLUSIVE:
        assert found == whole.cases[1]
        return
    assert found.verdict.status is Status.SCREENED
    assert found.verdict.sentence == (
        "its stored sessions exclude a slowdown of 1% well enough to do without pairs in this run (too few launches)"
    )


def test_screened_cases_are_no_gap_and_do_not_hide_one() -> None:
    screened = case("b", Status.SCREENED)
    assert exit_code(comparison(case("a", Status.UNCHANGED, pairs=5), screened)) is ExitCode.OK
    assert exit_code(comparison(case("a", Status.INCONCLUSIVE), screened)) is ExitCode.INCONCLUSIVE
    assert exit_code(comparison(case("a", Status.NOT_RUN), screened)) is ExitCode.NOT_COVERED


@pytest.mark.parametrize("status", sorted(Status))
def test_a_case_is_unsettled_until_its_last_result_is_good(status: Status) -> None:
    key = a_nightly_result().cases[0].case_key
    bad = {Status.REGRESSED, Status.WAIVED, Status.FAILED, Status.NO_LONGER_FITS, Status.INCONCLUSIVE}
    results = [a_nightly_result(Status.REGRESSED, arrival=1), a_nightly_result(status, arrival=2)]
    assert unsettled(results) == ({key} if status in bad else set())
    assert unsettled(results[:1]) == {key}


def test_the_worst_case_comes_first_and_gives_the_exit_code() -> None:
    whole = comparison(case("b", Status.UNCHANGED), case("a", Status.INCONCLUSIVE))
    found = merge(whole, comparison(case("b", Status.REGRESSED, pairs=8)), {"b": "turn"}, None)
    assert [item.case_key for item in found.cases] == ["b", "a"]
    assert exit_code(found) is ExitCode.REGRESSED


def test_a_result_says_why_a_case_was_nominated_and_whether_pairs_decided() -> None:
    stage = NightlyStage(baseline="main", follows="run-1", nominated={"a": "interval", "b": "turn"})
    pairs = comparison(case("a", Status.REGRESSED, pairs=8), case("b", Status.NOT_RUN))
    kept = result_of(
        a_header(arrival=7),
        comparison(
            case("a", Status.REGRESSED),
            case("b", Status.UNCHANGED),
            case("c", Status.UNCHANGED),
            case("d", Status.LEFT_OUT),
        ),
        3,
        baseline="main",
        pairs=(a_header(run_id="pairs", nightly=stage), pairs),
    )
    assert (kept.run_id, kept.arrival, kept.pairs_run_id, kept.exit_code) == ("run-1", 7, "pairs", 3)
    found = {item.case_key: (item.nominated, item.confirmed_in_pairs) for item in kept.cases}
    assert found == {"a": ("interval", True), "b": ("turn", False), "c": (None, False)}


def test_the_last_pairs_of_a_case_are_counted_in_results_from_the_newest() -> None:
    first, second, third = (a_nightly_result(Status.UNCHANGED, Status.UNCHANGED, arrival=n) for n in (1, 2, 3))
    a, b = first.cases
    first = replace(first, cases=(replace(a, confirmed_in_pairs=True), b))
    third = replace(third, cases=(a, replace(b, nominated="turn")))  # the budget did not reach it
    assert last_pairs([first, second, third]) == {a.case_key: 3}


def test_results_in_a_row_without_a_verdict_are_counted_for_each_case() -> None:
    key = a_nightly_result().cases[0].case_key
    now = comparison(case(key, Status.INCONCLUSIVE), case("new", Status.INCONCLUSIVE), case("other", Status.UNCHANGED))

    def count(*statuses: Status) -> dict[str, int]:
        return inconclusive_in_a_row(now, [a_nightly_result(status, arrival=n) for n, status in enumerate(statuses, 1)])

    assert count() == {key: 1, "new": 1}
    assert count(Status.INCONCLUSIVE, Status.INCONCLUSIVE) == {key: 3, "new": 1}
    assert count(Status.INCONCLUSIVE, Status.UNCHANGED, Status.INCONCLUSIVE) == {key: 2, "new": 1}
    assert count(Status.INCONCLUSIVE, Status.SCREENED, Status.INCONCLUSIVE) == {key: 3, "new": 1}
    assert count(Status.INCONCLUSIVE, Status.NOT_RUN)[key] == 3
    assert count(Status.UNCHANGED, Status.VANISHED, Status.VANISHED)[key] == 1  # --case chose others
    assert count(Status.INCONCLUSIVE, Status.REGRESSED)[key] == 1
    assert count(Status.INCONCLUSIVE, Status.WAIVED)[key] == 1


def test_pairs_without_launches_of_both_builds_are_no_evidence() -> None:
    assert not rests_on_pairs(None)
    assert not rests_on_pairs(case("a", Status.NO_BASELINE, pairs=3))
    assert rests_on_pairs(case("a", Status.INCONCLUSIVE, pairs=2))
