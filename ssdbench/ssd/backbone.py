"""ResNet backbones of SSD300 v1.1: torchvision's, truncated after `layer3` (conv4_x), with conv4_x at stride 1.

A 300x300 image gives a 38x38 map. Source: NVIDIA, "SSD v1.1 for PyTorch" (NGC); Huang et al. (arXiv:1611.10012).
"""

from __future__ import annotations

import http.client
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
import torchvision
from torch import Tensor, nn

from ssdbench.errors import DataError, EnvironmentLacksError, UsageError
from ssdbench.ssd import state

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")

_DROPPED = ("layer4.", "fc.")  # conv5_x and the classifier; avgpool holds no state


class ResNetFeatures(nn.Module):
    """Maps normalised RGB images (N, 3, 300, 300) to features (N, 256 or 1024, 38, 38).

    `weights` as for `ssdbench.ssd.model.SSD300`. The name of the nested module is that of the published checkpoints.
    """

    def __init__(self, backbone: str, weights: str | os.PathLike[str] | None, *, download: bool) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise UsageError(f"backbone {backbone!r} does not exist; choose one of {', '.join(BACKBONES)}")
        resnet = getattr(torchvision.models, backbone)()  # without weights, whatever the version calls that
        if weights is not None:
            _load(resnet, _locate(backbone, os.fspath(weights), download=download), backbone)
        for module in resnet.layer3[0].modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
        self.feature_extractor = nn.Sequential(*list(resnet.children())[:7])

    def forward(self, images: Tensor) -> Tensor:
        """The feature map of conv4_x."""
        features: Tensor = self.feature_extractor(images)
        return features


def _load(resnet: nn.Module, path: Path, backbone: str) -> None:
    """Load a file into a complete ResNet; the file need not contain the layers that are dropped afterwards."""
    expected = _used(resnet.state_dict())
    found = state.completed(expected, _used(state.weights(path, state.read(path))))
    if differs := state.difference(expected, found):
        raise DataError(f"{path}: not the weights of torchvision's {backbone} ({differs})")
    resnet.load_state_dict(found, strict=False)


def _used(state_dict: Any) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state_dict.items() if not name.startswith(_DROPPED)}


def _locate(backbone: str, weights: str, *, download: bool) -> Path:
    """The file for a name from torchvision's enum of weights, or for a path."""
    family, _, member = weights.rpartition(".")
    is_name = bool(re.fullmatch(r"\w+_Weights", family) or re.fullmatch(r"[A-Z][A-Z0-9_]*", weights))
    if not hasattr(torchvision.models, "get_model_weights"):
        return _file_or_refusal(weights, is_name=is_name)
    names = torchvision.models.get_model_weights(backbone)
    if family in ("", names.__name__) and member in names.__members__:
        return _cached(names[member], download=download)
    if Path(weights).exists():
        return Path(weights)
    choices = ", ".join(f"{names.__name__}.{name}" for name in names.__members__)
    if is_name:
        raise UsageError(f"weights {weights!r} do not exist for {backbone}; choose one of {choices}, or a file")
    raise DataError(f"{weights}: no such file (weights are a file, or one of {choices})")


def _file_or_refusal(weights: str, *, is_name: bool) -> Path:
    """What `_locate` finds where torchvision has no enum of weights."""
    if Path(weights).exists():
        return Path(weights)
    if is_name:
        raise EnvironmentLacksError(
            f"weights {weights!r} are known to torchvision 0.14 or newer, and this is {torchvision.__version__}: "
            "give them as a file"
        )
    raise DataError(f"{weights}: no such file")


def _cached(weights: Any, *, download: bool) -> Path:
    """The file of torchvision weights in torch hub's cache; downloaded only if `download` allows it."""
    name = Path(urlsplit(weights.url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.exists():
        return path
    if not download:
        raise EnvironmentLacksError(
            f"the weights {weights} are not on this machine; allow the download of {weights.url}, "
            f"put the file at {path}, or name a local file"
        )
    digest = re.search(r"-([a-f0-9]{8,})\.", name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(weights.url, str(path), digest and digest.group(1), progress=False)
    except (OSError, http.client.HTTPException, RuntimeError) as error:  # no network or disk; cut off; wrong digest
        raise EnvironmentLacksError(
            f"the weights {weights} could not be downloaded from {weights.url} ({error}); "
            f"put the file at {path}, or name a local file"
        ) from error
    return path
