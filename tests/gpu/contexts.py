"""Sessions of one rank on a GPU, for workloads of a few small images."""

from types import SimpleNamespace
from typing import Any, cast

import torch

from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import CudaGpu
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.schema.case import Case


def a_context(gpu: CudaGpu, precision: str = "amp", group: Any = None, **changes: Any) -> RankContext:
    """Training of a resnet18 on two resident images; the same weights and images for equal arguments."""
    asked: dict[str, Any] = {
        "workload": "train", "device": "cuda", "world_size": 1, "batch_size_per_gpu": 2, "precision": precision,
        "backbone": "resnet18", "pipeline": "resident", **changes,
    }  # fmt: skip
    torch.manual_seed(1)
    return RankContext(
        case=Case(**asked),
        device=gpu,
        precision=PrecisionPolicy(precision, gpu),
        group=group or cast(Any, SimpleNamespace(rank=0, world_size=1, data_parallel=lambda model: model)),
        seed=1,
    )
