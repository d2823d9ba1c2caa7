"""Rules about single launches that measuring and judging share, so that both agree on what counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ssdbench.schema.environment import Host, gpu_settings
from ssdbench.schema.record import Measurement, Record

MOST_REPLACEMENTS = 3
"""How many invalid launches of a case are measured again, per arm."""


def usable_measurement(record: Record) -> Measurement | None:
    """The measurement of a launch that enters verdicts, tables and histories; None where it does not.

    It was measured, and its conditions were those of the run. Nothing about its time plays a part.
    """
    return record.measurement if record.invalid_reason is None else None


def is_usable(record: Record) -> bool:
    """Whether a launch has a usable measurement."""
    return usable_measurement(record) is not None


def usable(records: Iterable[Record]) -> list[Record]:
    """The launches that have a usable measurement, in their order."""
    return [record for record in records if is_usable(record)]


def with_gpu_settings(record: Record, host: Host) -> Record:
    """A launch with the settings of its GPUs, from those of its run's machine.

    They are the GPUs that were watched; where none was, or one of another machine, the first ones of the run.
    """
    if record.gpu_settings or record.case.device != "cuda":
        return record
    watched = {gpu.uuid for gpu in record.measurement.gpus} if record.measurement else set()
    gpus = [gpu for gpu in host.gpus if gpu.uuid is not None and gpu.uuid in watched]
    found = gpu_settings(gpus or host.gpus[: record.case.world_size], host.variables)
    return replace(record, gpu_settings=found)


def may_be_replaced(record: Record, records: Iterable[Record]) -> bool:
    """Whether a launch is invalid and its arm of the case has replacements left; `records` are those of its run."""
    if record.invalid_reason is None:
        return False
    place = (record.case.key, record.arm)
    replaced = sum((other.case.key, other.arm) == place for other in records if other.replacement)
    return replaced < MOST_REPLACEMENTS


def group_by_case(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The launches of each case by its key; cases in the order of their first launch."""
    cases: dict[str, list[Record]] = {}
    for record in records:
        cases.setdefault(record.case.key, []).append(record)
    return cases
