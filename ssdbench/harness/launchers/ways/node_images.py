"""Images that a node of a cluster keeps: fetched once, by digest, whatever number of launches ask for it."""

import hashlib
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.engines import fill_in
from ssdbench.harness.containers.images import file_digest, is_image_file, require_image_name
from ssdbench.harness.containers.registry import Repository, open_repository
from ssdbench.harness.trust import is_private
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import ContainerImage, Failure

_PREFIX = "docker://"


def node_name() -> str:
    """The name of this node: Slurm's, or its own."""
    return os.environ.get("SLURMD_NODENAME", platform.node())


def kept_images(options: ContainerOptions) -> Path:
    """The folder of the images that this node keeps: `node_images`, where `{node}` is its name; made if missing.

    Raises:
        EnvironmentLacksError: it cannot be made, or other users can change what is in it.
    """
    (chosen,) = fill_in((options.node_images or f"/var/tmp/ssdbench-{os.getuid()}",), node=node_name())
    folder = Path(chosen)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private = is_private(folder)
    except OSError as error:
        raise EnvironmentLacksError(
            f"{folder} on {node_name()} cannot keep images ({error.strerror}): choose another folder as `node_images`"
        ) from None
    if not private:
        raise EnvironmentLacksError(
            f"{folder} on {node_name()} is not yours alone: choose another folder as `node_images`"
        )
    return folder


def kept_name(image: ContainerImage) -> str:
    """The name under which a node keeps an image; it depends on the content alone."""
    return (image.digest or hashlib.sha256(image.reference.encode()).hexdigest()).removeprefix("sha256:")


@contextmanager
def one_at_a_time(options: ContainerOptions, name: str) -> Iterator[None]:
    """Let no other process of this user on this node be in a block of the same name."""
    import fcntl  # nodes have it; the host side, which is imported on other systems as well, may not

    path = kept_images(options) / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def identified(reference: str) -> ContainerImage:
    """An image by name, with the digest that the registry has for it now; a file has its own.

    One whose registry does not answer gets a failure.

    Raises:
        UsageError: `reference` is not an image.
    """
    require_image_name(reference)
    if is_image_file(reference):
        return ContainerImage(reference=reference, id=file_digest(Path(reference)))
    known = re.search(r"@(sha256:[0-9a-f]{64})$", reference)
    try:
        digest = known[1] if known else _repository(reference).digest(_tag(reference))
    except EnvironmentLacksError as error:
        failure = Failure(kind="unsupported", message=f"{reference} cannot be pulled: {error}")
        return ContainerImage(reference=reference, failure=failure)
    return ContainerImage(reference=reference, id=digest, digest=digest)


def by_digest(image: ContainerImage) -> str:
    """The name of an image in its registry, which always is the same content."""
    return f"{repository_name(image.reference)}@{image.digest}"


def repository_name(reference: str) -> str:
    """The name of an image without tag, digest and protocol."""
    return re.sub(r"(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$", "", reference.removeprefix(_PREFIX))


def is_plain_http(image: ContainerImage) -> bool:
    """Whether its registry is asked without encryption, as those on the loopback are."""
    return _repository(image.reference).address.startswith("http:")


def _repository(reference: str) -> Repository:
    return open_repository(repository_name(reference))


def _tag(reference: str) -> str:
    return reference.removeprefix(_PREFIX).removeprefix(repository_name(reference)).removeprefix(":") or "latest"
