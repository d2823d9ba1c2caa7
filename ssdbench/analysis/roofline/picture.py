"""A run in the plane of a roofline: operations for each byte and operations a second of its cases, and its ceilings.

(Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009.) A whole step is one point here, so it may stay below
its roof: operations follow each other, and those without arithmetic wait for the memory. `ssdbench roofline` predicts a
step operation by operation.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median

from ssdbench.analysis.metrics import figure
from ssdbench.schema.launch_rules import group_by_case, usable_measurement
from ssdbench.schema.limits import SpeedLimits
from ssdbench.schema.record import Record, Run
from ssdbench.schema.report import RooflinePicture, RooflinePoint


def roofline_picture(run: Run) -> RooflinePicture | None:
    """The points of all cases with an intensity; None where there is none, or no rate of a copy."""
    found = [point for records in group_by_case(run.records).values() if (point := _point(records)) is not None]
    limits = [launch.limits for launch in map(usable_measurement, run.records) if launch and launch.limits]
    copies = list(_positive(item.copy_bytes_per_second for item in limits))
    matmul: dict[str, float] = {}
    for item in limits:
        for rate in _positive([item.matmul_flop_per_second]):
            matmul[item.arithmetic] = max(rate, matmul.get(item.arithmetic, 0.0))
    if not found or not copies or not matmul:
        return None
    return RooflinePicture(points=tuple(found), matmul_flop_per_second=matmul, copy_bytes_per_second=max(copies))


def _point(records: Sequence[Record]) -> RooflinePoint | None:
    """The median launch of a case."""
    launches = [
        (launch, launch.limits)
        for record in records
        if (launch := usable_measurement(record)) is not None and launch.limits is not None
    ]
    rates = list(_positive(figure("flop_per_second_per_gpu", launch) for launch, _ in launches))
    intensities = list(_positive(_intensity(limits) for _, limits in launches))
    if not rates or not intensities:
        return None
    shares = list(_positive(figure("mfu", launch) for launch, _ in launches))
    roofs = list(_positive(_roof(limits) for _, limits in launches))
    case = records[0].case
    return RooflinePoint(
        title=case.title,
        case_key=case.key,
        flop_per_byte=median(intensities),
        flop_per_second_per_gpu=median(rates),
        mfu=median(shares) if shares else None,
        share_of_roof=median(rates) / median(roofs) if roofs else None,
    )


def _intensity(limits: SpeedLimits) -> float | None:
    return limits.flop_per_image / limits.bytes_per_image if limits.flop_per_image and limits.bytes_per_image else None


def _roof(limits: SpeedLimits) -> float | None:
    intensity = _intensity(limits)
    if intensity is None or limits.matmul_flop_per_second is None or limits.copy_bytes_per_second is None:
        return None
    return min(limits.matmul_flop_per_second, intensity * limits.copy_bytes_per_second)


def _positive(values: Iterable[float | None]) -> Iterable[float]:
    return (value for value in values if value is not None and 0 < value < math.inf)
