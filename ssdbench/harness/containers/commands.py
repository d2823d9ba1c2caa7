"""Command lines of container engines: run a program in an image, and find, inspect and remove the containers.

An image sees the source of ssdbench and the images of the data set read-only, and one writable folder. Folders have the
same path inside as outside, except for the source: an image may have packages of its own where that lies here.
"""

import hashlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ssdbench.errors import EnvironmentLacksError, UsageError
from ssdbench.harness.containers.engines import fill_in
from ssdbench.harness.process import last_line, run_command
from ssdbench.schema.container import Arguments, ContainerOptions, Engine
from ssdbench.schema.record import ContainerImage, Failure

SOURCE_INSIDE = Path("/ssdbench-source")
_SAME_MOMENT_SECONDS = 2.0


def container_command(
    options: ContainerOptions, image: ContainerImage, *, container: str, folder: Path, package: Path,
    read_only: Sequence[Path], variables: Mapping[str, str], given: Arguments, gpu_uuids: Sequence[str],
    program: Sequence[str], network: bool = False, writable: Sequence[Path] = (),
) -> Arguments:  # fmt: skip
    """The engine's command line that runs `program` in the image, in the writable `folder`, with our `package`.

    `variables` are ours, `given` the words for the user's (`given_variables`), which replace ours of the same name.
    Other folders that it may write to are `writable`. With `network` it has that of the machine, whatever the options
    say.

    Raises:
        UsageError: a path cannot be mounted.
    """
    engine = options.engine
    inside = own_variables(options, variables)
    mounts = read_only_mounts(options, image, package, read_only)
    return (
        *engine.command,
        *fill_in(engine.run, container=container, folder=folder),
        *fill_in(engine.user, uid=os.getuid(), gid=os.getgid()),
        *(engine.network if network or options.network else engine.no_network),
        *(fill_in(engine.shared_memory, size=options.shared_memory) if options.shared_memory else ()),
        *(word for limit in options.ulimits for word in fill_in(engine.ulimit, limit=limit)),
        *(fill_in(engine.gpus, uuids=",".join(gpu_uuids)) if gpu_uuids else ()),
        *(word for uuid in gpu_uuids for word in fill_in(engine.gpu, uuid=uuid)),
        *(word for path, place in mounts for word in mount_words(engine.read_only, path, place)),
        *(word for path in (folder, *writable) for word in mount_words(engine.writable, path, path)),
        *(word for name, value in inside.items() for word in fill_in(engine.variable, name=name, value=value)),
        *given,
        *options.arguments,
        image.id if image.id and engine.inspect else image.reference,
        *program,
    )


def own_variables(options: ContainerOptions, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of a container that are ours: those that every worker needs, and `variables`; not the user's."""
    inside = {"PYTHONPATH": str(SOURCE_INSIDE), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    # torch needs a home and a user name, which a user without an entry in the image's /etc/passwd lacks.
    inside |= {"HOME": "/tmp", "USER": "ssdbench", **variables}
    return {name: value for name, value in inside.items() if name not in {*options.variables, *options.pass_variables}}


def read_only_mounts(
    options: ContainerOptions, image: ContainerImage, package: Path, read_only: Sequence[Path]
) -> list[tuple[Path, Path]]:
    """What a container sees and cannot change, with its place inside: our `package`, the user's mounts, the rest."""
    return [
        (package, SOURCE_INSIDE / "ssdbench"),
        *((path, path) for path in (*map(Path, options.mounts), *read_only)),
        *((Path(overlay.path), Path(overlay.inside)) for overlay in image.overlays or ()),
    ]


def mount_words(arguments: Arguments, path: Path, inside: Path) -> Arguments:
    """An engine's words for a mount.

    Raises:
        UsageError: the path cannot be written in them.
    """
    if any(character in f"{path}{inside}" for character in ":,\n"):
        raise UsageError(f"{path} cannot be mounted in a container: choose a path without ':' and ','")
    return fill_in(arguments, path=path, inside=inside)


def engine_failure(what: str, complaint: str) -> Failure:
    """A failure reported by the engine itself."""
    full = "no space left on device" in complaint.lower() or "disk quota exceeded" in complaint.lower()
    return Failure(kind="disk_full" if full else "unsupported", message=f"{what}: {complaint}")


def container_name(folder: Path) -> str:
    """The name of a launch's container, with the machine and the process that must be running for it."""
    process = psutil.Process()
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return f"ssdbench_{socket.gethostname()}_{process.pid}_{process.create_time():.0f}_{digest}"


def remove_container(engine: Engine, container: str) -> None:
    """Stop and remove a container, if it exists."""
    if engine.remove:
        run_command((*engine.command, *fill_in(engine.remove, container=container)))


def remove_leftovers(engine: Engine) -> list[str]:
    """Remove the containers of host processes on this machine that have died, and return their names.

    Raises:
        EnvironmentLacksError: the engine is missing, or its service does not respond.
    """
    if not engine.names:
        return []
    answer = run_command((*engine.command, *engine.names))
    if answer.exit_code:
        raise EnvironmentLacksError(f"{' '.join(engine.command)} does not respond: {last_line(answer.error)}")
    left = [name for name in answer.out.split() if _is_left_over(name)]
    for name in left:
        remove_container(engine, name)
    return left


def _is_left_over(name: str) -> bool:
    parts = name.split("_")
    if len(parts) != 5 or parts[:2] != ["ssdbench", socket.gethostname()]:
        return False
    with suppress(psutil.NoSuchProcess, ValueError):
        return abs(psutil.Process(int(parts[2])).create_time() - float(parts[3])) > _SAME_MOMENT_SECONDS
    return True


def container_state(engine: Engine, container: str) -> dict[str, Any]:
    """The state of a container as the engine reports it; empty where it was never created."""
    answer = run_command((*engine.command, *fill_in(engine.state, container=container)))
    if answer.exit_code:
        return {}
    state = (facts_in(answer.out) or {}).get("State")
    return state if isinstance(state, dict) else {}


def facts_in(answer: str) -> dict[str, Any] | None:
    """The one object in the list that an engine's `inspect` prints; None where it is none."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return found[0] if isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict) else None
