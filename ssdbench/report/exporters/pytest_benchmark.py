"""pytest-benchmark's JSON: a benchmark for each case, a round for each launch, in seconds per step.

`extra_info.unit` is "launch", so that a reader can distinguish these rounds from the iterations of one process.
"""

import json
import statistics
from collections.abc import Sequence
from typing import Any

from ssdbench.schema.exchange import ExportedCase, ExportedRun


def render(run: ExportedRun) -> str:
    """The whole document; `pytest-benchmark compare FILE` reads it."""
    header = run.header
    document = {
        "machine_info": {
            "node": header.host.hostname,
            "system": header.host.os,
            "release": header.host.kernel,
            "cpu": {"brand_raw": header.hardware.cpu_model, "count": header.hardware.cpu_count},
            "gpu": {"model": header.hardware.gpu_model, "count": header.hardware.gpu_count},
            "hardware_key": header.hardware.key,
        },
        "commit_info": {"id": header.host.ssdbench_commit, "time": None, "dirty": False, "branch": "(unknown)"},
        "benchmarks": [_benchmark(case, header.run_id) for case in run.cases if case.launches],
        "datetime": header.created_at,
        "version": "5.0.0",
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _benchmark(case: ExportedCase, run_id: str) -> dict[str, Any]:
    return {
        "group": case.case.workload,
        "name": case.case.key,
        "fullname": f"ssdbench::{case.case.key}",
        "params": None,
        "param": None,
        "extra_info": {"unit": "launch", "title": case.case.title, "run_id": run_id},
        "options": {
            "disable_gc": False,
            "timer": "ssdbench",
            "min_rounds": len(case.launches),
            "max_time": 0.0,
            "min_time": 0.0,
            "warmup": case.case.protocol.warmup_steps,
        },
        "stats": _stats([launch.step_seconds for launch in case.launches]),
    }


def _stats(data: Sequence[float]) -> dict[str, Any]:
    ordered, mean = sorted(data), statistics.fmean(data)
    sd = statistics.stdev(data) if len(data) > 1 else 0.0
    half = len(ordered) // 2
    q1, q3 = (statistics.median(part or ordered) for part in (ordered[:half], ordered[-half:] if half else []))
    fence_low, fence_high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    inside = [value for value in ordered if fence_low <= value <= fence_high]
    far = sum(abs(value - mean) > sd for value in data)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": sd,
        "rounds": len(data),
        "median": statistics.median(data),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": len(data) - len(inside),
        "stddev_outliers": far,
        "outliers": f"{far};{len(data) - len(inside)}",
        "ld15iqr": inside[0],
        "hd15iqr": inside[-1],
        "ops": 1 / mean,
        "total": sum(data),
        "data": list(data),
        "iterations": 1,
    }
