"""A launch in an image on the nodes of its job: the host writes down what to start, and each node starts it."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.errors import SsdbenchError
from ssdbench.harness.containers.given_variables import variable_values
from ssdbench.harness.containers.overlays import ask_for_hashes
from ssdbench.harness.launchers.following import Event, Running
from ssdbench.harness.launchers.images import MeasuredImage, contents_of
from ssdbench.harness.launchers.local import Started, dump_stacks
from ssdbench.harness.launchers.torchrun import CASE_FILE
from ssdbench.harness.launchers.ways.choice import way_of
from ssdbench.harness.launchers.ways.node_images import node_name
from ssdbench.harness.stores.codec import dump, read
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import ContainerImage, Failure

FETCH_MINUTES = 30
"""What a job is given for fetching its image, in addition to the time of its launch."""
_POLL_SECONDS = 0.2
_FILE = "image.json"
# Values that no file may have reach the nodes as jobs get all variables; under names that nothing there reads.
_HIDDEN = "SSDBENCH_GIVEN_"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedImage:
    """What the nodes of a launch need to start it in an image."""

    schema_version: int
    options: ContainerOptions
    image: ContainerImage
    package: str
    read_only: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStep:
    """How an image did on one node: the time until it was there, and why it failed, if the launch does not say."""

    schema_version: int
    node: str
    fetch_seconds: float
    failure: Failure | None = None


def hand_over(measured: MeasuredImage, request: LaunchRequest) -> dict[str, str]:
    """Write down for the nodes what to start; returns what has to be in the environment of the job."""
    handed = HandedImage(
        schema_version=SCHEMA_VERSION,
        options=measured.options.recorded(),
        image=measured.image,
        package=str(measured.source / "ssdbench"),
        read_only=tuple(map(str, measured.read_only(request))),
    )
    write_bytes(Path(request.output) / _FILE, dump(handed).encode())
    ask_for_hashes(Path(request.output), measured.image)
    return hidden_values(measured.options)


def handed_over(folder: Path) -> HandedImage | None:
    """What the host wrote down for a launch in an image; None for any other launch."""
    path = folder / _FILE
    if not path.is_file():
        return None
    handed = read(HandedImage, path.read_text(encoding="utf-8"), str(path))
    return replace(handed, options=with_hidden_values(handed.options))


def hidden_values(options: ContainerOptions) -> dict[str, str]:
    """The variables that no file may have, under the names by which a job gets them."""
    recorded = options.recorded()
    return {f"{_HIDDEN}{name}": variable_values(options)[name] for name in recorded.pass_variables}


def with_hidden_values(options: ContainerOptions) -> ContainerOptions:
    """The options in a job, with the values of all variables."""
    values = {name: os.environ[f"{_HIDDEN}{name}"] for name in options.pass_variables}
    return replace(options, variables={**options.variables, **values}, pass_variables=())


def run_in_image(request: LaunchRequest, handed: HandedImage, gpus: Sequence[GpuState], program: Sequence[str]) -> int:
    """Run a worker in the image on this node until it ends, or this process is asked to end; returns its exit code."""
    folder, number = Path(request.output), os.environ["SLURM_NODEID"]
    report, begin = folder / f"image-{number}.json", time.monotonic()
    way = way_of(handed.options)
    try:
        failure = way.fetch(handed.image)
    except SsdbenchError as error:
        failure = Failure(kind="unsupported", message=str(error))
    step = ImageStep(schema_version=SCHEMA_VERSION, node=node_name(), fetch_seconds=time.monotonic() - begin)
    step = replace(step, failure=failure)
    write_bytes(report, dump(step).encode())
    if failure is not None:
        return 1
    log = folder / f"container-{number}.log"
    contents = contents_of(request, Path(handed.package), tuple(map(Path, handed.read_only)), gpus, program)
    # The name by which ranks tell where they are.
    contents = replace(contents, variables={**contents.variables, "SLURMD_NODENAME": node_name()})
    code, failure = _wait(way.start(handed.image, contents, log), folder / CASE_FILE)
    # For the log of the launch, which is what is searched for the cause of a failure.
    sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
    sys.stdout.flush()
    if code != 0 and failure is not None:
        write_bytes(report, dump(replace(step, failure=failure)).encode())
    return code


def _wait(started: Started, case_file: Path) -> tuple[int, Failure | None]:
    """The exit code of a container, and its failure; SIGUSR1 asks for the stacks of its ranks, SIGTERM for its end."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda number, _frame: asked.append(number))
    try:
        while (code := started.exit_code()) is None and not {signal.SIGTERM, signal.SIGINT} & {*asked}:
            if asked:
                asked.clear()
                dump_stacks(case_file)
            time.sleep(_POLL_SECONDS)
    finally:
        started.stop()
    if code is None:
        return 128 + asked[-1], None
    return (code if code >= 0 else 128 - code), started.failure()


def await_image(running: Running, folder: Path, on_event: Callable[[Event], None]) -> float:
    """Wait until the first node of a launch has its image, or the launch has ended; returns the seconds it took."""
    report = folder / "image-0.json"
    on_event({"event": "phase", "phase": "image", "seconds": time.monotonic()})
    while not report.exists() and running.exit_code() is None:
        next(folder.iterdir(), None)  # makes a network file system ask its server
        time.sleep(_POLL_SECONDS)
    return _read_step(report).fetch_seconds if report.exists() else 0.0


def image_failure(folder: Path) -> Failure | None:
    """The first failure that a node of a launch has reported of its image or container."""
    steps = map(_read_step, sorted(folder.glob("image-*.json")))
    return next((step.failure for step in steps if step.failure is not None), None)


def _read_step(path: Path) -> ImageStep:
    return read(ImageStep, path.read_text(encoding="utf-8"), str(path))
