"""The instrumented pass: what each phase is given, and that ranks are compared phase by phase."""

from typing import ClassVar

import torch

from ssdbench.runtime.device import Cpu
from ssdbench.schema.record import EpochCount, PhaseTimes
from ssdbench.ssd.phases import OnPhase, ignore_phase
from ssdbench.worker.profile import profile
from ssdbench.worker.reduction import reduce_phases
from ssdbench.workloads.workload import Step


class Scene:
    """A clock that moves only as work is waited for: what was submitted is done when the device is synchronised."""

    def __init__(self) -> None:
        self.seconds, self.submitted = 100.0, 0.0

    def __call__(self) -> float:
        return self.seconds


class Late(Cpu):
    def __init__(self, scene: Scene) -> None:
        super().__init__(torch.get_num_threads(), scene)
        self.scene = scene

    def synchronize(self) -> None:
        self.scene.seconds += self.scene.submitted
        self.scene.submitted = 0.0


class Phased:
    version: ClassVar[int] = 1

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def fetch(self) -> int:
        self.scene.seconds += 1.0
        return 2

    def step(self, batch: int, on_phase: OnPhase = ignore_phase) -> Step:
        self.scene.submitted += 2.0
        on_phase("forward")
        self.scene.submitted += 4.0
        on_phase("backward")
        self.scene.submitted += 100.0
        return Step(images=batch)

    def epochs(self) -> tuple[EpochCount, ...]:
        return ()

    def close(self) -> None:
        pass


def test_a_phase_has_its_own_work_and_neither_that_of_others_nor_the_wait_for_other_ranks() -> None:
    scene = Scene()

    def barrier() -> None:
        scene.seconds += 50.0

    found = profile(Phased(scene), 3, Late(scene), barrier, scene)
    assert found == {"fetch": [1.0] * 3, "forward": [2.0] * 3, "backward": [4.0] * 3}


def test_the_slowest_rank_counts_in_each_phase_of_each_step() -> None:
    ranks = [{"fetch": [1.0, 2.0], "forward": [5.0, 5.0]}, {"fetch": [3.0, 1.0], "forward": [4.0, 6.0]}]
    assert reduce_phases(ranks) == (
        PhaseTimes(name="fetch", seconds=(3.0, 2.0)),
        PhaseTimes(name="forward", seconds=(5.0, 6.0)),
    )
