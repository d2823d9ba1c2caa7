"""The launches of a run, their order and its end depend only on the rule, a seed and a deadline."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from ssdbench.analysis.verdicts.arms import launches_by_case
from ssdbench.analysis.verdicts.interleaved import next_launches, next_pairs
from ssdbench.harness.launch_loop import Event, LaunchLoop
from ssdbench.harness.runner import _order, run_candidates, run_pairs, run_plan
from ssdbench.schema.case import Case, LaunchRequest
from ssdbench.schema.launch_rules import MOST_REPLACEMENTS
from ssdbench.schema.record import Measurement, Record, Run
from ssdbench.schema.settings import Settings
from tests.builders import a_baseline, a_case, a_measurement, a_run

A, B = a_case(), a_case(backbone="resnet50")
SETTINGS = Settings()
Place = tuple[str, str, str, int]


class Paced:
    """Launches whose step time the test says; `busy` names those beside which the machine was busy."""

    def __init__(self, arm: str, seconds: Callable[[Case, str, int], float]) -> None:
        self.arm, self.seconds, self.busy = arm, seconds, 0
        self.seeds: dict[tuple[str, int], int] = {}

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        self.busy -= 1
        self.seeds[Path(request.output).name.split("-")[-4], request.launch] = request.seed
        cores = 1.0 if self.busy >= 0 else 0.0
        seconds = self.seconds(request.case, self.arm, request.launch)
        return a_measurement(case=request.case, step_seconds=seconds, foreign_cpu_cores=cores)


class Watch(list[Record]):
    """Sink and observer: keeps the records and how many there were at the end of each round."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[int] = []
        self.last_left: Sequence[str] = ()

    def append(self, record: Record) -> bool:  # type: ignore[override]
        super().append(record)
        return True

    def remaining_changed(self, case_keys: Sequence[str]) -> None:
        self.last_left = tuple(case_keys)

    def launch_started(self, case: Case, name: str) -> None: ...
    def event(self, name: str, event: Event) -> None: ...
    def launch_finished(self, record: Record, name: str) -> None: ...

    def round_finished(self, records: Sequence[Record]) -> None:
        self.rounds.append(len(records))


def noisy(case: Case, arm: str, launch: int) -> float:
    """0.1 s with a spread of some tenths of a per cent, the same at each call."""
    return 0.1 * (1 + 0.002 * (hash((len(case.key), arm == "baseline", launch)) % 7 - 3) / 3)


def slower(case: Case, arm: str, launch: int) -> float:
    return noisy(case, arm, launch) * (1.5 if arm == "candidate" else 1.0)


def loop_of(run: Run, tmp_path: Path, seconds: Callable[[Case, str, int], float]) -> tuple[LaunchLoop, Watch]:
    watch = Watch()
    launchers = {arm: Paced(arm, seconds) for arm in ("baseline", "candidate")}
    return LaunchLoop(run, None, launchers, watch, tmp_path, watch), watch  # type: ignore[arg-type]


def paired(
    tmp_path: Path,
    run: Run,
    seconds: Callable[[Case, str, int], float],
    deadline: float | None = None,
    settings: Settings = SETTINGS,
) -> Watch:
    loop, watch = loop_of(run, tmp_path, seconds)
    run_pairs(loop, run.header.plan, lambda r: next_pairs(launches_by_case(run.header.plan, r), settings), deadline)
    return watch


def places(records: Sequence[Record]) -> list[Place]:
    return [(record.case.key, record.stage, record.arm, record.launch) for record in records]


EMPTY = a_run((A, ()), (B, ()))


def test_cases_take_turns_a_pair_each_and_the_same_again_for_the_same_seed(tmp_path: Path) -> None:
    found = places(paired(tmp_path, EMPTY, noisy))
    turns = [found[index : index + 2] for index in range(0, len(found), 2)]
    assert all(len({(key, stage, launch) for key, stage, _, launch in turn}) == 1 for turn in turns)
    assert all({arm for _, _, arm, _ in turn} == {"baseline", "candidate"} for turn in turns)
    assert [turn[0][0] for turn in turns[:6]] == [A.key, B.key] * 3
    assert found == places(paired(tmp_path / "again", EMPTY, noisy))


