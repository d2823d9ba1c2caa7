"""`watched_launches.py FOLDER`: launches with a stub of NVIDIA's driver; prints their outcomes as JSON."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import psutil

from ssdbench.analysis.metrics import figure
from ssdbench.harness.launch_loop import Event, LaunchLoop
from ssdbench.harness.launchers.slurm.watch import run_watched, with_watched_gpus
from ssdbench.harness.machine.gpu_monitor import GpuMonitor
from ssdbench.harness.machine.probe import gpu_states
from ssdbench.harness.machine.validity import Validity
from ssdbench.harness.process import run_in_foreground
from ssdbench.harness.stores.codec import dump
from ssdbench.schema.case import Case, LaunchRequest
from ssdbench.schema.environment import GpuState, Network
from ssdbench.schema.record import Failure, FailureKind, Measurement
from tests.builders import HOST, a_case, a_measurement, a_run
from tests.harness.test_launch_loop import Kept

WALL_SECONDS = 0.4
LAUNCH_SECONDS = 1.2  # two of the monitor's periods are always in it
CASE = a_case(device="cuda", world_size=2)
FOREIGN_PID = 1  # lives as long as the machine, and is nobody's child


def region(on_event: Callable[[Event], None], wall_seconds: float = WALL_SECONDS) -> None:
    """Warm-up and timed region of a launch that does nothing, and some time behind it."""
    for phase, seconds in (("warm-up", 0.1), ("measure", wall_seconds), ("profile", 0.1)):
        on_event({"event": "phase", "phase": phase, "seconds": time.monotonic()})
        time.sleep(seconds)


class Launcher:
    """Computes on GPU 0 by a process of its own, beside `others`; GPU 1 is throttled for `reasons`."""

    def __init__(self, *, others: str = "", reasons: int = 0) -> None:
        self.others = others
        # Before the monitor looks for the first time, which may take longer than it is to the launch.
        os.environ["NVML_STUB_PIDS"] = f"{os.getpid()}"
        os.environ["NVML_STUB_REASONS"] = str(reasons)

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as worker:
            os.environ["NVML_STUB_PIDS"] = f"{worker.pid} {self.others}"
            region(on_event, LAUNCH_SECONDS)
            worker.kill()
        return a_measurement(case=request.case, wall_seconds=LAUNCH_SECONDS)


class Container(Launcher):
    """Its rank is no child of this process, as a container's is none of its engine's client."""

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        rank = [sys.executable, "-c", "import time; time.sleep(60)", "-m", "ssdbench.worker"]
        script = 'setsid "$@" > /dev/null 2>&1 & echo $!'
        command = ["sh", "-c", script, "sh", *rank, f"{request.output}/case.json"]
        pid = int(subprocess.run(command, capture_output=True, check=True).stdout)
        assert pid not in [child.pid for child in psutil.Process().children(recursive=True)]
        os.environ["NVML_STUB_PIDS"] = f"{pid} {self.others}"
        region(on_event, LAUNCH_SECONDS)
        os.kill(pid, signal.SIGKILL)
        return a_measurement(case=request.case, wall_seconds=LAUNCH_SECONDS)


class Served(Launcher):
    """MPS serves its process; the server of MPS, which is no child of this process, is on the GPU as well."""

    def __init__(self, folder: Path, *, others: str = "") -> None:
        super().__init__(others=others)
        folder.mkdir()
        self.program = shutil.copy(str(shutil.which("sleep")), folder / "nvidia-cuda-mps-server")

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        script = 'setsid "$@" > /dev/null 2>&1 & echo $!'
        server = int(subprocess.run(["sh", "-c", script, "sh", self.program, "60"], capture_output=True).stdout)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as worker:
            os.environ |= {"NVML_STUB_PIDS": f"{server} {self.others}", "NVML_STUB_MPS_PIDS": f"{worker.pid}"}
            region(on_event, LAUNCH_SECONDS)
            worker.kill()
        os.kill(server, signal.SIGKILL)
        del os.environ["NVML_STUB_MPS_PIDS"]
        return a_measurement(case=request.case, wall_seconds=LAUNCH_SECONDS)


class Loses:
    """GPU 1 falls off in the midst of its first launch, which ends as told; later ones say that they were started."""

    def __init__(self, end: FailureKind | None) -> None:
        self.end = end
        self.started: list[int] = []

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement | Failure:
        self.started.append(request.case.world_size)
        for phase in ("warm-up", "measure"):
            on_event({"event": "phase", "phase": phase, "seconds": time.monotonic()})
            time.sleep(0.1)
        os.environ["NVML_STUB_LOST"] = "1"
        if self.end is not None and len(self.started) == 1:
            return Failure(kind=self.end, message="rank 1 ended by an error of CUDA", rank=1, last_step=3)
        return a_measurement(case=request.case, wall_seconds=0.1)


class Locks:
    """Somebody sets a clock after the launch that is told, counted from 1."""

    def __init__(self, variable: str, launch: int) -> None:
        self.variable, self.after = variable, launch
        os.environ.pop("NVML_STUB_APPLICATION", None)
        os.environ.pop("NVML_STUB_LOCKED", None)

    def launch(self, request: LaunchRequest, on_event: Callable[[Event], None]) -> Measurement:
        self.after -= 1
        if self.after == 0:
            os.environ[self.variable] = "900"
        return a_measurement(case=request.case)


def a_loop(folder: Path, case: Case, launcher: object, gpus: tuple[GpuState, ...]) -> tuple[LaunchLoop, Kept]:
    kept = Kept()
    run = a_run((case, ()), host=replace(HOST, gpus=gpus))
    return LaunchLoop(run, None, {"candidate": launcher}, kept, folder, kept), kept  # type: ignore[dict-item]


def invalid_reason(folder: Path, case: Case, launcher: Launcher, gpus: tuple[GpuState, ...]) -> tuple[str | None, int]:
    """Why the launch was invalid, and of how many GPUs its measurement tells."""
    loop, _ = a_loop(folder, case, launcher, gpus)
    record = loop._measure(case, "candidate", "measure", 0, "launch 1")
    assert record.measurement is not None
    return record.invalid_reason, len(record.measurement.gpus)


def served_by_mps(folder: Path, gpus: tuple[GpuState, ...], launcher: Launcher) -> tuple[str | None, bool | None]:
    """Why a launch on GPU 0 was invalid, and whether MPS was seen to serve it."""
    case = replace(CASE, world_size=1)
    loop, _ = a_loop(folder, case, launcher, gpus)
    record = loop._measure(case, "candidate", "measure", 0, "launch 1")
    assert record.measurement is not None
    return record.invalid_reason, record.measurement.gpus[0].mps


def lost(folder: Path, gpus: tuple[GpuState, ...], end: FailureKind | None, world_size: int) -> dict[str, object]:
    """What became of a launch in which GPU 1 fell off, of further ones, and of a case that has GPU 0 alone."""
    launcher = Loses(end)
    loop, kept = a_loop(folder, CASE, launcher, gpus)
    try:
        loop.measure(replace(CASE, world_size=world_size), "candidate", "measure", 0, "launch 1")
        loop.measure(replace(CASE, world_size=1), "candidate", "measure", 1, "launch 2")
    finally:
        del os.environ["NVML_STUB_LOST"]
    told = [
        (
            record.case.world_size,
            record.invalid_reason,
            None if record.failure is None else f"{record.failure.kind}: {record.failure.message}",
            record.measurement is not None and len(record.measurement.gpus),
        )
        for record in kept
    ]
    return {"started": launcher.started, "records": told}


def locked(folder: Path, gpus: tuple[GpuState, ...], variable: str) -> list[str | None]:
    """Why launches are invalid of which somebody has set a clock after the second, on GPU 0 or on both."""
    loop, kept = a_loop(folder, CASE, Locks(variable, launch=2), gpus)
    for launch in range(2):
        loop.measure(CASE, "candidate", "measure", launch, f"launch {launch + 1}")
    del os.environ[variable]
    return [record.invalid_reason for record in kept]


def asked(folder: Path, gpus: tuple[GpuState, ...]) -> list[str]:
    """Which GPUs are asked anything for a launch that has GPU 0 alone."""
    log = folder / "questions"
    loop, _ = a_loop(folder / "one", replace(CASE, world_size=1), Launcher(), gpus)
    os.environ["NVML_STUB_LOG"] = str(log)
    loop._measure(replace(CASE, world_size=1), "candidate", "measure", 0, "launch 1")
    del os.environ["NVML_STUB_LOG"]
    return sorted({line.split()[1] for line in log.read_text().splitlines()})


def around_the_region(gpus: tuple[GpuState, ...]) -> dict[str, object]:
    """When a GPU was looked at, beside when its launch, warm-up and region began; in seconds of the region."""
    with GpuMonitor(gpus[:1], period_seconds=0.02) as monitor:
        time.sleep(0.1)  # until the warm-up, as for building a model
        warm_up = time.monotonic()
        monitor.on_event({"event": "phase", "phase": "warm-up", "seconds": warm_up})
        time.sleep(0.1)
        region = time.monotonic()
        monitor.on_event({"event": "phase", "phase": "measure", "seconds": region})
        time.sleep(0.15)
    (of_both,) = monitor.samples(0.1)
    monitor._phases.pop("warm-up")
    (of_region,) = monitor.samples(0.1)
    return {"warm_up": warm_up - region, "with": of_both.seconds, "without": of_region.seconds}


def of_a_slice() -> dict[str, object]:
    """What is seen of a slice of GPU 0, throttled for heat with its card."""
    os.environ |= {"NVML_STUB_MIG": "1", "NVML_STUB_REASONS": "32", "NVML_STUB_PIDS": f"{os.getpid()}"}
    (part,) = gpu_states()
    with GpuMonitor([part], period_seconds=0.02) as monitor:
        region(monitor.on_event)
    (seen,) = monitor.samples(WALL_SECONDS)
    os.environ |= {"NVML_STUB_MIG": "", "NVML_STUB_REASONS": "0"}
    return asdict(seen)


WORKER = """
import json, sys, time
folder, measurement, phases = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
with open(f"{folder}/events-0.jsonl", "w") as file:
    for phase, duration in phases:
        # As of another machine, whose monotonic clock is none of ours.
        event = {"event": "phase", "phase": phase, "seconds": 5.0, "epoch_seconds": time.time()}
        print(json.dumps(event), file=file)
        time.sleep(duration)
