"""What every rank of a test does: `torchrun ... ranks.py JOB_JSON`. It evaluates, and writes down what it saw."""

import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssdbench.errors import DataError
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.device import open_device
from ssdbench.runtime.distributed import ProcessGroup, is_peer_lost
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.ssd.model import SSD300
from ssdbench.workloads.evaluation import Evaluator
from ssdbench.workloads.pipeline import open_pipeline
from tests.builders import a_case

FAVOURED = 8
FAVOUR_BY_MAP = (0.0, 0.0, 5.0, 5.0, 5.0, 5.0)


def detecting_model() -> SSD300:
    """Random weights, default boxes as they are, the first categories on the coarser maps preferred: some is there."""
    torch.manual_seed(3)
    model = SSD300("resnet18")
    for head in model.loc:
        nn.init.zeros_(head.get_parameter("weight"))
        nn.init.zeros_(head.get_parameter("bias"))
    for head, favour in zip(model.conf, FAVOUR_BY_MAP, strict=True):
        head.get_parameter("weight").detach().mul_(0.2)
        bias = head.get_parameter("bias").detach()
        bias.view(81, -1)[1 : 1 + FAVOURED] += favour
    return model


def open_context(group: ProcessGroup, prepared: Path | None, batch_size: int, **case: object) -> RankContext:
    device = open_device("cpu", 0, 1, time.perf_counter)
    return RankContext(
        case=a_case(
            workload="evaluate", device="cpu", world_size=group.world_size, batch_size_per_gpu=batch_size,
            precision="fp32", backbone="resnet18", **{"pipeline": "torchvision", **case},
        ),
        device=device,
        precision=PrecisionPolicy("fp32", device),
        group=group,
        seed=1,
        prepared_data=prepared,
    )  # fmt: skip


def floating_buffers(model: nn.Module) -> Tensor:
    return torch.cat([buffer.flatten() for buffer in model.buffers() if buffer.is_floating_point()])


def evaluate_on_this_rank(group: ProcessGroup, prepared: Path, batch_size: int, folder: Path) -> None:
    context = open_context(group, prepared, batch_size)
    model = detecting_model().train()
    model.additional_blocks[0].eval()
    for buffer in model.buffers():
        buffer += group.rank
    judges = {protocol: Evaluator(context, protocol=protocol) for protocol in ("every-image", "published")}
    evaluator = judges["every-image"]
    found = evaluator.detect(model)
    np.savez(
        folder / f"rank-{group.rank}.npz",
        rows=found.rows,
        images=found.images,
        buffers=floating_buffers(model).numpy(),
    )
    figures = {protocol: asdict(judge.judge(found)) for protocol, judge in judges.items()}
    said = {
        "figures": figures,
        "images": evaluator.images,
        "modes": [module.training for module in (model, model.additional_blocks[0], model.additional_blocks[1])],
        "has_rows": evaluator.rows is not None,
    }
    (folder / f"rank-{group.rank}.json").write_text(json.dumps(said))
    if evaluator.rows is not None:
        np.save(folder / "rows.npy", evaluator.rows)
    for judge in judges.values():
        judge.close()


def look_at_a_wrong_shard(group: ProcessGroup, prepared: Path, folder: Path) -> None:
    """The last rank looks at the images of rank 0 in place of its own."""
    context = open_context(group, prepared, 4)
    evaluator = Evaluator(context)
    if group.rank == group.world_size - 1:
        evaluator.close()
        as_rank_0: Any = SimpleNamespace(rank=0, world_size=group.world_size)
        evaluator._pipeline = open_pipeline(replace(context, group=as_rank_0), training=False)
    try:
        evaluator(detecting_model())
    except DataError as error:
        (folder / "wrong-shard.txt").write_text(str(error))
    except RuntimeError as error:
        if not is_peer_lost(error):
            raise


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    folder, prepared = Path(job["folder"]), Path(job["prepared"])
    group = ProcessGroup(open_device("cpu", 0, 1, time.perf_counter), 100.0)
    evaluate_on_this_rank(group, prepared, job["batch_size"], folder)
    if job["wrong_shard"]:
        look_at_a_wrong_shard(group, prepared, folder)
    group.close()


if __name__ == "__main__":
    main()
