"""The work of a step, counted on the model itself, without computing it."""

from dataclasses import replace

import pytest

from ssdbench.schema.work import FORWARD_GFLOP_PER_IMAGE, model_gflop_per_image
from ssdbench.ssd.model import SSD300
from ssdbench.worker.trace import operations, trace
from ssdbench.worker.work import count_work
from tests.builders import a_case

pytestmark = pytest.mark.xdist_group("traces")  # as tests/worker/test_trace.py: they load the same

TRAIN = a_case(backbone="resnet50", batch_size_per_gpu=32)


def test_resnet50_has_40_30_gflop_forward_and_120_48_in_training() -> None:
    for workload in ("infer", "detect"):
        assert count_work(replace(TRAIN, workload=workload)).flop_per_image / 1e9 == pytest.approx(40.30, abs=0.005)
    assert count_work(TRAIN).flop_per_image / 1e9 == pytest.approx(120.48, abs=0.005)


@pytest.mark.parametrize("backbone", sorted(FORWARD_GFLOP_PER_IMAGE.keys() - {"resnet50"}))
def test_the_table_for_predictions_has_the_operations_of_the_model(backbone: str) -> None:
    found = count_work(a_case(workload="infer", backbone=backbone)).flop_per_image
    assert found / 1e9 == pytest.approx(model_gflop_per_image(backbone, trains=False), rel=0.004)


@pytest.mark.parametrize(
    ("workload", "precision", "batch"), [("infer", "fp32", 1), ("infer", "bf16", 8), ("train", "fp32", 8)]
)
def test_the_bytes_are_those_of_the_traced_step(workload: str, precision: str, batch: int) -> None:
    case = a_case(workload=workload, precision=precision, batch_size_per_gpu=batch)
    traced = sum(operation.bytes for operation in operations(trace(case), batch, on_gpu=True)) / batch
    # Conversions of the memory layout and of the labels, which the trace has, are left out.
    assert count_work(case).bytes_per_image == pytest.approx(traced, rel=0.07)


def test_sixteen_bits_move_about_half_the_bytes_with_the_same_operations() -> None:
    single, half = (count_work(replace(TRAIN, device="cuda", precision=name)) for name in ("tf32", "amp"))
    assert single.flop_per_image == half.flop_per_image
    assert 0.5 < half.bytes_per_image / single.bytes_per_image < 0.6


def test_the_weights_are_shared_by_the_images_of_a_batch() -> None:
    one, many = (count_work(a_case(workload="infer", batch_size_per_gpu=n)) for n in (1, 64))
    weights = 4 * sum(parameter.numel() for parameter in SSD300("resnet18").parameters())
    saved = one.bytes_per_image - many.bytes_per_image
    assert saved == pytest.approx(weights * (1 - 1 / 64), rel=0.01)
    assert one.flop_per_image == many.flop_per_image
