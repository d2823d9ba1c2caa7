"""The training loop: epochs, evaluations and checkpoints, each timed and written to disk before the next one starts.

    train an epoch, synchronise | evaluate if the recipe asks for it | log, checkpoint, log | next epoch

Losses are read in blocks, so that not every step waits for the device. A loss that is not finite ends the training, and
the error names its step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ssdbench.compatibility import zip_equal
from ssdbench.errors import DataError, NotFiniteError
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.software import software
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.times import utc_now
from ssdbench.schema.training import EpochResult, Evaluation, Training
from ssdbench.worker.events import Events
from ssdbench.worker.exchange_files import read_training, write_training
from ssdbench.workloads.accuracy import Accuracy

LOSS_WINDOWS = 20
_LOSSES_PER_BLOCK = 25


def train(context: RankContext, request: LaunchRequest, events: Events) -> None:
    """Train to the end of the recipe, from the last checkpoint if there is one."""
    assert request.training_folder is not None
    folder = Path(request.training_folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = Accuracy(context, folder)
    try:
        log = _Log(folder, _open_log(run, context, folder), writes=context.group.rank == 0)
        events.report("training", epochs=log.training.epochs, steps=run.steps_per_epoch)
        for epoch in range(run.epochs_done, run.recipe.epochs):
            _train_epoch(run, epoch, context, log, events)
        events.phase("write")
        run.draw()
    finally:
        run.close()


def _open_log(run: Accuracy, context: RankContext, folder: Path) -> Training:
    """The log of a new training, or of the training in the folder up to its last checkpoint."""
    recipe = run.recipe
    fresh = Training(
        schema_version=EXCHANGE_VERSION,
        workload_version=run.version,
        started_at=utc_now(),
        seed=context.seed,
        epochs=recipe.epochs,
        decay_epochs=recipe.decay_epochs,
        validation_epochs=recipe.validation_epochs,
        global_batch_size=context.case.global_batch_size,
        software=software(),
    )
    earlier = read_training(folder)
    if earlier is None:
        return fresh
    if len(earlier.results) < run.epochs_done:
        raise DataError(
            f"{folder}: the log ends before the checkpoint, after {len(earlier.results)} epochs: move it away"
        )
    return replace(
        fresh,
        started_at=earlier.started_at,
        results=earlier.results[: run.epochs_done],
        starts=earlier.starts + 1,
    )


class _Log:
    """The training so far, written to disk after every change."""

    def __init__(self, folder: Path, training: Training, *, writes: bool) -> None:
        self.training = training
        self._folder, self._writes = folder, writes
        self._write()

    def best_ap(self) -> float:
        """The highest AP so far; -1 before the first evaluation."""
        return max((r.evaluation.ap for r in self.training.results if r.evaluation is not None), default=-1.0)

    def put(self, result: EpochResult) -> None:
        """Append an epoch, or replace it if it is there."""
        results = self.training.results[: result.epoch]
        self.training = replace(self.training, results=(*results, result))
        self._write()

    def _write(self) -> None:
        if self._writes:
            write_training(self._folder, self.training)


def _train_epoch(run: Accuracy, epoch: int, context: RankContext, log: _Log, events: Events) -> None:
    events.phase("train")
    first_step = epoch * run.steps_per_epoch
    losses = _LossReader(first_step, lambda step, loss: events.report("loss", step=step, loss=loss))
    begin, images = time.perf_counter(), 0
    for number, step in enumerate(run.epoch(epoch)):
        images += step.images
        assert step.loss is not None
        losses.add(step.loss)
        events.step(first_step + number, time.perf_counter())
    context.device.synchronize()
    train_seconds = time.perf_counter() - begin
    rank_losses = losses.finish()
    begin = time.perf_counter()
    evaluation = None
    if epoch in run.recipe.validation_epochs:
        events.phase("evaluate")
        evaluation = run.evaluate()
    evaluation_seconds = time.perf_counter() - begin if evaluation is not None else 0.0
    ranks = context.group.gather((train_seconds, evaluation_seconds, images, rank_losses))
    result = EpochResult(
        epoch=epoch,
        iterations=first_step + run.steps_per_epoch,
        images=sum(rank[2] for rank in ranks),
        train_seconds=max(rank[0] for rank in ranks),
        losses=_windows([sum(values) / len(values) for values in zip_equal(*(rank[3] for rank in ranks))]),
        learning_rate=run.learning_rate,
        evaluation=evaluation,
        evaluation_seconds=max(rank[1] for rank in ranks),
    )
    is_best = evaluation is not None and evaluation.ap > log.best_ap()
    # Before the checkpoint, so that the log is never behind it; again afterwards, with the checkpoint's time.
    log.put(result)
    events.phase("checkpoint")
    begin = time.perf_counter()
    run.save(epoch + 1, best=is_best)
    log.put(replace(result, checkpoint_seconds=time.perf_counter() - begin))
    _report_epoch(events, log.training, result)


def _report_epoch(events: Events, training: Training, result: EpochResult) -> None:
    evaluation: Evaluation | None = result.evaluation
    events.report(
        "epoch",
        epoch=result.epoch,
        loss=result.mean_loss,
        ap=evaluation.ap if evaluation else None,
        ap_50=evaluation.ap_50 if evaluation else None,
        images_per_second=result.images_per_second,
        seconds=training.seconds,
    )


class _LossReader:
    """The losses of an epoch on this rank, read from the device in blocks."""

    def __init__(self, first_step: int, on_block: Callable[[int, float], None]) -> None:
        self._first_step, self._on_block = first_step, on_block
        self._pending: list[torch.Tensor] = []
        self._values: list[float] = []

    def add(self, loss: torch.Tensor) -> None:
        """Add the next step's loss; waits for the device when a block is full."""
        self._pending.append(loss)
        if len(self._pending) == _LOSSES_PER_BLOCK:
            self._read()

    def finish(self) -> list[float]:
        """Read the rest; returns all losses of the epoch."""
        self._read()
        return self._values

    def _read(self) -> None:
        if not self._pending:
            return
        values: list[float] = torch.stack(self._pending).float().tolist()
        self._pending.clear()
        for step, value in enumerate(values, start=self._first_step + len(self._values)):
            if not math.isfinite(value):
                raise NotFiniteError(f"the loss of step {step} is {value}")
        self._values += values
        self._on_block(self._first_step + len(self._values) - 1, sum(values) / len(values))


def _windows(losses: list[float]) -> tuple[float, ...]:
    """Mean losses of at most `LOSS_WINDOWS` equal parts of an epoch."""
    count = min(LOSS_WINDOWS, len(losses))
    edges = [len(losses) * number // count for number in range(count + 1)]
    return tuple(sum(losses[a:b]) / (b - a) for a, b in zip(edges, edges[1:]))
