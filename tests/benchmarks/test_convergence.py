"""The simulator of docs/convergence.md on few studies: it is the rule, and the goals of the rule are held loosely."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.convergence import (
    FALLING,
    FINAL_SDS,
    LOOKS,
    STEADY,
    answers,
    gate_answers,
    gate_looks,
    rule_answers,
)
from benchmarks.verdicts.__main__ import replaced
from ssdbench.analysis.convergence.early_gate import judge_early
from ssdbench.analysis.convergence.rule import shift_of, status_of
from ssdbench.schema.convergence import DEFAULT_CONVERGENCE_SETTINGS as SETTINGS
from ssdbench.schema.verdict import Status
from tests.trainings import a_distribution, a_training, candidates

STUDIES = 2000


def share(many: int, few: int, drop: float, status: Status, spread: float = 1.0) -> float:
    return answers(many, few, drop, FINAL_SDS["final"], STUDIES, spread).count(status) / STUDIES


@pytest.mark.parametrize("few", [1, 2, 3, 6])
def test_the_simulator_judges_as_the_rule_does(few: int):
    rng = np.random.default_rng(few)
    baseline, here = rng.normal(0.0, 0.004, (150, 7)), rng.normal(-0.008, 0.006, (150, few))
    rule = [status_of(shift_of(list(a), list(b)), SETTINGS) for a, b in zip(baseline, here, strict=True)]
    assert rule_answers(baseline, here) == rule
    assert len(set(rule)) > 1


def test_the_simulator_looks_as_the_gate_does():
    rng = np.random.default_rng(1)
    early = rng.normal(math.log(0.15), 0.03, (8, 2)) * (1.0, 0.5)

    def training(seed: int, logs: np.ndarray):
        return a_training(seed, curve={3: math.exp(logs[0]), 5: math.exp(logs[1]), 8: 0.25, 9: 0.25})

    distribution = a_distribution([training(seed, logs) for seed, logs in enumerate(early)])
    said = set()
    for drop in (0.05, 0.10, 0.11, 0.12, 0.13, 0.15, 0.30):
        candidate = early.mean(axis=0) + math.log1p(-drop)
        verdict = judge_early(candidates(training(99, candidate)), distribution, 5)
        fires = bool(gate_answers(early[None], candidate[None])[0])
        assert (verdict.status is Status.REGRESSED) == fires
        said.add(fires)
    assert said == {True, False}


def test_seeds_of_one_recipe_are_unchanged_and_drops_of_the_margin_are_found():
    assert share(15, 1, 0.0, Status.UNCHANGED) > 0.9
    assert share(15, 1, 0.0, Status.REGRESSED) < 0.01
    assert share(15, 1, 0.02, Status.REGRESSED) > 0.95
    assert share(15, 3, 0.02, Status.REGRESSED) > 0.93
    assert share(15, 5, 0.01, Status.REGRESSED) > 0.89


def test_few_seeds_find_less_and_alarm_no_more():
    assert share(5, 1, 0.02, Status.REGRESSED) < share(15, 1, 0.02, Status.REGRESSED)
    assert share(5, 1, 0.0, Status.REGRESSED) < 0.01


@pytest.mark.parametrize("few", [3, 5, 10])
@pytest.mark.parametrize("many", [5, 15])
def test_three_seeds_or_more_that_spread_twice_as_much_alarm_no_more(many: int, few: int):
    assert share(many, few, 0.0, Status.REGRESSED, spread=2.0) < 0.017


def test_one_seed_that_comes_of_twice_the_spread_alarms_more():
    assert share(15, 1, 0.0, Status.REGRESSED, spread=2.0) > 0.05


def test_the_gate_finds_gross_drops_alone():
    drops = [gate_looks(15, STEADY[:4], 0.08, [drop] * 4, STUDIES)[-1] / STUDIES for drop in (0.0, 0.05, 0.2)]
    assert drops[0] < 0.004
    assert drops[1] < 0.4
    assert drops[2] > 0.98


@pytest.mark.parametrize("seeds", [5, 15])
def test_the_gate_stops_few_correct_trainings_whatever_the_correlation(seeds: int):
    for kept in (0.08, 0.5):
        assert gate_looks(seeds, FALLING, kept, [0.0] * LOOKS, STUDIES)[-1] < 0.004 * STUDIES


def test_weights_find_what_a_plain_mean_hides_early_and_late():
    late = [0.0] * 5 + [0.1] * 3
    for drops, look, least in (([0.1] * LOOKS, 3, 0.6), (late, 7, 0.35)):
        plain, weighted = (
            gate_looks(15, FALLING, 0.08, drops, STUDIES, weighted=weighted)[look] / STUDIES
            for weighted in (False, True)
        )
        assert plain < 0.25
        assert weighted > least


def test_the_page_has_a_place_for_every_table():
    page = (Path(__file__).parents[2] / "docs" / "convergence.md").read_text(encoding="utf-8")
    for name in (*FINAL_SDS, "spread", "gate", "weights", "stops"):
        assert replaced(page, name, "x")
