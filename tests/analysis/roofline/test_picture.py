"""The points of a run under its ceilings, worked out on paper."""

from dataclasses import replace
from typing import Any

import pytest

from ssdbench.analysis.roofline.picture import roofline_picture
from ssdbench.schema.case import Case
from ssdbench.schema.limits import SpeedLimits
from ssdbench.schema.record import Record, Run
from tests.builders import a_case, a_measurement, a_record, a_run

LIMITS = SpeedLimits(
    arithmetic="fp32",
    measured_at="2026-01-05T12:00:00+00:00",
    flop_per_image=40e9,
    bytes_per_image=1e9,
    matmul_flop_per_second=2e12,
    copy_bytes_per_second=25e9,
)
INFER, HALF = a_case(workload="infer"), a_case(precision="bf16")


def launches(case: Case, limits: SpeedLimits | None, *seconds: float) -> list[Record]:
    """Launches of steps of two images that last as long as given."""
    return [
        a_record(case=case, launch=n, measurement=a_measurement(case=case, step_seconds=value, limits=limits))
        for n, value in enumerate(seconds)
    ]


def run_of(*records: Record) -> Run:
    return replace(a_run((INFER, (0.1,))), records=records)


def test_a_point_is_the_median_launch_under_the_lower_of_two_limits() -> None:
    found = roofline_picture(run_of(*launches(INFER, LIMITS, 0.08, 0.1, 0.4)))
    assert found is not None
    (point,) = found.points
    assert point.flop_per_byte == pytest.approx(40)
    assert point.flop_per_second_per_gpu == pytest.approx(20 * 40e9)  # 20 images/s
    assert point.mfu == pytest.approx(0.4)
    assert point.share_of_roof == pytest.approx(0.8)  # 40 FLOP/byte at 25 GB/s allow 1 TFLOP/s
    assert (found.matmul_flop_per_second, found.copy_bytes_per_second) == ({"fp32": 2e12}, 25e9)


def test_a_level_is_that_of_the_fastest_device_in_its_arithmetic() -> None:
    slower = replace(LIMITS, matmul_flop_per_second=1e12, copy_bytes_per_second=10e9)
    half = replace(LIMITS, arithmetic="bf16", matmul_flop_per_second=4e12)
    found = roofline_picture(
        run_of(*launches(INFER, slower, 0.1), *launches(a_case(), LIMITS, 0.1), *launches(HALF, half, 0.1))
    )
    assert found is not None
    assert found.matmul_flop_per_second == {"fp32": 2e12, "bf16": 4e12}
    assert found.copy_bytes_per_second == 25e9
    assert [point.case_key for point in found.points] == [INFER.key, a_case().key, HALF.key]


@pytest.mark.parametrize("missing", ["flop_per_image", "bytes_per_image", "copy_bytes_per_second"])
def test_a_run_without_ceilings_or_work_has_no_picture(missing: str) -> None:
    changes: tuple[dict[str, Any], ...] = ({missing: None}, {missing: 0.0})
    for limits in (None, *(replace(LIMITS, **change) for change in changes)):
        assert roofline_picture(run_of(*launches(INFER, limits, 0.1))) is None


def test_an_invalid_launch_is_no_point() -> None:
    (record,) = launches(INFER, LIMITS, 0.1)
    assert roofline_picture(run_of(replace(record, invalid_reason="busy"))) is None
