"""The arithmetic of SSD300 in figures: the one source for predictions of time and for shares of a peak."""

from __future__ import annotations

from collections.abc import Mapping

# Convolutions of the forward pass on one 300x300 image, two operations a multiplication with its addition, in 1e9
# (torch.utils.flop_counter; tests/test_roofline_trace.py counts them again). Backward makes two of each, but for the
# first convolution, whose images need no gradient.
FORWARD_GFLOP_PER_IMAGE: Mapping[str, float] = {
    "resnet18": 15.6,
    "resnet34": 31.7,
    "resnet50": 40.3,
    "resnet101": 95.0,
    "resnet152": 140.0,
}
TRAINING_FACTOR = 3.0


def model_gflop_per_image(backbone: str, *, trains: bool) -> float:
    """Billions of floating-point operations of the forward pass, or of a whole training step, on one image."""
    return FORWARD_GFLOP_PER_IMAGE[backbone] * (TRAINING_FACTOR if trains else 1.0)
