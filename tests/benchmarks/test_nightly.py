"""Nightly runs on arrays: they nominate what `nominate` does, and judge as users get it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.verdicts import sequential
from benchmarks.verdicts.decided import METRIC, case_launches, of_verdicts
from benchmarks.verdicts.effort import Effort
from benchmarks.verdicts.nightly import STORED_LAUNCHES, Nightly, may_have_changed, turns
from benchmarks.verdicts.nightly_tables import NIGHTLY_ROWS, NightlyRow, creep_table, nightly_table
from benchmarks.verdicts.score import score
from benchmarks.verdicts.world import Supply, World
from ssdbench.analysis.verdicts.interleaved import judge
from ssdbench.analysis.verdicts.nomination import nominate, open_after_first
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.launch_values import CaseSessions
from ssdbench.schema.nightly import Look
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import CaseVerdict, Comparison, Status, Verdict

SEED = 7
SETTINGS = Settings()
DRIFTING = World(name="drifting", session_drift=0.002, changed=20, change=0.01, contamination=0.003)


def nominated(
    stored: np.ndarray, session: np.ndarray, ages: np.ndarray, every: int, *, looks_twice: bool = False
) -> list[bool]:
    """By the functions that users get, of one run."""
    cases = {
        f"{number:03}": CaseSessions(
            metric=METRIC,
            baseline=tuple(map(tuple, np.exp(case).tolist())),
            candidate=(tuple(np.exp(session[number]).tolist()),),
        )
        for number, case in enumerate(stored)
    }
    looks: dict[str, Look] = {}
    if looks_twice:
        again = open_after_first(cases, SETTINGS)
        looks = {key: "second" if key in again else "first" for key in cases}
        cases = {
            key: case if key in again else replace(case, candidate=(case.candidate[0][:1],))
            for key, case in cases.items()
        }
    comparison = Comparison(
        schema_version=SCHEMA_VERSION,
        run_id="r",
        hardware_key="h",
        baseline="main",
        baseline_run_id="b",
        settings=SETTINGS,
        cases=tuple(
            CaseVerdict(
                case_key=key,
                title=key,
                verdict=Verdict(status=Status.INCONCLUSIVE, metric=METRIC.name, sentence="", settings=SETTINGS),
            )
            for key in cases
        ),
    )
    last = {key: int(age) for key, age in zip(cases, ages, strict=True)}
    found = nominate(comparison, cases, SETTINGS, last_pairs=last, every=every, looks=looks)
    return [key in found for key in cases]


@pytest.mark.parametrize("sessions", [3, 5, 10])
@pytest.mark.parametrize("launches", [1, 2, 3, 4])
def test_nominations_on_arrays_are_those_that_users_get(sessions: int, launches: int):
    rng = np.random.default_rng([SEED, sessions, launches])
    rule = Nightly(sessions=sessions, launches=launches)
    supply = Supply(DRIFTING, rng, 3)
    stored, session = rule.stored(supply), supply.candidate(launches)
    ages = rng.permuted(np.broadcast_to(np.arange(supply.shape[1]), supply.shape), axis=1)
    is_open = may_have_changed(stored, session, SETTINGS)
    found = is_open | turns(is_open, ages, 20)
    assert is_open.all() if sessions < 5 else 0.1 < is_open.mean() < 0.9
    for run in range(3):
        assert found[run].tolist() == nominated(stored[run], session[run], ages[run], 20)


@pytest.mark.parametrize("sessions", [5, 10])
def test_two_looks_on_arrays_nominate_what_users_get(sessions: int):
    rng = np.random.default_rng([SEED, sessions])
    rule = Nightly(sessions=sessions)
    supply = Supply(DRIFTING, rng, 3)
    stored, session = rule.stored(supply), supply.candidate(STORED_LAUNCHES)
    ages = rng.permuted(np.broadcast_to(np.arange(supply.shape[1]), supply.shape), axis=1)
    is_open, launches = rule.looks(stored, session)
    found = is_open | turns(is_open, ages, 20)
    assert is_open.mean() < np.mean(launches == STORED_LAUNCHES) < 0.9
    for run in range(3):
        assert found[run].tolist() == nominated(stored[run], session[run], ages[run], 20, looks_twice=True)


def test_the_chosen_cases_are_judged_as_a_run_of_their_own():
    rng = np.random.default_rng(SEED)
    world = World(name="some", changed=30, change=0.01, mixed=True)
    drawn = world.draw(rng, 3, SETTINGS.pair_cap, SETTINGS.confirm_pair_cap)
    chosen = rng.uniform(size=drawn.shape) < np.array([[0.0], [0.1], [0.6]])
    found = sequential.decide_chosen(drawn, chosen, SETTINGS)
    assert (found.launches > 0).tolist() == chosen.tolist()
    assert not found.status[~chosen].any()
    for run in (1, 2):
        launches = case_launches(drawn, run)
        alone = {key: case for key, case in launches.items() if chosen[run, int(key)]}
        expected = of_verdicts([list(judge(alone, SETTINGS).values())])
        assert found.status[run, chosen[run]].tolist() == expected.status[0].tolist()
        assert found.launches[run, chosen[run]].tolist() == expected.launches[0].tolist()
        assert found.high[run, chosen[run]] == pytest.approx(expected.high[0], rel=1e-9)


def test_a_night_is_charged_for_its_session_and_its_pairs():
    quiet = World(name="quiet", launch_sds=(0.0005,), session_drift=0.0005)
    for launches, taken in ((2, 2), (None, 1)):
        found = score(Nightly(launches=launches, every=25), quiet, 5, SEED)
        assert found.paired.value == 0.04
        assert found.launches.value == pytest.approx(taken + 0.04 * 6, abs=0.05)


def test_a_slowdown_of_one_per_cent_is_found_in_the_first_night_and_most_cases_are_left_alone():
    null = score(Nightly(), World(name="null", session_drift=0.002), 100, SEED)
    assert null.false_changes.count <= 2
    assert null.launches.value < 7.7 / 3
    slower = World(name="slower", session_drift=0.002, change=0.01, changed=10)
    assert score(Nightly(), slower, 60, SEED).found.value > 0.93


def test_drift_as_large_as_the_margin_nominates_nearly_every_case():
    assert score(Nightly(), World(name="drift", session_drift=0.01), 5, SEED).paired.value > 0.95


def test_a_creeping_slowdown_is_found_about_when_it_passes_the_margin():
    world = World(name="creep", session_drift=0.002, changed=5)
    nights = Nightly().first_found(world, 0.001, 14, 10, np.random.default_rng(SEED))
    assert nights.shape == (10, 5)
    assert 6 <= np.median(nights) <= 11
    assert np.isinf(Nightly().first_found(world, 0.0, 2, 2, np.random.default_rng(SEED))).all()


def test_the_tables_have_a_line_for_every_row(monkeypatch: pytest.MonkeyPatch):
    effort = Effort(progress=lambda _: None, scale=0.002)
    monkeypatch.setattr("benchmarks.verdicts.nightly_tables.NIGHTLY_ROWS", NIGHTLY_ROWS[:2])
    lines = nightly_table(effort).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {12}
    monkeypatch.setattr("benchmarks.verdicts.nightly_tables.NIGHTS", 2)
    assert len({line.count("|") for line in creep_table(effort).splitlines()}) == 1


def test_the_worlds_of_a_row_differ_in_the_change_alone():
    null, *slower = NightlyRow(sd=None, drift=0.002, sessions=5, launches=1).worlds()
    assert [world.true_changes()[0] for world in (null, *slower)] == pytest.approx([0, math.log(1.01), math.log(1.02)])
    assert len({world.name for world in (null, *slower)}) == 3
