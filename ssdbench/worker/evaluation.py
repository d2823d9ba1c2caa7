"""A launch that evaluates a checkpoint: one pass over the validation split, without a timed region."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ssdbench.errors import UsageError
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.software import software
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.times import utc_now
from ssdbench.worker.events import Events
from ssdbench.worker.exchange_files import write_detections, write_evaluation
from ssdbench.workloads.evaluation import Evaluator
from ssdbench.workloads.model import load_model

T = TypeVar("T")


def evaluate_checkpoint(request: LaunchRequest, context: RankContext, events: Events) -> None:
    """Evaluate the request's checkpoint.

    Rank 0 writes evaluation.json, detections.npy and sheet.png into the request's folder.

    Raises:
        DataError: the checkpoint or the data set cannot be used.
    """
    if request.checkpoint is None:
        raise UsageError("an evaluation needs a checkpoint, and the request names none")
    started_at = utc_now()
    group, options, folder = context.group, request.case.options, Path(request.output)
    model, checkpoint = load_model(context, Path(request.checkpoint))
    evaluator = Evaluator(
        context,
        protocol=options.get("protocol"),
        engine=options.get("engine"),
        on_batch=lambda batch: events.step(batch, time.perf_counter()),
    )
    evaluator.require_labels_of(checkpoint)
    group.barrier()
    events.phase("detect")
    found, own_seconds = _timed(lambda: evaluator.detect(model))
    detect_seconds = max(group.gather(own_seconds))
    events.phase("judge")
    evaluation, judge_seconds = _timed(lambda: evaluator.judge(found))
    events.phase("write")
    if group.rank == 0:
        assert evaluator.rows is not None
        write_detections(folder, evaluator.rows)
        evaluator.draw(folder / "sheet.png")
        write_evaluation(
            folder,
            CheckpointEvaluation(
                schema_version=EXCHANGE_VERSION,
                started_at=started_at,
                case=request.case,
                checkpoint=request.checkpoint,
                epoch=checkpoint.epoch,
                iteration=checkpoint.iteration,
                evaluation=evaluation,
                detect_seconds=detect_seconds,
                judge_seconds=judge_seconds,
                software=software(),
            ),
        )
    evaluator.close()


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result of `work`, and the seconds it took."""
    begin = time.perf_counter()
    return work(), time.perf_counter() - begin
