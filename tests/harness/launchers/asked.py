"""What a way into an image asks of the programs it starts, of which the tests write stand-ins."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ssdbench.harness.containers.engines import ENGINES, STEP_ENGINES
from ssdbench.harness.launchers.ways.choice import way_of
from ssdbench.harness.launchers.ways.contract import Contents
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import ContainerImage

DIGEST = "sha256:" + "ab" * 32
IMAGE = ContainerImage(reference="nvcr.io/nvidia/pytorch:24.09-py3", id=DIGEST, digest=DIGEST)
Write = Callable[[str, str], Path]


def options(tmp_path: Path, way: str, **more: object) -> ContainerOptions:
    found = ContainerOptions(
        engine={**ENGINES, **STEP_ENGINES}[way], python=sys.executable, node_images=f"{tmp_path}/kept/{{node}}"
    )
    return replace(found, **more)  # type: ignore[arg-type]


def contents(tmp_path: Path, **changes: object) -> Contents:
    folder = tmp_path / "launch"
    folder.mkdir(exist_ok=True)
    found = Contents(
        name="c", folder=folder, package=Path("/checkout/ssdbench"), program=("true",), read_only=(Path("/data"),),
        variables={"OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    return replace(found, **changes)  # type: ignore[arg-type]


def calls(tmp_path: Path) -> list[tuple[list[str], dict[str, str]]]:
    path = tmp_path / "programs" / "calls"
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def run(way: str, tmp_path: Path, asked: ContainerOptions, given: Contents) -> tuple[list[str], dict[str, str]]:
    """The words and the environment of the step that a program becomes."""
    started = way_of(asked).start(IMAGE, given, given.folder / "log")
    deadline = time.monotonic() + 60
    while started.exit_code() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started.stop()
    return calls(tmp_path)[-1]
