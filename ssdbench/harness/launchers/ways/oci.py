"""The way by Slurm's own support for containers: `srun --container BUNDLE` with the runtime of oci.conf.

Slurm neither fetches images nor mounts folders: the bundle has to be on the node, with all mounts in its config.json.
"""

import json
import os
import shutil
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.commands import (
    SOURCE_INSIDE,
    engine_failure,
    mount_words,
    own_variables,
    read_only_mounts,
)
from ssdbench.harness.containers.images import PULL_SECONDS, inventory_module, with_packages
from ssdbench.harness.launchers.ways.contract import Contents
from ssdbench.harness.launchers.ways.node_images import (
    by_digest,
    identified,
    is_plain_http,
    kept_images,
    kept_name,
    node_name,
    one_at_a_time,
)
from ssdbench.harness.launchers.ways.step import StepContainer, ask, step_command, step_environment
from ssdbench.harness.process import last_line, run_command
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import ContainerImage, Failure

_IS_INSIDE = f"import os; print(os.path.isdir('{SOURCE_INSIDE}/ssdbench'))"
# What engines put into a container that has the network of its machine: without them it resolves no name.
_NAMES = ("/etc/hosts", "/etc/resolv.conf")
# What a program may expect to write to, in an image that stays as it is.
_SCRATCH = ("/tmp", "/var/tmp", "/run")


class OciWay:
    """Runs programs in bundles that skopeo and umoci make once on each node.

    Slurm reads the bundle's own config.json, so programs in one image on one node wait for each other.
    """

    def __init__(self, options: ContainerOptions) -> None:
        self._options = options

    def inspect(self, reference: str) -> ContainerImage:
        """Fetch and unpack an image if it is missing, and describe it."""
        image = identified(reference)
        if image.failure is None and image.digest is None:
            message = f"{reference} is a file: {self._options.engine.name} takes images from registries alone"
            return ContainerImage(reference=reference, failure=Failure(kind="unsupported", message=message))
        failure = image.failure or self.fetch(image)
        if failure is not None:
            return ContainerImage(reference=reference, id=image.id, digest=image.digest, failure=failure)
        labels = _read(self._bundle(image) / "image.json").get("annotations") or {}
        labels = {name: value for name, value in labels.items() if not name.startswith("org.opencontainers.image.")}
        described = ContainerImage(reference=reference, id=image.id, digest=image.digest, labels=labels)
        return with_packages(
            self._options, described, ask(partial(self.start, image), (self._options.python, "-m", *inventory_module()))
        )

    def fetch(self, image: ContainerImage) -> Failure | None:
        """Fetch and unpack an image by its digest if it is missing."""
        bundle = self._bundle(image)
        with one_at_a_time(self._options, bundle.name):
            failure = None if bundle.exists() else self._unpack(image, bundle)
        if failure is not None:
            return failure
        # The interpreter of this node: it always runs where Slurm has stayed outside, and seldom exists inside.
        answer = ask(partial(self.start, image), (sys.executable, "-c", _IS_INSIDE))
        if "False" in answer.out.split():
            raise EnvironmentLacksError(
                f"Slurm ignores --container on {node_name()}: it has no oci.conf there that names a runtime"
            )
        return None

    def start(self, image: ContainerImage, contents: Contents, log: Path) -> StepContainer:
        """Start a step in the image, when no other on this node is in it."""
        bundle = self._bundle(image)
        with ExitStack() as stack:
            stack.enter_context(one_at_a_time(self._options, f"{bundle.name}-running"))
            original = _read(bundle / "image.json")
            config = self._configured(original, image, contents)
            (bundle / "config.json").write_text(json.dumps(config), encoding="utf-8")
            # Slurm lets the variables of the step win over those of the image.
            variables = {**_path(original), **own_variables(self._options, contents.variables)}
            environment = step_environment(self._options, variables, contents.gpu_uuids)
            command = (*step_command(self._options), *self._options.engine.run, f"--container={bundle}")
            command += (*self._options.arguments, *contents.program)
            return StepContainer(image, command, environment, log, stack.pop_all())

    def _bundle(self, image: ContainerImage) -> Path:
        return kept_images(self._options) / f"{kept_name(image)}.bundle"

    def _configured(self, config: dict[str, Any], image: ContainerImage, contents: Contents) -> dict[str, Any]:
        """The configuration of the image's bundle, with our mounts and the network that is asked for."""
        process, linux = dict(config["process"]), dict(config["linux"])
        process |= {"cwd": str(contents.folder), "terminal": False}
        process.pop("rlimits", None)  # those of the step
        mounts = [*config.get("mounts", ()), *map(_scratch, _SCRATCH)]
        # Without a network only /etc/hosts resolves a host name.
        config = {**config, "hostname": "localhost"}
        namespaces = [*linux["namespaces"], {"type": "network"}]
        if contents.network or self._options.network:
            shared = ("network", "uts")
            namespaces = [one for one in namespaces if one["type"] not in shared]
            del config["hostname"]
            mounts += [_bind(path, path, "ro") for path in map(Path, _NAMES) if path.is_file()]
        linux["namespaces"] = list({one["type"]: one for one in namespaces}.values())
        for path, inside in read_only_mounts(self._options, image, contents.package, contents.read_only):
            mount_words((), path, inside)
            mounts.append(_bind(path, inside, "ro"))
        mounts += [_bind(path, path, "rw") for path in (contents.folder, *contents.writable)]
        if self._options.shared_memory:
            mounts = [_sized(mount, self._options.shared_memory) for mount in mounts]
        root = {**config["root"], "readonly": True}
        return {**config, "process": process, "linux": linux, "mounts": mounts, "root": root}

    def _unpack(self, image: ContainerImage, bundle: Path) -> Failure | None:
        part = bundle.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        plain = ("--src-tls-verify=false",) if is_plain_http(image) else ()
        rootless = () if os.getuid() == 0 else ("--rootless",)
        try:
            for command in (
                ("skopeo", "copy", "--quiet", *plain, f"docker://{by_digest(image)}", f"oci:{part}/layout:image"),
                ("umoci", "unpack", *rootless, "--image", f"{part}/layout:image", f"{part}/bundle"),
            ):
                done = run_command(command, timeout_seconds=PULL_SECONDS)
                if done.exit_code:
                    return engine_failure(
                        f"{image.reference} cannot be pulled on {node_name()}", last_line(done.error)
                    )  # fmt: skip
            (part / "bundle" / "config.json").replace(part / "bundle" / "image.json")
            (part / "bundle").replace(bundle)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return None


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _path(config: dict[str, Any]) -> dict[str, str]:
    """The image's own PATH."""
    words = (word.partition("=") for word in config["process"].get("env") or ())
    return {name: value for name, _, value in words if name == "PATH"}


def _bind(path: Path, inside: Path, mode: str) -> dict[str, Any]:
    return {"destination": str(inside), "type": "bind", "source": str(path), "options": ["rbind", "rprivate", mode]}


def _scratch(inside: str) -> dict[str, Any]:
    return {"destination": inside, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]}


def _sized(mount: dict[str, Any], size: str) -> dict[str, Any]:
    if mount["destination"] != "/dev/shm":
        return mount
    options = [word for word in mount.get("options", ()) if not word.startswith("size=")]
    return {**mount, "options": [*options, f"size={size}"]}
