"""Trains the seeds of two container images in turns, looks at them after every evaluation, and judges them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssdbench.analysis.convergence.arms import early_failure, judge_arms
from ssdbench.errors import UsageError
from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.legs import Leg, evaluations_of
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.runner import run_pairs
from ssdbench.harness.stores.store import Store
from ssdbench.harness.training_folders import training_folder
from ssdbench.schema.convergence import MINIMUM_SEEDS, ConvergenceSettings, ConvergenceVerdict
from ssdbench.schema.launch_values import Stage, Wanted
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
    deadline_seconds: float | None = None,
) -> tuple[Run, ConvergenceVerdict]:  # fmt: skip
    """Train what is left of the seeds of both images, and judge them.

    All seeds pause at every evaluation until the others have come so far. No further leg begins where the early gate
    has found a gross failure, or a seed has failed.

    Raises:
        EnvironmentLacksError: the case cannot be trained here.
        DataError: the images have a fault, or are others than those of the resumed run.
        StoreError: the run cannot be stored.
    """
    begun, leg = begin(store, setup, display), Leg()
    with closing_lock(begun), display.launches(begun) as observer:
        loop = begun.loop(observer, training_folder(results), leg)
        legs = _Legs(loop=loop, leg=leg, setup=setup, settings=settings)
        run_pairs(loop, setup.plan, legs.wanted, deadline_seconds)
    return loop.run, judge_arms(loop.run, settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Legs:
    """Says which trainings go on, and to which evaluation."""

    loop: LaunchLoop
    leg: Leg
    setup: RunSetup
    settings: ConvergenceSettings

    def wanted(self, records: Sequence[Record]) -> Mapping[str, Wanted]:
        """The pairs of the next leg; none where the trainings are done, or go no further."""
        case = self.setup.plan.cases[0].case
        last = {(record.arm, record.launch): record for record in records if record.case.key == case.key}
        places = [(arm, launch) for launch in range(case.protocol.launches) for arm in _ARMS]
        self.leg.evaluations = None
        left = [place for place in places if not self._is_done(case.key, *place)]
        failed = [place for place in places if place not in left and place in last and last[place].failure]
        if not left or failed or early_failure(self.loop.run, self.settings):
            return {}
        self.leg.evaluations = 1 + min(evaluations_of(last[place].training) if place in last else 0 for place in left)
        in_leg = {launch for arm, launch in left if not self._is_done(case.key, arm, launch)}
        return {case.key: Wanted(stage=Stage.MEASURE, pairs=len(in_leg))}

    def _is_done(self, key: str, arm: Arm, launch: int) -> bool:
        return self.loop.is_measured(key, arm, "measure", launch)


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
