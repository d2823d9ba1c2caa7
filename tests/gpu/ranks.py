"""What every rank of the test does: `torchrun ... ranks.py FOLDER`, training steps over NCCL, and what was said."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from ssdbench.runtime.device import CudaGpu
from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.workloads.train import Train
from tests.gpu.contexts import a_context


def main() -> None:
    device = CudaGpu(int(os.environ["LOCAL_RANK"]))
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    group = ProcessGroup(device, 60.0)
    torch.save(seen_by(group, device), Path(sys.argv[1]) / f"rank-{group.rank}.pt")
    group.barrier()
    group.close()  # behind the end of the model: DistributedDataParallel that outlives its group may hang at its end


def seen_by(group: ProcessGroup, device: CudaGpu) -> dict[str, Any]:
    unwrapped = SimpleNamespace(
        rank=group.rank, world_size=2, data_parallel=lambda model: model
    )  # with the same images
    bare_losses = losses_of(Train(a_context(device, "fp32", unwrapped)))
    ranks, group.world_size = group.world_size, 2  # one rank alone wraps its model too
    train = Train(a_context(device, "fp32", group))
    assert isinstance(train._train_step.model, DistributedDataParallel)
    losses = losses_of(train)
    model = train._model
    own = {name: buffer.cpu() for name, buffer in model.named_buffers()}
    group.share_buffers(model)
    shared = {name: buffer.cpu() for name, buffer in model.named_buffers()}
    group.world_size = ranks
    device.synchronize()
    torch.cuda.set_sync_debug_mode("error")  # what follows goes over the CPU
    group.barrier()
    said = [group.gather(group.rank), group.share("of rank 0" if group.rank == 0 else None)]
    torch.cuda.set_sync_debug_mode("default")
    return {
        "bare_losses": bare_losses,
        "losses": losses,
        "gradients": {name: parameter.grad.cpu() for name, parameter in model.named_parameters()},
        "own_buffers": own,
        "shared_buffers": shared,
        "said": said,
    }


def losses_of(train: Train) -> list[float]:
    losses = []
    for number in range(3):
        train._iteration = 300 + number
        losses.append(train.step(train.fetch()).loss)
    return [float(loss) for loss in losses if loss is not None]


if __name__ == "__main__":
    main()
