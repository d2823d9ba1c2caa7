"""Matching, loss, decoding and NMS give on a GPU what they give on a CPU."""

import pytest
import torch
from torch import Tensor

from ssdbench.runtime.device import CudaGpu
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.ssd.boxes import decode, match
from ssdbench.ssd.loss import MultiBoxLoss

pytestmark = pytest.mark.gpu

CANDIDATES = 300  # of each image
LEVEL_0 = 4 * 38 * 38  # default boxes on the finest map


def ground_truth(seed: int, count: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 2, generator=generator) * 0.8 + 0.1
    size = torch.rand(count, 2, generator=generator) * 0.3 + 0.05
    labels = torch.randint(1, 81, (count,), generator=generator)
    return torch.cat([centre - size / 2, centre + size / 2], dim=1), labels


def test_boxes_are_matched_as_on_a_cpu(gpu: CudaGpu) -> None:
    for seed, count in ((1, 20), (2, 1), (3, 0)):
        boxes_ltrb, labels = ground_truth(seed, count)
        expected, found = match(boxes_ltrb, labels), match(boxes_ltrb.cuda(), labels.cuda())
        assert found[1].is_cuda
        assert torch.equal(found[1].cpu(), expected[1])
        assert bool(expected[1].any()) == bool(count)
        torch.testing.assert_close(found[0].cpu(), expected[0], rtol=1e-6, atol=1e-7)


def test_the_loss_and_its_gradients_are_those_of_a_cpu(gpu: CudaGpu) -> None:
    PrecisionPolicy("fp32", gpu)
    generator = torch.Generator().manual_seed(4)
    matched = [match(*ground_truth(seed)) for seed in (5, 6)]
    boxes_cxcywh, labels = (torch.stack(parts) for parts in zip(*matched, strict=True))
    output = torch.randn(2, 85, 8732, generator=generator).split([4, 81], dim=1)
    seen = []
    for device in ("cpu", "cuda"):
        loc, logits = (part.detach().to(device).requires_grad_() for part in output)
        loss = MultiBoxLoss()(loc, logits, boxes_cxcywh.to(device), labels.to(device))
        loss.backward()
        seen.append([loss.detach().cpu(), loc.grad.cpu(), logits.grad.cpu()])
    for expected, found in zip(*seen, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert float(seen[0][0]) > 1


def output_of_a_detector(images: int) -> tuple[Tensor, Tensor]:
    """Regression and logits with `CANDIDATES` an image, of a few classes, none of them near the threshold."""
    generator = torch.Generator().manual_seed(images)
    loc = 0.5 * torch.randn(images, 4, 8732, generator=generator)
    logits = torch.rand(images, 81, 8732, generator=generator)
    logits[:, 0] = 8.0
    for image in range(images):
        default = LEVEL_0 + torch.randperm(8732 - LEVEL_0, generator=generator)[:CANDIDATES]  # the larger ones overlap
        column = torch.randint(1, 6, (CANDIDATES,), generator=generator)
        logits[image, column, default] = 8.0 + 4.0 * torch.rand(CANDIDATES, generator=generator)
    return loc, logits


@pytest.mark.parametrize("images", [3, 90], ids=["few boxes", "more than 25,000 boxes"])
def test_decoding_and_nms_find_on_a_gpu_what_they_find_on_a_cpu(images: int, gpu: CudaGpu) -> None:
    loc, logits = output_of_a_detector(images)
    assert images < 10 or images * CANDIDATES > 25_000
    expected, found = decode(loc, logits), decode(loc.cuda(), logits.cuda())
    assert len(found) == images
    apart = 0
    for mine, other in zip(found, expected, strict=True):
        assert mine.boxes_ltrb.is_cuda
        rows, others = (_rows(detections) for detections in (mine, other))
        distance = torch.cdist(rows, others)  # of the nearest, whatever the order of nearly equal scores
        apart += int((distance.amin(1) > 1e-3).sum()) + int((distance.amin(0) > 1e-3).sum())
    total = sum(len(detections.scores) for detections in expected)
    assert 50 * images < total < CANDIDATES * images  # NMS had work, and left something
    assert apart <= total * 1e-3  # an overlap within a rounding of the threshold may fall to either side


def _rows(detections: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    boxes_ltrb, labels, scores = (part.double().cpu() for part in detections)
    return torch.cat([boxes_ltrb, 10 * labels[:, None], scores[:, None]], dim=1)
