"""The way by an engine that runs image files, such as Apptainer: a node fetches an image into a file, by its digest."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from ssdbench.harness.containers.commands import engine_failure
from ssdbench.harness.containers.engines import fill_in
from ssdbench.harness.containers.images import PULL_SECONDS, inventory_module, with_packages
from ssdbench.harness.launchers.ways.contract import Contents
from ssdbench.harness.launchers.ways.engine import EngineContainer
from ssdbench.harness.launchers.ways.node_images import (
    by_digest,
    identified,
    is_plain_http,
    kept_images,
    kept_name,
    node_name,
    one_at_a_time,
)
from ssdbench.harness.launchers.ways.step import ask
from ssdbench.harness.process import last_line, run_command
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import ContainerImage, Failure


class ImageFileWay:
    """Runs programs in files of `node_images`, or in one that the user names."""

    def __init__(self, options: ContainerOptions) -> None:
        self._options = options
        self._engine = options.engine

    def inspect(self, reference: str) -> ContainerImage:
        """Fetch an image if it is missing, and describe it."""
        image = identified(reference)
        failure = image.failure or self.fetch(image)
        if failure is not None:
            return ContainerImage(reference=reference, id=image.id, digest=image.digest, failure=failure)
        program = (self._options.python, "-m", *inventory_module())
        return with_packages(self._options, image, ask(partial(self.start, image), program))

    def fetch(self, image: ContainerImage) -> Failure | None:
        """Fetch an image into a file by its digest if it is missing."""
        if image.digest is None:
            here = Path(image.reference).is_file()
            return None if here else engine_failure(f"{image.reference} on {node_name()}", "no such file")
        kept = self._kept(image)
        with one_at_a_time(self._options, kept.name):
            return None if kept.exists() else self._pull(image, kept)

    def start(self, image: ContainerImage, contents: Contents, log: Path) -> EngineContainer:
        """Start a program in the file."""
        file = str(self._kept(image)) if image.digest is not None else image.reference
        return EngineContainer(self._options, replace(image, reference=file), contents, log)

    def _kept(self, image: ContainerImage) -> Path:
        return kept_images(self._options) / f"{kept_name(image)}.sif"

    def _pull(self, image: ContainerImage, kept: Path) -> Failure | None:
        part = kept.with_suffix(".part")
        part.unlink(missing_ok=True)
        plain = ("--no-https",) if is_plain_http(image) else ()
        command, *words = fill_in(self._engine.pull, file=part, image=by_digest(image))
        pulled = run_command((*self._engine.command, command, *plain, *words), timeout_seconds=PULL_SECONDS)
        if pulled.exit_code or not part.exists():
            part.unlink(missing_ok=True)
            return engine_failure(f"{image.reference} cannot be pulled on {node_name()}", last_line(pulled.error))
        part.replace(kept)
        return None
