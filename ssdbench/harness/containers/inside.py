"""Runs our own modules inside of an image, apart from any launch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ssdbench.harness.containers.commands import container_command, container_name, remove_container
from ssdbench.harness.containers.given_variables import given_variables
from ssdbench.harness.process import SOURCE, CommandResult, run_command
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import ContainerImage


class Inside(Protocol):
    """Runs our own modules inside of images, where these are; `options` say how."""

    @property
    def options(self) -> ContainerOptions:
        """How a program is run in an image."""

    def run(
        self, image: ContainerImage, folder: Path, module: Sequence[str], *, timeout_seconds: float
    ) -> CommandResult:
        """Run `python -m` with these words to its end; it can write to `folder`.

        Raises:
            EnvironmentLacksError: what runs images is not installed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideHere:
    """Runs them by the engine of this machine."""

    options: ContainerOptions

    def run(
        self, image: ContainerImage, folder: Path, module: Sequence[str], *, timeout_seconds: float
    ) -> CommandResult:
        """As `run_inside`."""
        return run_inside(self.options, image, folder, module, timeout_seconds=timeout_seconds)


def run_inside(
    options: ContainerOptions, image: ContainerImage, folder: Path, module: Sequence[str], *, timeout_seconds: float
) -> CommandResult:
    """Run `python -m` with these words to its end; it can write to `folder`. The container is removed.

    Raises:
        EnvironmentLacksError: the engine is not installed.
    """
    container = container_name(folder)
    try:
        with given_variables(options) as given:
            return run_command(
                container_command(
                    options,
                    image,
                    container=container,
                    folder=folder,
                    package=SOURCE / "ssdbench",
                    read_only=(),
                    variables={},
                    given=given.words,
                    gpu_uuids=(),
                    program=(options.python, "-m", *module),
                ),
                given.environment,
                timeout_seconds=timeout_seconds,
            )
    finally:
        remove_container(options.engine, container)
