"""The collectives of training steps, each rank on its own images."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import Device
from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.ssd.pipelines.contract import TrainingBatch
from ssdbench.workloads.train import Train
from tests.builders import a_case


def seen_by(group: ProcessGroup, device: Device) -> dict[str, Any]:
    torch.manual_seed(1 + group.rank)
    case = a_case(world_size=group.world_size)
    context = RankContext(case=case, device=device, precision=PrecisionPolicy("fp32", device), group=group, seed=1)
    train = Train(context)
    batch: TrainingBatch = train.fetch()
    for _ in range(2):
        train.step(batch)  # the first two also agree on the buckets of gradients
    with Collectives() as in_step:
        train.step(batch)
    model = train._model
    own_buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with Collectives() as in_sharing:
        group.share_buffers(model)
    return {
        "gradients": {name: parameter.grad for name, parameter in model.named_parameters()},
        "own_buffers": own_buffers,
        "collectives_of_a_step": in_step.counts,
        "shared_buffers": dict(model.named_buffers()),
        "collectives_of_sharing": in_sharing.counts,
    }


class Collectives(TorchDispatchMode):
    """Counts the collectives that are called within, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            name = func.overloadpacket.__name__
            self.counts[name] = self.counts.get(name, 0) + 1
        return func(*args, **(kwargs or {}))
