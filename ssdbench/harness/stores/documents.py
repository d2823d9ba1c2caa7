"""Stored lines -> a run or a baseline, and back; the one place that knows when they are sound."""

from collections.abc import Mapping
from dataclasses import replace

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec
from ssdbench.harness.stores.archive import Kind, Lines, Place, checked_place
from ssdbench.schema.acceptance import Acceptance
from ssdbench.schema.alert import Alerts
from ssdbench.schema.convergence import DistributionHeader
from ssdbench.schema.launch_rules import with_gpu_settings
from ssdbench.schema.manifest import ImageManifest
from ssdbench.schema.nightly import NightlyResult
from ssdbench.schema.profile import ProfileHeader
from ssdbench.schema.record import STAGES, Record, Run, RunHeader
from ssdbench.schema.verdict import Baseline, BaselineHeader

_RESTORE = "restore it from version control or a backup"

FIRST_LINES: Mapping[Kind, tuple[type, str]] = {
    "anchor": (BaselineHeader, "accepted_at"),
    "baseline": (BaselineHeader, "accepted_at"),
    "distribution": (DistributionHeader, "accepted_at"),
    "nightly": (NightlyResult, "measured_at"),
    "alert": (Alerts, "updated_at"),
    "manifest": (ImageManifest, "collected_at"),
    "profile": (ProfileHeader, "profiled_at"),
}
"""What the first line of each kind of document is, and which of its keys says how new it is."""


def baseline_lines(kind: Kind, baseline: Baseline) -> dict[Place, list[str]]:
    """A baseline or anchor as stored lines, with their place."""
    header = replace(baseline.header, acceptances=len(baseline.history), launches=len(baseline.records))
    sessions = {run_id: number for number, run_id in enumerate(_sessions(header))}
    records = sorted(
        baseline.records,
        key=lambda item: (item.case.key, sessions.get(item.run_id, -1), STAGES.index(item.stage), item.launch),
    )
    place = place_of(kind, header.hardware.key, header.name)
    return {place: [codec.stored(line) for line in (header, *baseline.history, *records)]}


def place_of(kind: Kind, hardware_key: str, name: str) -> Place:
    """The place of a baseline or anchor; raises StoreError for names that cannot be one."""
    return checked_place(Place(kind=kind, hardware_key=hardware_key, name=name))


def header_of_run(lines: Lines) -> RunHeader:
    """The first line; raises StoreError where it cannot be read or is of another run."""
    header = lines.header(RunHeader)
    if lines.name not in ("", header.run_id):
        raise StoreError(f"{lines.source} line 1: its header is that of run {header.run_id}; give the file that name")
    return header


def run_of(lines: Lines) -> Run:
    """The run, each record once, in the order of measurement; raises StoreError where a line is not sound."""
    header = header_of_run(lines)
    planned_keys = {planned.case.key for planned in header.plan.cases}
    if stray := next((slot.case_key for slot in header.plan.order if slot.case_key not in planned_keys), None):
        raise StoreError(f"{lines.source} line 1: its order names case {stray}, which its plan does not have")
    records: dict[str, Record] = {}
    for record in lines.parsed(Record):
        records.setdefault(record.id, record)
    strangers = [record.id for record in records.values() if record.run_id != header.run_id]
    if strangers:
        raise StoreError(
            f"{lines.source}: record {strangers[0]} is of another run than {header.run_id}; take its line out"
        )
    ordered = sorted(records.values(), key=lambda record: record.order)
    known = (with_gpu_settings(record, header.host) for record in ordered)
    return Run(header=header, records=tuple(known), torn=lines.torn)


def baseline_of(lines: Lines) -> Baseline:
    """The baseline or anchor; raises StoreError where a line is not sound, or one is missing."""
    if lines.torn:
        raise StoreError(f"{lines.source}: the last line is cut off; {_RESTORE}")
    header = lines.header(BaselineHeader)
    split = 1 + header.acceptances
    if header.launches is not None and len(lines.lines) != split + header.launches:
        raise StoreError(
            f"{lines.source}: {len(lines.lines)} lines where its header counts {split + header.launches}; {_RESTORE}"
        )
    history = lines.parsed(Acceptance, stop=split)
    records = lines.parsed(Record, start=split)
    stranger = next((record for record in records if record.run_id not in _sessions(header)), None)
    if stranger:
        raise StoreError(
            f"{lines.source}: launch {stranger.id} is of none of the runs that its header names; {_RESTORE}"
        )
    known = (with_gpu_settings(record, header.host) for record in records)
    return Baseline(header=header, records=tuple(known), history=tuple(history))


def _sessions(header: BaselineHeader) -> tuple[str, ...]:
    return header.sessions or (header.run_id,)
