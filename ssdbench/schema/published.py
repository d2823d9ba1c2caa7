"""Figures that NVIDIA published for the same model: a reference to read, never a baseline."""

from __future__ import annotations

from typing import Literal

from ssdbench.compatibility import dataclass

PublishedWorkload = Literal["train", "infer", "train_full"]

SEED_FIGURES = ("map_mean", "map_sd", "map_min", "map_max", "map_median")
"""Metrics of a table over seeds, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """One figure as printed; `metric`, `unit` and `note` as results/README.md describes them.

    `gpu` is model and memory, such as A100-80GB; `decimals` counts the decimal places of the stored text.
    """

    container: str
    system: str
    gpu: str
    workload: PublishedWorkload
    gpus: int
    batch_size_per_gpu: int
    precision: str
    metric: str
    value: float
    decimals: int
    unit: str
    note: str
