"""The change of a whole suite: exact where it can be, silent where it must be, and seldom wrong."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy import stats

from ssdbench.analysis.verdicts.single_shot import judge_single_shot
from ssdbench.analysis.verdicts.stored import judge_stored
from ssdbench.analysis.verdicts.suite_change import hodges_lehmann, suite_change
from ssdbench.schema.launch_values import Arms, CaseLaunches, CaseSessions
from ssdbench.schema.metrics import METRICS, Metric
from ssdbench.schema.settings import Settings
from ssdbench.schema.suite_change import SuiteChange
from ssdbench.schema.verdict import Mode, Status, Verdict

SETTINGS = Settings()
ALPHA = SETTINGS.alpha / 10
THROUGHPUT, STEP_TIME = METRICS["throughput"], METRICS["latency_p50"]
Judged = tuple[Metric, Verdict]


def a_change(worse_by: float, metric: Metric = STEP_TIME, mode: Mode | None = Mode.INTERLEAVED) -> Judged:
    change = worse_by if metric is STEP_TIME else 1 / (1 + worse_by) - 1
    verdict = Verdict(
        status=Status.UNCHANGED, metric=metric.name, sentence="", settings=SETTINGS, mode=mode,
        change=change, low=change - 0.01, high=change + 0.01,
    )  # fmt: skip
    return metric, verdict


def over(changes: Sequence[float], **options: object) -> SuiteChange | None:
    return suite_change([a_change(change, **options) for change in changes], SETTINGS)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [11, 12, 20, 35, 50])
def test_the_interval_holds_exactly_what_the_signed_rank_test_does_not_reject(number: int) -> None:
    draw = random.Random(number)
    values = [draw.gauss(0.1, 1.0) for _ in range(number)]
    found = hodges_lehmann(values, ALPHA)
    assert found is not None
    _, low, high = found
    for bound, inward in ((low, 1e-9), (high, -1e-9)):
        inside, outside = (
            stats.wilcoxon([value - bound - offset for value in values], method="exact").pvalue
            for offset in (inward, -inward)
        )
        assert outside <= ALPHA < inside


def test_of_eleven_values_the_interval_is_all_of_them_and_of_ten_there_is_none() -> None:
    eleven = [0.001 * 1.3**n for n in range(11)]
    assert hodges_lehmann(eleven, ALPHA) == (pytest.approx(0.0047, abs=0.001), min(eleven), max(eleven))
    assert hodges_lehmann(eleven[:10], ALPHA) is None
    assert over([0.003] * 10) is None
    assert over([0.003] * 11) is not None
    assert suite_change([a_change(0.003)] * 5, replace(SETTINGS, alpha=0.49)) is None  # five are no suite


def test_the_normal_interval_of_many_cases_is_that_of_scipy() -> None:
    draw = random.Random(1)
    values = [draw.gauss(0.0, 1.0) for _ in range(80)]
    found = hodges_lehmann(values, 0.01)
    assert found is not None
    for bound, inward in ((found[1], 1e-9), (found[2], -1e-9)):
        inside, outside = (
            stats.wilcoxon([v - bound - offset for v in values], correction=True, method="auto").pvalue
            for offset in (inward, -inward)
        )
        assert outside <= 0.01 < inside


def test_metrics_are_turned_so_that_more_is_worse_and_swapped_arms_mirror_the_change() -> None:
    draw = random.Random(2)
    changes = [0.003 + draw.gauss(0, 0.001) for _ in range(30)]
    mixed = suite_change(
        [a_change(change, (THROUGHPUT, STEP_TIME)[n % 2]) for n, change in enumerate(changes)], SETTINGS
    )
    alike = over(changes)
    assert mixed is not None
    assert alike is not None
    assert mixed.worse_by == pytest.approx(alike.worse_by, rel=1e-9)
    assert 0.002 < mixed.low < mixed.worse_by < mixed.high < 0.004
    assert mixed.is_shown
    swapped = over([1 / (1 + change) - 1 for change in changes])
    assert swapped is not None
    assert swapped.worse_by == pytest.approx(1 / (1 + alike.worse_by) - 1)
    assert swapped.is_shown


def test_a_stored_baseline_says_nothing_of_the_suite_for_a_session_moves_all_its_cases() -> None:
    assert over([0.003] * 100, mode=Mode.STORED) is None
    assert over([0.003] * 100, mode=None) is None
    sessions = {
        str(n): CaseSessions(
            metric=STEP_TIME, baseline=((1.0, 1.001, 1.002),) * 5, candidate=((1.003, 1.004, 1.0031 + n / 1e5),)
        )
        for n in range(40)
    }
    judged = judge_stored(sessions, SETTINGS)
    assert suite_change([(STEP_TIME, verdict) for verdict in judged.values()], SETTINGS) is None


def test_cases_that_were_not_judged_are_not_counted() -> None:
    metric, verdict = a_change(0.003)
    gaps = [(metric, replace(verdict, change=None)), (metric, replace(verdict, low=None, high=None))]
    found = suite_change([a_change(0.003)] * 20 + gaps * 10, SETTINGS)
    assert found is not None
    assert found.cases == 20


def _run(draw: random.Random, worse_by: float, cases: int = 100) -> list[float]:
    """Estimates of cases: each of 4 pairs at its own noise, SDs of .05 to .5 % as MLPerf's logs have them."""
    errors = [math.exp(draw.uniform(math.log(5e-4), math.log(5e-3))) / math.sqrt(2) for _ in range(cases)]
    return [math.log1p(worse_by) + draw.gauss(0, error) for error in errors]


def test_a_tenth_of_a_per_cent_in_all_cases_is_found_and_nothing_is_not() -> None:
    draw = random.Random(14)
    found = dict.fromkeys((0.0, 0.001), 0)
    for worse_by, runs in ((0.0, 1500), (0.001, 200)):
        for _ in range(runs):
            estimate = hodges_lehmann(_run(draw, worse_by), ALPHA)
            assert estimate is not None
            found[worse_by] += not estimate[1] <= 0 <= estimate[2]
    assert found[0.001] == 200
    assert found[0.0] <= 6  # expected: 1.5


def test_no_case_shows_what_the_suite_shows() -> None:
    draw = random.Random(3)
    cases = {
        str(n): CaseLaunches(
            metric=STEP_TIME,
            measure=Arms(
                baseline=tuple(draw.gauss(1, 0.001) for _ in range(5)),
                candidate=tuple(1.003 * draw.gauss(1, 0.001) for _ in range(5)),
            ),
        )
        for n in range(100)
    }
    judged = judge_single_shot(cases, SETTINGS)
    assert Status.REGRESSED not in {verdict.status for verdict in judged.values()}
    found = suite_change([(STEP_TIME, verdict) for verdict in judged.values()], SETTINGS)
    assert found is not None
    assert found.low < 0.003 < found.high
    assert found.low > 0.002
    assert found.p_value < 1e-9
