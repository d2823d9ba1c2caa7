"""Every input pipeline feeds a GPU: its batches are there, right, and cost the host no wait."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from ssdbench.runtime.device import CudaGpu
from ssdbench.ssd.coco import Prepared
from ssdbench.ssd.pipelines import resident
from ssdbench.ssd.pipelines.contract import PipelineOptions, TrainingBatch
from ssdbench.ssd.preparation import prepare
from ssdbench.ssd.synthetic import SyntheticSpec, synthesise

pytestmark = pytest.mark.gpu

Opened = Callable[..., Any]


def say_nothing(phase: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("data")
    synthesise(folder / "coco", SyntheticSpec(train_images=16, val_images=8, seed=7), say_nothing)
    return prepare(folder / "coco", folder / "cache", say_nothing)


@pytest.fixture
def opened(prepared: Prepared, gpu: CudaGpu) -> Iterator[Opened]:
    pipelines = []

    def open_one(name: str, kind: str, device: torch.device = gpu.torch_device) -> Any:
        split = prepared.train if kind == "training" else prepared.val
        options = PipelineOptions(batch_size_per_gpu=4, device=device, data=split, threads=2, seed=3)
        if name == "dali":
            pytest.importorskip("nvidia.dali", reason="DALI is not installed")
        pipelines.append(getattr(importlib.import_module(f"ssdbench.ssd.pipelines.{name}"), kind)(options))
        return pipelines[-1]

    yield open_one
    for pipeline in pipelines:
        pipeline.close()


def check_on_gpu(batch: TrainingBatch, gpu: CudaGpu) -> None:
    assert {batch.images.device, batch.boxes_cxcywh.device, batch.labels.device} == {gpu.torch_device}
    assert batch.images.shape == (4, 3, 300, 300)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert (batch.images.dtype, batch.labels.dtype) == (torch.float32, torch.int64)
    assert bool((batch.labels > 0).any(1).all())
    assert float(batch.images.std()) > 0.1


def test_resident_batches_are_on_the_gpu(gpu: CudaGpu) -> None:
    batch = next(resident.training(PipelineOptions(batch_size_per_gpu=4, device=gpu.torch_device)).epoch())
    check_on_gpu(batch, gpu)


def test_torchvision_batches_are_on_the_gpu_and_are_those_of_the_cpu(opened: Opened, gpu: CudaGpu) -> None:
    batch = next(opened("torchvision", "training").epoch())
    on_cpu = next(opened("torchvision", "training", torch.device("cpu")).epoch())
    check_on_gpu(batch, gpu)
    assert torch.equal(batch.labels.cpu(), on_cpu.labels)
    torch.testing.assert_close(batch.images.cpu(), on_cpu.images, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(batch.boxes_cxcywh.cpu(), on_cpu.boxes_cxcywh)


@pytest.mark.parametrize("kind", ["training", "validation"])
def test_a_torchvision_batch_costs_no_wait_for_the_gpu(kind: str, opened: Opened, gpu: CudaGpu) -> None:
    batches = opened("torchvision", kind).epoch()
    next(batches)  # constants come to the device once
    gpu.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    next(batches)
    torch.cuda.set_sync_debug_mode("default")
    gpu.synchronize()


def test_dali_batches_are_on_the_gpu_and_stay_as_they_are_while_it_reads_ahead(opened: Opened, gpu: CudaGpu) -> None:
    batches = opened("dali", "training").epoch()
    batch = next(batches)
    check_on_gpu(batch, gpu)
    before = batch.images.double().sum(), batch.boxes_cxcywh.double().sum()
    for _ in range(2):
        next(batches)
    gpu.synchronize()
    assert (batch.images.double().sum(), batch.boxes_cxcywh.double().sum()) == before


def test_dali_validation_shows_the_images_of_the_torchvision_pipeline(opened: Opened, gpu: CudaGpu) -> None:
    by_dali, by_torchvision = (next(opened(name, "validation").epoch()) for name in ("dali", "torchvision"))
    assert by_dali.image_ids.tolist() == by_torchvision.image_ids.tolist()
    assert by_dali.images.device == gpu.torch_device
    assert float((by_dali.images - by_torchvision.images).abs().mean()) < 0.1
    others = by_torchvision.images.flip(0)
    assert float((by_dali.images - others).abs().mean()) > 0.2  # not the images of others
