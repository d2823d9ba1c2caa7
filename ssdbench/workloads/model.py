"""The model as a case asks for it."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from ssdbench.errors import DataError
from ssdbench.runtime.context import RankContext
from ssdbench.ssd.checkpoint import Checkpoint, load_checkpoint, load_model_state
from ssdbench.ssd.model import SSD300

M = TypeVar("M", bound=nn.Module)


def build_model(context: RankContext) -> SSD300:
    """SSD300 with the case's backbone, on the rank's device, in the case's memory layout; eager, see `compiled`."""
    case = context.case
    model = SSD300(case.backbone, weights=context.backbone_weights, download=context.allow_download)
    layout = torch.channels_last if case.layout == "channels_last" else torch.contiguous_format
    model.to(context.device.torch_device)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    return model


def compiled(context: RankContext, module: M) -> M:
    """The module as the case runs it: compiled if asked, on the same parameters; `module` itself is not changed.

    What DistributedDataParallel wraps is compiled from outside: torch then cuts the graph at the buckets of gradients,
    so that their average goes on beside the backward pass.
    """
    if not context.case.compile:
        return module
    wrapped: Any = torch.compile(module)
    return wrapped  # type: ignore[no-any-return]


def load_model(context: RankContext, path: Path) -> tuple[SSD300, Checkpoint]:
    """`build_model` with the weights of a checkpoint, and the checkpoint itself.

    Raises:
        DataError: the file is no checkpoint, or not one of this backbone.
    """
    checkpoint = load_checkpoint(path)
    model = build_model(context)
    try:
        load_model_state(model, checkpoint)
    except DataError as error:
        raise DataError(f"{error}; --backbone is {context.case.backbone}, give the one it was trained with") from error
    return model, checkpoint