with open(f"{folder}/measurement.json", "w") as file:
    file.write(measurement)
"""


def on_nodes(folder: Path, gpus: tuple[GpuState, ...]) -> tuple[list[dict[str, object]], str | None]:
    """What two nodes saw of a GPU each beside rank 0's worker, and why its launch is invalid."""
    folder.mkdir()
    os.environ |= {"NVML_STUB_PIDS": f"{os.getpid()} {FOREIGN_PID}", "NVML_STUB_REASONS": "0"}
    network = Network(rank_hosts=("n1", "n1", "n0", "n0"), backend="nccl", interface=None)
    measurement = a_measurement(case=CASE, wall_seconds=WALL_SECONDS, network=network)
    phases = (("warm-up", 0.1), ("measure", WALL_SECONDS), ("profile", 0.1))
    command = [sys.executable, "-c", WORKER, str(folder), dump(measurement), json.dumps(phases)]
    assert run_watched(partial(run_in_foreground, ["false"], os.environ), gpus[:1], "n1", folder / "gpus-1.json") == 1
    assert not list(folder.iterdir())
    for number, node in enumerate(("n0", "n1")):
        gpu = gpus[number : number + 1]
        assert (
            run_watched(
                partial(run_in_foreground, command, os.environ),
                gpu,
                node,
                folder / f"gpus-{number}.json",
                period_seconds=0.02,
            )
            == 0
        )
    seen = with_watched_gpus(measurement, folder)
    validity = Validity(host=HOST, foreign_cpu_limit_cores=64.0, query=tuple)
    return [asdict(gpu) for gpu in seen.gpus], validity.invalid_reason(seen, CASE)


