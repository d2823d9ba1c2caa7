"""`ssdbench containers check`: what can be measured in an image, and why not the rest."""

from collections.abc import Callable
from typing import Annotated

import typer

from ssdbench.cli.abilities import Abilities, abilities, ability_lines, simplest
from ssdbench.cli.help import argument
from ssdbench.cli.image_options import ContainersFile, EngineName, inspect_shown, load_engine
from ssdbench.cli.options import Json
from ssdbench.cli.printing import Terminal, print_data
from ssdbench.errors import ExitCode
from ssdbench.harness.containers.config import DEFAULT_FILE
from ssdbench.harness.containers.images import worker_in
from ssdbench.harness.machine.probe import probe_machine
from ssdbench.harness.machine.worker_python import missing_gpu_code, missing_software
from ssdbench.schema.case import PRECISIONS, Case, DeviceKind

_PLACES: dict[DeviceKind, str] = {"cuda": "a GPU", "cpu": "the CPU"}


def check(
    image: Annotated[str, argument("Repository:tag, or a tag of ci/containers.toml.", "IMAGE")],
    containers: ContainersFile = DEFAULT_FILE,
    engine: EngineName = None,
    as_json: Json = False,
) -> None:
    """Report what can be measured in an image, and what its software is too old for or lacks. It measures nothing.

    Only the image is judged; `ssdbench env` judges the machine. An image that is not here is pulled.

    Exit code: 0 something can be measured, 8 nothing can.
    """
    asked = load_engine(containers, engine)
    found = inspect_shown(asked, asked.image(image), stderr=as_json)
    worker, hardware = worker_in(found, asked.options.python), probe_machine().hardware

    def reason(case: Case) -> str | None:
        if found.failure is not None:
            return found.failure.message
        if case.device == "cpu" and not PRECISIONS[case.precision].on_cpu:
            return f"{case.precision} needs a GPU"
        return missing_software(case, worker) or missing_gpu_code(case, hardware, worker)

    why_not = {kind: _abilities(kind, reason) for kind in _PLACES}
    if as_json:
        print_data({"image": found, "why_not": why_not})
    elif found.failure is None:
        for kind, place in _PLACES.items():
            for line in ability_lines(place, why_not[kind]):
                Terminal().say(*line)
    can = any(why is None for kinds in why_not.values() for why in kinds["workloads"].values())
    raise typer.Exit(ExitCode.OK if can else ExitCode.ENVIRONMENT)


def _abilities(kind: DeviceKind, reason: Callable[[Case], str | None]) -> Abilities:
    found = abilities(kind, reason)
    found["options"] = {"compile": reason(simplest(kind, compile=True))}
    if kind == "cuda":
        found["options"]["cuda_graph"] = reason(simplest(kind, cuda_graph=True))
    return found
