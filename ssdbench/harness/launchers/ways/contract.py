"""What a way into an image does, and what it is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ssdbench.harness.launchers.local import Started
from ssdbench.schema.record import ContainerImage, Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The program of a container, and what it sees.

    It starts in `folder`, and can write there and to the folders of `writable` alone; `package` is our own, `read_only`
    are further files and folders at their own path. `variables` are ours, apart from those of the user. With `network`
    it has that of the machine.
    """

    name: str
    folder: Path
    package: Path
    program: tuple[str, ...]
    read_only: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    gpu_uuids: tuple[str, ...] = ()
    network: bool = False


class Way(Protocol):
    """Runs programs in images on this machine."""

    def inspect(self, reference: str) -> ContainerImage:
        """Fetch an image, and describe it; one that cannot be had or used gets a failure.

        Raises:
            UsageError: `reference` is not an image.
            EnvironmentLacksError: what runs images is not installed here.
        """

    def fetch(self, image: ContainerImage) -> Failure | None:
        """Make sure that an inspected image is here, by its digest; returns why it is not.

        Raises:
            EnvironmentLacksError: as `inspect`.
        """

    def start(self, image: ContainerImage, contents: Contents, log: Path) -> Started:
        """Start a program in an image that is here; its output goes to `log`."""
