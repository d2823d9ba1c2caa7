"""What is kept of profiled launches: every second, in few rows."""

import pytest

from ssdbench.analysis.profiles.merging import LEAST_SHARE, MOST_ROWS, Taken, merge
from ssdbench.harness.stores import codec
from ssdbench.schema.profile import CaseProfile, LaunchProfile, OperatorTime
from ssdbench.schema.record import Arm
from tests.builders import a_case
from tests.profiles import a_launch_profile, an_operator


def merged(*profiles: LaunchProfile) -> CaseProfile:
    arms: list[Arm] = ["baseline", "candidate"]
    taken = [Taken(arm=arms[n % 2], profile=one, folder=f"run/{n}") for n, one in enumerate(profiles)]
    return merge("run-1", a_case(), taken, builds={}, profiled_at="2026-01-05T12:00:00+00:00")


def test_an_operator_is_one_row_over_launches_and_zero_where_it_is_absent() -> None:
    found = merged(a_launch_profile([an_operator(0.01)]), a_launch_profile([an_operator(0.02, shapes="4x3")]))
    assert {row.shapes: row.seconds for row in found.operators} == {"2x3": (0.01, 0.0), "4x3": (0.0, 0.02)}


def test_what_is_short_joins_its_operator_and_a_short_operator_its_phase() -> None:
    short = LEAST_SHARE * 0.1 / 3
    many = [an_operator(short, shapes=f"{n}x3", operator="aten::mul_") for n in range(40)]
    once = [an_operator(short, operator=f"aten::view_{n}") for n in range(5)]
    found = merged(a_launch_profile([an_operator(0.05), *many, *once]), a_launch_profile([an_operator(0.05)]))
    rows = {(row.operator, row.shapes): row for row in found.operators}
    assert set(rows) == {("aten::conv2d", "2x3"), ("aten::mul_", ""), ("", "")}
    assert rows["aten::mul_", ""].seconds == pytest.approx((40 * short, 0))
    assert rows["aten::mul_", ""].calls == (40, 0)
    assert rows["", ""].seconds == pytest.approx((5 * short, 0))


def test_what_is_pooled_in_one_arm_and_not_in_the_other_keeps_its_calls() -> None:
    """Shapes are joined by their length; were an operator's last short ones joined with its phase, calls would go."""
    rows = [an_operator(0.03), *(an_operator(LEAST_SHARE * 0.01, shapes=f"{n}x1") for n in range(5))]
    here = [
        an_operator(0.03, layout="other"),
        *(an_operator(LEAST_SHARE * 0.05, shapes=f"{n}x1", layout="other") for n in range(5)),
    ]
    found = merged(a_launch_profile(rows), a_launch_profile(here))
    assert {row.operator for row in found.operators} == {"aten::conv2d"}
    assert [sum(row.calls[n] for row in found.operators) for n in range(2)] == [6, 6]


def test_no_time_is_lost_and_a_profile_stays_small() -> None:
    rows = [
        an_operator(0.1 / 3000, shapes=f"{n}x{n}x{n}", operator=f"aten::operator_{n % 300}", kernels={"k" * 100: 1e-5})
        for n in range(3000)
    ]
    found = merged(*[a_launch_profile(rows)] * 8)
    assert sum(row.seconds[0] for row in found.operators) == pytest.approx(sum(row.seconds for row in rows))
    assert len(found.operators) <= MOST_ROWS + 300
    assert len(codec.stored(found)) < 200_000


def test_the_rank_that_the_others_wait_for_is_the_one_whose_operators_came() -> None:
    found = merged(a_launch_profile([an_operator(0.01)], ranks=3), a_launch_profile([an_operator(0.01)], ranks=3))
    assert [launch.critical_rank for launch in found.launches] == [2, 2]


def test_kernels_are_kept_by_arm_the_longest_first() -> None:
    def row(**kernels: float) -> OperatorTime:
        return an_operator(0.01, kernels=kernels)

    found = merged(a_launch_profile([row(a=1e-3, b=5e-3, c=2e-3)]), a_launch_profile([row(d=1e-3)]))
    assert found.operators[0].kernels == {"baseline": ("b", "c"), "candidate": ("d",)}
