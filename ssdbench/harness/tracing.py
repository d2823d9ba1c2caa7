"""Has the worker's interpreter trace the operations of steps, and measure the ceilings of a device."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ssdbench.harness.datasets import OnProgress
from ssdbench.harness.process import run_module
from ssdbench.schema.case import Case, DeviceKind
from ssdbench.schema.roofline import Ceilings, Operation


def trace_steps(
    python: str, cases: Sequence[Case], measure: DeviceKind | None, on_progress: OnProgress
) -> tuple[list[tuple[Operation, ...]], Ceilings | None]:
    """The operations of one step of each case, and the ceilings of this kind of device (None if not asked for).

    Raises:
        EnvironmentLacksError: the interpreter cannot do this; the message has the last line of its log.
        WorkerError: there is no such device.
    """
    with tempfile.TemporaryDirectory() as folder:
        request = Path(folder) / "request.json"
        content = {"cases": [asdict(case) for case in cases], "measure": measure}
        request.write_text(json.dumps(content), encoding="utf-8")
        result = run_module(python, ["ssdbench.worker.roofline", str(request)], on_progress)
    operations: Any = result["operations"]
    ceilings: Any = result["ceilings"]
    found = [tuple(Operation(**operation) for operation in step) for step in operations]
    return found, Ceilings(**ceilings) if ceilings is not None else None
