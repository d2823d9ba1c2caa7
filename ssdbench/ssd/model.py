"""SSD300 v1.1: a ResNet up to conv4_x, five additional blocks, and convolutional heads on six feature maps.

Liu et al., SSD (arXiv:1512.02325), with the changes of NVIDIA, "SSD v1.1 for PyTorch" (NGC): ResNet instead of VGG,
conv4_x at stride 1, BatchNorm in the additional blocks. Names and shapes of the state dict are those of the published
checkpoints.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from ssdbench.compatibility import zip_equal
from ssdbench.ssd.backbone import ResNetFeatures
from ssdbench.ssd.boxes import CLASS_COUNT, IMAGE_SIDE, SHAPES_PER_LEVEL

# Channels of the six maps; the first is the backbone's.
CHANNELS = {
    "resnet18": (256, 512, 512, 256, 256, 128),
    "resnet34": (256, 512, 512, 256, 256, 256),
    "resnet50": (1024, 512, 512, 256, 256, 256),
    "resnet101": (1024, 512, 512, 256, 256, 256),
    "resnet152": (1024, 512, 512, 256, 256, 256),
}

# Per additional block: channels between its two convolutions; stride and padding of the second. Sides 38 to 1.
_BOTTLENECKS = ((256, 2, 1), (256, 2, 1), (128, 2, 1), (128, 1, 0), (128, 1, 0))


class SSD300(nn.Module):
    """The detector, before decoding (`ssdbench.ssd.boxes.decode`) and loss (`ssdbench.ssd.loss.MultiBoxLoss`).

    `backbone` is resnet18, 34, 50, 101 or 152, otherwise UsageError. `weights` of the backbone are None for random
    values; a name from torchvision's enum ("ResNet50_Weights.IMAGENET1K_V1", or the part after the dot); or a local
    file with the state dict of torchvision's ResNet. Named weights come from torch hub's cache. If they are not there,
    they are downloaded with `download=True`, otherwise EnvironmentLacksError. A missing or wrong file is a DataError.
    The additional blocks and the heads always start from random values: see `ssdbench.ssd.checkpoint`.
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        weights: str | os.PathLike[str] | None = None,
        *,
        download: bool = False,
    ) -> None:
        super().__init__()
        self.feature_extractor = ResNetFeatures(backbone, weights, download=download)
        channels = CHANNELS[backbone]
        self.additional_blocks = nn.ModuleList(
            _additional_block(inputs, between, outputs, stride, padding)
            for inputs, outputs, (between, stride, padding) in zip(channels, channels[1:], _BOTTLENECKS)
        )
        self.loc = _heads(channels, 4)
        self.conf = _heads(channels, CLASS_COUNT)
        for part in (self.additional_blocks, self.loc, self.conf):
            for parameter in part.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised RGB images (N, 3, 300, 300) to box regression (N, 4, 8732) and class logits (N, 81, 8732)."""
        if images.shape[1:] != (3, IMAGE_SIDE, IMAGE_SIDE):
            raise ValueError(f"SSD300 takes images of shape (N, 3, 300, 300), not {tuple(images.shape)}")
        maps = [self.feature_extractor(images)]
        for block in self.additional_blocks:
            maps.append(block(maps[-1]))
        return _run(self.loc, maps, 4), _run(self.conf, maps, CLASS_COUNT)


def _additional_block(inputs: int, between: int, outputs: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, between, 1, bias=False),
        nn.BatchNorm2d(between),
        nn.ReLU(inplace=True),
        nn.Conv2d(between, outputs, 3, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _heads(channels: tuple[int, ...], values: int) -> nn.ModuleList:
    """One 3x3 convolution per map, with `values` outputs per default box."""
    return nn.ModuleList(
        nn.Conv2d(inputs, values * shapes, 3, padding=1) for inputs, shapes in zip_equal(channels, SHAPES_PER_LEVEL)
    )


def _run(heads: nn.ModuleList, maps: list[Tensor], values: int) -> Tensor:
    """Outputs of the heads, (N, values, 8732). Reshaped, not permuted: value is outermost, then shape, row, column."""
    outputs = [head(features) for head, features in zip_equal(heads, maps)]
    return torch.cat([output.reshape(len(output), values, -1) for output in outputs], dim=2)
