from typing import Any

import pytest

from ssdbench.schema.launch_rules import (
    MOST_REPLACEMENTS,
    group_by_case,
    is_usable,
    may_be_replaced,
    usable,
    usable_measurement,
)
from ssdbench.schema.record import Record
from tests.builders import a_case, a_failure, a_measurement, a_record

MEASURED = a_record()
INVALID = a_record(invalid_reason="another process used the GPU")
FAILED = a_record(failure=a_failure())


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (MEASURED, True),
        (INVALID, False),
        (FAILED, False),
        (a_record(failure=a_failure(), invalid_reason="clocks were lowered"), False),
        (a_record(step_seconds=1e6), True),  # never by its time
        (a_record(arm="baseline", stage="confirm", replacement=2), True),
    ],
)
def test_a_launch_enters_a_verdict_if_it_was_measured_under_valid_conditions(record: Record, expected: bool) -> None:
    assert is_usable(record) is expected
    assert (usable_measurement(record) is not None) is expected
    assert usable([record]) == ([record] if expected else [])


def test_usable_launches_keep_their_order() -> None:
    first, second = a_record(launch=0), a_record(launch=1)
    assert usable([second, INVALID, first, FAILED]) == [second, first]
    assert usable_measurement(first) == a_measurement()


def replaced(times: int, **changes: Any) -> list[Record]:
    return [a_record(invalid_reason="busy", replacement=n, **changes) for n in range(times + 1)]


def test_an_invalid_launch_may_be_replaced_three_times() -> None:
    assert MOST_REPLACEMENTS == 3
    for times, expected in ((0, True), (1, True), (2, True), (3, False)):
        records = replaced(times)
        assert may_be_replaced(records[-1], records) is expected, times


@pytest.mark.parametrize("record", [MEASURED, FAILED])
def test_what_is_valid_or_failed_is_never_replaced(record: Record) -> None:
    assert not may_be_replaced(record, [record])


def test_replacements_are_counted_over_all_launches_of_one_arm_of_one_case() -> None:
    records = [*replaced(2), a_record(launch=1, invalid_reason="busy"), a_record(launch=1, replacement=1)]
    assert not may_be_replaced(records[-2], records)
    others = [*replaced(3, arm="baseline"), *replaced(3, case=a_case(batch_size_per_gpu=4))]
    assert may_be_replaced(INVALID, [INVALID, *others])


def test_launches_are_grouped_by_case_in_the_order_of_the_first_launch() -> None:
    large = a_case(batch_size_per_gpu=64)
    records = [a_record(case=large), a_record(launch=0), a_record(case=large, launch=1)]
    assert group_by_case(records) == {large.key: [records[0], records[2]], a_case().key: [records[1]]}
    assert list(group_by_case(records)) == [large.key, a_case().key]
