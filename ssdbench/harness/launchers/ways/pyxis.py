"""The way by Pyxis, NVIDIA's plug-in for Slurm: `srun --container-image` with enroot below it."""

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.commands import engine_failure, mount_words, own_variables, read_only_mounts
from ssdbench.harness.containers.engines import fill_in
from ssdbench.harness.containers.given_variables import variable_values
from ssdbench.harness.containers.images import inventory_module, with_packages
from ssdbench.harness.containers.registry import open_repository
from ssdbench.harness.launchers.ways.contract import Contents
from ssdbench.harness.launchers.ways.node_images import (
    identified,
    kept_images,
    kept_name,
    node_name,
    one_at_a_time,
    repository_name,
)
from ssdbench.harness.launchers.ways.step import StepContainer, ask, step_command, step_environment
from ssdbench.harness.process import run_command
from ssdbench.schema.container import Arguments, ContainerOptions
from ssdbench.schema.record import ContainerImage, Failure

# Enroot keeps images and reads accounts below the home, and makes a home inside by itself.
_ENROOT_READS = ("HOME", "USER", "PATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")


class PyxisWay:
    """Runs programs by Pyxis, which imports an image once; each container is unpacked from that file."""

    def __init__(self, options: ContainerOptions) -> None:
        self._options = options

    def inspect(self, reference: str) -> ContainerImage:
        """Import an image if it is missing, and describe it."""
        image = identified(reference)
        failure = image.failure or self.fetch(image)
        if failure is not None:
            return ContainerImage(reference=reference, id=image.id, digest=image.digest, failure=failure)
        return with_packages(
            self._options, image, ask(partial(self.start, image), (self._options.python, "-m", *inventory_module()))
        )

    def fetch(self, image: ContainerImage) -> Failure | None:
        """Import an image by its digest if it is missing."""
        self._require_plugin()
        if image.digest is None:
            here = Path(image.reference).is_file()
            return None if here else engine_failure(f"{image.reference} on {node_name()}", "no such file")
        kept = self._kept(image)
        with one_at_a_time(self._options, kept.name):
            return None if kept.exists() else self._import(image, kept)

    def start(self, image: ContainerImage, contents: Contents, log: Path) -> StepContainer:
        """Start a step in the image."""
        source = str(self._kept(image)) if image.digest is not None else image.reference
        return self._start(image, (f"--container-image={source}",), contents, log)

    def _start(self, image: ContainerImage, source: Arguments, contents: Contents, log: Path) -> StepContainer:
        options = self._options
        seen = read_only_mounts(options, image, contents.package, contents.read_only)
        mounts = [
            *(mount_words(options.engine.read_only, *pair) for pair in seen),
            *(mount_words(options.engine.writable, path, path) for path in (contents.folder, *contents.writable)),
        ]
        ours = own_variables(options, contents.variables)
        # Enroot makes a home inside.
        ours = {name: value for name, value in ours.items() if name not in ("HOME", "USER")}
        environment = step_environment(options, {**_enroot_variables(), **ours}, contents.gpu_uuids)
        # Without this a variable of the image would win.
        names = sorted({*ours, *variable_values(options), *(("NVIDIA_VISIBLE_DEVICES",) if contents.gpu_uuids else ())})
        command = (
            *step_command(options),
            *fill_in(options.engine.run, folder=contents.folder),
            *source,
            f"--container-mounts={','.join(word for words in mounts for word in words)}",
            f"--container-env={','.join(names)}",
            *options.arguments,
            *contents.program,
        )
        return StepContainer(image, command, environment, log, ExitStack())

    def _kept(self, image: ContainerImage) -> Path:
        return kept_images(self._options) / f"{kept_name(image)}.sqsh"

    def _import(self, image: ContainerImage, kept: Path) -> Failure | None:
        """Import an image by a step that does nothing in it, and save it."""
        part = kept.with_suffix(".part")
        part.unlink(missing_ok=True)
        source = (f"--container-image={enroot_name(image)}", f"--container-save={part}")
        program = (self._options.python, "-c", "")
        answer = ask(lambda contents, log: self._start(image, source, contents, log), program)
        if answer.exit_code or not part.exists():
            part.unlink(missing_ok=True)
            return engine_failure(f"{image.reference} cannot be pulled on {node_name()}", answer.error)
        part.replace(kept)
        return None

    def _require_plugin(self) -> None:
        answer = run_command((step_command(self._options)[0], "--help"))
        if "--container-image" not in answer.out + answer.error:
            raise EnvironmentLacksError(
                f"srun on {node_name()} has no --container-image: Pyxis is not installed there (plugstack.conf)"
            )


def enroot_name(image: ContainerImage) -> str:
    """An image in enroot's notation, `docker://REGISTRY#REPOSITORY:TAG`, with its digest as the tag.

    Versions of enroot before the notation `@DIGEST` read it as well: a registry takes either in the same place.
    """
    repository = open_repository(repository_name(image.reference))
    return f"docker://{repository.address.partition('://')[2]}#{repository.path}:{image.digest}"


def _enroot_variables() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name in _ENROOT_READS or name.startswith("ENROOT_")
    }  # fmt: skip
