"""Bencher's metric format: benchmark -> measure -> median, lowest and highest launch."""

import json
import statistics

from ssdbench.schema.exchange import ExportedCase, ExportedRun

_MOST_CHARACTERS = 1024


def render(run: ExportedRun) -> str:
    """The whole document, each value in the unit of its metric."""
    cases = {case.case.key[:_MOST_CHARACTERS]: _measures(case) for case in run.cases if case.launches}
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