@pytest.mark.parametrize("stage", ["measure", "confirm"])
def test_the_order_within_a_pair_alternates_from_a_start_drawn_for_each_case_and_stage(
    tmp_path: Path, stage: str
) -> None:
    starts = set()
    for seed in range(20):
        run = replace(EMPTY, header=replace(EMPTY.header, plan=replace(EMPTY.header.plan, seed=seed)))
        first = {place: arms[0] for place, arms in by_pair(paired(tmp_path / str(seed), run, slower)).items()}
        for key in (A.key, B.key):
            pairs = sorted(place for place in first if place[:2] == (key, stage))
            arms = [first[place] for place in pairs]
            assert len(arms) > 2
            assert all(arm != following for arm, following in pairwise(arms))
            starts.add((key, arms[0]))
    assert starts == {(key, arm) for key in (A.key, B.key) for arm in ("baseline", "candidate")}


def test_the_cases_of_a_run_start_independently() -> None:
    same = [_order(seed, A.key, "measure", 0) == _order(seed, B.key, "measure", 0) for seed in range(40)]
    assert 0 < sum(same) < len(same)


def test_the_stages_of_a_case_start_independently() -> None:
    same = [_order(seed, A.key, "measure", 0) == _order(seed, A.key, "confirm", 0) for seed in range(40)]
    assert 0 < sum(same) < len(same)


def test_the_fixed_rule_plans_the_first_stage_whatever_the_candidates_level(tmp_path: Path) -> None:
    fixed = replace(SETTINGS, rule="fixed")
    equal, planted = (
        paired(tmp_path / name, EMPTY, seconds, settings=fixed) for name, seconds in (("a", noisy), ("b", slower))
    )
    assert [place for place in places(planted) if place[1] == "measure"] == places(equal)
    assert {place[1] for place in places(planted)} == {"measure", "confirm"}


@pytest.mark.parametrize("measured", [1, 3, 5, 6])
def test_a_resumed_run_measures_only_what_is_missing_in_the_same_order(tmp_path: Path, measured: int) -> None:
    whole = paired(tmp_path / "whole", EMPTY, slower)
    rest = paired(tmp_path / "rest", replace(EMPTY, records=tuple(whole[:measured])), slower)
    # A pair that was cut in two is completed when its case has its turn again, so the turns of others may come first.
    assert sorted(places(rest)) == sorted(places(whole[measured:]))
    assert by_pair(whole) == by_pair([*whole[:measured], *rest])


def test_a_run_whose_pairs_were_in_another_order_is_completed(tmp_path: Path) -> None:
    whole = list(paired(tmp_path / "whole", EMPTY, slower))
    # As a version before may have measured: the first two pairs of each case the other way round, the next cut in two.
    swapped = [whole[index + 1 - 2 * (index % 2)] for index in range(9)]
    before = tuple(replace(record, order=place) for place, record in enumerate(swapped))
    rest = paired(tmp_path / "rest", replace(EMPTY, records=before), slower)
    assert sorted(places([*before, *rest])) == sorted(places(whole))
    found, cut = by_pair([*before, *rest]), (before[-1].case.key, "measure", before[-1].launch)
    untouched = {place: arms for place, arms in by_pair(whole).items() if place not in by_pair(before)}
    assert {place: found[place] for place in untouched} == untouched
    assert found[cut] == by_pair(whole)[cut][::-1]


