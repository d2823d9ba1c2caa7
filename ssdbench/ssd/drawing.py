"""Draws pictures for the synthetic data set: backgrounds with the spectrum of photographs, and distinguishable objects.

A category has a shape, a colour and a texture: 8 shapes x 10 colours make 80, the texture is an additional cue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ssdbench.compatibility import dataclass
from ssdbench.ssd.arrays import BoolArray, Float32Array, Float64Array, UInt8Array

_BILINEAR: Any = getattr(Image, "Resampling", Image).BILINEAR  # Pillow before 9.1 has no enum
Pixels = UInt8Array  # (H, W, 3) RGB
Plane = Float32Array  # (H, W)
Outline = Float64Array  # (K, 2) x, y; fills the unit square from edge to edge


def _regular(corners: int, *, star: float = 1.0) -> Outline:
    angles = np.arange(corners) * (2 * np.pi / corners) - np.pi / 2
    radii = np.where(np.arange(corners) % 2 == 0, 1.0, star)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    unit: Outline = (points - points.min(axis=0)) / np.ptp(points, axis=0)
    return unit


SHAPES: dict[str, Outline] = {
    "rectangle": np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64),
    "ellipse": _regular(40),
    "triangle": np.array([[0.5, 0], [1, 1], [0, 1]], np.float64),
    "diamond": _regular(4),
    "cross": np.array(
        [[1, 0], [2, 0], [2, 1], [3, 1], [3, 2], [2, 2], [2, 3], [1, 3], [1, 2], [0, 2], [0, 1], [1, 1]],
        np.float64,
    ) / 3,
    "hourglass": np.array([[0, 0], [1, 0], [0.65, 0.5], [1, 1], [0, 1], [0.35, 0.5]], np.float64),
    "star": _regular(10, star=0.45),
    "arch": np.array([[0, 0], [1, 0], [1, 1], [0.7, 1], [0.7, 0.4], [0.3, 0.4], [0.3, 1], [0, 1]], np.float64),
}  # fmt: skip
COLOURS_RGB = np.array(
    [
        [214, 39, 40], [255, 140, 20], [240, 220, 40], [50, 160, 50], [60, 210, 210],
        [40, 80, 220], [140, 60, 190], [245, 130, 190], [240, 240, 240], [95, 55, 35],
    ],
    np.float32,
)  # fmt: skip
GRAIN_PX = 64  # the noise on an object repeats after this many pixels
TEXTURES = ("plain", "rows", "columns", "checks", "dots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Appearance of the objects of one category."""

    shape: str
    colour_rgb: Float32Array  # (3,)
    texture: str


def style(category: int) -> Style:
    """The style of the category in row `category` (0..79) of the table; no two share shape and colour."""
    shape, colour = divmod(category, len(COLOURS_RGB))
    return Style(
        shape=tuple(SHAPES)[(shape + colour) % len(SHAPES)],
        colour_rgb=COLOURS_RGB[colour],
        texture=TEXTURES[(2 * shape + colour) % len(TEXTURES)],
    )


def filled_fraction(shape: str) -> float:
    """Area of the shape over the area of its box."""
    x, y = SHAPES[shape].T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def background(rng: np.random.Generator, size_wh: tuple[int, int], *, roughness: float) -> Pixels:
    """Noise whose amplitude falls with frequency, rough in some places and smooth in others; pixels (H, W, 3).

    `roughness` scales the finest details, in grey levels; it determines the size of the JPEG.
    """
    luma = _cloud(rng, size_wh, finest=4) * 34 + rng.uniform(90, 150)
    patches = _cloud(rng, size_wh, finest=64)
    detail = _cloud(rng, size_wh, finest=1, coarsest=8)
    luma += detail * roughness * np.clip(0.9 + 0.8 * patches, 0.1, 3)
    red, blue = (_cloud(rng, size_wh, finest=32) * 16 + rng.normal(0, 12) for _ in range(2))
    rgb = np.stack([luma + red, luma - 0.3 * (red + blue), luma + blue], axis=2)
    pixels: Pixels = rgb.clip(0, 255).astype(np.uint8)
    return pixels


def _cloud(rng: np.random.Generator, size_wh: tuple[int, int], *, finest: int, coarsest: int = 256) -> Plane:
    """Noise of unit amplitude at the coarsest scale (pixels), a little less at each finer one."""
    step, amplitude = coarsest, 1.0
    plane = np.zeros((2, 2), np.float32)
    while step >= finest:
        width, height = -(-size_wh[0] // step) + 1, -(-size_wh[1] // step) + 1
        plane = _resized(plane, (width, height))
        plane += np.float32(amplitude) * rng.standard_normal((height, width), np.float32)
        step, amplitude = step // 2, amplitude * 0.7
    return _resized(plane, size_wh)


def _resized(plane: Plane, size_wh: tuple[int, int]) -> Plane:
    if plane.shape == (size_wh[1], size_wh[0]):
        return plane
    return np.array(Image.fromarray(plane).resize(size_wh, _BILINEAR))


def draw(rng: np.random.Generator, canvas: Pixels, look: Style, box_xywh: tuple[int, int, int, int]) -> int:
    """Draw an object that fills `box_xywh` (pixels) from edge to edge; returns the number of its pixels."""
    x, y, width, height = box_xywh
    mask_image = Image.new("1", (width, height))
    corners = SHAPES[look.shape] * (width - 1, height - 1)
    ImageDraw.Draw(mask_image).polygon([(px, py) for px, py in corners], fill=1, outline=1)
    mask = np.array(mask_image)
    light = np.linspace(rng.uniform(0.8, 1.15), rng.uniform(0.8, 1.15), height, dtype=np.float32)[:, None]
    light = light * _pattern(look.texture, width, height)
    grain = rng.standard_normal((GRAIN_PX, GRAIN_PX), np.float32)
    light = light + 0.04 * np.tile(grain, (height // GRAIN_PX + 1, width // GRAIN_PX + 1))[:height, :width]
    light = np.where(_rim(mask), 0.35 * light, light)
    colour = look.colour_rgb + rng.normal(0, 8, 3).astype(np.float32)
    pixels = np.clip(light[..., None] * colour, 0, 255).astype(np.uint8)
    region = canvas[y : y + height, x : x + width]
    region[mask] = pixels[mask]
    return int(mask.sum())


def _rim(mask: BoolArray) -> BoolArray:
    """The border pixels of a mask that is large enough to have an interior."""
    if min(mask.shape) < 16:
        return np.zeros_like(mask)
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside


def _pattern(texture: str, width: int, height: int) -> Plane:
    period = max(4, min(width, height) // 4)
    rows = (np.arange(height) // (period // 2) % 2 == 0)[:, None]
    columns = (np.arange(width) // (period // 2) % 2 == 0)[None, :]
    dark = {
        "plain": np.zeros((height, width), np.bool_),
        "rows": np.broadcast_to(rows, (height, width)),
        "columns": np.broadcast_to(columns, (height, width)),
        "checks": rows ^ columns,
        "dots": rows & columns,
    }[texture]
    shade: Plane = np.where(dark, np.float32(0.55), np.float32(1.0))
    return shade
