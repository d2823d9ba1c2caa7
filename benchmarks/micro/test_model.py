"""The parts of the model: matching, loss, decoding with NMS, forward pass, train step. Batch 2, ResNet-50, float32."""

import pytest
import torch
from torch import Tensor

from benchmarks.micro.conftest import BATCH
from ssdbench.ssd import boxes
from ssdbench.ssd.loss import MultiBoxLoss
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.training import TrainStep, optimizer, set_learning_rate

pytestmark = pytest.mark.benchmark(max_time=2, min_rounds=3, warmup=True, warmup_iterations=1)


@pytest.fixture
def truth() -> tuple[Tensor, Tensor]:
    """Seven boxes, as an image of COCO has on average."""
    corner, size = torch.rand(7, 2) * 0.7, 0.05 + torch.rand(7, 2) * 0.25
    return torch.cat([corner, corner + size], dim=1), torch.randint(1, 81, (7,))


@pytest.fixture
def targets(truth: tuple[Tensor, Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    boxes_cxcywh, labels = boxes.match(*truth)
    return boxes_cxcywh.repeat(BATCH, 1, 1).to(device), labels.repeat(BATCH, 1).to(device)


@pytest.fixture
def images(device: torch.device) -> Tensor:
    return torch.randn(BATCH, 3, 300, 300, device=device).to(memory_format=torch.channels_last)


@pytest.fixture
def model(device: torch.device) -> SSD300:
    return SSD300().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def test_matching(benchmark, finished, truth):
    boxes_cxcywh, labels = benchmark(finished(boxes.match), *truth)
    assert boxes_cxcywh.shape == (8732, 4)
    assert (labels > 0).sum() >= 7


def test_loss(benchmark, finished, device, targets):
    loc, logits = torch.randn(BATCH, 4, 8732, device=device), torch.randn(BATCH, 81, 8732, device=device)
    assert benchmark(finished(MultiBoxLoss()), loc, logits, *targets).isfinite()


def test_decoding_and_nms(benchmark, finished, device):
    # About 800 candidates an image: docs/decisions/0002-detection-load.md.
    loc, logits = torch.randn(BATCH, 4, 8732, device=device), torch.randn(BATCH, 81, 8732, device=device)
    logits[:, 0] += 8.0
    logits[:, 1:11, ::110] += 9.0
    detections = benchmark(finished(boxes.decode), loc, logits)
    assert len(detections) == BATCH
    assert all(len(found.scores) for found in detections)


def test_forward_pass(benchmark, finished, model, images):
    model.eval()
    with torch.inference_mode():
        loc, _ = benchmark(finished(model), images)
    assert loc.shape == (BATCH, 4, 8732)


def test_train_step(benchmark, finished, model, images, targets):
    sgd = optimizer(model)
    set_learning_rate(sgd, 1e-5)
    assert benchmark(finished(TrainStep(model=model.train(), optimizer=sgd)), images, *targets).isfinite()
