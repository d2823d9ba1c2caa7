"""The published SSD augmentation as torchvision v2 transforms, equal step by step to DALI's operators.

Each takes and returns (image, boxes_ltrb, labels): image (3, H, W) uint8, boxes (M, 4) float32 relative to the
image, labels (M,) int64. Random numbers come from torch's default generator of the CPU.
"""

from __future__ import annotations

import math
from typing import Tuple

import torch
import torchvision
from torch import Tensor
from torchvision.ops import box_iou

from ssdbench.errors import EnvironmentLacksError
from ssdbench.ssd.boxes import IMAGE_SIDE
from ssdbench.ssd.pipelines.contract import (
    BRIGHTNESS,
    CONTRAST,
    CONTRAST_CENTRE,
    CROP_ASPECT_RATIO,
    CROP_SCALE,
    CROP_THRESHOLDS_IOU,
    FLIP_PROBABILITY,
    HUE_DEGREES,
    SATURATION,
)

try:
    from torchvision import tv_tensors
    from torchvision.transforms import v2
except ImportError as error:
    raise EnvironmentLacksError(
        f"the torchvision pipeline needs torchvision 0.16 or newer, this is {torchvision.__version__}: "
        "use the dali pipeline"
    ) from error

Sample = Tuple[Tensor, Tensor, Tensor]

# The coefficients of DALI's `hsv`.
RGB_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])


def as_image(pixels: Tensor) -> Tensor:
    """The pixels (3, H, W) as an image, the only kind of tensor that torchvision's transforms change."""
    image: Tensor = tv_tensors.Image(pixels)
    return image


def training_transform() -> v2.Transform:
    """Crop, resize, colour, flip: in the order of the published pipeline."""
    return v2.Compose([SSDCrop(), resize_transform(), LinearColour(), Flip()])


def resize_transform() -> v2.Transform:
    """Resize to 300x300, bilinear with antialiasing: a triangular filter, as in DALI."""
    return v2.Resize([IMAGE_SIDE, IMAGE_SIDE], antialias=True)


class SSDCrop(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """The random crop of SSD (Liu et al., section 2.2), as DALI's `random_bbox_crop` draws it.

    Draws an overlap threshold or "no crop", all equally likely; then one window: width and height uniform in 0.3..1 of
    the image's, with a ratio within 0.5..2 (relative, not in pixels), at a uniform position. The window is accepted if
    *every* box overlaps it by at least the threshold (IoU) and at least one box has its centre inside; otherwise
    everything is drawn again. Boxes with their centre outside are dropped, the others clipped to the window. Needs at
    least one box.
    """

    def forward(self, image: Tensor, boxes_ltrb: Tensor, labels: Tensor) -> Sample:
        """Crop to a random window, rounded to pixels for the image and exact for the boxes."""
        window_ltrb, kept = self._window(boxes_ltrb)
        if kept is None:
            return image, boxes_ltrb, labels
        left, top, right, bottom = window_ltrb.tolist()
        height, width = image.shape[-2:]
        x, y = _round(left * width), _round(top * height)
        pixels = image[:, y : max(_round(bottom * height), y + 1), x : max(_round(right * width), x + 1)]
        origin, extent = window_ltrb[:2].repeat(2), (window_ltrb[2:] - window_ltrb[:2]).repeat(2)
        boxes_ltrb = ((boxes_ltrb[kept] - origin) / extent).clamp(0, 1)
        return as_image(pixels), boxes_ltrb, labels[kept]

    def _window(self, boxes_ltrb: Tensor) -> tuple[Tensor, Tensor | None]:
        centres = (boxes_ltrb[:, :2] + boxes_ltrb[:, 2:]) / 2
        while True:
            choice = int(torch.randint(len(CROP_THRESHOLDS_IOU) + 1, ()))
            if choice == len(CROP_THRESHOLDS_IOU):
                return torch.tensor([0.0, 0.0, 1.0, 1.0]), None
            extent = torch.empty(2).uniform_(*CROP_SCALE)
            if not CROP_ASPECT_RATIO[0] <= float(extent[0] / extent[1]) <= CROP_ASPECT_RATIO[1]:
                continue
            start = torch.rand(2) * (1 - extent)
            window_ltrb = torch.cat([start, start + extent])
            if float(box_iou(window_ltrb[None], boxes_ltrb).min()) < CROP_THRESHOLDS_IOU[choice]:
                continue
            kept = ((centres >= start) & (centres < start + extent)).all(dim=1)
            if kept.any():
                return window_ltrb, kept


class LinearColour(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Hue, saturation, contrast about 128 and brightness as one affine map of RGB, rounded to uint8 once.

    Hue rotates and saturation scales the chroma plane of YIQ, the approximation of DALI's `hsv`; then
    brightness * (128 + contrast * (value - 128)).
    """

    def forward(self, image: Tensor, boxes_ltrb: Tensor, labels: Tensor) -> Sample:
        """Change the colours of the image; boxes and labels stay."""
        hue_degrees, saturation, contrast, brightness = (
            float(torch.empty(()).uniform_(*bounds)) for bounds in (HUE_DEGREES, SATURATION, CONTRAST, BRIGHTNESS)
        )
        twisted = twist(image, hue_degrees, saturation, contrast, brightness)
        return as_image(twisted), boxes_ltrb, labels


class Flip(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Left to right, with probability one half."""

    def forward(self, image: Tensor, boxes_ltrb: Tensor, labels: Tensor) -> Sample:
        """Flip the image and its boxes, or neither."""
        if float(torch.rand(())) >= FLIP_PROBABILITY:
            return image, boxes_ltrb, labels
        left, top, right, bottom = boxes_ltrb.unbind(1)
        return image.flip(-1), torch.stack([1 - right, top, 1 - left, bottom], dim=1), labels


def twist(image: Tensor, hue_degrees: float, saturation: float, contrast: float, brightness: float) -> Tensor:
    """Change the colours of an image (3, H, W) uint8; the values 0, 1, 1, 1 change nothing."""
    colour = colour_matrix(hue_degrees, saturation) * (brightness * contrast)
    offset = brightness * CONTRAST_CENTRE * (1 - contrast)
    twisted = (colour @ image.flatten(1).float() + offset).view(image.shape)
    return twisted.round_().clamp_(0, 255).to(torch.uint8)


def colour_matrix(hue_degrees: float, saturation: float) -> Tensor:
    """The 3x3 matrix on RGB values that rotates the hue and scales the saturation."""
    cosine = math.cos(math.radians(hue_degrees)) * saturation
    sine = math.sin(math.radians(hue_degrees)) * saturation
    chroma = torch.tensor([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    turned: Tensor = torch.linalg.solve(RGB_TO_YIQ, chroma @ RGB_TO_YIQ)
    return turned


def _round(value: float) -> int:
    return math.floor(value + 0.5)
