"""Training for accuracy: runs the published recipe to its end, with evaluations; resumes exactly where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ssdbench.atomic import atomic_file
from ssdbench.errors import DataError
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import random_state, restore_random_state
from ssdbench.schema.accuracy import AccuracyOptions
from ssdbench.schema.training import SHEET, Evaluation
from ssdbench.ssd.checkpoint import Checkpoint, load_checkpoint, load_model_state, save_checkpoint
from ssdbench.ssd.loss import MultiBoxLoss
from ssdbench.ssd.training import RECIPES, Hyperparameters, TrainStep, learning_rate, optimizer, set_learning_rate
from ssdbench.workloads.evaluation import Evaluator
from ssdbench.workloads.model import build_model, compiled
from ssdbench.workloads.pipeline import open_training, split_of
from ssdbench.workloads.workload import Step

LAST, BEST = "last.pt", "best.pt"


class Accuracy:
    """One rank of a training; continues from a checkpoint in `folder` if there is one (`epochs_done` above 0).

    Raises:
        DataError: the checkpoint is damaged, or belongs to another training.
    """

    version: ClassVar[int] = 1

    def __init__(self, context: RankContext, folder: Path) -> None:
        options = AccuracyOptions.of(context.case.options)
        self.recipe = recipe_of(options)
        self._context, self._folder = context, folder
        checkpoint = _last_checkpoint(folder / LAST)
        model = build_model(context)
        self._optimizer, self._scaler = optimizer(model, self.recipe), context.precision.scaler()
        self.epochs_done, self._iteration = 0, 0
        position: bytes | None = None
        if checkpoint is not None:
            load_model_state(model, checkpoint)
            position = self._restore(checkpoint)
        self._model = model
        self._train_step = TrainStep(
            model=compiled(context, context.group.data_parallel(model.train())),
            loss=compiled(context, MultiBoxLoss()),
            optimizer=self._optimizer,
            autocast=context.precision.autocast,
            scaler=self._scaler,
        )
        self._pipeline = open_training(context, position)
        split = split_of(context, training=True)
        self._category_names = split.category_names if split is not None else ()
        self._evaluator = Evaluator(context, protocol=options.protocol, engine=options.engine)

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch, the same on every rank."""
        return self._pipeline.batches_per_epoch

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        rate: float = self._optimizer.param_groups[0]["lr"]
        return rate

    def epoch(self, epoch: int) -> Iterator[Step]:
        """Train one epoch, a step at a time."""
        case, recipe = self._context.case, self.recipe
        for batch in self._pipeline.epoch():
            rate = learning_rate(
                epoch=epoch,
                iteration=self._iteration,
                world_size=case.world_size,
                batch_size=case.batch_size_per_gpu,
                warmup_iterations=recipe.warmup_iterations,
                base=recipe.base_learning_rate,
                decay_epochs=recipe.decay_epochs,
            )
            set_learning_rate(self._optimizer, rate)
            self._iteration += 1
            loss = self._train_step(batch.images, batch.boxes_cxcywh, batch.labels)
            yield Step(images=len(batch), loss=loss)

    def evaluate(self) -> Evaluation:
        """COCO metrics of the model in its current state. All ranks must call, and all get the result."""
        return self._evaluator(self._model)

    def save(self, epochs_done: int, *, best: bool) -> None:
        """Write one checkpoint for all ranks, atomically. All ranks must call. OSError if it cannot be written."""
        ranks = self._context.group.gather(
            {"random": random_state(self._context.device), "data": _as_tensor(self._pipeline.state())}
        )
        if self._context.group.rank != 0:
            return
        save_checkpoint(
            self._folder / LAST,
            self._model,
            epoch=epochs_done,
            iteration=self._iteration,
            optimizer=self._optimizer,
            label_map=dict(enumerate(("background", *self._category_names))),
            scaler=self._scaler.state_dict() if self._scaler is not None else None,
            ranks=ranks,
            identity=self._identity(),
        )
        if best:
            with atomic_file(self._folder / BEST) as part:
                shutil.copyfile(self._folder / LAST, part)

    def draw(self) -> None:
        """Draw validation images with the detections of the last evaluation, if there was one; on rank 0 only."""
        self._evaluator.draw(self._folder / SHEET)

    def close(self) -> None:
        """Stop background threads and processes."""
        self._pipeline.close()
        self._evaluator.close()

    def _restore(self, checkpoint: Checkpoint) -> bytes:
        """Restore everything in a checkpoint except the model's weights; returns the position in the data."""
        optimizer, ranks = checkpoint.optimizer, checkpoint.ranks
        epoch, iteration = checkpoint.epoch, checkpoint.iteration
        own = checkpoint.identity == self._identity()
        if not own or optimizer is None or ranks is None or epoch is None or iteration is None:
            raise DataError(
                f"{checkpoint.path}: belongs to another training ({checkpoint.identity or 'unknown'}), not to "
                f"{self._identity()}: move its folder away, or resume the run that it belongs to"
            )
        self._optimizer.load_state_dict(optimizer)
        if self._scaler is not None and checkpoint.scaler is not None:
            self._scaler.load_state_dict(checkpoint.scaler)
        rank = ranks[self._context.group.rank]
        restore_random_state(self._context.device, rank["random"])
        self.epochs_done, self._iteration = epoch, iteration
        return rank["data"].numpy().tobytes()

    def _identity(self) -> str:
        return f"{self._context.case.key}, seed {self._context.seed}"


def _last_checkpoint(path: Path) -> Checkpoint | None:
    if not path.exists():
        return None
    try:
        return load_checkpoint(path)
    except DataError as error:
        raise DataError(
            f"{error}: restore it from a copy, or remove it to train this seed from its start, and continue with "
            "`ssdbench converge --resume`"
        ) from error


def recipe_of(options: AccuracyOptions) -> Hyperparameters:
    """The hyperparameters that the options ask for."""
    recipe = RECIPES[options.recipe]
    if options.epochs is not None:
        recipe = recipe.shortened(options.epochs)
    last = recipe.epochs - 1
    changes = {
        "base_learning_rate": options.base_learning_rate,
        "warmup_iterations": options.warmup_iterations,
        "decay_epochs": options.chosen_epochs("decay"),
        "validation_epochs": options.chosen_epochs("validation"),
    }
    recipe = replace(recipe, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
    wanted = {epoch for epoch in recipe.validation_epochs if epoch < last} | {last}
    return replace(recipe, validation_epochs=tuple(sorted(wanted)))


def _as_tensor(content: bytes) -> Tensor:
    # Checkpoints may hold only tensors and plain data, so that loading one runs no code.
    return torch.from_numpy(np.frombuffer(bytearray(content), np.uint8))
