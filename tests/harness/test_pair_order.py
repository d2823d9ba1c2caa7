"""Whole runs of equal builds whose second launch of a pair is 1 % slower, planned and judged by the rule."""

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ssdbench.analysis.verdicts.interleaved import judge, next_pairs
from ssdbench.harness.runner import _order
from ssdbench.schema.launch_values import Arms, CaseLaunches, LaunchesByCase, Stage
from ssdbench.schema.metrics import METRICS
from ssdbench.schema.record import Arm, StageName
from ssdbench.schema.settings import Settings
from ssdbench.schema.verdict import Status

# With few pairs an order that does not balance is most likely.
SEQUENTIAL, FIXED = Settings(pair_cap=5), Settings(pair_cap=5, rule="fixed")
CASES, NOISE, SLOWER = 100, 1e-3, 0.01
Order = Callable[[int, str, StageName, int], tuple[Arm, Arm]]


def measured(order: Order, seed: int, settings: Settings) -> LaunchesByCase:
    """All pairs that the rule asks for, each in the order given for it."""
    noise = np.random.default_rng(seed)
    run = {str(number): CaseLaunches(metric=METRICS["latency_p50"]) for number in range(CASES)}
    while wanted := next_pairs(run, settings):
        for key, more in wanted.items():
            stage: StageName = more.stage.value
            arms = run[key].of(more.stage)
            for pair in range(arms.pairs, arms.pairs + more.pairs):
                value = {
                    arm: float(np.exp(noise.normal(0.0, NOISE))) * (1 + SLOWER * place)
                    for place, arm in enumerate(order(seed, key, stage, pair))
                }
                arms = Arms(
                    baseline=(*arms.baseline, value["baseline"]), candidate=(*arms.candidate, value["candidate"])
                )
            confirmed = more.stage is Stage.CONFIRM
            run[key] = replace(run[key], confirm=arms) if confirmed else replace(run[key], measure=arms)
    return run


def false_alarms(order: Order, settings: Settings) -> int:
    """Over three runs."""
    runs = [measured(order, seed, settings) for seed in range(3)]
    verdicts = [verdict for run in runs for verdict in judge(run, settings).values()]
    return sum(verdict.status in (Status.REGRESSED, Status.IMPROVED) for verdict in verdicts)


def by_a_coin(seed: int, key: str, stage: StageName, pair: int) -> tuple[Arm, Arm]:
    first_is_baseline = random.Random(f"{seed}/{key}/{stage}/{pair}").random() < 0.5
    return ("baseline", "candidate") if first_is_baseline else ("candidate", "baseline")


@pytest.mark.parametrize("settings", [SEQUENTIAL, FIXED], ids=["sequential", "fixed"])
def test_a_slower_second_launch_is_not_taken_for_a_change(settings: Settings) -> None:
    assert false_alarms(_order, settings) == 0


def test_with_an_order_that_a_coin_decides_it_is() -> None:
    """What the test above would otherwise not see; few fresh pairs are enough for the rule `fixed`."""
    assert false_alarms(by_a_coin, FIXED) >= 3
