"""The GPU memory of a case: a case that has fitted elsewhere is tried, one that cannot fit is skipped with a reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from ssdbench.harness.machine.probe import Machine
from ssdbench.harness.machine.worker_python import WorkerPython
from ssdbench.harness.memory import CONTEXT_BYTES, FOOTPRINTS, estimate, too_large
from ssdbench.harness.planning import make_plan
from ssdbench.harness.readers.published import read_published
from ssdbench.harness.suite import find_suite, load_suite
from ssdbench.schema.case import BACKBONES, Case
from ssdbench.schema.environment import Hardware
from tests.builders import HOST

GIB = 2**30
PUBLISHED = Path(__file__).parents[2] / "ssdbench/resources/published/nvidia_ssd300_published.csv"
WORKER = WorkerPython(
    executable="python",
    version="3.11",
    packages={"torch": "2.11", "torchvision": "0.26", "dali": "2"},
    has_cpp_compiler=True,
)
# As NVML tells it, in MiB.
V100_16GB = Hardware(
    cpu_model="CPU", cpu_count=64, gpu_model="Tesla V100-SXM2-16GB", gpu_count=8, gpu_memory_bytes=16_160 * 2**20,
    compute_capability=(7, 0),
)  # fmt: skip
T4 = replace(V100_16GB, gpu_model="Tesla T4", gpu_count=1, gpu_memory_bytes=15_360 * 2**20, compute_capability=(7, 5))
A100_40GB = replace(
    V100_16GB, gpu_model="NVIDIA A100-SXM4-40GB", gpu_memory_bytes=40_960 * 2**20, compute_capability=(8, 0)
)
A100_80GB = replace(A100_40GB, gpu_model="NVIDIA A100-SXM4-80GB", gpu_memory_bytes=81_920 * 2**20)
H100 = replace(A100_40GB, gpu_model="NVIDIA H100 80GB HBM3", gpu_memory_bytes=81_559 * 2**20, compute_capability=(9, 0))
BY_PUBLISHED_NAME = {"V100-16GB": V100_16GB, "A100-40GB": A100_40GB, "A100-80GB": A100_80GB}


def case(**changes: object) -> Case:
    plain = Case(
        workload="train", device="cuda", world_size=1, batch_size_per_gpu=128, precision="fp32", backbone="resnet50",
        pipeline="dali",
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def skipped(suite: str, hardware: Hardware) -> list[tuple[str, str, int]]:
    """(workload, precision, batch size) of the cases of a suite that do not fit, once each, in the plan's order."""
    found = {}
    for planned in _plan(suite, hardware):
        if planned.skip_reason and planned.skip_reason.startswith("needs about "):
            found[planned.case.workload, planned.case.precision, planned.case.batch_size_per_gpu] = planned.skip_reason
    return list(found)


def _plan(suite: str, hardware: Hardware):
    machine = Machine(hardware=hardware, host=HOST, cpu_has_bf16=True, no_gpu_reason=None)
    return make_plan(load_suite(find_suite(suite)), machine, WORKER, seed=1).cases


def test_every_backbone_has_its_figures():
    assert set(FOOTPRINTS) == set(BACKBONES)


@pytest.mark.parametrize(
    ("changes", "gibibytes"),
    [
        ({}, 30.7),
        ({"precision": "tf32"}, 30.7),
        ({"precision": "amp"}, 16.3),
        ({"precision": "bf16"}, 16.3),
        ({"precision": "amp", "world_size": 8}, 16.4),  # and the gradients' buckets
        ({"precision": "amp", "pipeline": "torchvision"}, 16.0),  # nothing read ahead
        ({"backbone": "resnet18"}, 8.5),
        ({"backbone": "resnet152", "batch_size_per_gpu": 32}, 25.2),
        ({"compile": True}, 10.7),
        ({"workload": "accuracy"}, 30.7),
        ({"workload": "infer"}, 3.2),
        ({"workload": "detect", "precision": "amp", "batch_size_per_gpu": 64}, 1.1),
        ({"workload": "input"}, 0.5),
        ({"workload": "infer", "batch_size_per_gpu": 1}, 0.4),
    ],
)
def test_a_case_needs_so_much_of_each_gpu(changes, gibibytes):
    assert round(estimate(case(**changes)) / GIB, 1) == gibibytes


