"""What the verbs of `ssdbench containers` are asked, and the run_setup that come of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from rich.console import Console
from rich.markup import escape

from ssdbench.cli.request import Request
from ssdbench.harness import run_setup
from ssdbench.harness.containers.commands import remove_leftovers
from ssdbench.harness.containers.config import DEFAULT_FILE, Containers, load_containers
from ssdbench.harness.containers.images import inspect_image
from ssdbench.harness.planning import select_cases
from ssdbench.harness.process import SOURCE
from ssdbench.schema.record import ContainerImage, Control


def _option(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRequest(Request):
    """A suite, or some of its cases, for the interpreters of images."""

    LEFT_OUT: ClassVar[tuple[str, ...]] = ("python", "launcher", "slurm", "nodes")

    name: Annotated[str | None, _option("A suite by name (monthly), or a .toml file.", "--suite")] = None
    case: Annotated[
        list[str] | None, _option("Only the case of this key, or those whose keys have all these words.")
    ] = None
    containers: Annotated[Path, _option("File that names engine, mounts and images.")] = DEFAULT_FILE
    engine: Annotated[str | None, _option("docker, podman, apptainer, enroot, or one of the file.")] = None

    def load(self) -> Containers:
        """The file, with the engine as given, which is rid of containers whose host has died.

        Raises:
            UsageError: the file has a mistake.
            EnvironmentLacksError: the engine does not answer.
        """
        containers = load_containers(self.containers, self.engine)
        remove_leftovers(containers.options.engine)
        return containers


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRequest(ContainerRequest):
    """As `ContainerRequest`; the verdict rule says how many launches are measured."""

    LEFT_OUT: ClassVar[tuple[str, ...]] = ("python", "launches", "launcher", "slurm", "nodes")


def look_at(containers: Containers, reference: str) -> ContainerImage:
    """Fetch and inspect an image, and say what is in it."""
    console = Console()
    console.print(f"image {escape(reference)}", highlight=False, soft_wrap=not console.is_terminal)
    image = inspect_image(containers.options, reference)
    if image.failure is not None:
        text = f"  [red]{image.failure.kind}[/red] {escape(image.failure.message)}"
    else:
        installed = ", ".join(f"{name} {version}" for name, version in image.packages.items()) or "no torch"
        text = escape(f"  {image.digest or image.id or 'no id'}: Python {image.python}, {installed}")
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)
    return image


def campaign_in(
    request: ContainerRequest, containers: Containers, image: ContainerImage, beside: ContainerImage | None = None
) -> run_setup.RunSetup:
    """The cases of the request, to be measured in `image`; in pairs with `beside` where that is given.

    Raises:
        UsageError: the suite or a case does not exist, or trains for accuracy.
    """
    suite, python = request.suite(), containers.options.python
    options = replace(request.run_options(suite), image=image, container=containers.options)
    control = Control(python=python, source=str(SOURCE), image=beside) if beside is not None else None
    setup = run_setup.new_setup(suite, options, request.seed, control)
    run_setup.require_speed(setup.plan)
    return replace(setup, plan=select_cases(setup.plan, request.case)) if request.case else setup
