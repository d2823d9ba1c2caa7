"""Launches whose worker is a small program: it measures nothing, and leaves in its folder what a test plants."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path

from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.harness.launchers.local import LocalLauncher
from ssdbench.harness.runner import run_plan
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.case import Case, Protocol
from ssdbench.schema.record import Record
from tests.builders import a_case, a_measurement, a_run
from tests.harness.test_launch_loop import Kept

CASE = a_case(workload="pace", pipeline="none", protocol=Protocol(warmup_steps=2, steps=5, launches=1))

# The host asks it what it has installed, and runs it as `PYTHON -m ssdbench.worker.launch FOLDER ...`; only its first
# launch is faulty.
_PROGRAM = """#!{python}
import json, os, signal, struct, sys
from pathlib import Path

if "ssdbench.worker.launch" not in sys.argv:
    print(json.dumps({{"event": "result", "python": "3.11.2", "packages": {{"torch": "2.11.0"}}}}))
    sys.exit()
folder = Path(sys.argv[3])
measurement = {measurement!r}

def write(name, content):
    path = folder / name
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(
        content if isinstance(content, str) else json.dumps(content))

code = 0
if json.loads((folder / "case.json").read_text())["launch"] == 0:
{plant}
if measurement is not None:
    write("measurement.json", measurement)
sys.exit(code)
"""


def scripted_python(folder: Path, plant: str) -> Path:
    """An interpreter whose first launch runs `plant` before it writes the measurement."""
    measurement = asdict(a_measurement(case=CASE))
    del measurement["failed_afterwards"]  # the host's to say
    lines = "\n".join(f"    {line}" for line in plant.splitlines())
    path = folder / "python"
    path.write_text(_PROGRAM.format(python=sys.executable, measurement=measurement, plant=lines))
    path.chmod(0o755)
    return path


def measure(folder: Path, plant: str, launches: int = 1, work: Path | None = None) -> tuple[Record, ...]:
    """The launches of a run with such an interpreter, as the store gives them back."""
    folder.mkdir(exist_ok=True)
    python = scripted_python(folder, plant)
    store, run = FileStore(folder / "results"), a_run((with_launches(launches), ()))
    store.begin(run.header)
    loop = LaunchLoop(run, None, {"candidate": LocalLauncher(str(python))}, store, work or folder / "work", Kept())
    run_plan(loop, run.header.plan, None)
    return store.load(run.header.run_id).records


def with_launches(number: int) -> Case:
    return replace(CASE, protocol=replace(CASE.protocol, launches=number))
