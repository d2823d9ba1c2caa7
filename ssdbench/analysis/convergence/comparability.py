"""Why trainings cannot be judged by their AP: another recipe, a collapse, a training that did not end well."""

from collections.abc import Sequence

from ssdbench.analysis.convergence.seeds import (
    aps,
    asked_evaluations,
    fault_of,
    name_of,
    recipe_differences,
    repeated_seeds,
)
from ssdbench.schema.convergence import MINIMUM_SEEDS, SeedDistribution, SeedResult
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Status

COLLAPSE_FLOOR = 0.02
"""AP above which every seed of the baseline has to be before AP 0 there is a fault rather than a slow start."""

Finding = tuple[Status, str]


def comparability_fault(
    candidates: Sequence[SeedResult], distribution: SeedDistribution, until: int | None
) -> Finding | None:
    """The first fault that decides before any AP is compared, as status and sentence; None if there is none.

    With `until`, only what was trained up to the end of that epoch is looked at.
    """
    if not candidates:
        return Status.NOT_RUN, "no seed was trained"
    return (
        _unlike(candidates, distribution)
        or _unsound(distribution, until)
        or _collapsed(candidates, distribution, until)
        or _broken(candidates, until)
        or _dependent(candidates)
    )


def lowest_aps(distribution: SeedDistribution) -> dict[int, float]:
    """Epoch -> the lowest AP that any seed of the baseline had there."""
    curves = [aps(seed) for seed in distribution.seeds]
    return {epoch: min(curve[epoch] for curve in curves) for epoch in curves[0]}


def _unlike(candidates: Sequence[SeedResult], distribution: SeedDistribution) -> Finding | None:
    for candidate in candidates:
        if candidate.recipe is None:
            continue
        if found := recipe_differences(distribution.header.recipe, candidate.recipe):
            said = "; ".join(f"{item.name} {item.baseline} -> {item.candidate}" for item in found)
            name = name_of(candidate)
            return Status.INCOMPARABLE, f"{name} was trained otherwise than baseline {distribution.header.name}: {said}"
    return None


def _unsound(distribution: SeedDistribution, until: int | None) -> Finding | None:
    name = distribution.header.name
    if len(distribution.seeds) < MINIMUM_SEEDS:
        had = f"baseline {name} has {len(distribution.seeds)} seeds"
        return Status.INCONCLUSIVE, f"{had}; a verdict needs {MINIMUM_SEEDS} at least, 10 or more are better"
    for seed in distribution.seeds:
        fault = fault_of(SeedResult(launch=0, training=seed), until)
        if fault is None and not asked_evaluations(seed):
            fault = f"seed {seed.seed}: it was never evaluated"
        if fault:
            return Status.INCOMPARABLE, f"baseline {name} is no distribution: {fault}; accept other seeds"
    if repeated := repeated_seeds(distribution.seeds):
        return Status.INCOMPARABLE, f"baseline {name} holds seed {repeated[0]} more than once; accept other seeds"
    return None


def _collapsed(candidates: Sequence[SeedResult], distribution: SeedDistribution, until: int | None) -> Finding | None:
    lowest = lowest_aps(distribution)
    for training in (candidate.training for candidate in candidates if candidate.training):
        for epoch, ap in aps(training).items():
            seen = until is None or epoch <= until
            if seen and ap == 0 and lowest.get(epoch, 0) > COLLAPSE_FLOOR:
                had = f"where every seed of the baseline had {lowest[epoch]:.4f} or more"
                return Status.REGRESSED, f"seed {training.seed} has AP 0 after epoch {epoch}, {had}"
    return None


def _broken(candidates: Sequence[SeedResult], until: int | None) -> Finding | None:
    faults = [fault for candidate in candidates if (fault := fault_of(candidate, until))]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return (Status.FAILED, faults[0] + more) if faults else None


def _dependent(candidates: Sequence[SeedResult]) -> Finding | None:
    repeated = repeated_seeds(_trainings(candidates))
    if repeated:
        return Status.INCONCLUSIVE, f"seed {repeated[0]} was trained more than once, and is no second seed"
    return None


def _trainings(candidates: Sequence[SeedResult]) -> list[Training]:
    return [candidate.training for candidate in candidates if candidate.training is not None]
