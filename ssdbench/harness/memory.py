"""A lower bound of the GPU memory that a case needs, so that a case which cannot fit is skipped.

    memory = context + weights, momentum, gradient buckets + batch size per GPU x bytes per image + prefetched batches

A model's bytes per image are the peak of the live tensors of one step, traced through the model and the train step
without computing them; tests/ssd/test_memory.py repeats the trace and compares. The peak of training is at the start of
the backward pass, when everything saved for it is alive (0.221 GiB per image with ResNet-50 in float32, 0.114 under
autocast), together with the first gradients.

The bound excludes the workspaces of cuDNN and cuBLAS, what DALI holds in addition to its finished batches (decoded
images, the decoder's buffers), NCCL's buffers, box decoding with NMS, rounding and fragmentation in torch's allocator,
and the memory of other processes. A case is skipped only if the bound exceeds the memory; one just below the limit is
tried and may run out of memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ssdbench.schema.case import PRECISIONS, WORKLOADS, Case

_MIB = 2**20
_FLOAT_BYTES = 4

# The least that a CUDA context takes, with the torch and cuDNN kernels that a step loads.
CONTEXT_BYTES = 256 * _MIB
# One image in float32 (3, 300, 300), its matched boxes (8732, 4) in float32 and labels (8732) in int64.
IMAGE_BYTES = 3 * 300 * 300 * _FLOAT_BYTES
TARGET_BYTES = 8732 * (4 * _FLOAT_BYTES + 8)
# Batches on the GPU in addition to the one in use: DALI's output queue, and the other one of the two resident ones.
_BATCHES_AHEAD = {"dali": 2, "resident": 1}

COMPILED_SHARE = 1 / 3
"""The least share of an eager step's bytes per image that a compiled step keeps: less than all convolution outputs.

torch.compile may recompute normalisation and ReLU in the backward pass, but never a convolution.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Memory of SSD300 with one backbone.

    `train_mib` and `infer_mib` are MiB per image, input included, by the bytes of an activation: 4 in fp32 and tf32, 2
    under autocast (amp, bf16).
    """

    parameters: int
    train_mib: Mapping[int, float]
    infer_mib: Mapping[int, float]


FOOTPRINTS: Mapping[str, Footprint] = {
    "resnet18": Footprint(parameters=14_048_310, train_mib={4: 62.9, 2: 38.2}, infer_mib={4: 12.0, 2: 6.5}),
    "resnet34": Footprint(parameters=19_975_222, train_mib={4: 96.6, 2: 55.1}, infer_mib={4: 12.0, 2: 6.5}),
    "resnet50": Footprint(parameters=22_894_902, train_mib={4: 239.8, 2: 124.6}, infer_mib={4: 20.7, 2: 10.9}),
    "resnet101": Footprint(parameters=41_887_030, train_mib={4: 527.5, 2: 268.5}, infer_mib={4: 20.7, 2: 10.9}),
    "resnet152": Footprint(parameters=57_530_678, train_mib={4: 781.3, 2: 395.4}, infer_mib={4: 20.7, 2: 10.9}),
}


def estimate(case: Case) -> int:
    """The least memory in bytes that a case needs on each GPU; 0 for a case on the CPU."""
    if case.device == "cpu":
        return 0
    traits = WORKLOADS[case.workload]
    batch_bytes = case.batch_size_per_gpu * (IMAGE_BYTES + (TARGET_BYTES if traits.trains else 0))
    ahead_bytes = _BATCHES_AHEAD.get(case.pipeline, 0) * batch_bytes
    if not traits.uses_model:
        return CONTEXT_BYTES + ahead_bytes
    return CONTEXT_BYTES + ahead_bytes + _model_bytes(case) + _step_bytes(case)


def _model_bytes(case: Case) -> int:
    """Weights and, in training, momentum, the weights' 16-bit copies, and DDP's gradient buckets."""
    each = _FLOAT_BYTES
    if WORKLOADS[case.workload].trains:
        each += _FLOAT_BYTES
        each += 2 if _activation_bytes(case) == 2 else 0
        each += _FLOAT_BYTES if case.world_size > 1 else 0
    return each * FOOTPRINTS[case.backbone].parameters


def _step_bytes(case: Case) -> int:
    footprint = FOOTPRINTS[case.backbone]
    by_width = footprint.train_mib if WORKLOADS[case.workload].trains else footprint.infer_mib
    mib = by_width[_activation_bytes(case)] * (COMPILED_SHARE if case.compile else 1.0)
    return int(case.batch_size_per_gpu * mib * _MIB)


def _activation_bytes(case: Case) -> int:
    return _FLOAT_BYTES if PRECISIONS[case.precision].autocast_dtype is None else 2


def too_large(case: Case, gpu_memory_bytes: int | None) -> str | None:
    """Why a case cannot fit into the memory of one GPU: a sentence, or None if it may fit or the memory is unknown."""
    needed = estimate(case)
    if gpu_memory_bytes is None or needed <= gpu_memory_bytes:
        return None
    need, have = needed / 2**30, gpu_memory_bytes / 2**30
    decimals = 0 if round(need) > round(have) else 1
    return f"needs about {need:.{decimals}f} GiB, the GPU has {have:.{decimals}f}"
