"""Builds the model that a case describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from ssdbench.errors import DataError, EnvironmentLacksError
from ssdbench.runtime.context import RankContext
from ssdbench.ssd.checkpoint import Checkpoint, load_checkpoint, load_model_state
from ssdbench.ssd.model import SSD300

M = TypeVar("M", bound=nn.Module)


def build_model(context: RankContext) -> SSD300:
    """SSD300 with the case's backbone and memory layout, on the rank's device; not compiled, see `compiled`."""
    case = context.case
    model = SSD300(case.backbone, weights=context.backbone_weights, download=context.allow_download)
    layout = torch.channels_last if case.layout == "channels_last" else torch.contiguous_format
    model.to(context.device.torch_device)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    return model


def compiled(context: RankContext, module: M) -> M:
    """Compile the module if the case asks for it; shares the parameters and leaves `module` itself unchanged.

    Compile a model after wrapping it in DistributedDataParallel: torch then splits the graph at the gradient buckets,
    so that averaging overlaps with the backward pass.
    """
    if not context.case.compile:
        return module
    if not hasattr(torch, "compiler"):
        raise EnvironmentLacksError(f"torch.compile needs torch 2.1 or newer, this is {torch.__version__}")
    wrapped: Any = torch.compile(module)
    return wrapped  # type: ignore[no-any-return]


def load_model(context: RankContext, path: Path) -> tuple[SSD300, Checkpoint]:
    """Build the model with the weights of a checkpoint; returns both.

    Raises:
        DataError: the file is not a checkpoint, or its backbone differs from the case's.
    """
    checkpoint = load_checkpoint(path)
    model = build_model(context)
    try:
        load_model_state(model, checkpoint)
    except DataError as error:
        raise DataError(f"{error}; --backbone is {context.case.backbone}, give the one it was trained with") from error
    return model, checkpoint
