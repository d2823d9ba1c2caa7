"""The raw trace that a profiled launch keeps is one that Perfetto opens, and what it could not open is told."""

import gzip
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from ssdbench.worker.profiled import _keep
from tests.trace_format import trace_faults


def taken() -> profile:
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        for _ in range(2):
            with record_function("step"):
                weights = torch.randn(8, 8, requires_grad=True)
                (weights @ weights).sum().backward()
    return profiler


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of two small steps, forward and backward, as it is kept."""
    path = tmp_path_factory.mktemp("trace") / "trace-0.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of profilers without a schedule
        profiler = taken()
    profiler.export_chrome_trace(str(path))
    found = _keep(path, 2**20)
    assert found.kept
    return path.with_name(found.name)


@pytest.fixture
def content(kept: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(kept.read_bytes()))
    return found


def first(content: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(event for event in content["traceEvents"] if event["ph"] == kind)
    return found


def test_a_kept_trace_is_compressed_and_has_no_fault(kept: Path, content: dict[str, Any]) -> None:
    assert kept.read_bytes()[:2] == b"\x1f\x8b"  # by which Perfetto knows gzip
    assert trace_faults(content) == []
    assert {event["ph"] for event in content["traceEvents"]} >= {"X", "M"}


@pytest.mark.parametrize(
    ("kind", "field", "value", "fault"),
    [
        ("X", "dur", None, "it has no duration"),
        ("X", "dur", float("nan"), "it has no duration"),
        ("X", "ts", "12", "it has no time"),
        ("X", "tid", None, "it has no process and thread"),
        ("X", "ph", "Q", "its type is not known"),
        ("M", "args", {}, "its metadata is not known, or empty"),
        ("s", "id", None, "its flow has no id or category"),
        ("s", "id", "other", "ends and never began"),
        ("X", "dur", 1e12, "ends after the event that it began in"),
    ],
)
def test_a_fault_is_told(content: dict[str, Any], kind: str, field: str, value: object, fault: str) -> None:
    event = first(content, kind)
    if value == 1e12:  # within the first step
        event = next(one for one in content["traceEvents"] if one["ph"] == "X" and one["name"].startswith("aten::"))
    event[field] = value
    assert any(fault in said for said in trace_faults(content))


def test_what_is_no_trace_at_all_is_told() -> None:
    assert trace_faults([]) == ["it is no object with a list of traceEvents"]
