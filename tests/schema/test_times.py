from datetime import datetime, timezone

import pytest

from ssdbench.schema.times import moment_of

NOON = datetime(2026, 2, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text", ["2026-02-01T12:00:00+00:00", "2026-02-01T12:00:00Z", "2026-02-01T13:00:00+01:00", "2026-02-01T12:00:00"]
)
def test_a_moment_is_read_with_its_offset_and_without_one_as_utc(text: str) -> None:
    assert moment_of(text) == NOON


@pytest.mark.parametrize("text", ["", "Z", "yesterday", "2026-13-01T12:00:00Z"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert moment_of(text) is None
