"""Counts the work of one step of a case's own model: floating-point operations, and bytes read plus written.

Nothing is computed (`workloads.unfilled`), so that a count takes about a second and needs no GPU. Operations are those
of torch.utils.flop_counter: convolutions and matrix products, two for each multiplication with its addition. Bytes
follow `worker.operations`: each operation reads its inputs and writes its outputs once, and the optimiser is one
kernel. Decoding and NMS are left out: their work depends on what the images show.
"""

from __future__ import annotations

from typing import Any

import torch

from ssdbench.errors import EnvironmentLacksError
from ssdbench.schema.case import Case
from ssdbench.schema.limits import StepWork
from ssdbench.workloads.unfilled import UnfilledStep

try:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode
except ImportError as error:
    raise EnvironmentLacksError(f"work is counted with torch 2.1 or newer, this is {torch.__version__}") from error

from ssdbench.worker.operations import costs, tensors

# BatchNorm on the 1x1 map needs two images in training. Two batch sizes tell what belongs to an image from what belongs
# to the weights.
IMAGES = (2, 4)


def count_work(case: Case) -> StepWork:
    """The work of a step of the case on one GPU, by image; its workload uses the model.

    The bytes of the weights are shared out among the images of a batch.
    """
    few, many = (_counted(UnfilledStep(case, images)) for images in IMAGES)
    span = IMAGES[1] - IMAGES[0]
    flop, moved = ((more - less) / span for less, more in zip(few, many))
    of_weights = few[1] - moved * IMAGES[0]
    return StepWork(flop_per_image=flop, bytes_per_image=moved + of_weights / case.batch_size_per_gpu)


def _counted(step: UnfilledStep) -> tuple[float, float]:
    """Operations and bytes of a step."""
    with FlopCounterMode(display=False) as counter, _Bytes() as moved:
        step.run()
    return float(counter.get_total_flops()), float(moved.total + step.further_bytes())


class _Bytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the bytes of every launch."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        self.total += sum(cost.bytes for cost in costs(func, list(tensors((args, kwargs))), args, output))
        return output
