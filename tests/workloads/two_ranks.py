"""What each of two ranks does: `torchrun ... two_ranks.py FOLDER`; one start serves the tests of both subjects."""

import sys
import time
from pathlib import Path

import torch

from ssdbench.runtime.device import open_device
from ssdbench.runtime.distributed import ProcessGroup
from tests.workloads.collectives import seen_by
from tests.workloads.first_step import first_steps


def main() -> None:
    folder = Path(sys.argv[1])
    device = open_device("cpu", 0, 1, time.perf_counter)
    group = ProcessGroup(device, 120.0)
    steps = first_steps(group)
    if group.rank == 0:
        torch.save(steps, folder / "first-steps.pt")
    torch.save(seen_by(group, device), folder / f"rank-{group.rank}.pt")
    group.barrier()
    group.close()  # after the models are gone: DistributedDataParallel that outlives its group may hang


if __name__ == "__main__":
    main()
