"""Runs our own modules inside of images on a node: `python -m ssdbench.harness.launchers.slurm.inside_step FILE`."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ssdbench.errors import SsdbenchError
from ssdbench.harness.cache import work_folder
from ssdbench.harness.launchers.slurm.image_step import FETCH_MINUTES, hidden_values, with_hidden_values
from ssdbench.harness.launchers.slurm.probe import probe_folder, run_on_a_node
from ssdbench.harness.launchers.ways.choice import way_of
from ssdbench.harness.launchers.ways.step import ask
from ssdbench.harness.process import CommandResult
from ssdbench.harness.stores.codec import dump, read
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.container import Arguments, ContainerOptions
from ssdbench.schema.record import ContainerImage, SlurmOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedProgram:
    """A program that a node has to run in an image, which can write to `folder`."""

    schema_version: int
    options: ContainerOptions
    image: ContainerImage
    folder: str
    program: Arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedProgram:
    """How it ended."""

    schema_version: int
    exit_code: int
    complaint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideOnNode:
    """As `containers.inside.InsideHere`, by a job: `options.nodelist` of `slurm` says where."""

    options: ContainerOptions
    slurm: SlurmOptions

    def run(
        self, image: ContainerImage, folder: Path, module: Sequence[str], *, timeout_seconds: float
    ) -> CommandResult:
        """Have a node do it; waits in Slurm's queue. `folder` must be on a file system that the nodes share.

        Raises:
            UsageError: Slurm refuses the job, or can never start it.
            EnvironmentLacksError: Slurm is not installed here, or the node has no way into images.
        """
        asked = AskedProgram(
            schema_version=SCHEMA_VERSION,
            options=self.options.recorded(),
            image=image,
            folder=str(folder.absolute()),
            program=(self.options.python, "-m", *module),
        )
        file = probe_folder(work_folder()) / "ended.json"
        write_bytes(file.with_name("asked.json"), dump(asked).encode())
        command = [sys.executable, "-m", "ssdbench.harness.launchers.slurm.inside_step", str(file)]
        minutes = FETCH_MINUTES + math.ceil(timeout_seconds / 60)
        hidden = hidden_values(self.options)
        run_on_a_node("looks into an image", command, file, self.slurm, minutes=minutes, variables=hidden)
        ended = read(EndedProgram, file.read_text(encoding="utf-8"), str(file))
        return CommandResult(exit_code=ended.exit_code, out="", error=ended.complaint)


def main() -> None:
    """Run what is asked, and write how it ended."""
    file = Path(sys.argv[1])
    path = file.with_name("asked.json")
    asked = read(AskedProgram, path.read_text(encoding="utf-8"), str(path))
    try:
        way = way_of(with_hidden_values(asked.options))
        failure = way.fetch(asked.image)
        if failure is not None:
            exit_code, complaint = 1, failure.message
        else:
            answer = ask(partial(way.start, asked.image), asked.program, Path(asked.folder))
            exit_code, complaint = answer.exit_code, answer.error
    except SsdbenchError as error:
        sys.exit(str(error))
    ended = EndedProgram(schema_version=SCHEMA_VERSION, exit_code=exit_code, complaint=complaint)
    write_bytes(file, dump(ended).encode())


if __name__ == "__main__":
    main()
