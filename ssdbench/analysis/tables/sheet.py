"""The figures of one machine and one software that tables show, each with its row and column, and their ratios."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ssdbench.schema.environment import Hardware
from ssdbench.schema.table import Cell

NOT_PLANNED = Cell(word="not planned")
NO_RATIO = Cell(word="-")
LATENCIES = {
    "latency_mean": "Average",
    "latency_p50": "p50",
    "latency_p90": "p90",
    "latency_p95": "p95",
    "latency_p99": "p99",
}
EFFICIENCY = {
    "flop_per_second_per_gpu": ("Arithmetic / GPU", "TFLOP/s"),
    "mfu": ("MFU", "%"),
    "images_per_joule": ("Images / J", "images/J"),
    "power": ("Power", "W"),
    "peak_memory": ("Peak memory / GPU", "GiB"),
}
"""What a table of efficiency shows of each case, as far as it is known: title and unit."""
SUMMARY_TITLES = {
    "seeds": "Seeds",
    "map_mean": "Average AP",
    "map_sd": "Standard deviation",
    "map_min": "Minimum",
    "map_max": "Maximum",
    "map_median": "Median",
}
Cells = Mapping[str, Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of a value: `conditions` are what is equal within a table, in words.

    `is_synchronised` is one of them by itself: whether the time of a step is a latency.
    """

    workload: str
    gpus: int
    batch_size_per_gpu: int
    precision: str
    conditions: str = ""
    is_synchronised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All figures of one machine and one software: at each place, cells by metric.

    `whole_percent` cuts ratios to whole per cent, as NVIDIA does, in place of rounding by their bounds. `absent` stands
    where a table has a cell and the sheet no figure.
    """

    title: str
    context: tuple[tuple[str, str], ...]
    cells: Mapping[Place, Cells]
    hardware: Hardware | None = None
    whole_percent: bool = False
    absent: Cell = NOT_PLANNED
    notes: tuple[str, ...] = ()


def ratio(numerator: Cell, denominator: Cell, *, note: str = "", whole: bool = False) -> Cell:
    """`numerator` over `denominator` in per cent; no figure where one of them is none."""
    if not numerator.value or not denominator.value:
        return NO_RATIO
    value = 100 * numerator.value / denominator.value
    if whole:
        return Cell(value=math.floor(value + 1e-9), decimals=0, note=note)
    widths = [_log_half_width(cell) for cell in (numerator, denominator)]
    if numerator is denominator:
        return Cell(value=100.0, decimals=0, note=note)
    if None in widths:
        return Cell(value=value, note=note)
    factor = math.exp(math.hypot(*(width for width in widths if width is not None)))
    return Cell(value=value, low=value / factor, high=value * factor, note=note)


def _log_half_width(cell: Cell) -> float | None:
    if cell.low is None or cell.high is None or cell.low <= 0:
        return None
    return math.log(cell.high / cell.low) / 2
