"""Records of an accuracy run -> the seeds to be judged, what they were trained on, and what is wrong with each."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import fields

from ssdbench.errors import UsageError
from ssdbench.schema.case import Case
from ssdbench.schema.convergence import SeedResult, TrainingRecipe
from ssdbench.schema.record import Arm, Record, Run
from ssdbench.schema.text import shorten_list
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import Difference

ACCURACY = "accuracy"
NOT_RUN = "it was not run"
# Threads decide the order of nothing, and the protocol of a case is that of timed steps.
_MAY_DIFFER = {"protocol", "threads_per_rank"}


def candidates_of(run: Run) -> tuple[SeedResult, ...]:
    """The planned seeds of an accuracy run, of the candidate where it trains two images; errors as `seeds_of`."""
    return seeds_of(run, "candidate")


def seeds_of(run: Run, arm: Arm) -> tuple[SeedResult, ...]:
    """The planned seeds of one arm of an accuracy run, in order; of a seed that was continued the last attempt.

    Raises:
        UsageError: the run holds no accuracy case, or several.
    """
    case = accuracy_case(run)
    last: dict[int, Record] = {}
    for record in run.records:
        kept = last.get(record.launch)
        is_of_it = record.case.key == case.key and record.arm == arm
        if is_of_it and (kept is None or record.replacement >= kept.replacement):
            last[record.launch] = record
    planned = {slot.launch for slot in run.header.plan.order if slot.case_key == case.key}
    return tuple(_candidate(run, launch, last.get(launch)) for launch in sorted(planned | last.keys()))


def remedy_of(seed: SeedResult) -> str:
    """What gives a seed that has a fault a whole training: a run that is resumed does not repeat what failed."""
    if seed.failure == NOT_RUN:
        return "`ssdbench converge --resume` trains it"
    return "repair the cause, and train seeds in a new run"


def accuracy_case(run: Run) -> Case:
    """The one case that a run trains for accuracy.

    Raises:
        UsageError: the run holds none, or several.
    """
    cases = {record.case.key: record.case for record in run.records if record.case.workload == ACCURACY}
    cases |= {item.case.key: item.case for item in run.header.plan.cases if item.case.workload == ACCURACY}
    if len(cases) != 1:
        there = f"{len(cases)} accuracy cases ({', '.join(cases)})" if cases else "no accuracy case"
        raise UsageError(f"run {run.header.run_id} holds {there}; give the run of one recipe (`ssdbench converge`)")
    return next(iter(cases.values()))


def _candidate(run: Run, launch: int, record: Record | None) -> SeedResult:
    if record is None:
        return SeedResult(launch=launch, training=None, failure=NOT_RUN)
    failure = record.failure.message if record.failure else record.invalid_reason
    recipe = _recipe(run, record, record.training) if record.training else None
    return SeedResult(launch=launch, training=record.training, recipe=recipe, failure=failure)


def _recipe(run: Run, record: Record, training: Training) -> TrainingRecipe:
    evaluations = [result.evaluation for result in training.results if result.evaluation is not None]
    return TrainingRecipe(
        case=record.case,
        hardware=record.hardware,
        dataset=record.dataset or run.header.dataset,
        backbone_weights=run.header.options.backbone_weights,
        workload_version=training.workload_version,
        global_batch_size=training.global_batch_size,
        epochs=training.epochs,
        decay_epochs=training.decay_epochs,
        validation_epochs=training.validation_epochs,
        protocol=evaluations[0].protocol if evaluations else None,
        evaluated_images=evaluations[0].images if evaluations else None,
        epoch_images=training.results[0].images if training.results else None,
    )


def recipe_differences(baseline: TrainingRecipe, measured: TrainingRecipe) -> tuple[Difference, ...]:
    """What keeps two trainings from being compared; values that a training never reached do not count."""
    return tuple(
        Difference(name=name, baseline=_text(there), candidate=_text(here))
        for (name, there), (_, here) in zip(_facts(baseline), _facts(measured), strict=True)
        if there != here and not (name in _LEARNED_LATE and here is None)
    )


_LEARNED_LATE = ("evaluation protocol", "images per evaluation", "images per epoch (global)")


def _facts(recipe: TrainingRecipe) -> Iterator[tuple[str, object]]:
    for field in fields(Case):
        if field.name not in _MAY_DIFFER and field.name != "options":
            yield field.name, getattr(recipe.case, field.name)
    yield "options", " ".join(f"{name}={value}" for name, value in sorted(recipe.case.options.items()))
    yield "hardware", recipe.hardware.key
    yield "images", recipe.dataset.fingerprint if recipe.dataset else None
    yield "backbone weights", recipe.backbone_weights
    yield "workload version", recipe.workload_version
    yield "global batch size", recipe.global_batch_size
    yield "epochs", recipe.epochs
    yield "decay epochs", recipe.decay_epochs
    yield "validation epochs", recipe.validation_epochs
    figures = (recipe.protocol, recipe.evaluated_images, recipe.epoch_images)
    yield from zip(_LEARNED_LATE, figures, strict=True)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


def asked_evaluations(training: Training) -> list[int]:
    """The epochs after which this training is evaluated, ascending."""
    return sorted(epoch for epoch in training.validation_epochs if epoch < training.epochs)


def aps(training: Training) -> dict[int, float]:
    """Epoch -> AP in [0, 1] of each evaluation there is."""
    return {result.epoch: result.evaluation.ap for result in training.results if result.evaluation is not None}


def name_of(candidate: SeedResult) -> str:
    """How a sentence names it."""
    return f"launch {candidate.launch}" if candidate.training is None else f"seed {candidate.training.seed}"


def fault_of(candidate: SeedResult, until: int | None = None) -> str | None:
    """Why this seed cannot pass, as a sentence: it failed, is not finite, or lacks epochs; None if it is sound.

    With `until`, only what there should be up to the end of that epoch is asked for.
    """
    training = candidate.training
    if training is None:
        return f"{name_of(candidate)}: {candidate.failure or NOT_RUN}"
    fault = _not_finite(training) or _lost(training, until)
    if candidate.failure and (fault or until is None):
        fault = candidate.failure
    return f"{name_of(candidate)}: {fault}" if fault else None


def _not_finite(training: Training) -> str | None:
    for result in training.results:
        if not result.losses or not all(map(math.isfinite, (*result.losses, result.learning_rate))):
            return f"a loss that is not finite in epoch {result.epoch}"
        if result.evaluation is not None and not 0 <= result.evaluation.ap <= 1:
            return f"AP {result.evaluation.ap:g} after epoch {result.epoch}, which is no share"
    return None


def _lost(training: Training, until: int | None) -> str | None:
    end = training.epochs if until is None else min(until + 1, training.epochs)
    there = [result.epoch for result in training.results]
    if there[:end] != list(range(end)) or (until is None and len(there) != end):
        done = sum(epoch in set(there) for epoch in range(end))
        return f"{done} of {end} epochs are there, so it did not finish"
    missing = [epoch for epoch in asked_evaluations(training) if epoch < end and epoch not in aps(training)]
    if missing:
        return f"the evaluation after epoch {shorten_list([str(epoch) for epoch in missing], 3)} is missing"
    images = {result.evaluation.images for result in training.results if result.evaluation is not None}
    if len(images) > 1:
        return f"its evaluations judged unlike numbers of images ({', '.join(map(str, sorted(images)))})"
    return None


def repeated_seeds(trainings: Iterable[Training]) -> list[int]:
    """Seeds that occur more than once: such trainings are not independent."""
    seeds = [training.seed for training in trainings]
    return sorted({seed for seed in seeds if seeds.count(seed) > 1})
