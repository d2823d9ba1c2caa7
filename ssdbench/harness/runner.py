"""The order in which launches are measured: that of the plan, or pairs until the verdict rule asks for no more."""

import random
import time
from collections.abc import Callable, Mapping, Sequence

from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.schema.case import Plan
from ssdbench.schema.launch_values import Wanted
from ssdbench.schema.record import Arm, Record, StageName

AskRule = Callable[[Sequence[Record]], Mapping[str, Wanted]]
"""All records so far -> the pairs that each undecided case needs."""

_ARMS: tuple[Arm, Arm] = ("baseline", "candidate")


def run_plan(loop: LaunchLoop, plan: Plan, deadline_seconds: float | None) -> None:
    """Measure the launches of the plan that are not measured yet, in the plan's order.

    No launch starts after `deadline_seconds` (of the monotonic clock).
    """
    cases = {planned.case.key: planned.case for planned in plan.cases}
    slots = [slot for slot in plan.order if not loop.is_measured(slot.case_key, "candidate", "measure", slot.launch)]
    left, keys = [(cases[slot.case_key], slot.launch) for slot in slots], [slot.case_key for slot in slots]
    try:
        for number, (case, launch) in enumerate(left):
            loop.observer.remaining_changed(keys[number:])
            if _is_past(deadline_seconds):
                return
            loop.submit(left[number:])
            loop.measure(case, "candidate", "measure", launch, f"launch {launch + 1} of {case.protocol.launches}")
        loop.observer.remaining_changed([])
    finally:
        loop.withdraw()


def run_pairs(loop: LaunchLoop, plan: Plan, ask: AskRule, deadline_seconds: float | None) -> None:
    """Measure pairs (one launch of each arm) until the rule asks for no more.

    Each case gets one pair per round, and its pairs alternate in order (A B B A). The rule is asked between rounds. No
    pair starts after `deadline_seconds` (of the monotonic clock).
    """
    while wanted := _ask_rule(loop, ask):
        loop.observer.remaining_changed(
            [key for key, more in wanted.items() for _ in range(_open_launches(loop, key, more))]
        )
        for key, more in wanted.items():
            if _is_past(deadline_seconds):
                return
            stage: StageName = more.stage.value
            pair = _first_open_pair(loop, key, stage)
            for arm in _order(plan.seed, key, stage, pair):
                name = f"{'fresh ' if stage == 'confirm' else ''}pair {pair + 1}, {arm}"
                loop.measure(plan.case(key), arm, stage, pair, name)
    loop.observer.remaining_changed([])


def run_candidates(loop: LaunchLoop, plan: Plan, ask: AskRule, deadline_seconds: float | None) -> None:
    """Like `run_pairs`, with the candidate only: its launches are compared with those of a stored baseline."""
    while wanted := _ask_rule(loop, ask):
        loop.observer.remaining_changed([key for key, more in wanted.items() for _ in range(more.pairs)])
        for key in wanted:
            if _is_past(deadline_seconds):
                return
            launch = 0
            while loop.is_measured(key, "candidate", "measure", launch):
                launch += 1
            loop.measure(plan.case(key), "candidate", "measure", launch, f"launch {launch + 1}")
    loop.observer.remaining_changed([])


def _ask_rule(loop: LaunchLoop, ask: AskRule) -> Mapping[str, Wanted]:
    loop.observer.round_finished(loop.records)
    return ask(loop.records)


def _is_past(deadline_seconds: float | None) -> bool:
    return deadline_seconds is not None and time.monotonic() > deadline_seconds


def _first_open_pair(loop: LaunchLoop, key: str, stage: StageName) -> int:
    pair = 0
    while all(loop.is_measured(key, arm, stage, pair) for arm in _ARMS):
        pair += 1
    return pair


def _open_launches(loop: LaunchLoop, key: str, more: Wanted) -> int:
    # An interruption may have left a single launch of the first pair.
    first = _first_open_pair(loop, key, more.stage.value)
    return 2 * more.pairs - sum(loop.is_measured(key, arm, more.stage.value, first) for arm in _ARMS)


def _order(seed: int, key: str, stage: StageName, pair: int) -> tuple[Arm, Arm]:
    """A B B A from a random start, so that neither a drift nor a slower second launch favours an arm.

    A coin for every pair gives one arm most of the first places by chance, and is then taken for a change. The start
    is drawn for each case and stage, so that what an odd number of pairs leaves has no common sign over the cases.
    """
    start = random.Random(f"{seed}/{key}/{stage}").randrange(2)
    return ("baseline", "candidate") if (start + pair) % 2 == 0 else ("candidate", "baseline")
