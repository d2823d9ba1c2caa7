"""Seeded inputs, the same for every form."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.reference import textbook, torchvision_ssd
from ssdbench.ssd import boxes
from ssdbench.ssd.loss import MultiBoxLoss

TRUTHS = (1, 7, 20, 60)  # an image of COCO has seven on average
CANDIDATES = (50, 300, 1000, 4000)  # of one image; a trained detector has some hundred
LOSS_BATCH = 4
Form = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One piece of work in three forms; `torchvision` may be given its input in another layout or order."""

    name: str
    ours: Form
    textbook: Form
    torchvision: Form


def truth(count: int) -> tuple[Tensor, Tensor]:
    """Boxes (count, 4) ltrb within the image, and labels."""
    generator = torch.Generator().manual_seed(count)
    corner = torch.rand(count, 2, generator=generator) * 0.7
    size = 0.05 + torch.rand(count, 2, generator=generator) * 0.25
    return torch.cat([corner, corner + size], dim=1), torch.randint(1, 81, (count,), generator=generator)


def matching(count: int) -> Comparison:
    boxes_ltrb, labels = truth(count)
    return Comparison(
        name=f"matching, {count} boxes" if count > 1 else "matching, 1 box",
        ours=lambda: boxes.match(boxes_ltrb, labels),
        textbook=lambda: textbook.match(boxes_ltrb, labels),
        torchvision=lambda: torchvision_ssd.match(boxes_ltrb),
    )


def loss_and_gradient() -> Comparison:
    """A batch of one image's truth many times: with as many positives in each, the definitions agree."""
    boxes_ltrb, labels = truth(7)
    target_cxcywh, target_labels = (
        part.repeat(LOSS_BATCH, *[1] * part.dim()) for part in boxes.match(boxes_ltrb, labels)
    )
    matches = torchvision_ssd.match(boxes_ltrb).flip(0)
    generator = torch.Generator().manual_seed(0)
    loc = torch.randn(LOSS_BATCH, 4, 8732, generator=generator, requires_grad=True)
    logits = torch.randn(LOSS_BATCH, 81, 8732, generator=generator, requires_grad=True)
    regression, classes_last = (part.detach().transpose(1, 2).contiguous().requires_grad_() for part in (loc, logits))
    ours = MultiBoxLoss()

    def with_gradient(value: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
        return value, *torch.autograd.grad(value, leaves)

    return Comparison(
        name=f"loss and its gradient, batch {LOSS_BATCH}",
        ours=lambda: with_gradient(ours(loc, logits, target_cxcywh, target_labels), loc, logits),
        textbook=lambda: with_gradient(textbook.loss(loc, logits, target_cxcywh, target_labels), loc, logits),
        torchvision=lambda: with_gradient(
            torchvision_ssd.loss(
                regression, classes_last, [boxes_ltrb] * LOSS_BATCH, [labels] * LOSS_BATCH, [matches] * LOSS_BATCH
            ),
            regression,
            classes_last,
        ),
    )


def detection(candidates: int) -> Comparison:
    """One image with `candidates` scores above the threshold, over all classes, in default boxes inside the image."""
    generator = torch.Generator().manual_seed(candidates)
    defaults_ltrb = boxes.default_boxes("ltrb")
    inside = ((defaults_ltrb > 0.05) & (defaults_ltrb < 0.95)).all(1).nonzero()[:, 0]
    rows = inside[torch.randperm(len(inside), generator=generator)[:candidates]]
    loc = 0.3 * torch.randn(1, 4, 8732, generator=generator)
    logits = torch.randn(1, 81, 8732, generator=generator)
    logits[:, 0] += 12.0
    labels = torch.randint(1, 81, (candidates,), generator=generator)
    logits[0, labels, rows] = 11.5 + 2 * torch.rand(candidates, generator=generator)
    regression, classes_last = loc.transpose(1, 2).contiguous(), logits.transpose(1, 2).contiguous()
    return Comparison(
        name=f"detection, {candidates:,} candidates",
        ours=lambda: boxes.decode(loc, logits),
        textbook=lambda: textbook.detect(loc, logits),
        torchvision=lambda: torchvision_ssd.detect(regression, classes_last),
    )


def comparisons() -> list[Comparison]:
    return [*map(matching, TRUTHS), loss_and_gradient(), *map(detection, CANDIDATES)]
