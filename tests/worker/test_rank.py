"""What a rank does before it measures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssdbench.schema.case import LaunchRequest
from ssdbench.worker import rank
from tests.builders import a_case


class OpenedError(Exception):
    """The rank has come as far as its device."""


@pytest.mark.parametrize(
    ("options", "calls"), [({}, []), ({"bind": "numa"}, ["where GPU 3 is", "bind near 0000:3B:00.0"])]
)
def test_a_rank_is_bound_before_its_device_is_opened_where_the_case_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any], calls: list[str]
) -> None:
    seen: list[str] = []

    def noting(text: Callable[..., str], answer: str = "") -> Callable[..., str]:
        def call(*arguments: object) -> str:
            seen.append(text(*arguments))
            return answer

        return call

    def open_device(*_: object) -> None:
        raise OpenedError

    monkeypatch.setattr(rank, "local_rank", lambda: 3)
    monkeypatch.setattr(rank, "pci_bus_id", noting(lambda number: f"where GPU {number} is", "0000:3B:00.0"))
    monkeypatch.setattr(rank, "bind_near", noting(lambda place: f"bind near {place}"))
    monkeypatch.setattr(rank, "open_device", open_device)
    request = LaunchRequest(
        schema_version=1, case=a_case(device="cuda", options=options), launch=0, seed=1, output=str(tmp_path)
    )
    with pytest.raises(OpenedError):
        rank._open_context(request)
    assert seen == calls
