"""Whether a measurement can be one of its case: measuring and accepting ask the same question.

A worker can be faulty, of another version, or replaced; a stored record can be edited. A figure that cannot be is never
a result. Nothing here depends on how fast the case was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime

from ssdbench.schema.case import MOST_STEPS, Case, StepCounts
from ssdbench.schema.record import Measurement

# No clock that is used here resolves less, and no launch lasts longer (30 years).
_LEAST_SECONDS, _MOST_SECONDS = 1e-9, 1e9
_LARGEST = 2**63


def implausibility(measurement: Measurement, case: Case, counts: StepCounts | None = None) -> str | None:
    """Why this cannot be a measurement of the case: a phrase, or None.

    `counts` are the steps that the launch was asked for, where these are known; otherwise the protocol's.
    """
    return (
        _odd_number(measurement)
        or _wrong_counts(measurement, counts or _counts_of(case), case)
        or _wrong_lengths(measurement, case)
        or _wrong_times(measurement)
        or _wrong_images(measurement, case)
        or _wrong_date(measurement.started_at)
    )


def _odd_number(measurement: Measurement) -> str | None:
    """A number that no record can hold, wherever it is."""
    for name in (field.name for field in fields(measurement)):
        for number in _numbers(getattr(measurement, name)):
            if not -_LARGEST < number < _LARGEST:  # not finite, or of hundreds of digits
                return f"{name} has a number that is not finite or too large"
    return None


def _numbers(value: object) -> Iterable[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _numbers(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _numbers(getattr(value, field.name))


def _counts_of(case: Case) -> StepCounts | None:
    """The steps of a launch, as its protocol says; None where they depend on how long a step takes."""
    protocol = case.protocol
    if protocol.in_seconds:
        return None
    return StepCounts(warmup_steps=protocol.warmup_steps, timed_steps=protocol.steps)


def _wrong_counts(measurement: Measurement, counts: StepCounts | None, case: Case) -> str | None:
    warmup, steps = measurement.warmup_steps, len(measurement.step_seconds)
    if not 0 <= warmup < steps:
        return f"{warmup} warm-up steps of {steps} steps leave no timed one"
    timed, protocol = steps - warmup, case.protocol
    if counts is not None:
        wanted = f"{counts.warmup_steps} and {counts.timed_steps}"
        is_right = (warmup, timed) == (counts.warmup_steps, counts.timed_steps)
    else:
        wanted = f"at least {protocol.warmup_steps} and {protocol.steps}"
        # Steps of the warm-up come in parts, the last of which may exceed the largest number.
        is_right = protocol.warmup_steps <= warmup <= 2 * max(
            protocol.warmup_steps, MOST_STEPS
        ) and protocol.steps <= timed <= max(protocol.steps, MOST_STEPS)
    return None if is_right else f"{warmup} warm-up and {timed} timed steps, where the case asks for {wanted}"


def _wrong_lengths(measurement: Measurement, case: Case) -> str | None:
    steps, ranks = len(measurement.step_seconds), case.world_size
    of_steps: dict[str, Sequence[object] | None] = {
        "fetch_seconds": measurement.fetch_seconds,
        "losses": measurement.losses,
    }
    of_ranks: dict[str, Sequence[object] | None] = {
        "rank_wall_seconds": measurement.rank_wall_seconds,
        "peak_memory_bytes": measurement.peak_memory_bytes,
        "network.rank_hosts": measurement.network.rank_hosts if measurement.network is not None else None,
    }
    for values, number, unit in ((of_steps, steps, "step"), (of_ranks, ranks, "rank")):
        for name, items in values.items():
            if items is not None and len(items) != number:
                return f"{name} has {len(items)} values for {number} {unit}{'s' if number > 1 else ''}"
    return None


def _wrong_times(measurement: Measurement) -> str | None:
    durations: dict[str, Iterable[float]] = {
        "step_seconds": measurement.step_seconds,
        "wall_seconds": (measurement.wall_seconds,),
        "rank_wall_seconds": measurement.rank_wall_seconds,
    }
    for name, values in durations.items():
        if wrong := [value for value in values if not _LEAST_SECONDS <= value <= _MOST_SECONDS]:
            return f"{name} has {wrong[0]:g} s"
    not_negative: dict[str, Iterable[float]] = {
        "fetch_seconds": measurement.fetch_seconds,
        "phases": (value for phase in measurement.phases for value in phase.seconds),
        "foreign_cpu_cores": () if measurement.foreign_cpu_cores is None else (measurement.foreign_cpu_cores,),
        "peak_memory_bytes": measurement.peak_memory_bytes,
    }
    return next((f"{name} is negative" for name, values in not_negative.items() if any(v < 0 for v in values)), None)


def _wrong_images(measurement: Measurement, case: Case) -> str | None:
    if measurement.global_batch_size != case.global_batch_size:
        return f"a global batch of {measurement.global_batch_size}, where the case has {case.global_batch_size}"
    timed = len(measurement.step_seconds) - measurement.warmup_steps
    expected = timed * case.global_batch_size
    if measurement.images != expected:
        return f"{measurement.images} images in {timed} steps of {case.global_batch_size}, which make {expected}"
    return None


def _wrong_date(text: str) -> str | None:
    try:
        known = datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo is not None
    except ValueError:
        known = False
    return None if known else f"started_at is {text[:40]!r}, which is no time with a time zone"
