"""Waivers by hand: which regressions are waived, up to what, until when, and what is told of each waiver."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.analysis.verdicts.compare import exit_code, worst_first
from ssdbench.analysis.waivers import apply_waivers, worse_by
from ssdbench.errors import ExitCode
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Mode, Status, Verdict
from ssdbench.schema.waivers import Waiver, WaiverState

TODAY = date(2026, 6, 15)
SETTINGS = Settings()


def a_waiver(entry: int = 1, case: str = "train-amp-bs8", ceiling: float = 0.2, **changes: object) -> Waiver:
    waiver = Waiver(
        entry=entry,
        case=case,
        ceiling=ceiling,
        expires="2026-06-15",
        issue="https://example.org/issues/7",
        reason="the decoder is slower",
    )
    return replace(waiver, **changes)  # type: ignore[arg-type]


def a_case(
    status: Status = Status.REGRESSED,
    key: str = "train-amp-bs8",
    title: str = "train amp · 1xcpu bs8",
    *,
    metric: str = "throughput",
    change: float | None = -0.12,
    low: float | None = -0.15,
    high: float | None = -0.09,
) -> CaseVerdict:
    mode = Mode.INTERLEAVED if low is not None else Mode.STORED
    verdict = Verdict(
        status=status,
        metric=metric,
        sentence=f"judged {status.value}",
        settings=SETTINGS,
        mode=mode,
        baseline_value=100.0,
        candidate_value=None if change is None else 100 * (1 + change),
        change=change,
        low=low,
        high=high,
    )
    return CaseVerdict(case_key=key, title=title, verdict=verdict)


def a_comparison(*cases: CaseVerdict) -> Comparison:
    return Comparison(
        schema_version=SCHEMA_VERSION,
        run_id="run-1",
        hardware_key="1x-nvidia-h100-80gb-hbm3",
        baseline="main",
        baseline_run_id="run-0",
        settings=SETTINGS,
        cases=worst_first(cases),
    )


def judged(case: CaseVerdict, *waivers: Waiver, today: date = TODAY) -> CaseVerdict:
    return apply_waivers(a_comparison(case), waivers, today).cases[0]


def state_of(case: CaseVerdict) -> WaiverState | None:
    return case.waiver.state if case.waiver else None


def test_a_waived_case_keeps_its_verdict_and_passes() -> None:
    case = a_case()
    assert exit_code(a_comparison(case)) is ExitCode.REGRESSED
    found = apply_waivers(a_comparison(case), [a_waiver(owner="team-x")], TODAY)
    (waived,) = found.cases
    assert waived.verdict == replace(case.verdict, status=Status.WAIVED)
    assert waived.waiver is not None
    assert (waived.waiver.judged, waived.waiver.worse_by, waived.waiver.entries) == (Status.REGRESSED, 0.15, (1,))
    assert waived.waiver.sentence == (
        "waived up to 20% worse until 2026-06-15, the 99% interval reaches 15.00%, "
        "see https://example.org/issues/7 (team-x): the decoder is slower"
    )
    assert exit_code(found) is ExitCode.OK
    assert [(use.state, use.cases, use.notes) for use in found.waivers] == [("used", (case.case_key,), ())]


@pytest.mark.parametrize(
    ("today", "status", "state"),
    [
        (date(2026, 6, 14), Status.WAIVED, "used"),
        (date(2026, 6, 15), Status.WAIVED, "used"),
        (date(2026, 6, 16), Status.REGRESSED, "expired"),
        (date(2027, 1, 1), Status.REGRESSED, "expired"),
    ],
)
def test_the_day_of_expiry_still_counts(today: date, status: Status, state: str) -> None:
    found = judged(a_case(), a_waiver(), today=today)
    assert (found.verdict.status, state_of(found)) == (status, state)
    expired = "the waiver expired, its last day was 2026-06-15, see https://example.org/issues/7: the decoder is slower"
    assert found.waiver is not None
    assert (found.waiver.sentence == expired) == (state == "expired")


@pytest.mark.parametrize(
    ("metric", "low", "high", "end", "is_waived"),
    [
        ("throughput", -0.25, -0.09, 0.25, True),
        ("throughput", -0.2500001, -0.09, 0.2500001, False),
        ("latency_p50", 0.09, 0.25, 0.25, True),
        ("latency_p50", 0.09, 0.2500001, 0.2500001, False),
    ],
)
def test_the_bad_end_may_be_as_bad_as_the_ceiling_and_no_worse(
    metric: str, low: float, high: float, end: float, is_waived: bool
) -> None:
    case = a_case(metric=metric, change=(low + high) / 2, low=low, high=high)
    assert worse_by(case.verdict) == end
    found = judged(case, a_waiver(ceiling=0.25))
    assert found.verdict.status is (Status.WAIVED if is_waived else Status.REGRESSED)
    if not is_waived:
        assert found.waiver is not None
        assert found.waiver.sentence.startswith("the waiver's ceiling of 25% worse is passed, the 99% interval reaches")


@pytest.mark.parametrize(
    ("metric", "change", "end"),
    # 0.84 / 1.05 = 0.8, and 1.2 * 1.05 = 1.26
    [("throughput", -0.16, 0.2), ("latency_p50", 0.2, 0.26)],
)
def test_a_change_without_an_interval_is_widened_by_the_drift_between_sessions(
    metric: str, change: float, end: float
) -> None:
    case = a_case(metric=metric, change=change, low=None, high=None)
    assert worse_by(case.verdict) == pytest.approx(end)
    assert judged(case, a_waiver(ceiling=end + 1e-6)).verdict.status is Status.WAIVED
    found = judged(case, a_waiver(ceiling=end - 1e-6))
    assert found.verdict.status is Status.REGRESSED
    assert found.waiver is not None
    assert "the change with 5% for the drift between sessions" in found.waiver.sentence


@pytest.mark.parametrize("end", [float("nan"), float("-inf")])
def test_a_bad_end_that_is_not_known_is_never_waived(end: float) -> None:
    assert judged(a_case(low=end), a_waiver(ceiling=0.99)).verdict.status is Status.REGRESSED
    nothing = a_case(change=None, low=None, high=None)
    assert judged(nothing, a_waiver(ceiling=0.99)).verdict.status is Status.REGRESSED


@pytest.mark.parametrize("status", [status for status in Status if status not in (Status.REGRESSED, Status.WAIVED)])
def test_only_regressed_is_waived(status: Status) -> None:
    case = a_case(status)
    found = apply_waivers(a_comparison(case), [a_waiver()], TODAY)
    assert found.cases[0].verdict == case.verdict
    assert exit_code(found) is exit_code(a_comparison(case))
    is_recovered = status in (Status.UNCHANGED, Status.IMPROVED, Status.FITS_NOW)
    assert found.waivers[0].state == state_of(found.cases[0]) == ("not_needed" if is_recovered else "idle")
    needless = "waiver 1 ('train-amp-bs8') is no longer needed, what it waived is not regressed: remove it"
    assert found.waivers[0].notes == ((needless,) if is_recovered else ())


def test_a_waiver_of_several_cases_is_needed_as_long_as_one_of_them_is_regressed() -> None:
    cases = [a_case(key="train-amp-bs8"), a_case(Status.UNCHANGED, key="train-amp-bs16", title="train amp bs16")]
    found = apply_waivers(a_comparison(*cases), [a_waiver(case="train amp")], TODAY)
    assert [state_of(case) for case in found.cases] == ["used", "not_needed"]
    assert (found.waivers[0].state, found.waivers[0].notes) == ("used", ())


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("train-amp-bs8", {"train-amp-bs8"}),
        ("train amp · 1xcpu bs8", {"train-amp-bs8"}),
        ("amp train", {"train-amp-bs8", "train-amp-bs80"}),
        ("TRAIN bs8", {"train-amp-bs8"}),
        ("bs80", {"train-amp-bs80"}),
        ("train amp bs", set()),  # a part of a word
        ("train-amp", set()),
        ("train fp32", set()),
    ],
)
def test_a_waiver_names_a_case_by_its_key_its_title_or_whole_words(pattern: str, matches: set[str]) -> None:
    cases = (a_case(), a_case(key="train-amp-bs80", title="train amp · 1xcpu bs80"))
    found = apply_waivers(a_comparison(*cases), [a_waiver(case=pattern)], TODAY)
    assert {case.case_key for case in found.cases if case.verdict.status is Status.WAIVED} == matches
    assert found.waivers[0].state == ("used" if matches else "unused")
    unused = f"waiver 1 ({pattern!r}) matches no case of this run: correct it, or remove it"
    assert found.waivers[0].notes == (() if matches else (unused,))


def test_a_waiver_may_be_for_one_metric() -> None:
    assert judged(a_case(), a_waiver(metric="throughput")).verdict.status is Status.WAIVED
    found = apply_waivers(a_comparison(a_case()), [a_waiver(metric="latency_p50")], TODAY)
    assert found.cases[0].verdict.status is Status.REGRESSED
    assert found.waivers[0].notes == (
        "waiver 1 ('train-amp-bs8') matches no case that is gated by latency_p50 of this run: correct it, or remove it",
    )


@pytest.mark.parametrize("hardware", [None, "H100", "h100 nvidia", "1x-nvidia-h100-80gb-hbm3"])
def test_a_waiver_holds_for_the_hardware_that_it_names(hardware: str | None) -> None:
    assert judged(a_case(), a_waiver(hardware=hardware)).verdict.status is Status.WAIVED


@pytest.mark.parametrize("hardware", ["a100", "h100 8x"])
def test_nothing_is_said_of_waivers_for_other_hardware(hardware: str) -> None:
    comparison = a_comparison(a_case())
    assert apply_waivers(comparison, [a_waiver(hardware=hardware)], TODAY) is comparison


@pytest.mark.parametrize(
    ("first", "second", "today", "status"),
    [
        (a_waiver(1, ceiling=0.2), a_waiver(2, ceiling=0.14), TODAY, Status.REGRESSED),
        (a_waiver(1, ceiling=0.14), a_waiver(2, ceiling=0.2), TODAY, Status.REGRESSED),
        (a_waiver(1), a_waiver(2, expires="2026-12-31"), date(2026, 6, 16), Status.REGRESSED),
        (a_waiver(1, expires="2026-12-31"), a_waiver(2), date(2026, 6, 16), Status.REGRESSED),
        (a_waiver(1), a_waiver(2, case="train amp"), TODAY, Status.WAIVED),
        (a_waiver(1), a_waiver(2, metric="throughput"), TODAY, Status.WAIVED),
    ],
)
def test_of_two_waivers_for_a_case_the_smaller_ceiling_and_the_earlier_day_count(
    first: Waiver, second: Waiver, today: date, status: Status
) -> None:
    found = apply_waivers(a_comparison(a_case()), [first, second], today)
    assert found.cases[0].verdict.status is status
    told = f"waiver 2 ({second.case!r}) and waiver 1 ('train-amp-bs8') match the same case: the smaller ceiling and the"
    assert found.waivers[1].notes[-1].startswith(told)
    assert not any("same case" in note for note in found.waivers[0].notes)


def test_two_waivers_for_two_metrics_of_a_case_do_not_overlap() -> None:
    found = apply_waivers(a_comparison(a_case()), [a_waiver(1), a_waiver(2, metric="latency_p50")], TODAY)
    assert found.waivers[0].notes == ()
    assert [note for note in found.waivers[1].notes if "same case" in note] == []


def test_an_expired_waiver_is_told_also_where_its_case_recovered_or_is_gone() -> None:
    expired = ("waiver 1 ('train-amp-bs8') expired, its last day was 2026-06-15: remove it, or agree on another day",)
    for case in (a_case(), a_case(Status.UNCHANGED), a_case(key="other", title="other")):
        found = apply_waivers(a_comparison(case), [a_waiver()], date(2026, 6, 16))
        assert (found.waivers[0].state, found.waivers[0].notes) == ("expired", expired)


def test_a_waived_case_comes_after_those_that_need_somebody() -> None:
    cases = (a_case(), a_case(Status.INCONCLUSIVE, key="b", title="b"), a_case(Status.UNCHANGED, key="c", title="c"))
    found = apply_waivers(a_comparison(*cases), [a_waiver()], TODAY)
    assert [case.verdict.status for case in found.cases] == [Status.INCONCLUSIVE, Status.WAIVED, Status.UNCHANGED]
    assert exit_code(found) is ExitCode.INCONCLUSIVE


PATTERNS = ["a", "b", "c", "train a", "train", "x"]
JUDGED = st.tuples(
    st.sampled_from([status for status in Status if status is not Status.WAIVED]),
    st.floats(-0.5, 0.5),
    st.floats(0, 0.5),
)
CASES = st.lists(JUDGED, min_size=1, max_size=3).map(
    lambda found: [
        a_case(status, key, f"train {key}", change=low, low=low, high=low + width)
        for key, (status, low, width) in zip("abc", found, strict=False)
    ]
)
WAIVERS = st.lists(
    st.builds(
        lambda case, ceiling, day, metric, hardware: a_waiver(
            case=case, ceiling=ceiling, expires=day, metric=metric, hardware=hardware
        ),
        st.sampled_from(PATTERNS),
        st.floats(0.01, 0.99),
        st.sampled_from(["2026-06-15", "2026-06-16", "2026-06-14"]),
        st.sampled_from([None, "throughput", None, "latency_p50"]),
        st.sampled_from([None, "h100", None, "a100"]),
    ),
    min_size=1,
    max_size=3,
).map(lambda found: [replace(waiver, entry=number) for number, waiver in enumerate(found, start=1)])


@given(cases=CASES, waivers=WAIVERS)
@settings(max_examples=300)
def test_a_waiver_turns_nothing_but_a_regression_into_a_pass(cases: list[CaseVerdict], waivers: list[Waiver]) -> None:
    comparison = a_comparison(*cases)
    found = apply_waivers(comparison, waivers, TODAY)
    before = {case.case_key: case for case in comparison.cases}
    assert {case.case_key for case in found.cases} == before.keys()
    for case in found.cases:
        alone = before[case.case_key]
        assert replace(case, verdict=alone.verdict, waiver=None) == alone
        assert replace(case.verdict, status=alone.verdict.status) == alone.verdict
        if case.verdict.status is not alone.verdict.status:
            assert (alone.verdict.status, case.verdict.status) == (Status.REGRESSED, Status.WAIVED)
            assert case.waiver is not None
            assert -(alone.verdict.low or 0) <= case.waiver.ceiling
    assert apply_waivers(found, waivers, TODAY) == found
    lifted = apply_waivers(found, [], TODAY)
    assert {case.case_key: case for case in lifted.cases} == before  # equally bad cases may change places
    assert replace(lifted, cases=comparison.cases) == comparison


@given(cases=CASES)
def test_without_waivers_a_comparison_stays_as_it_is(cases: list[CaseVerdict]) -> None:
    comparison = a_comparison(*cases)
    assert apply_waivers(comparison, [], TODAY) is comparison
