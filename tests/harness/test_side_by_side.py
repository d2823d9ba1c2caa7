"""Which trainings run side by side, and on which GPUs."""

import itertools
import threading
from pathlib import Path

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.launchers.following import StoppedError, follow
from ssdbench.harness.side_by_side import Place, _next, deal, gpu_groups
from ssdbench.schema.environment import GpuState
from tests.builders import a_case

GPUS = [GpuState(index=n, model="H100", uuid=f"GPU-{n}", memory_bytes=80) for n in range(5)]


@pytest.mark.parametrize("groups", range(1, 10))
@pytest.mark.parametrize("seeds", [5, 6, 10])
@pytest.mark.parametrize("start", ["1", "2", "3"])
def test_trainings_are_dealt_once_each_and_no_arm_has_a_gpu_or_a_time_of_its_own(
    groups: int, seeds: int, start: str
) -> None:
    arms: list[list[Place]] = [[(arm, seed) for seed in range(seeds)] for arm in ("baseline", "candidate")]
    dealt = deal(arms, groups, start)
    assert sorted(place for places in dealt for place in places) == sorted(arms[0] + arms[1])
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    for places in dealt:
        mine = [arm for arm, _ in places]
        # A B B A: after any two, both arms have been there as often.
        assert all(len(set(mine[n : n + 2])) == len(mine[n : n + 2]) for n in range(0, len(mine), 2))
    for turn in range(max(map(len, dealt))):
        at_once = [places[turn][0] for places in dealt if len(places) > turn]
        assert all(one != other for one, other in itertools.pairwise(at_once))


def test_the_first_arm_is_drawn() -> None:
    arms: list[list[Place]] = [[("baseline", 0)], [("candidate", 0)]]
    assert {deal(arms, 1, str(start))[0][0][0] for start in range(9)} == {"baseline", "candidate"}


def test_each_training_has_gpus_of_its_own() -> None:
    of_two = a_case(device="cuda", world_size=2)
    assert [[gpu.index for gpu in group] for group in gpu_groups(of_two, GPUS, None)] == [[0, 1], [2, 3]]
    assert [[gpu.index for gpu in group] for group in gpu_groups(of_two, GPUS, 1)] == [[0, 1]]
    with pytest.raises(UsageError, match="--parallel 3: this machine has 5 GPUs, for 2 trainings of 2 GPUs each"):
        gpu_groups(of_two, GPUS, 3)
    on_cpu = a_case(device="cpu")
    assert gpu_groups(on_cpu, GPUS, None) == [()]
    assert gpu_groups(on_cpu, GPUS, 2) == [(), ()]


def test_a_group_without_work_takes_over_from_one_that_has_two_waiting() -> None:
    waiting: list[list[Place]] = [[], [("baseline", 0), ("candidate", 0)], [("baseline", 1)]]
    assert _next(waiting, 2) == ("baseline", 1)
    assert _next(waiting, 0) == ("candidate", 0)
    assert _next(waiting, 0) is None  # the last one waits for its own group
    assert _next(waiting, 1) == ("baseline", 0)


def test_a_launch_that_is_to_stop_is_followed_no_further(tmp_path: Path) -> None:
    class Endless:
        def exit_code(self) -> None:
            return None

    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        follow(Endless(), tmp_path, 60.0, lambda _event: None, stop)