def by_pair(records: Sequence[Record]) -> dict[tuple[str, str, int], list[str]]:
    """Which arm was measured first."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for key, stage, arm, pair in places(records):
        found.setdefault((key, stage, pair), []).append(arm)
    return found


def test_nothing_begins_after_the_deadline_and_what_is_left_is_known(tmp_path: Path) -> None:
    watch = paired(tmp_path, EMPTY, noisy, deadline=time.monotonic() - 1)
    assert (list(watch), len(watch.last_left)) == ([], 12)
    loop, watch = loop_of(EMPTY, tmp_path, noisy)
    run_plan(loop, EMPTY.header.plan, time.monotonic() - 1)
    assert (list(watch), len(watch.last_left)) == ([], 6)


def test_the_observer_hears_of_every_round_before_the_rule_is_asked(tmp_path: Path) -> None:
    watch = paired(tmp_path, EMPTY, noisy)
    assert watch.rounds[:4] == [0, 4, 8, 12]
    assert watch.rounds[-1] == len(watch)
    assert watch.last_left == ()


def added(tmp_path: Path, stored: Sequence[Record], seconds: Callable[[Case, str, int], float]) -> Watch:
    run = a_run((A, (0.1, 0.1003, 0.0998)))
    loop, watch = loop_of(run, tmp_path, seconds)
    ask = lambda r: next_launches(launches_by_case(run.header.plan, r, stored), SETTINGS)  # noqa: E731
    run_candidates(loop, run.header.plan, ask, None)
    return watch


def stored_launches(count: int, **changes: object) -> tuple[Record, ...]:
    case = replace(A, **changes)  # type: ignore[arg-type]
    return a_baseline(a_run((case, [0.1 * (1 + 0.01 * (n % 3)) for n in range(count)]), run_id="run-0")).records


def test_launches_are_added_until_each_stored_one_has_a_partner(tmp_path: Path) -> None:
    assert [record.launch for record in added(tmp_path, stored_launches(6), noisy)] == [3, 4, 5]


def test_launches_are_added_up_to_the_cap_and_whatever_their_level(tmp_path: Path) -> None:
    many = stored_launches(30)
    equal, planted = added(tmp_path / "a", many, noisy), added(tmp_path / "b", many, slower)
    assert len(equal) == len(planted)
    assert 0 < len(equal) <= SETTINGS.pair_cap - 3


@pytest.mark.parametrize("stored", [(), stored_launches(3), stored_launches(9, backbone="resnet152")])
def test_where_more_launches_cannot_help_none_is_added(tmp_path: Path, stored: tuple[Record, ...]) -> None:
    assert added(tmp_path, stored, noisy) == []


def test_where_the_stored_launches_are_not_comparable_none_is_added(tmp_path: Path) -> None:
    other = tuple(
        replace(record, measurement=replace(record.measurement, workload_version=2)) for record in stored_launches(9)
    )
    assert added(tmp_path, other, noisy) == []


def test_an_arm_is_replaced_three_times_over_both_stages_and_then_the_case_is_given_up(tmp_path: Path) -> None:
    run = a_run((A, ()))
    loop, watch = loop_of(run, tmp_path, noisy)
    loop._launchers["candidate"].busy = 10  # type: ignore[attr-defined]
    run_pairs(loop, run.header.plan, lambda r: next_pairs(launches_by_case(run.header.plan, r), SETTINGS), None)
    candidate = [record for record in watch if record.arm == "candidate"]
    assert [record.replacement for record in candidate] == [0, 1, 2, 3]
    assert all(record.invalid_reason for record in candidate)
    assert "stayed invalid" in str(launches_by_case(run.header.plan, watch)[A.key].abandoned)


def test_each_arm_has_replacements_of_its_own(tmp_path: Path) -> None:
    run = a_run((A, ()))
    loop, watch = loop_of(run, tmp_path, noisy)
    for launcher in loop._launchers.values():
        launcher.busy = MOST_REPLACEMENTS  # type: ignore[attr-defined]
    run_pairs(loop, run.header.plan, lambda r: next_pairs(launches_by_case(run.header.plan, r), SETTINGS), None)
    replaced = [(record.arm, record.replacement) for record in watch if record.replacement]
    assert sorted(replaced) == [(arm, number) for arm in ("baseline", "candidate") for number in (1, 2, 3)]
    assert launches_by_case(run.header.plan, watch)[A.key].abandoned is None


def test_a_case_has_replacements_of_its_own(tmp_path: Path) -> None:
    run = a_run((A, ()), (B, ()))
    loop, watch = loop_of(run, tmp_path, noisy)
    for case in (A, B):
        loop._launchers["candidate"].busy = MOST_REPLACEMENTS  # type: ignore[attr-defined]
        loop.measure(case, "candidate", "measure", 0, "launch 1")
    assert [record.replacement for record in watch] == 2 * [0, 1, 2, 3]
    assert watch[-1].invalid_reason is None


def test_both_arms_of_a_pair_get_the_same_seed_and_each_pair_another(tmp_path: Path) -> None:
    run = a_run((A, ()))
    loop, _ = loop_of(run, tmp_path, slower)
    run_pairs(loop, run.header.plan, lambda r: next_pairs(launches_by_case(run.header.plan, r), SETTINGS), None)
    baseline, candidate = (loop._launchers[arm].seeds for arm in ("baseline", "candidate"))  # type: ignore[attr-defined]
    assert baseline == candidate
    assert {stage for stage, _ in baseline} == {"measure", "confirm"}
    of_plan = [seed for (stage, _), seed in sorted(baseline.items()) if stage == "measure"]
    assert of_plan == [run.header.plan.seed + pair for pair in range(len(of_plan))]


def test_an_interrupted_replacement_is_measured_when_the_run_is_resumed(tmp_path: Path) -> None:
    whole = paired(tmp_path / "whole", a_run((A, ())), noisy)
    invalid = replace(whole[0], invalid_reason="other processes kept 1.00 cores busy (limit 0.15)")
    rest = paired(tmp_path / "rest", replace(a_run((A, ())), records=(invalid,)), noisy)
    assert [(r.launch, r.arm, r.replacement) for r in rest[:1]] == [(0, whole[0].arm, 1)]
    assert len(rest) == len(whole)
