"""Accept the seeds of accuracy runs as the distribution that others are judged against."""

from collections.abc import Sequence

from ssdbench.analysis.convergence.judge import final_epochs
from ssdbench.analysis.convergence.seeds import (
    aps,
    asked_evaluations,
    candidates_of,
    fault_of,
    recipe_differences,
    remedy_of,
)
from ssdbench.errors import UsageError
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.convergence import MINIMUM_SEEDS, DistributionHeader, SeedDistribution, SeedResult
from ssdbench.schema.record import Run
from ssdbench.schema.training import Training


def distribution_from(runs: Sequence[Run], *, name: str, reason: str, accepted_at: str) -> SeedDistribution:
    """All seeds of these runs as one distribution, in order of seed.

    Raises:
        UsageError: no reason; a seed that did not end well, was trained otherwise than another, or occurs twice; fewer
            than `MINIMUM_SEEDS`.
    """
    if not reason.strip():
        raise UsageError("--reason is empty; say in a few words why these seeds are the ones to compare with")
    candidates = [candidate for run in runs for candidate in candidates_of(run)]
    _refuse_unsound(candidates)
    trainings = [candidate.training for candidate in candidates if candidate.training is not None]
    _refuse_too_few(trainings)
    recipe = candidates[0].recipe
    assert recipe is not None
    return SeedDistribution(
        header=DistributionHeader(
            schema_version=SCHEMA_VERSION,
            name=name,
            reason=reason.strip(),
            accepted_at=accepted_at,
            run_ids=tuple(dict.fromkeys(run.header.run_id for run in runs)),
            recipe=recipe,
            host=runs[-1].header.host,
            seeds=len(trainings),
        ),
        seeds=tuple(sorted(trainings, key=lambda training: training.seed)),
    )


def _refuse_unsound(candidates: Sequence[SeedResult]) -> None:
    for candidate in candidates:
        fault = fault_of(candidate)
        training, recipe, first = candidate.training, candidate.recipe, candidates[0].recipe
        if fault is None and training is not None:
            fault = _useless(training)
        if fault:
            raise UsageError(f"{fault}; a baseline takes seeds that ended well: {remedy_of(candidate)}")
        assert training is not None
        assert recipe is not None
        assert first is not None
        if differences := recipe_differences(first, recipe):
            item = differences[0]
            raise UsageError(
                f"seed {training.seed} was trained otherwise than the first: {item.name} {item.baseline} -> "
                f"{item.candidate}; a baseline is of one recipe"
            )


def _useless(training: Training) -> str | None:
    if not asked_evaluations(training):
        return f"seed {training.seed}: it was never evaluated"
    if min(aps(training)[epoch] for epoch in final_epochs(training)) == 0:
        return f"seed {training.seed}: AP 0 at the end, so it learned nothing"
    return None


def _refuse_too_few(trainings: Sequence[Training]) -> None:
    seeds = [training.seed for training in trainings]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise UsageError(f"seed {seed} occurs {seeds.count(seed)} times; a distribution needs different seeds")
    if len({tuple(sorted(aps(training).items())) for training in trainings}) < len(trainings):
        raise UsageError("two seeds have exactly equal curves of AP; the seed has no effect, so find out why")
    if len(seeds) < MINIMUM_SEEDS:
        raise UsageError(
            f"{len(seeds)} seeds are no distribution: {MINIMUM_SEEDS} are the least, 10 or more find smaller drops; "
            "train more with `ssdbench converge --seeds N`"
        )
