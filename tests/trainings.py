"""Trainings made by hand: known curves in, known verdicts out."""

import math
from collections.abc import Sequence
from dataclasses import replace

from ssdbench.schema import EXCHANGE_VERSION, SCHEMA_VERSION
from ssdbench.schema.convergence import DistributionHeader, SeedDistribution, SeedResult, TrainingRecipe
from ssdbench.schema.record import Failure, Record, Run
from ssdbench.schema.training import EpochResult, Evaluation, Training
from tests.builders import DATASET, HARDWARE, HOST, a_case, a_header, a_record

EPOCHS, DECAYS, VALIDATIONS = 10, (6, 8), (3, 5, 8, 9)
CASE = a_case(workload="accuracy", backbone="resnet50", precision="amp")

# Residuals of ten seeds, in units of the SD: sum 0, as a sample may have.
RESIDUALS = (-1.6, -1.1, -0.7, -0.4, -0.1, 0.1, 0.4, 0.7, 1.1, 1.6)


def an_evaluation(ap: float, images: int = 16) -> Evaluation:
    figures = dict.fromkeys((*("ap_50", "ap_75", "ap_small", "ap_medium", "ap_large"),), min(1.0, max(ap, 0.0)))
    recalls = dict.fromkeys(("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"), 0.3)
    return Evaluation(protocol="every-image", images=images, detections=99, ap=ap, **figures, **recalls)


def a_training(
    seed: int = 1,
    ap: float = 0.25,
    *,
    curve: dict[int, float] | None = None,
    losses: Sequence[float] | None = None,
    epochs_done: int = EPOCHS,
    loss_factor: float = 1.0,
    **changes: object,
) -> Training:
    """A whole training by default: AP `ap` after the last decay, less before; `curve` and `losses` replace it all."""
    aps = curve if curve is not None else {3: 0.6 * ap, 5: 0.7 * ap, 8: ap, 9: ap}
    means = losses or [loss_factor * (2 + 4 / (1 + epoch)) for epoch in range(EPOCHS)]
    results = tuple(
        EpochResult(
            epoch=epoch,
            iterations=8 * (epoch + 1),
            images=64,
            train_seconds=1.0,
            losses=(means[epoch],),
            learning_rate=1e-3,
            evaluation=an_evaluation(aps[epoch]) if epoch in aps else None,
        )
        for epoch in range(epochs_done)
    )
    training = Training(
        schema_version=EXCHANGE_VERSION,
        workload_version=1,
        started_at="2026-01-05T12:00:00+00:00",
        seed=seed,
        epochs=EPOCHS,
        decay_epochs=DECAYS,
        validation_epochs=VALIDATIONS,
        global_batch_size=8,
        results=results,
    )
    return replace(training, **changes)  # type: ignore[arg-type]


def a_recipe(**changes: object) -> TrainingRecipe:
    recipe = TrainingRecipe(
        case=CASE,
        hardware=HARDWARE,
        dataset=DATASET,
        backbone_weights=None,
        workload_version=1,
        global_batch_size=8,
        epochs=EPOCHS,
        decay_epochs=DECAYS,
        validation_epochs=VALIDATIONS,
        protocol="every-image",
        evaluated_images=16,
        epoch_images=64,
    )
    return replace(recipe, **changes)  # type: ignore[arg-type]


def some_seeds(
    count: int = 10, *, ap: float = 0.25, relative_sd: float = 0.0045, first_seed: int = 1
) -> list[Training]:
    """Seeds whose ln AP has a spread near `relative_sd` about ln `ap`; loss scatters with it."""
    return [
        a_training(
            first_seed + number,
            ap * math.exp(relative_sd * RESIDUALS[number % 10] * (1 + number // 10 / 7)),
            loss_factor=math.exp(-relative_sd * RESIDUALS[number % 10] * (1 + number // 10 / 7)),
        )
        for number in range(count)
    ]


def a_distribution(seeds: Sequence[Training] | None = None, **changes: object) -> SeedDistribution:
    trainings = tuple(seeds if seeds is not None else some_seeds())
    header = DistributionHeader(
        schema_version=SCHEMA_VERSION,
        name="main",
        reason="first seeds",
        accepted_at="2026-01-05T13:00:00+00:00",
        run_ids=("run-0",),
        recipe=a_recipe(),
        host=HOST,
        seeds=len(trainings),
    )
    return SeedDistribution(header=replace(header, **changes), seeds=trainings)  # type: ignore[arg-type]


def candidates(*trainings: Training, **changes: object) -> list[SeedResult]:
    return [
        SeedResult(launch=number, training=training, recipe=a_recipe(**changes))
        for number, training in enumerate(trainings)
    ]


def a_seed_record(training: Training | None, launch: int, *, run_id: str = "run-1", **changes: object) -> Record:
    failure = None if training else Failure(kind="crash", message="the worker ended with exit code 9")
    record = a_record(run_id=run_id, case=CASE, launch=launch, order=launch, failure=failure, step_seconds=0.1)
    return replace(record, measurement=None, training=training, **changes)  # type: ignore[arg-type]


def a_training_run(trainings: Sequence[Training | None], *, run_id: str = "run-1", **changes: object) -> Run:
    """A run of these seeds, one launch each; None is a launch that crashed before its first epoch ended."""
    case = replace(CASE, protocol=replace(CASE.protocol, launches=len(trainings)))
    records = [
        replace(a_seed_record(training, launch, run_id=run_id), case=case) for launch, training in enumerate(trainings)
    ]
    return Run(header=a_header(run_id=run_id, cases=[case], **changes), records=tuple(records))
