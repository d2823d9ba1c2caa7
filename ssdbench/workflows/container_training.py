"""Trains the seeds of two container images in turns, looks at them after every evaluation, and judges them."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ssdbench.analysis.convergence.arms import early_failure, judge_arms
from ssdbench.errors import UsageError
from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.legs import Leg, evaluations_of
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.side_by_side import Place, deal, gpu_groups, run_side_by_side
from ssdbench.harness.stores.store import Store
from ssdbench.harness.training_folders import training_folder
from ssdbench.schema.case import Case
from ssdbench.schema.convergence import MINIMUM_SEEDS, ConvergenceSettings, ConvergenceVerdict
from ssdbench.schema.record import Arm, ContainerImage, Record, Run, RunHeader
from ssdbench.workflows.display import Display
from ssdbench.workflows.images import resume_run
from ssdbench.workflows.measuring import begin, closing_lock
from ssdbench.workflows.training import plan_seeds

_ARMS: tuple[Arm, Arm] = ("baseline", "candidate")


def setup_of_seeds(store: Store, setup: RunSetup, seeds: int | None, *, resume: bool) -> RunSetup:
    """The setup that trains so many seeds of each image; with `resume` that of the newest run of the same, if any.

    Args:
        store: where earlier runs are.
        setup: the plan of one accuracy case, with an image for both arms.
        seeds: of each image; None: as many as the run that is continued has, or as few as can be judged.
        resume: whether to continue an earlier run of the same images and recipe.

    Raises:
        UsageError: there are too few seeds for a verdict, or the plan is not of one accuracy case.
        SsdbenchError: as `harness.run_setup.resumed_setup`.
    """
    earlier = _earlier_run(store, setup) if resume else None
    if seeds is not None and seeds < MINIMUM_SEEDS:
        raise UsageError(f"--seeds {seeds} cannot give a verdict: {MINIMUM_SEEDS} of each image are the least")
    if earlier is None:
        return plan_seeds(setup, seeds or MINIMUM_SEEDS)
    return plan_seeds(resume_run(store, earlier.run_id, setup), seeds)


def train_images(
    store: Store, setup: RunSetup, results: Path, display: Display, settings: ConvergenceSettings, *,
    parallel: int | None = None, deadline_seconds: float | None = None,
) -> tuple[Run, ConvergenceVerdict]:  # fmt: skip
    """Train what is left of the seeds of both images, `parallel` (None: all that there are GPUs for) at a time.

    All seeds pause at every evaluation until the others have come so far. As soon as the early gate finds a gross
    failure, or a seed fails, the others are stopped, and none begins.

    Raises:
        UsageError: there are GPUs for fewer than `parallel`.
        EnvironmentLacksError: the case cannot be trained here.
        DataError: the images have a fault, or are others than those of the resumed run.
        StoreError: the run cannot be stored.
    """
    gpus = gpu_groups(setup.plan.cases[0].case, setup.machine.host.gpus, parallel)
    begun, leg = begin(store, setup, display), Leg()
    with closing_lock(begun), display.launches(begun) as observer:
        loop, stop = begun.loop(observer, training_folder(results), leg), threading.Event()
        groups = begun.gpu_groups(loop, gpus, stop, leg)
        legs = _Legs(loop=loop, leg=leg, setup=setup, settings=settings)
        dealt = legs.deal(len(groups))
        while legs.begin():
            run_side_by_side(loop, legs.case, dealt, groups, stop, legs.go_on, deadline_seconds)
            if deadline_seconds is not None and time.monotonic() > deadline_seconds:
                break
        else:
            observer.remaining_changed([])
    return loop.run, judge_arms(loop.run, settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Legs:
    """Says which trainings go on, and to which evaluation."""

    loop: LaunchLoop
    leg: Leg
    setup: RunSetup
    settings: ConvergenceSettings

    @property
    def case(self) -> Case:
        """What is trained."""
        return self.setup.plan.cases[0].case

    def deal(self, groups: int) -> list[list[Place]]:
        """Which trainings each group of GPUs has, whether they are finished or not."""
        places = [[(arm, launch) for launch in range(self.case.protocol.launches)] for arm in _ARMS]
        return deal(places, groups, f"{self.setup.plan.seed}/{self.case.key}/measure")

    def begin(self) -> bool:
        """Begin the next leg; False where the trainings are done, or go no further."""
        self.leg.evaluations = None
        last = self._last()
        places = [(arm, launch) for arm in _ARMS for launch in range(self.case.protocol.launches)]
        left = [place for place in places if not self.loop.is_measured(self.case.key, place[0], "measure", place[1])]
        if not left or not self.go_on():
            return False
        self.leg.evaluations = 1 + min(evaluations_of(last[place].training) if place in last else 0 for place in left)
        return True

    def go_on(self) -> bool:
        """Whether no seed has failed beyond continuing, and the early gate has found nothing."""
        key = self.case.key
        failed = (place for place, record in self._last().items() if record.failure is not None)
        if any(self.loop.is_measured(key, arm, "measure", launch) for arm, launch in failed):
            return False
        return early_failure(self.loop.run, self.settings) is None

    def _last(self) -> dict[Place, Record]:
        return {(record.arm, record.launch): record for record in self.loop.records}


def _earlier_run(store: Store, setup: RunSetup) -> RunHeader | None:
    """The newest run of these very images and this recipe; None where there is none."""
    same = [header for header in store.headers() if _content(header) == _content(setup)]
    return same[-1] if same and None not in _content(setup)[:2] else None


def _content(asked: RunHeader | RunSetup) -> tuple[object, ...]:
    """What two runs have in common if one may continue the other; the number of seeds may differ."""
    images = (asked.baseline_arm.image if asked.baseline_arm is not None else None, asked.options.image)
    plan, options = asked.plan, asked.options
    data = (options.data_folder, options.synthetic, options.backbone_weights)
    keys = tuple(planned.case.key for planned in plan.cases)
    return (*(_id(image) for image in images), plan.suite, plan.seed, keys, *data)


def _id(image: ContainerImage | None) -> str | None:
    return (image.id or image.reference) if image is not None else None
