"""The options of `ssdbench containers`: a suite, or some of its cases, and the images that measure it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from ssdbench.cli.help import MEASURING, SUITE, argument, option
from ssdbench.cli.printing import Terminal
from ssdbench.cli.suite_options import SuiteOptions
from ssdbench.errors import UsageError
from ssdbench.harness.cache import work_folder
from ssdbench.harness.containers.commands import remove_leftovers
from ssdbench.harness.containers.config import DEFAULT_FILE, Containers, load_containers
from ssdbench.harness.containers.given_variables import variable_values
from ssdbench.harness.containers.images import inspect_image
from ssdbench.harness.launchers.slurm.image_probe import inspect_on_a_node
from ssdbench.harness.run_setup import RunSetup
from ssdbench.schema.names import quoted
from ssdbench.schema.record import ContainerImage
from ssdbench.workflows.images import ImageSuite

ContainersFile = Annotated[
    Path, option("File that names engine, mounts and images.", "--containers", metavar="FILE", panel=MEASURING)
]
EngineName = Annotated[
    str | None,
    option(
        "docker, podman, apptainer, enroot, or an engine of the file; on Slurm also pyxis or oci.",
        "--engine",
        metavar="NAME",
        panel=MEASURING,
    ),
]
Old = Annotated[str, argument("Image of the baseline: repository:tag, or a tag of ci/containers.toml.", "OLD")]
New = Annotated[str, argument("Image that is judged.", "NEW")]


def load_engine(path: Path, engine: str | None, *, on_cluster: bool | None = None) -> Containers:
    """The file, with the engine as given; errors as `ImageOptions.load`.

    `on_cluster` says whether launches run there; None: the verb has no --launcher.
    """
    containers = load_containers(path, engine)
    variable_values(containers.options)  # one that is missing here is named before anything is pulled
    if on_cluster:
        return containers
    found = containers.options.engine
    if found.job_step is not None:
        remedy = "" if on_cluster is None else "add --launcher slurm, or "
        raise UsageError(f"engine {quoted(found.name)} is a part of Slurm: {remedy}choose another one for this machine")
    remove_leftovers(found)
    return containers


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions(SuiteOptions):
    """A suite, or some of its cases, for the interpreters of images."""

    OMITTED: ClassVar[tuple[str, ...]] = ("python",)

    name: Annotated[
        str | None, option("Suite by name (monthly), or a .toml file.", "--suite", metavar="SUITE", panel=SUITE)
    ] = None
    containers: ContainersFile = DEFAULT_FILE
    engine: EngineName = None

    def load(self) -> Containers:
        """The file, with the engine as given; containers whose host process has died are removed.

        Raises:
            UsageError: the file has a mistake.
            EnvironmentLacksError: the engine does not answer.
        """
        return load_engine(self.containers, self.engine, on_cluster=self.launcher != "local")

    def image_suite(self, containers: Containers) -> ImageSuite:
        """Options for measuring in the images of the file.

        Raises:
            UsageError: the suite does not exist, or has a mistake.
        """
        suite = self.suite()
        return ImageSuite(
            suite=suite,
            options=self.run_options(suite),
            seed=self.seed,
            containers=containers,
            cases=tuple(self.case or ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions(ImageOptions):
    """Like `ImageOptions`; the verdict rule decides how many launches are measured."""

    OMITTED: ClassVar[tuple[str, ...]] = ("python", "launches")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions(PairOptions):
    """Like `PairOptions`, for a search by many short runs, of which none is looked at by itself."""

    OMITTED: ClassVar[tuple[str, ...]] = (*PairOptions.OMITTED, "measure_ceilings")

    measure_ceilings: bool = False


def on_one_node(suite: ImageSuite, expected: RunSetup) -> ImageSuite:
    """The suite, measured on the node of a cluster on which `expected` would be; unchanged on this machine."""
    slurm = expected.options.slurm
    return suite.bound_to(slurm.nodelist if slurm is not None else None)


def inspect_where_measured(suite: ImageSuite, references: Sequence[str]) -> tuple[list[ContainerImage], str | None]:
    """Like `inspect_shown`, on a node of the cluster if the suite is measured there; the images, and its name."""
    containers, slurm = suite.containers, suite.options.slurm
    if slurm is None:
        return [inspect_shown(containers, reference) for reference in references], None
    found = inspect_on_a_node(containers.options, references, slurm, work_folder())
    console = Terminal()
    for image in found.images:
        console.say(f"image {image.reference}, on {found.node}")
        _show(console, image)
    return list(found.images), found.node


def inspect_shown(containers: Containers, reference: str, *, stderr: bool = False) -> ContainerImage:
    """Fetch and inspect an image, and print what is in it."""
    console = Terminal(stderr=stderr)
    console.say(f"image {reference}")
    image = inspect_image(containers.options, reference)
    _show(console, image)
    return image


def _show(console: Terminal, image: ContainerImage) -> None:
    if image.failure is not None:
        console.say("  ", (image.failure.kind, "red"), f" {image.failure.message}")
    else:
        installed = ", ".join(f"{name} {version}" for name, version in image.packages.items()) or "no torch"
        console.say(f"  {image.digest or image.id or 'no id'}: Python {image.python}, {installed}")
