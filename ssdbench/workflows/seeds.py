"""Judges the seeds of a run against a stored distribution, and accepts seeds as a distribution."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssdbench.analysis.convergence.distribution import distribution_from
from ssdbench.analysis.convergence.early_gate import judge_early
from ssdbench.analysis.convergence.judge import judge
from ssdbench.analysis.convergence.seeds import remedy_of
from ssdbench.errors import ExitCode, UsageError
from ssdbench.harness import run_setup
from ssdbench.harness.run_setup import RunSetup
from ssdbench.harness.stores.distributions import DistributionStore
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.harness.stores.store import Store
from ssdbench.harness.training_folders import training_folder
from ssdbench.harness.trust import NOTHING, Trust
from ssdbench.schema.convergence import ConvergenceSettings, ConvergenceVerdict, SeedDistribution, SeedResult
from ssdbench.schema.record import Run
from ssdbench.schema.times import utc_now
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status

_EXIT_CODES = {
    Status.UNCHANGED: ExitCode.OK,
    Status.IMPROVED: ExitCode.OK,
    Status.REGRESSED: ExitCode.REGRESSED,
    Status.FAILED: ExitCode.CASE_FAILED,
    Status.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedSeeds:
    """A stored distribution, the one it replaced (None if it is new), and where it is."""

    distribution: SeedDistribution
    replaced: SeedDistribution | None
    path: str


def setup_to_resume(store: Store, run_id: str | None, suite: str | None, trust: Trust = NOTHING) -> RunSetup:
    """The setup of a stored run of seeds; without `run_id` of the newest one, of this suite if that is given.

    Raises:
        SsdbenchError: as `harness.run_setup.resumed_setup`.
    """
    setup = run_setup.resumed_setup(
        store,
        run_id,
        suite,
        lambda run: run_setup.trains_for_accuracy(run.header.plan) and run.header.baseline_arm is None,
        trust,
    )
    if setup.baseline_arm is not None:
        raise UsageError(
            f"run {run_id} trains in two images: continue it with `ssdbench containers converge OLD NEW --resume`"
        )
    return setup


def judge_seeds(
    candidates: Sequence[SeedResult], distribution: SeedDistribution, *, epoch: int | None, margin: float | None
) -> ConvergenceVerdict:
    """Judge seeds by their final AP, or early after `epoch` (from 0); `margin` None is the rule's own."""
    settings = ConvergenceSettings() if margin is None else ConvergenceSettings.of(margin)
    if epoch is None:
        return judge(tuple(candidates), distribution, settings)
    return judge_early(tuple(candidates), distribution, epoch, settings)


def verdict_exit_code(status: Status) -> ExitCode:
    """The exit code for a verdict on accuracy; NOT_COVERED if nothing could be compared."""
    return _EXIT_CODES.get(status, ExitCode.NOT_COVERED)


def accept_seeds(store: DistributionStore, runs: Sequence[Run], *, name: str, reason: str) -> AcceptedSeeds:
    """Store the seeds of these runs as the distribution `name`, in place of an earlier one.

    Raises:
        UsageError: the runs are not of one recipe, or a seed is not sound.
        StoreError: the earlier one cannot be read.
    """
    distribution = distribution_from(runs, name=name, reason=reason, accepted_at=utc_now())
    with store.accepting(name):
        replaced = store.load(name) if store.has(name) else None
        return AcceptedSeeds(distribution=distribution, replaced=replaced, path=str(store.save(distribution)))


def finished_trainings(candidates: Sequence[SeedResult]) -> tuple[list[Training], str]:
    """The trainings of a run and their precision.

    Raises:
        UsageError: a seed did not end normally.
    """
    for candidate in candidates:
        if candidate.training is None or candidate.recipe is None or candidate.failure:
            raise UsageError(
                f"launch {candidate.launch}: {candidate.failure}; a stability table needs whole trainings: "
                f"{remedy_of(candidate)}"
            )
    precision = candidates[0].recipe.case.precision if candidates and candidates[0].recipe else ""
    return [candidate.training for candidate in candidates if candidate.training is not None], precision


def draw_seeds(
    results: Path, run_id: str, candidates: Sequence[SeedResult], distribution: SeedDistribution | None
) -> Path:
    """Write the curves of a run's seeds below `results`, with the band of the distribution; the file."""
    # Imported here: only a picture needs matplotlib.
    from ssdbench.report.curves import draw_curves

    trainings = [candidate.training for candidate in candidates if candidate.training is not None]
    path = training_folder(results) / run_id / "curves.svg"
    write_bytes(path, draw_curves(trainings, distribution))
    return path
