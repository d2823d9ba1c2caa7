"""Training of SSD300 v1.1: hyperparameters of the recipes, optimiser, learning rate and the train step.

Sources: NVIDIA, "SSD v1.1 for PyTorch" (NGC); no weight decay on 1-D parameters: Jia et al. (arXiv:1807.11205); linear
scaling and warm-up of the learning rate: Goyal et al. (arXiv:1706.02677).
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ssdbench.compatibility import dataclass
from ssdbench.ssd.loss import MultiBoxLoss
from ssdbench.ssd.phases import OnPhase, ignore_phase

if TYPE_CHECKING:
    from torch.amp.grad_scaler import GradScaler  # torch 2.1 and 2.2 have it elsewhere; a caller hands it in

BASE_LEARNING_RATE = 2.6e-3
BASE_BATCH_SIZE = 32  # per GPU, where the base learning rate holds
DECAY_EPOCHS = (43, 54)
DECAY_FACTOR = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """The constants of a published training; epochs count from 0, `batch_size` is per GPU."""

    batch_size: int = BASE_BATCH_SIZE
    base_learning_rate: float = BASE_LEARNING_RATE
    warmup_iterations: int = 300
    epochs: int = 65
    decay_epochs: tuple[int, ...] = DECAY_EPOCHS
    validation_epochs: tuple[int, ...] = (21, 31, 37, 42, 48, 53, 59, 64)
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def shortened(self, epochs: int) -> Hyperparameters:
        """The same recipe for another number of epochs: decays and validations at the same fractions of the run.

        The last epoch stays a validation epoch. The warm-up is not scaled: it protects the first steps, whatever the
        length of the training.
        """
        share = epochs / self.epochs
        return replace(
            self,
            epochs=epochs,
            decay_epochs=tuple(round(epoch * share) for epoch in self.decay_epochs),
            validation_epochs=tuple(sorted({math.ceil((epoch + 1) * share) - 1 for epoch in self.validation_epochs})),
        )


DEFAULT_RECIPE = Hyperparameters()
A100_8GPU_RECIPE = Hyperparameters(batch_size=128, base_learning_rate=2.7e-3, warmup_iterations=1200)
RECIPES = {"published": DEFAULT_RECIPE, "a100-8gpu": A100_8GPU_RECIPE}


def learning_rate(
    epoch: int,
    iteration: int,
    world_size: int,
    batch_size: int,
    warmup_iterations: int,
    base: float = BASE_LEARNING_RATE,
    decay_epochs: Sequence[int] = DECAY_EPOCHS,
) -> float:
    """base * GPUs * (batch size per GPU / 32), times 0.1 from each decay epoch on (43 and 54 as published).

    During the first `warmup_iterations` (0 for none) it is multiplied by iteration / warmup_iterations, so the first
    step has 0. `epoch` counts from 0, `iteration` from 0 since the start of training, over all epochs.
    """
    decays = sum(epoch >= decay_epoch for decay_epoch in decay_epochs)
    rate = base * world_size * (batch_size / BASE_BATCH_SIZE) * DECAY_FACTOR**decays
    return rate * iteration / warmup_iterations if iteration < warmup_iterations else rate


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: biases and 1-D parameters without weight decay, then the others with it.

    The order is that of the published checkpoints, so that their optimiser state fits. Frozen parameters are omitted.
    """
    exempt: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (exempt if parameter.dim() <= 1 or name.endswith("bias") else decayed).append(parameter)
    return [{"params": exempt, "weight_decay": 0.0}, {"params": decayed, "weight_decay": weight_decay}]


def optimizer(
    model: nn.Module, recipe: Hyperparameters = DEFAULT_RECIPE, *, fused: bool | None = None
) -> torch.optim.SGD:
    """SGD with momentum and split weight decay, at learning rate 0: see `set_learning_rate`.

    `fused` uses one kernel for all parameters, and avoids the synchronisation that checks for overflow under gradient
    scaling. None means fused for a model on CUDA, if torch supports it (2.3 and later).
    """
    if fused is None:
        on_cuda = all(parameter.is_cuda for parameter in model.parameters())
        fused = on_cuda and "fused" in inspect.signature(torch.optim.SGD).parameters
    options: dict[str, Any] = {"fused": True} if fused else {}
    sgd = torch.optim.SGD(parameter_groups(model, recipe.weight_decay), lr=0.0, momentum=recipe.momentum, **options)
    if fused:
        # torch (up to 2.11 at least) leaves the momentum uninitialised if the first step under gradient scaling
        # overflows, which is common at the initial scale. Starting from zeros gives the same first step.
        for group in sgd.param_groups:
            for parameter in group["params"]:
                sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainStep:
    """One training step, for benchmarks and training alike: forward under autocast, loss in float32, backward,
    optimiser.

    `model` may be wrapped in DistributedDataParallel. `autocast` returns a context manager for each step, such as
    `lambda: torch.autocast("cuda", torch.float16)`; `scaler` is for float16 only. Nothing here waits for the device if
    the optimiser does not; with a scaler that requires a fused optimiser.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = field(default_factory=MultiBoxLoss)
    autocast: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    scaler: GradScaler | None = None

    def __call__(
        self, images: Tensor, boxes_cxcywh: Tensor, labels: Tensor, on_phase: OnPhase = ignore_phase
    ) -> Tensor:
        """Train on images (N, 3, 300, 300), boxes (N, 8732, 4) and labels (N, 8732), N per GPU and at least 2.

        Returns the loss before the update, a detached scalar on the device; reading it synchronises.
        Phases: forward, loss, backward (with the gradient average over ranks), optimizer.
        """
        loss = self.gradients(images, boxes_cxcywh, labels, on_phase)
        self.update()
        on_phase("optimizer")
        return loss

    def gradients(
        self, images: Tensor, boxes_cxcywh: Tensor, labels: Tensor, on_phase: OnPhase = ignore_phase
    ) -> Tensor:
        """The first part of a step, up to the new gradients (scaled if there is a scaler); returns the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loc, logits = self.model(images)
        on_phase("forward")
        loss = self.loss(loc, logits, boxes_cxcywh, labels)
        on_phase("loss")
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()  # type: ignore[no-untyped-call]
        on_phase("backward")
        return loss.detach()

    def update(self) -> None:
        """The second part of a step: the optimiser applies the gradients, unless they overflowed under the scaler."""
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
