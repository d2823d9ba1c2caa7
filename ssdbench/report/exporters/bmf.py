"""Bencher's metric format: benchmark -> measure -> median, lowest and highest launch."""

import hashlib
import json
import statistics

from ssdbench.schema.exchange import ExportedCase, ExportedRun

_MOST_CHARACTERS = 1024


def _name(key: str) -> str:
    """The key, or the part of it that Bencher takes: the hash at its end keeps two long keys apart."""
    if len(key) <= _MOST_CHARACTERS:
        return key
    return f"{key[: _MOST_CHARACTERS - 17]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def render(run: ExportedRun) -> str:
    """The whole document, each value in the unit of its metric."""
    cases = {_name(case.case.key): _measures(case) for case in run.cases if case.launches}
    return json.dumps(cases, indent=1, ensure_ascii=False) + "\n"


def _measures(case: ExportedCase) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for launch in case.launches for name in launch.figures)
    measures = {}
    for name in names:
        values = [launch.figures[name] for launch in case.launches if name in launch.figures]
        measures[name.replace("_", "-")] = {
            "value": statistics.median(values),
            "lower_value": min(values),
            "upper_value": max(values),
        }
    return measures
