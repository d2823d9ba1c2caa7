"""Seeds of two arms that were trained in turns, judged by the rule for two distributions, and early by the gate.

The seeds of the baseline arm are the distribution. At every evaluation that all of these have reached, and that is not
the last one, the early gate looks at each seed of the candidate as soon as that has reached it too. Its chance of a
false stop is shared among all planned seeds of the candidate, so that it holds for the run.
"""

from collections.abc import Sequence
from dataclasses import replace

from ssdbench.analysis.convergence.early_gate import judge_early
from ssdbench.analysis.convergence.judge import judge
from ssdbench.analysis.convergence.seeds import NOT_RUN, aps, asked_evaluations, fault_of, seeds_of
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.convergence import (
    ConvergenceSettings,
    ConvergenceVerdict,
    DistributionHeader,
    SeedDistribution,
    SeedResult,
)
from ssdbench.schema.record import Run
from ssdbench.schema.text import pluralize
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status


def judge_arms(run: Run, settings: ConvergenceSettings) -> ConvergenceVerdict:
    """The verdict on the candidate's seeds; that of the early gate where it stopped the run.

    Raises:
        UsageError: the run has not one accuracy case.
    """
    early = early_failure(run, settings)
    if early is not None:
        return early
    baseline, candidate = (_as_if_never_paused(seeds_of(run, arm)) for arm in ("baseline", "candidate"))
    blank = ConvergenceVerdict(
        schema_version=SCHEMA_VERSION,
        status=Status.INCONCLUSIVE,
        sentence="",
        baseline=baseline_name(run),
        settings=settings,
        margin=settings.margin(len(candidate)),
        baseline_seeds=len(baseline),
        candidate_seeds=len(candidate),
    )
    for name, seeds in (("baseline", baseline), ("candidate", candidate)):
        if failed := [seed for seed in seeds if seed.failure not in (None, NOT_RUN)]:
            return replace(blank, status=Status.FAILED, sentence=f"the {name} failed: {fault_of(failed[0])}")
    if left := [seed for seed in (*baseline, *candidate) if _is_open(seed)]:
        what = f"{pluralize(len(left), 'seed')} of both images not finished"
        return replace(blank, sentence=f"{what}: the same command with --resume continues")
    if fault := next((fault for seed in baseline if (fault := fault_of(seed))), None):
        return replace(blank, status=Status.FAILED, sentence=f"the baseline failed: {fault}")
    return judge(candidate, _distribution(run, baseline), settings)


def early_failure(run: Run, settings: ConvergenceSettings) -> ConvergenceVerdict | None:
    """The verdict of the early gate on a run whose candidate has grossly failed; None where it has not, so far."""
    baseline, candidate = seeds_of(run, "baseline"), seeds_of(run, "candidate")
    trainings = [seed.training for seed in baseline]
    if not baseline or not candidate or None in trainings:
        return None
    shared = replace(settings, gate_alpha=settings.gate_alpha / len(candidate))
    for epoch in _looks([training for training in trainings if training is not None]):
        there, here = ([_until(seed, epoch) for seed in _reached(seeds, epoch)] for seeds in (baseline, candidate))
        if not here or any(fault_of(seed, until=epoch) for seed in (*there, *here)):
            return None
        verdict = judge_early(here, _distribution(run, there), epoch, shared)
        if verdict.status is Status.REGRESSED:
            return verdict
    return None


def baseline_distribution(run: Run) -> SeedDistribution | None:
    """The baseline's seeds as the distribution of a run of two arms; None where one of them is not sound."""
    baseline = seeds_of(run, "baseline")
    if not baseline or any(fault_of(seed) for seed in baseline):
        return None
    return _distribution(run, _as_if_never_paused(baseline))


def baseline_name(run: Run) -> str:
    """What a run of two arms is compared with: an image."""
    arm = run.header.baseline_arm
    return arm.image.reference if arm is not None and arm.image is not None else "baseline arm"


def _distribution(run: Run, seeds: Sequence[SeedResult]) -> SeedDistribution:
    trainings = [seed.training for seed in seeds if seed.training is not None]
    recipe = next(seed.recipe for seed in seeds if seed.recipe is not None)
    return SeedDistribution(
        header=DistributionHeader(
            schema_version=SCHEMA_VERSION,
            name=baseline_name(run),
            reason="the baseline arm of the same run",
            accepted_at=run.header.created_at,
            run_ids=(run.header.run_id,),
            recipe=recipe,
            host=run.header.host,
            seeds=len(trainings),
        ),
        seeds=tuple(sorted(trainings, key=lambda training: training.seed)),
    )


def _looks(trainings: Sequence[Training]) -> list[int]:
    """The epochs of evaluations that all have reached, without the last of the recipe."""
    asked = asked_evaluations(trainings[0])[:-1]
    return [epoch for epoch in asked if all(epoch in aps(training) for training in trainings)]


def _reached(seeds: Sequence[SeedResult], epoch: int) -> list[SeedResult]:
    return [seed for seed in seeds if seed.training is not None and epoch in aps(seed.training)]


def _until(seed: SeedResult, epoch: int) -> SeedResult:
    assert seed.training is not None
    return replace(seed, training=replace(seed.training, results=seed.training.results[: epoch + 1]))


def _as_if_never_paused(seeds: Sequence[SeedResult]) -> tuple[SeedResult, ...]:
    """The seeds with one start each: pauses between evaluations are no finding."""
    return tuple(
        replace(seed, training=replace(seed.training, starts=1)) if seed.training is not None else seed
        for seed in seeds
    )


def _is_open(seed: SeedResult) -> bool:
    return seed.training is None or not seed.training.complete
