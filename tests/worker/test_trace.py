"""The trace of the very step: its arithmetic is that of the model, whatever the batch size it is continued to."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ssdbench.schema.roofline import Operation
from ssdbench.schema.work import FORWARD_GFLOP_PER_IMAGE, model_gflop_per_image
from ssdbench.ssd.model import SSD300
from ssdbench.worker.trace import Trace, operations, trace
from tests.builders import a_case

pytestmark = pytest.mark.xdist_group("traces")  # what its tests share is made once, by one worker

AMP = a_case(device="cuda", precision="amp")


def gflop(found: tuple[Operation, ...]) -> float:
    return sum(operation.flop for operation in found) / 1e9


def of(found: tuple[Operation, ...], group: str) -> list[Operation]:
    return [operation for operation in found if operation.group == group]


@pytest.fixture(scope="module")
def training() -> Trace:
    return trace(replace(AMP, backbone="resnet50"))


@pytest.fixture(scope="module")
def detection() -> Trace:
    return trace(replace(AMP, workload="detect"))


@pytest.mark.parametrize("backbone", FORWARD_GFLOP_PER_IMAGE)
def test_the_figures_of_the_model_are_those_that_torch_counts(backbone: str) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        SSD300(backbone).eval()(torch.empty(1, 3, 300, 300))
    assert counter.get_total_flops() / 1e9 == pytest.approx(FORWARD_GFLOP_PER_IMAGE[backbone], rel=0.004)


def test_a_training_step_of_resnet50_has_120_gflop_an_image(training: Trace) -> None:
    found = operations(training, 128, on_gpu=True)
    assert gflop(found) / 128 == pytest.approx(120.48, abs=0.01)
    assert gflop(found) / 128 == pytest.approx(model_gflop_per_image("resnet50", trains=True), rel=0.005)


def test_inference_of_resnet18_has_the_forward_pass_alone() -> None:
    found = operations(trace(replace(AMP, workload="infer")), 5, on_gpu=True)
    assert gflop(found) / 5 == pytest.approx(FORWARD_GFLOP_PER_IMAGE["resnet18"], rel=0.004)
    assert {operation.group for operation in found} == {"convolutions", "batch_norm", "relu", "additions", "rest"}


def test_maps_are_of_16_bits_under_amp_and_of_32_without(training: Trace) -> None:
    single = operations(trace(a_case(device="cuda", precision="tf32")), 32, on_gpu=True)
    half = operations(trace(AMP), 32, on_gpu=True)
    for group in ("relu", "additions"):
        (low,), (high,) = of(half, group), of(single, group)
        assert high.bytes == pytest.approx(2 * low.bytes)
    assert gflop(single) == gflop(half)


def test_all_groups_of_training_are_there_and_grow_with_the_images_but_the_optimiser(training: Trace) -> None:
    few, many = (operations(training, images, on_gpu=True) for images in (10, 20))
    names = {"convolutions", "batch_norm", "relu", "additions", "loss", "optimizer", "rest"}
    assert {operation.group for operation in many} == names
    for group in names - {"optimizer", "rest"}:
        ratio = sum(o.bytes for o in of(many, group)) / sum(o.bytes for o in of(few, group))
        assert 1.6 < ratio <= 2.0, group
    assert of(few, "optimizer") == of(many, "optimizer")


def test_the_optimiser_reads_three_and_writes_two_of_every_parameter(training: Trace) -> None:
    parameters = sum(parameter.numel() for parameter in SSD300("resnet50").parameters())
    (step,) = of(operations(training, 2, on_gpu=True), "optimizer")
    assert (step.launches, step.bytes) == (1, 5 * 4 * parameters)


def test_a_step_continued_to_another_batch_size_is_what_is_seen_there() -> None:
    found = trace(AMP)
    two, three = operations(found, 2, on_gpu=False), operations(found, 3, on_gpu=False)
    assert sum(o.bytes for o in two) == sum(launch.cost.bytes for launch in found.fewer)
    assert sum(o.bytes for o in three) == sum(launch.cost.bytes for launch in found.more)
    assert sum(o.launches for o in three) == len(found.more)


def test_decoding_is_one_round_on_a_gpu_and_one_for_each_image_on_a_cpu(detection: Trace) -> None:
    gpu, cpu = (of(operations(detection, 8, on_gpu=on_gpu), "decoding")[0] for on_gpu in (True, False))
    assert 0.7 < cpu.launches / (8 * gpu.launches) < 1.3
    assert cpu.bytes == gpu.bytes > 8 * 81 * 8732 * 4  # the scores at least
