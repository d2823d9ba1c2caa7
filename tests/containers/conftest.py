"""Real engines with images made here; a test is skipped, with the reason, if the engine that it needs is missing."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ssdbench.schema.container import ContainerOptions, Engine
from tests.cli.conftest import cache, environment, ssdbench, start  # noqa: F401  the command, as its own tests run it
from tests.containers.engines import engine_of_its_own, why_not
from tests.containers.images import import_image, mounts
from tests.containers.nodes import Nodes, nodes
from tests.containers.nodes import why_not as why_no_nodes

REPOSITORY = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """An engine with images of up to five releases, the last two of them slower by 30 %.

    Of two more, `bare` has no torch, and `labels` gives detections the label of the next category.
    """

    engine: Engine

    @property
    def options(self) -> ContainerOptions:
        return ContainerOptions(engine=self.engine, mounts=mounts())

    def containers(self) -> list[str]:
        """The names of all containers that there are, running or not."""
        command = [*self.engine.command, *self.engine.names]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    def push(self, tag: str, name: str) -> None:
        """Put the image of this tag into a registry, under another name."""
        for words in (("tag", f"{REPOSITORY}:{tag}", name), ("push", name)):
            subprocess.run([*self.engine.command, *words], capture_output=True, check=True)

    def write(self, folder: Path, *, mount: Sequence[str] = (), **more: str) -> Path:
        """ci/containers.toml of this engine."""
        lists = {"images": [f"26.0{month}" for month in range(1, 6)], "mounts": [*mounts(), *mount]}
        lines = ['engine = "own"', f'repository = "{REPOSITORY}"', *(f"{key} = {value}" for key, value in more.items())]
        lines += [f"{key} = {value!r}" for key, value in lists.items()]
        lines += ["[engines.own]", f'like = "{self.engine.name}"', f"command = {list(self.engine.command)!r}"]
        path = folder / "containers.toml"
        path.write_text("\n".join(lines))
        return path


def _bench(name: str, releases: int) -> Iterator[Bench]:
    reason = why_not(name)
    if reason is not None:
        pytest.skip(f"{name}: {reason}")
    with engine_of_its_own(name) as engine:
        for month in range(1, releases + 1):
            import_image(engine, f"{REPOSITORY}:26.0{month}", PLANTED_SLOWDOWN="0.3" if month > 3 else "0")
        import_image(engine, f"{REPOSITORY}:bare", packages=False)
        import_image(engine, f"{REPOSITORY}:labels", PLANTED_LABELS="1")
        yield Bench(engine=engine)


@pytest.fixture(scope="session")
def docker() -> Iterator[Bench]:
    yield from _bench("docker", releases=5)


@pytest.fixture(scope="session")
def podman() -> Iterator[Bench]:
    yield from _bench("podman", releases=2)


@pytest.fixture(scope="session")
def image_nodes() -> Iterator[Nodes]:
    if (reason := why_no_nodes() or why_not("podman")) is not None:
        pytest.skip(reason)
    with nodes() as found:
        yield found
