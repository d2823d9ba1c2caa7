"""`gpu_machines.py FOLDER`: commands on machines that the stub of NVIDIA's driver imitates; prints what they said.

Everything is real but the driver, the interpreter that would measure, and what it measures.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from unittest import mock

from ssdbench.harness.launch_loop import Event
from ssdbench.harness.machine.gpu_monitor import GpuMonitor
from ssdbench.harness.machine.worker_python import WorkerPython
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.record import Failure, Measurement
from ssdbench.schema.times import utc_now
from tests.builders import a_measurement
from tests.cli.running import ssdbench

PLAIN = {
    "NVML_STUB_NAME0": "NVIDIA A100-SXM4-80GB", "NVML_STUB_MIB0": "81920", "NVML_STUB_CAPABILITY0": "80",
    "NVML_STUB_COUNT": "1", "NVML_STUB_PIDS": str(os.getpid()),
}  # fmt: skip
MIXED = PLAIN | {
    "NVML_STUB_COUNT": "2", "NVML_STUB_NAME1": "Tesla T4", "NVML_STUB_MIB1": "15360", "NVML_STUB_CAPABILITY1": "75",
}  # fmt: skip
SERVED = PLAIN | {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "50", "NVML_STUB_MPS_PIDS": str(os.getpid())}
WORKER = WorkerPython(
    executable=sys.executable, version="3.11.2", packages={"torch": "2.11.0", "torchvision": "0.26.0"},
    gpu_code=("sm_75", "sm_80"),
)  # fmt: skip
ASKED = (
    *("--workload", "pace", "--device", "cuda", "--gpus", "1", "--batch-size", "2", "--precision", "fp32"),
    *("--warmup", "0", "--steps", "5", "--launches", "3"),
)
TWO = (*ASKED[:5], "2", *ASKED[6:])


class Launcher:
    """Measures 0.1 s a step. `loses` says that GPU 0 falls off during the second launch."""

    loses = False

    def __init__(self, *_: object) -> None:
        pass

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Failure:
        for phase in ("warm-up", "measure"):
            on_event({"event": "phase", "phase": phase, "seconds": time.monotonic()})
        time.sleep(0.1)  # some periods of the monitor
        if self.loses and request.launch == 1:
            os.environ["NVML_STUB_LOST"] = "0"
            return Failure(kind="crash", message="CUDA error: unspecified launch failure", rank=0)
        seconds = 0.1 + 1e-5 * request.launch
        return a_measurement(case=request.case, step_seconds=seconds, started_at=utc_now())


@contextmanager
def on(variables: dict[str, str]) -> Iterator[None]:
    with mock.patch.dict(os.environ, variables):
        yield


def main() -> None:
    folder, said = Path(sys.argv[1]), {}

    def say(name: str, *words: str) -> None:
        said[name] = asdict(ssdbench(*words, columns=400))

    def measured(name: str, *more: str) -> None:
        place = ("--results", str(folder / "results"))
        say(f"{name}: env", "env", *place)
        say(f"{name}: plan", "plan", *ASKED, *place)
        say(f"{name}: run", "run", *ASKED, "--foreign-cpu", "100", *place, *more)
        say(f"{name}: compare", "compare", "latest", *place)

    def compared_with(name: str, run: str) -> None:
        say(f"{name}: compare with {run}", "compare", "latest", "--baseline", run, "--results", str(folder / "results"))

    for place in ("ssdbench.harness.run_setup.inspect_python", "ssdbench.cli.env.inspect_python"):
        mock.patch(place, return_value=WORKER).start()
    mock.patch("ssdbench.harness.run_setup.LocalLauncher", Launcher).start()
    mock.patch("ssdbench.harness.gpu_group.GpuMonitor", partial(GpuMonitor, period_seconds=0.02)).start()
    ids = folder / "id"
    with on(PLAIN):
        measured("plain", "--id-file", str(ids))
        whole = ids.read_text().strip()
        say("accept", "baseline", "accept", whole, "--reason", "first", "--results", str(folder / "results"))
        measured("plain again")
    machines = {
        "capped": PLAIN | {"NVML_STUB_WATTS0": "400"},
        "mig": PLAIN | {"NVML_STUB_MIG": "0"},
        "mps": SERVED,
        "mixed": MIXED | {"CUDA_VISIBLE_DEVICES": "GPU-one,GPU-zero"},
    }
    for name, variables in machines.items():
        with on(variables):
            measured(name)
            compared_with(name, whole)
    with on(MIXED):
        say("mixed: both", "plan", *TWO, "--results", str(folder / "results"))
    with on(PLAIN | {"NVML_STUB_COUNT": "2", "NVML_STUB_LOST": "1"}):
        say("lost: env", "env", "--results", str(folder / "results"))
        say("lost: plan", "plan", *TWO, "--results", str(folder / "results"))
        say("lost: run of two", "run", *TWO, "--results", str(folder / "results"))
    with on(PLAIN | {"NVML_STUB_LOST": ""}):
        Launcher.loses = True
        measured("lost in a run")
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
