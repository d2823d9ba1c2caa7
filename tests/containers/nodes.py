"""A real Slurm of two nodes on which images run: each node has a podman, an OCI runtime and a plug-in of its own.

Both nodes are on this machine, but keep their images apart: an image that one has fetched is missing on the other.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import slurm_cluster
from tests.containers.engines import PODMAN_SETTINGS, docker_in, engine_of_its_own, registry_of_its_own
from tests.containers.images import files_with_levels, import_image, mounts

REPOSITORY = "bench"
NAMES = ("node1", "node2")
WAYS = ("podman", "oci", "pyxis")
ENGINES = ("podman", "docker")
"""Those of the ways that are container engines; see `dockers`."""
PROGRAMS = {"gcc": "ci/install-slurm.sh", "umoci": "ci/install-slurm.sh", "skopeo": "ci/install-slurm.sh"}
HERE = Path(__file__).parent

_OCI = """
RunTimeQuery="runc --root={folder}/runc state %n.%u.%j.%s.%t"
RunTimeKill="runc --root={folder}/runc kill -a %n.%u.%j.%s.%t"
RunTimeDelete="runc --root={folder}/runc delete --force %n.%u.%j.%s.%t"
RunTimeRun="{folder}/runc-of-node %n.%u.%j.%s.%t %b"
"""
# Both nodes have one host name: torchrun tells two ranks with the same one apart by their process ids.
_RUNC = """#!/usr/bin/python3
import json, os, sys
name, bundle = sys.argv[1:]
with open(f"{{bundle}}/config.json") as file:
    config = json.load(file)
linux = config["linux"]
linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != "pid"]
with open(f"{{bundle}}/config.json", "w") as file:
    json.dump(config, file)
os.execvp("runc", ["runc", "--root={folder}/runc", "run", name, "-b", bundle])
"""
_PODMAN = """#!/bin/sh
echo "$SLURMD_NODENAME $*" >> {folder}/podman.log
test -e {folder}/closed-to-$SLURMD_NODENAME && test "$1" = pull && set -- pull --tls-verify=true "$4"
CONTAINERS_CONF={folder}/containers.conf exec podman --root {folder}/$SLURMD_NODENAME/data \\
    --runroot {folder}/$SLURMD_NODENAME/run --tmpdir {folder}/$SLURMD_NODENAME/tmp "$@"
"""

_DOCKER = """#!/bin/sh
echo "$SLURMD_NODENAME $*" >> {folder}/docker.log
exec docker -H unix://{folder}/$SLURMD_NODENAME-docker/sock "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """A cluster: `configuration` is its slurm.conf, `registry` has images of this month and of slower ones."""

    folder: Path
    configuration: Path
    registry: str

    def write(self, folder: Path, way: str, **more: str) -> Path:
        """ci/containers.toml for this way into images."""
        kept = self.folder / "kept" / "{node}"
        lists = [f"mounts = {list(mounts())!r}", f'node_images = "{kept}"', 'engine = "own"']
        lists += [f'repository = "{self.registry}/{REPOSITORY}"', *(f"{key} = {value}" for key, value in more.items())]
        lists += ["[engines.own]", f'like = "{way}"']
        if way in ENGINES:
            lists += [f'command = ["{self.folder}/{way}-of-node"]']
        if way == "podman":
            lists += ['pull = ["pull", "--quiet", "--tls-verify=false", "{image}"]']
        path = folder / f"{way}.toml"
        path.write_text("\n".join(lists))
        return path

    @contextmanager
    def closed_to(self, node: str) -> Iterator[None]:
        """Let the podman of a node trust the registry no more, which has no certificate."""
        mark = self.folder / f"closed-to-{node}"
        mark.touch()
        try:
            yield
        finally:
            mark.unlink()

    def forget(self) -> None:
        """Have no node keep any image."""
        shutil.rmtree(self.folder / "kept", ignore_errors=True)
        for node in NAMES:
            _podman(self.folder, node, "rmi", "--all", "--force")
        (self.folder / "podman.log").unlink()

    def fetched(self) -> list[tuple[str, str]]:
        """Node and name of every image that a node keeps, apart from those of podman."""
        return sorted(
            (path.parent.name, path.name) for path in (self.folder / "kept").glob("*/*") if path.suffix != ".lock"
        )

    def pulled(self, engine: str = "podman") -> list[str]:
        """The nodes on which an engine has pulled an image, with the image."""
        log = self.folder / f"{engine}.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [f"{line.split()[0]} {line.split()[-1]}" for line in lines if " pull " in line]

    def containers(self) -> list[str]:
        """The containers of podman on either node, running or not, and those of runc."""
        found = [name for node in NAMES for name in _podman(self.folder, node, "ps", "--all", "--format={{.Names}}")]
        listed = ["runc", f"--root={self.folder}/runc", "list", "--quiet"]
        return found + subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split()