def test_a_case_of_the_cpu_needs_no_gpu_memory():
    assert estimate(case(device="cpu")) == 0
    assert too_large(case(device="cpu"), 1) is None


def test_where_the_memory_is_not_known_nothing_is_skipped():
    assert too_large(case(backbone="resnet152", batch_size_per_gpu=4096), None) is None


def test_the_reason_has_both_figures_and_decimals_where_they_would_look_alike():
    assert too_large(case(), 16 * GIB) == "needs about 31 GiB, the GPU has 16"
    assert too_large(case(precision="amp"), 16 * GIB) == "needs about 16.3 GiB, the GPU has 16.0"
    assert too_large(case(precision="amp"), estimate(case(precision="amp"))) is None


def test_what_nvidia_measured_is_not_skipped():
    tried = 0
    for figure in read_published(PUBLISHED):
        if not figure.precision or not figure.batch_size_per_gpu:
            continue
        measured = case(
            workload="infer" if figure.workload == "infer" else "train",
            precision=figure.precision,
            batch_size_per_gpu=figure.batch_size_per_gpu,
            world_size=figure.gpus,
        )
        assert too_large(measured, BY_PUBLISHED_NAME[figure.gpu].gpu_memory_bytes) is None, figure
        tried += 1
    assert tried > 200


SIXTEEN_NIGHTLY = [("train", "amp", 128), ("train", "fp32", 128)]
SIXTEEN_MONTHLY = [("train", "fp32", 128), ("train", "fp32", 256), ("train", "amp", 128), ("train", "amp", 256)]
FORTY_MONTHLY = [("train", "fp32", 256), ("train", "tf32", 256)]


@pytest.mark.parametrize(
    ("suite", "hardware", "without"),
    [
        ("nightly", V100_16GB, SIXTEEN_NIGHTLY),
        ("nightly", T4, [("train", "amp", 128), ("train", "fp32", 64), ("train", "fp32", 128)]),
        ("nightly", A100_40GB, []),
        ("nightly", A100_80GB, []),
        ("nightly", H100, []),
        ("monthly", V100_16GB, SIXTEEN_MONTHLY),
        ("monthly", T4, [("train", "fp32", 64), *SIXTEEN_MONTHLY]),
        ("monthly", A100_40GB, FORTY_MONTHLY),
        ("monthly", A100_80GB, []),
        ("monthly", H100, []),
    ],
)
def test_the_suites_leave_out_what_cannot_fit_and_measure_the_rest(suite, hardware, without):
    assert skipped(suite, hardware) == without
    measured = [planned.case for planned in _plan(suite, hardware) if planned.skip_reason is None]
    assert all(estimate(case) <= hardware.gpu_memory_bytes for case in measured)
    assert {case.workload for case in measured} >= {"train", "infer"}
    assert len(measured) >= 17


def test_the_context_is_counted_once():
    assert estimate(case(workload="pace", pipeline="none", backbone="none")) == CONTEXT_BYTES


def test_a_case_just_below_the_limit_is_tried():
    near = case(batch_size_per_gpu=64)
    assert 0.95 * V100_16GB.gpu_memory_bytes < estimate(near) < V100_16GB.gpu_memory_bytes
    assert too_large(near, V100_16GB.gpu_memory_bytes) is None


def test_the_estimate_lies_just_below_what_an_h100_allocated():
    """results/gpu/20261126-h100-80gb.json: "train ours amp b128", resident batches; the context is not torch's."""
    allocated_gib = 15.97
    bound_gib = (estimate(case(precision="amp", pipeline="resident")) - CONTEXT_BYTES) / GIB
    assert 0.99 * allocated_gib < bound_gib < allocated_gib
