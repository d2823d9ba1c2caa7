"""One step of training in each mode, by one rank or by several."""

from typing import Any

import torch

from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.ssd.boxes import match
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.training import TrainStep, optimizer

GLOBAL_BATCH = 4


def batch(mode: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The global batch. In mode "alike" its second half repeats the first, so that BatchNorm sees the same per rank."""
    generator = torch.Generator().manual_seed(7)
    images = torch.randn(GLOBAL_BATCH, 3, 300, 300, generator=generator)
    centres = torch.rand(GLOBAL_BATCH, 3, 2, generator=generator) * 0.6 + 0.2
    boxes_ltrb = torch.cat([centres - 0.15, centres + 0.15], dim=2)
    labels = torch.randint(1, 81, (GLOBAL_BATCH, 3), generator=generator)
    if mode == "alike":
        half = GLOBAL_BATCH // 2
        images[half:], boxes_ltrb[half:], labels[half:] = images[:half], boxes_ltrb[:half], labels[:half]
    matched = [match(boxes, own) for boxes, own in zip(boxes_ltrb, labels, strict=True)]
    return images, torch.stack([m[0] for m in matched]), torch.stack([m[1] for m in matched])


def first_steps(group: ProcessGroup) -> dict[str, Any]:
    """Loss and gradients of the first step in each mode; all ranks must call."""
    return {mode: first_step(group, mode) for mode in ("alike", "frozen")}


def first_step(group: ProcessGroup, mode: str) -> dict[str, Any]:
    torch.manual_seed(1 + group.rank)  # every rank starts with other weights: those of rank 0 must win
    model = SSD300("resnet18").train()
    if mode == "frozen":
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
    step = TrainStep(model=group.data_parallel(model), optimizer=optimizer(model))
    share = GLOBAL_BATCH // group.world_size
    own = slice(group.rank * share, (group.rank + 1) * share)
    images, boxes_cxcywh, labels = (part[own] for part in batch(mode))
    loss = step(images, boxes_cxcywh, labels)
    mean_loss = sum(group.gather(float(loss))) / group.world_size
    return {"loss": mean_loss, "gradients": {name: parameter.grad for name, parameter in model.named_parameters()}}