def main() -> None:
    folder, gpus = Path(sys.argv[1]), gpu_states()
    os.environ["NVML_STUB_PIDS"] = f"{os.getpid()}"
    with GpuMonitor(gpus, period_seconds=0.02) as monitor:
        region(monitor.on_event)
    measurement = a_measurement(case=CASE, wall_seconds=WALL_SECONDS, gpus=monitor.samples(WALL_SECONDS), images=10)
    with GpuMonitor([replace(gpus[0], uuid="GPU-of-another-machine")]) as elsewhere:
        region(elsewhere.on_event)
    reasons = {
        "quiet": invalid_reason(folder / "a", CASE, Launcher(), gpus),
        "power cap": invalid_reason(folder / "b", CASE, Launcher(reasons=0x5), gpus),
        "thermal": invalid_reason(folder / "c", CASE, Launcher(reasons=0x24), gpus),
        "others": invalid_reason(folder / "d", CASE, Launcher(others=str(FOREIGN_PID)), gpus),
        "what started it": invalid_reason(folder / "i", CASE, Launcher(others=str(os.getppid())), gpus),
        "container": invalid_reason(folder / "g", CASE, Container(), gpus),
        "container beside others": invalid_reason(folder / "h", CASE, Container(others=str(FOREIGN_PID)), gpus),
        "one rank": invalid_reason(folder / "e", replace(CASE, world_size=1), Launcher(reasons=0x20), gpus),
        "cpu": invalid_reason(folder / "f", replace(CASE, device="cpu"), Launcher(reasons=0x20), gpus),
    }
    said = {
        "gpus": [asdict(gpu) for gpu in measurement.gpus],
        "joules_per_image": figure("energy", measurement),
        "elsewhere": len(elsewhere.samples(WALL_SECONDS)),
        "reasons": reasons,
        "mps": {
            "not served": served_by_mps(folder / "p", gpus, Launcher()),
            "served": served_by_mps(folder / "q", gpus, Served(folder / "server")),
            "beside others": served_by_mps(folder / "r", gpus, Served(folder / "second", others=str(FOREIGN_PID))),
        },
        "nodes": on_nodes(folder / "nodes", gpus),
        "around": around_the_region(gpus),
        "asked": asked(folder, gpus),
        "slice": of_a_slice(),
        "lost": {
            "measured": lost(folder / "i", gpus, None, world_size=2),
            "crashed": lost(folder / "j", gpus, "crash", world_size=2),
            "not a number": lost(folder / "k", gpus, "not_finite", world_size=2),
            "not of the case": lost(folder / "l", gpus, None, world_size=1),
            "crashed beside": lost(folder / "m", gpus, "crash", world_size=1),
        },
        "locked": locked(folder / "n", gpus, "NVML_STUB_LOCKED"),
        "set": locked(folder / "o", gpus, "NVML_STUB_APPLICATION"),
    }
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
