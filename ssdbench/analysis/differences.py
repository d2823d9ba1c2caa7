"""Differences between the two builds of a comparison: those that forbid it, and those that may explain it.

*Conditions* have to agree before two launches may be compared: hardware, workload version, timer, protocol (warm-up
and timed steps, or the seconds that decided how many they are), the images that were read, and the settings of the GPUs
(`gpu_settings`), which change the speed of every build alike. Everything else, the software, drivers and variables, is
what a benchmark is run to learn about: it is listed with the verdicts as a *difference*, and forbids nothing.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime

from ssdbench.analysis.gpu_settings import clock_lock_issue, setting_conditions
from ssdbench.schema.case import Protocol
from ssdbench.schema.convergence import SeedDistribution
from ssdbench.schema.environment import GpuState, Host, Network, Software
from ssdbench.schema.record import Measurement, Record, Run
from ssdbench.schema.verdict import Baseline, Difference

ABSENT = "-"
WORKLOAD_VERSION = "workload version"
_CPU_QUOTA = "CPU quota"

SOFTWARE = tuple(field.name for field in fields(Software))
_HOST = ("driver", "container_image", "ssdbench_version", "ssdbench_commit", "hostname", "os", "kernel")
_NO_SETTING = ("index", "uuid", "model", "memory_bytes", "power_default_watts")
_GPU = tuple(field.name for field in fields(GpuState) if field.name not in _NO_SETTING)

Facts = dict[str, set[str]]


def comparability_issues(baseline: Iterable[Record], measured: Iterable[Record]) -> list[Difference]:
    """The conditions of one case that do not agree over all its launches, on both sides; empty where they do."""
    baseline, measured = list(baseline), list(measured)
    there, here = _conditions(baseline), _conditions(measured)
    none: set[str] = set()
    unlike = [name for name in dict.fromkeys([*here, *there]) if len(there.get(name, none) | here.get(name, none)) > 1]
    lock = clock_lock_issue(baseline, measured)
    return [*(_difference(name, there, here) for name in unlike), *([lock] if lock else [])]


def differences(reference: Baseline | Run | SeedDistribution, run: Run) -> tuple[Difference, ...]:
    """Versions, drivers, GPU settings and variables that are not the same on both sides."""
    found = _unlike(_facts(reference), _facts(run))
    if software_of(reference) and software_of(run):
        return found
    return tuple(item for item in found if item.name not in SOFTWARE)  # what was not measured has no versions to differ


def software_of(side: Baseline | Run | SeedDistribution) -> set[Software]:
    """The software of every launch, of measurements and trainings."""
    if isinstance(side, SeedDistribution):
        found = {training.software for training in side.seeds}
    else:
        found = {record.measurement.software for record in side.records if record.measurement}
        found |= {record.training.software for record in side.records if record.training}
    return {software for software in found if software is not None}


def software_differences(baseline: Software, candidate: Software) -> tuple[Difference, ...]:
    """Versions that are not the same."""
    there, here = ({name: {str(getattr(side, name) or ABSENT)} for name in SOFTWARE} for side in (baseline, candidate))
    return _unlike(there, here)


def differences_between(before: Iterable[Run], after: Iterable[Run]) -> tuple[Difference, ...]:
    """Like `differences`, for two groups of runs."""
    return _unlike(_merged(before), _merged(after))


def age_days(baseline: Iterable[Record], now: str) -> float:
    """Days from the newest of these launches to `now` (ISO 8601); endless where a date cannot be read."""
    started = [record.measurement.started_at for record in baseline if record.measurement]
    try:
        newest = max(datetime.fromisoformat(moment) for moment in started)
        return (datetime.fromisoformat(now) - newest).total_seconds() / 86400
    except (TypeError, ValueError):  # no launch, no date, or one with an offset and one without
        return math.inf


def conditions(record: Record) -> dict[str, str]:
    """The conditions of one launch by name, in words; empty where it was not measured."""
    measurement = record.measurement
    if measurement is None:
        return {}
    images = record.dataset and f"{record.dataset.name} ({record.dataset.fingerprint})"
    return {
        "hardware": record.hardware.key,
        WORKLOAD_VERSION: str(measurement.workload_version),
        "timer": measurement.timer,
        **_steps(record.case.protocol, measurement),
        "images": images or ABSENT,
        **_quotas(measurement),
    }


def _quotas(measurement: Measurement) -> dict[str, str]:
    """The CPU quotas of the worker, which a container may have where this machine has none; empty without one."""
    quotas = {node.cpu_quota_cores for node in measurement.node_cpus if node.cpu_quota_cores is not None}
    return {_CPU_QUOTA: ", ".join(f"{quota:.6g} cores" for quota in sorted(quotas))} if quotas else {}


def _steps(protocol: Protocol, measurement: Measurement) -> dict[str, str]:
    if protocol.in_seconds:
        warmup = f"{protocol.warmup_steps} and {protocol.warmup_seconds:g} s"
        timed = f"at least {protocol.steps} and {protocol.timed_seconds:g} s"
    else:
        warmup = str(measurement.warmup_steps)
        timed = str(len(measurement.step_seconds) - measurement.warmup_steps)
    return {"warm-up steps": warmup, "timed steps": timed}


def _conditions(records: Iterable[Record]) -> Facts:
    found: Facts = {}
    for record in records:
        if record.measurement is not None:
            for name, value in ({_CPU_QUOTA: ABSENT} | conditions(record) | setting_conditions(record)).items():
                _add(found, name, value)
    return found


def _unlike(there: Facts, here: Facts) -> tuple[Difference, ...]:
    names = dict.fromkeys([*here, *there])
    return tuple(_difference(name, there, here) for name in names if there.get(name) != here.get(name))


def _merged(runs: Iterable[Run]) -> Facts:
    merged: Facts = {}
    for run in runs:
        for name, values in _facts(run).items():
            merged.setdefault(name, set()).update(values)
    return merged


def _facts(side: Baseline | Run | SeedDistribution) -> Facts:
    facts: Facts = {}
    for network in _networks(side):
        _add(facts, "network interface", network.interface)
        for name, value in network.settings.items():
            _add(facts, f"${name}", value)
    for software in software_of(side):
        for name in SOFTWARE:
            _add(facts, name, getattr(software, name))
    host: Host = side.header.host
    for name in _HOST:
        _add(facts, name.replace("_", " "), getattr(host, name))
    _add(facts, "interconnect", "; ".join(host.interconnect) or None)
    for fact, told in (*_arm_facts(side), *_image_facts(side)):
        _add(facts, fact, told)
    for gpu in host.gpus:
        for name in _GPU:
            _add(facts, f"GPU {name.replace('_', ' ')}", getattr(gpu, name))
    for name, value in sorted(host.variables.items()):
        _add(facts, f"${name}", value)
    return facts


def _networks(side: Baseline | Run | SeedDistribution) -> list[Network]:
    records = () if isinstance(side, SeedDistribution) else side.records
    found = (record.measurement.network for record in records if record.measurement)
    return [network for network in found if network is not None]


def _arm_facts(side: Baseline | Run | SeedDistribution) -> list[tuple[str, str | None]]:
    """What tells the arms of an interleaved run apart, whose host is one: where their code is, and what runs it."""
    if not isinstance(side, Run) or side.header.baseline_arm is None or side.header.options.image is not None:
        return []
    return [("source", side.header.options.source), ("interpreter", side.header.options.measured_by)]


def _image_facts(side: Baseline | Run | SeedDistribution) -> list[tuple[str, str | None]]:
    image = None if isinstance(side, SeedDistribution) else side.header.options.image
    if image is None:
        return []
    labels = [(f"label {name}", value) for name, value in sorted(image.labels.items())]
    swapped = ", ".join(sorted({overlay.component for overlay in image.overlays or ()}))
    parts = [("parts of another image", swapped)] if swapped else []
    return [("image", image.reference), ("image id", image.id), ("image digest", image.digest), *labels, *parts]


def _add(facts: Facts, name: str, value: object) -> None:
    facts.setdefault(name, set()).add(ABSENT if value is None else str(value))


def _difference(name: str, there: Mapping[str, set[str]], here: Mapping[str, set[str]]) -> Difference:
    return Difference(
        name=name,
        baseline=", ".join(sorted(there.get(name, {ABSENT}))),
        candidate=", ".join(sorted(here.get(name, {ABSENT}))),
    )
