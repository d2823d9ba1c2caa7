"""What is measured: the workloads as the suite runs them, and a plain loop in the form of the published one."""

import importlib
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu.check import Check, Step
from ssdbench.runtime.context import RankContext
from ssdbench.runtime.distributed import SingleProcess
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.schema.case import Case
from ssdbench.ssd.boxes import encode
from ssdbench.ssd.model import SSD300


def case_of(check: Check, workload: str, batch_size: int, precision: str = "amp", **changes: Any) -> Case:
    """The resident case that a stage asks for; on a CPU a small network in fp32."""
    settled: dict[str, Any] = {
        "workload": workload,
        "batch_size_per_gpu": check.pick(batch_size, min(batch_size, 2)),
        "precision": check.pick(precision, "fp32"),
        "backbone": check.pick("resnet50", "resnet18"),
        "pipeline": "resident",
        "device": check.device.kind,
        "world_size": 1,
        "threads_per_rank": check.pick(8, 1),
    }
    return Case(**settled | changes)


def open_workload(check: Check, case: Case) -> Any:
    """The very workload that a launch of this case would measure."""
    context = RankContext(
        case=case,
        device=check.device,
        precision=PrecisionPolicy(case.precision, check.device),
        group=SingleProcess(check.device),
        seed=1,
    )
    return importlib.import_module(f"ssdbench.workloads.{case.workload}").open_workload(context)


def step_of(workload: Any) -> Step:
    """A whole step of a workload, its batch fetched within."""
    return lambda: workload.step(workload.fetch())


def ours(check: Check, workload: str, batch_size: int, precision: str = "amp", **changes: Any) -> Step:
    """The step of a case, ready to be called."""
    return step_of(open_workload(check, case_of(check, workload, batch_size, precision, **changes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """What `detect` hands to `decode` in one step: box regression, class logits, and the options."""

    loc: Tensor
    logits: Tensor
    options: dict[str, Any]


def decoding(check: Check, batch_size: int, precision: str = "amp", **changes: Any) -> Decoding:
    """The model's output of the detect workload, whose number of candidates is its own."""
    workload = open_workload(check, case_of(check, "detect", batch_size, precision, **changes))
    with mock.patch("ssdbench.workloads.detect.decode") as decode:
        workload.step(workload.fetch())
    (loc, logits), options = decode.call_args
    return Decoding(loc=loc, logits=logits, options=options)


class PublishedLoss(nn.Module):
    """The arithmetic of the published loss, its order of operations included: two sorts, masks as factors."""

    def forward(self, loc: Tensor, logits: Tensor, boxes_cxcywh: Tensor, labels: Tensor) -> Tensor:
        mask = labels > 0
        positives = mask.sum(dim=1)
        regression = F.smooth_l1_loss(loc, encode(boxes_cxcywh).transpose(1, 2), reduction="none").sum(dim=1)
        box_loss = (mask.float() * regression).sum(dim=1)
        class_loss = F.cross_entropy(logits, labels, reduction="none")
        negative = class_loss.clone()
        negative[mask] = 0
        rank = negative.sort(dim=1, descending=True)[1].sort(dim=1)[1]
        mined = rank < (3 * positives).clamp(max=mask.size(1)).unsqueeze(-1)
        total = box_loss + (class_loss * (mask + mined).float()).sum(dim=1)
        return (total * (positives > 0).float() / positives.float().clamp(min=1e-6)).mean()


def plain(check: Check, batch_size: int, precision: str = "amp") -> Step:
    """A plain training loop: default SGD, images normalised in the step, the loss read in every step."""
    case = case_of(check, "train", batch_size, precision)
    workload = open_workload(check, case)
    batch = workload.fetch()
    policy, device = PrecisionPolicy(case.precision, check.device), check.device.torch_device
    model = SSD300(case.backbone).to(device).train()
    parameters = list(model.named_parameters())
    exempt = [p for name, p in parameters if p.dim() <= 1 or name.endswith(".bias")]
    decayed = [p for name, p in parameters if p.dim() > 1 and not name.endswith(".bias")]
    groups: list[dict[str, Any]] = [{"params": exempt, "weight_decay": 0.0}, {"params": decayed}]
    sgd = torch.optim.SGD(groups, lr=1e-5, momentum=0.9, weight_decay=5e-4)
    loss_of, scaler = PublishedLoss(), policy.scaler()
    raw = batch.images.contiguous()
    mean, std = torch.zeros(1, 3, 1, 1, device=device), torch.ones(1, 3, 1, 1, device=device)

    def step() -> float:
        images = raw.clone().sub_(mean).div_(std)
        with policy.autocast():
            loc, logits = model(images.to(memory_format=torch.channels_last))
        loss = loss_of(loc.float(), logits.float(), batch.boxes_cxcywh, batch.labels)
        if scaler is None:
            loss.backward()
            sgd.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(sgd)
            scaler.update()
        sgd.zero_grad()
        return loss.item()

    return step
