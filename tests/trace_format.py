"""What a raw trace has wrong by the Trace Event Format (JSON object format), which Perfetto and chrome://tracing read.

The fields are those of the format's description, "Trace Event Format", for the types of events that torch's profiler
writes: complete (X), metadata (M), instant (i), the begin and end of a flow (s, f), and counters (C).
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

_METADATA = {
    "process_name": "name",
    "process_labels": "labels",
    "process_sort_index": "sort_index",
    "thread_name": "name",
    "thread_sort_index": "sort_index",
}
_ROUNDED_US = 0.002
"""Times are written to the nanosecond."""


def trace_faults(content: Any) -> list[str]:
    """Every fault of a trace, a sentence each; none of one that can be opened and shown whole."""
    if not isinstance(content, dict) or not isinstance(content.get("traceEvents"), list):
        return ["it is no object with a list of traceEvents"]
    events = content["traceEvents"]
    unit = content.get("displayTimeUnit", "ms")
    faults = [] if unit in ("ms", "ns") else [f"displayTimeUnit is {unit}"]
    for event in events:
        faults += [f"{what}: {event}" for what in _event_faults(event)]
    return faults or [*_unmatched_flows(events), *_overlaps(events)]


def _event_faults(event: Any) -> Iterator[str]:
    if not isinstance(event, dict):
        yield "it is no object"
        return
    if event.get("ph") not in ("X", "M", "i", "s", "f", "C"):
        yield "its type is not known"
    if not isinstance(event.get("name"), str):
        yield "it has no name"
    if not all(isinstance(event.get(field), int | str) for field in ("pid", "tid")):
        yield "it has no process and thread"
    if not _is_time(event.get("ts")):
        yield "it has no time"
    if not isinstance(event.get("args", {}), dict):
        yield "its arguments are no object"
        return
    yield from _faults_of_kind(event)


def _faults_of_kind(event: dict[str, Any]) -> Iterator[str]:
    kind = event.get("ph")
    if kind == "X" and not _is_time(event.get("dur")):
        yield "it has no duration"
    if kind == "M" and _METADATA.get(event.get("name", ""), "") not in event.get("args", {}):
        yield "its metadata is not known, or empty"
    if kind == "i" and event.get("s", "t") not in ("g", "p", "t"):
        yield "its scope is not known"
    if kind in ("s", "f") and not (isinstance(event.get("id"), int | str) and isinstance(event.get("cat"), str)):
        yield "its flow has no id or category"


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _unmatched_flows(events: list[dict[str, Any]]) -> list[str]:
    """A flow that ends without a begin is shown as none."""
    begun = {(event["cat"], event["name"], event["id"]) for event in events if event["ph"] == "s"}
    ended = {(event["cat"], event["name"], event["id"]) for event in events if event["ph"] == "f"}
    return [f"the flow {flow} ends and never began" for flow in sorted(ended - begun, key=str)]


def _overlaps(events: list[dict[str, Any]]) -> Iterator[str]:
    """Complete events of one thread lie within each other or apart, or some of them are not shown."""
    threads: dict[tuple[Any, Any], list[tuple[float, float, str]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            threads[event["pid"], event["tid"]].append((event["ts"], -event["dur"], event["name"]))
    for found in threads.values():
        open_ends: list[float] = []
        for begin, minus_duration, name in sorted(found):
            end = begin - minus_duration
            while open_ends and open_ends[-1] <= begin + _ROUNDED_US:
                open_ends.pop()
            if open_ends and end > open_ends[-1] + _ROUNDED_US:
                yield f"{name} at {begin} ends after the event that it began in"
            open_ends.append(end)
