"""`python -m ssdbench.worker.roofline REQUEST.json`: the operations of cases and, on request, this device's ceilings.

The request has `cases`, each as in case.json, and `measure`: "cuda", "cpu" or null. Events go to stdout, one JSON
object per line: `progress` events, then one `result` with `operations` (a list per case) and `ceilings`.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ssdbench.errors import SsdbenchError
from ssdbench.runtime.device import open_device
from ssdbench.schema.case import PRECISIONS, Case, DeviceKind, Protocol
from ssdbench.worker.ceilings import measure
from ssdbench.worker.trace import Trace, operations, trace


def main() -> int:
    """Process one request; returns the exit code."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    cases = [_case(**content) for content in request["cases"]]
    try:
        found = _operations(cases)
        ceilings = _ceilings(request["measure"], max(case.threads_per_rank for case in cases))
    except SsdbenchError as error:
        _emit({"event": "error", "message": str(error), "exit_code": int(error.exit_code)})
        return int(error.exit_code)
    _emit({"event": "result", "operations": found, "ceilings": ceilings})
    return 0


def _operations(cases: list[Case]) -> list[list[dict[str, Any]]]:
    """The operations of each case; cases with equal traces are traced once."""
    traces: dict[tuple[object, ...], Trace] = {}
    found = []
    for number, case in enumerate(cases, start=1):
        lowered = PRECISIONS[case.precision].autocast_dtype is not None
        key = (case.workload, case.backbone, case.layout, lowered)
        if key not in traces:
            traces[key] = trace(case)
        steps = operations(traces[key], case.batch_size_per_gpu, on_gpu=case.device == "cuda")
        found.append([asdict(operation) for operation in steps])
        _emit({"event": "progress", "phase": "tracing steps", "done": number, "total": len(cases)})
    return found


def _ceilings(kind: DeviceKind | None, threads: int) -> dict[str, Any] | None:
    return asdict(measure(open_device(kind, 0, threads, time.perf_counter))) if kind is not None else None


def _case(*, protocol: dict[str, Any], **others: Any) -> Case:
    return Case(protocol=Protocol(**protocol), **others)


def _emit(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
