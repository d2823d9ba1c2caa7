"""What a run that is measured until it is decided says of the launches and the time left, over whole runs."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ssdbench.analysis.verdicts.interim import InterimState, OpenCase, interim_launches, interim_state
from ssdbench.analysis.verdicts.interleaved import next_launches, next_pairs
from ssdbench.cli.progress import run_progress
from ssdbench.harness.forecast import Forecast
from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase, Stage
from ssdbench.schema.record import Record
from ssdbench.schema.settings import Settings
from tests.analysis.verdicts import launch_values
from tests.builders import a_case, a_header, a_record

SETTINGS = Settings()
SECONDS = 10.0
CASES = tuple(a_case(batch_size_per_gpu=size) for size in range(2, 8))
PREDICTION = Forecast(launch_seconds={case.key: SECONDS for case in CASES}, guessed=frozenset())
LEFT = re.compile(r"· (?P<ended>\d+)/(?P<least>\d+)(-(?P<most>\d+))?( · (?P<time>.*) left)?$")
IN_SECONDS = {"s": 1, "min": 60, "h": 3600}


def seconds(text: str) -> float:
    """The larger end of a range: `15 s to 14 min` is 840."""
    return sum(
        int(number) * IN_SECONDS[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", text.split("to ")[-1])
    )


def empty(run: LaunchesByCase) -> dict[str, CaseLaunches]:
    return {key: replace(case, measure=Arms(), confirm=Arms()) for key, case in run.items()}


def measure(whole: LaunchesByCase) -> int:
    """A run as the runner measures it, to its end; returns its launches."""
    so_far, ended = empty(whole), 0

    def look_out(records: Sequence[Record]) -> InterimState:
        return interim_state(so_far, SETTINGS)

    by_key = {case.key: case for case in CASES}
    with run_progress(a_header(cases=CASES), PREDICTION, "`ssdbench run --resume`", look_out=look_out) as watch:
        watch.round_finished(())
        while wanted := next_pairs(so_far, SETTINGS):
            watch.remaining_changed([key for key, more in wanted.items() for _ in range(2 * more.pairs)])
            for key, more in wanted.items():
                for _ in range(2):
                    watch.launch_finished(a_record(case=by_key[key], launch_seconds=SECONDS), "launch")
                ended += 2
                case, number = so_far[key], so_far[key].of(more.stage).pairs + 1
                taken = whole[key].of(more.stage).first(number)
                is_fresh = more.stage is Stage.CONFIRM
                so_far[key] = replace(case, confirm=taken) if is_fresh else replace(case, measure=taken)
            watch.round_finished(())
        watch.remaining_changed([])
    return ended


def measure_candidates(whole: LaunchesByCase, planned: int) -> int:
    """The same against a stored baseline: first the launches of the plan, then what the rule asks for."""
    so_far = {key: replace(case, measure=Arms(baseline=case.measure.baseline)) for key, case in whole.items()}
    by_key = {case.key: case for case in CASES}

    def look_out(records: Sequence[Record]) -> InterimState:
        return interim_launches(so_far, SETTINGS)

    def launch(key: str) -> None:
        watch.launch_finished(a_record(case=by_key[key], launch_seconds=SECONDS), "launch")
        candidate = whole[key].measure.candidate[: len(so_far[key].measure.candidate) + 1]
        so_far[key] = replace(so_far[key], measure=replace(so_far[key].measure, candidate=candidate))

    with run_progress(a_header(cases=CASES), PREDICTION, "`ssdbench run --resume`", look_out=look_out) as watch:
        keys = [key for key in so_far for _ in range(planned)]
        for number, key in enumerate(keys):
            watch.remaining_changed(keys[number:])
            launch(key)
        watch.remaining_changed([])
        watch.round_finished(())
        while wanted := next_launches(so_far, SETTINGS):
            watch.remaining_changed([key for key, more in wanted.items() for _ in range(more.pairs)])
            for key in wanted:
                launch(key)
            watch.round_finished(())
        watch.remaining_changed([])
    return sum(len(case.measure.candidate) for case in so_far.values())


def whole_run(noise: float, changes: dict[int, float]) -> LaunchesByCase:
    made = launch_values.some_launches(cases=len(CASES), noise=noise, changes=changes)
    return {case.key: made[str(number)] for number, case in enumerate(CASES)}


@pytest.mark.parametrize("noise", [1e-3, 3e-3, 1e-2])
@pytest.mark.parametrize("changes", [{}, {0: 0.2}, {0: 0.02, 1: -0.02, 2: 0.01}], ids=["none", "gross", "some"])
def test_what_is_left_is_a_range_that_holds_the_truth_and_only_gets_shorter(
    capsys: pytest.CaptureFixture[str], noise: float, changes: dict[int, float]
) -> None:
    launches = measure(whole_run(noise, changes))
    lines = capsys.readouterr().out.splitlines()
    shown = [found for line in lines if (found := LEFT.search(line))]
    assert len(shown) == launches
    for found in shown:
        assert int(found["least"]) <= launches <= int(found["most"] or found["least"])
    assert [int(found["ended"]) for found in shown] == list(range(1, launches + 1))
    ends = [int(found["most"] or found["least"]) for found in shown]
    assert ends == sorted(ends, reverse=True)
    longest = [seconds(found["time"] or "") for found in shown]
    assert longest == sorted(longest, reverse=True)
    predicted = next(line for line in lines if "predicted" in line)
    assert predicted.startswith(f"{6 * 3 * 2}-{6 * 33 * 2} launches of 6 cases, predicted ")
    assert longest[0] <= seconds(predicted.split("predicted ")[1])


@pytest.mark.parametrize("planned", [1, 3, 5])
@pytest.mark.parametrize("noise", [1e-3, 3e-3, 1e-2])
def test_against_a_stored_baseline_the_range_holds_the_truth_and_ends_at_the_cap(
    capsys: pytest.CaptureFixture[str], noise: float, planned: int
) -> None:
    launches = measure_candidates(whole_run(noise, {0: 0.01}), planned)
    lines = capsys.readouterr().out.splitlines()
    shown = [found for line in lines if (found := LEFT.search(line))]
    assert len(shown) == launches
    for found in shown:
        assert int(found["least"]) <= launches <= int(found["most"] or found["least"]) <= 6 * 15 + 6 * 4
    longest = [seconds(found["time"] or "") for found in shown]
    assert longest == sorted(longest, reverse=True)
    assert "launches of 6 cases, predicted " in next(line for line in lines if "predicted" in line)


@pytest.mark.parametrize(
    ("is_clear_too", "said"), [(False, ["4 launches not measured; continue with `resume`"]), (True, [])]
)
def test_a_run_out_of_budget_counts_only_launches_of_cases_without_a_clear_result(
    capsys: pytest.CaptureFixture[str], is_clear_too: bool, said: list[str]
) -> None:
    state, left = half_decided(is_clear_too)
    with run_progress(a_header(cases=CASES), PREDICTION, "`resume`", look_out=lambda records: state) as watch:
        watch.round_finished(())
        watch.remaining_changed(left)
    assert [line for line in capsys.readouterr().out.splitlines() if "not measured" in line] == said


@pytest.mark.parametrize("is_clear_too", [False, True])
def test_a_run_that_is_stopped_counts_every_launch_for_it_prints_no_verdict(
    capsys: pytest.CaptureFixture[str], is_clear_too: bool
) -> None:
    state, left = half_decided(is_clear_too)

    def stopped() -> None:
        with run_progress(a_header(cases=CASES), PREDICTION, "`resume`", look_out=lambda records: state) as watch:
            watch.round_finished(())
            watch.remaining_changed(left)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert "6 launches not measured; continue with `resume`" in capsys.readouterr().out.splitlines()


def half_decided(is_clear_too: bool) -> tuple[InterimState, list[str]]:
    """Two open cases, of which one or both have a clear result, and the launches that are left."""
    clear, open_case, *_ = (case.key for case in CASES)
    state = InterimState(
        said={},
        open={
            clear: OpenCase(asked=1, least=1, most=9, is_decided=True),
            open_case: OpenCase(asked=2, least=2, most=9, is_decided=is_clear_too),
        },
    )
    return state, [clear] * 2 + [open_case] * 4