def why_not() -> str | None:
    """Why no such cluster can be started here; None where one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{missing[0]} is not installed: run {PROGRAMS[missing[0]]}"
    return slurm_cluster.missing()


@contextmanager
def nodes() -> Iterator[Nodes]:
    """Start the cluster with a registry of images; a short path, since podman takes no long one."""
    folder = Path(tempfile.mkdtemp(prefix="ssdb-"))
    try:
        _prepare(folder)
        with registry_of_its_own() as registry, slurm_cluster.cluster(folder) as configuration:
            _push(registry)
            yield Nodes(folder=folder, configuration=configuration, registry=registry)
            for node in NAMES:
                _podman(folder, node, "system", "reset", "--force")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def dockers(nodes: Nodes) -> Iterator[None]:
    """Give each node a docker of its own, in addition."""
    script = nodes.folder / "docker-of-node"
    script.write_text(_DOCKER.format(folder=nodes.folder))
    script.chmod(0o755)
    with ExitStack() as stack:
        for node in NAMES:
            folder = nodes.folder / f"{node}-docker"
            folder.mkdir()
            stack.enter_context(docker_in(folder))
        yield


def _prepare(folder: Path) -> None:
    plugin, script, podman = folder / "pyxis.so", folder / "pyxis_images.py", folder / "podman-of-node"
    build = ["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(plugin), str(HERE / "pyxis.c")]
    subprocess.run(build, check=True)
    shutil.copy(HERE / script.name, script)
    podman.write_text(_PODMAN.format(folder=folder))
    runc = folder / "runc-of-node"
    runc.write_text(_RUNC.format(folder=folder))
    for program in (script, podman, runc):
        program.chmod(0o755)
    (folder / "plugstack.conf").write_text(f"required {plugin} {script}\n")
    (folder / "oci.conf").write_text(_OCI.format(folder=folder))
    (folder / "containers.conf").write_text(PODMAN_SETTINGS)


def _push(registry: str) -> None:
    with engine_of_its_own("podman") as engine:
        for tag, share in (("26.01", "0"), ("26.02", "0"), ("26.05", "0.3")):
            import_image(engine, f"{registry}/{REPOSITORY}:{tag}", PLANTED_SLOWDOWN=share)
        for tag, brake in (("28.01", 0), ("28.02", 2)):
            files = files_with_levels(brake, 0, version=f"{brake}.0")
            import_image(engine, f"{registry}/{REPOSITORY}:{tag}", files=files)
        for tag in ("26.01", "26.02", "26.05", "28.01", "28.02"):
            push = [*engine.command, "push", "--quiet", "--tls-verify=false", f"{registry}/{REPOSITORY}:{tag}"]
            subprocess.run(push, check=True, capture_output=True)


def _podman(folder: Path, node: str, *words: str) -> list[str]:
    """The words that the podman of a node answers."""
    environment = {**os.environ, "SLURMD_NODENAME": node}
    command = [f"{folder}/podman-of-node", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
