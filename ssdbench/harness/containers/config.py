"""Reads ci/containers.toml: the images, oldest first, and how to start the worker in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ssdbench.errors import UsageError
from ssdbench.harness.containers.engines import ENGINES, STEP_ENGINES
from ssdbench.harness.containers.images import require_image_name
from ssdbench.harness.resources import CI, resource
from ssdbench.harness.toml_tables import Table, read_toml, validated
from ssdbench.schema.container import ContainerOptions, Engine
from ssdbench.schema.names import did_you_mean, quoted
from ssdbench.schema.variables import holds_secret

DEFAULT_FILE = Path("ci/containers.toml")

_WORDS = tuple(field.name for field in fields(Engine) if field.name not in ("name", "job_step"))
_LIKE = "like"
_BUILT_IN = {**ENGINES, **STEP_ENGINES}


class _ContainersTable(Table):
    engine: str = "docker"
    repository: str | None = None
    images: list[str] = []
    python: str = "python"
    shared_memory: str | None = None
    ulimits: list[str] = []
    network: bool = False
    mounts: list[str] = []
    variables: dict[str, str] = {}
    arguments: list[str] = []
    pass_variables: list[str] = []
    node_images: str | None = None
    engines: dict[str, dict[str, str | list[str]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """The content of the file: `images` are complete names, oldest first; bare tags belong to `repository`."""

    options: ContainerOptions
    repository: str | None = None
    images: tuple[str, ...] = ()

    def image(self, asked: str) -> str:
        """The listed image of this name, tag or beginning of a tag; otherwise that tag of the repository.

        Raises:
            UsageError: it is not a valid name, or several listed tags begin with it.
        """
        listed = [image for image in self.images if asked in (image, _tag(image))]
        listed = listed or [image for image in self.images if _tag(image).startswith(asked)]
        if len(listed) > 1:
            raise UsageError(f"{asked!r} fits several images of the list ({', '.join(listed)}): write more of the tag")
        if listed:
            return listed[0]
        name = _named(asked, self.repository)
        require_image_name(name)
        return name


def load_containers(path: Path, engine: str | None = None) -> Containers:
    """Read the file; without one of the default name, the one that ships with ssdbench. `engine` overrides its own.

    Raises:
        UsageError: a key or value is not allowed, or the engine does not exist.
    """
    if path == DEFAULT_FILE and not path.exists():
        path = resource(CI, DEFAULT_FILE.name)
    content = read_toml(path)
    table = validated(_ContainersTable, content, str(path))
    for mount in table.mounts:
        if not Path(mount).is_absolute() or not Path(mount).exists():
            raise UsageError(f"{path}: mounts: {mount!r} does not exist: give the absolute path of a file or folder")
    if table.node_images is not None and not Path(table.node_images).is_absolute():
        raise UsageError(
            f"{path}: node_images: {table.node_images!r} is relative: give the path that it has on the nodes"
        )
    _require_no_secrets(table, str(path))
    images = tuple(_named(image, table.repository) for image in table.images)
    for image in images:
        require_image_name(image)
    return Containers(
        options=ContainerOptions(
            engine=_engine(engine or table.engine, table.engines, str(path)),
            python=table.python,
            shared_memory=table.shared_memory,
            ulimits=tuple(table.ulimits),
            network=table.network,
            mounts=tuple(table.mounts),
            variables=dict(table.variables),
            arguments=tuple(table.arguments),
            pass_variables=tuple(table.pass_variables),
            node_images=table.node_images,
        ),
        repository=table.repository,
        images=images,
    )


def between(images: tuple[str, ...], good: str, bad: str) -> tuple[str, ...]:
    """The images of a list from `good` to `bad`, inclusive.

    Raises:
        UsageError: one of them is not in the list, or their order is reversed.
    """
    for image in (good, bad):
        if image not in images:
            raise UsageError(f"{image} is not in the list of images: add it in order of age")
    first, last = images.index(good), images.index(bad)
    if first >= last:
        raise UsageError(f"{good} does not come before {bad} in the list of images: list the oldest first")
    return images[first : last + 1]


def _require_no_secrets(table: _ContainersTable, origin: str) -> None:
    """Raises UsageError for what would show a secret on a command line, or cannot be handed to an engine."""
    words = [word for engine in table.engines.values() for value in engine.values() for word in value]
    for argument in (*table.arguments, *words):
        if holds_secret(argument):
            raise UsageError(
                f"{origin}: an argument holds a secret, which `ps` would show to everybody: set the variable in the "
                "environment and write its name into `pass_variables`"
            )
    for name in (*table.variables, *table.pass_variables):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UsageError(f"{origin}: {name!r} is not the name of a variable: use letters, digits and '_'")
    for name, value in table.variables.items():
        if "\n" in value or "\r" in value:
            raise UsageError(f"{origin}: variables.{name} cannot have a line feed in its value: put it into a file")
    both = sorted(set(table.variables) & set(table.pass_variables))
    if both:
        raise UsageError(f"{origin}: {both[0]} is in `variables` and in `pass_variables`: keep one of them")


def _engine(name: str, own: Mapping[str, Mapping[str, str | list[str]]], origin: str) -> Engine:
    if name not in own:
        if name in _BUILT_IN:
            return _BUILT_IN[name]
        known = ", ".join(sorted({*_BUILT_IN, *own}))
        raise UsageError(f"{origin}: engine {name!r} is not known: choose from {known}, or define it in [engines]")
    words = dict(own[name])
    like = words.pop(_LIKE, None)
    if not isinstance(like, str) or like not in _BUILT_IN:
        raise UsageError(f"{origin}: engines.{name}.like must be one of {', '.join(_BUILT_IN)}")
    for key, value in words.items():
        if key not in _WORDS:
            where = quoted(f"engines.{name}.{key}")
            raise UsageError(
                f"{origin}: key {where} is not known: {did_you_mean(key, _WORDS)}known are {', '.join(_WORDS)}"
            )
        if isinstance(value, str):
            raise UsageError(f"{origin}: engines.{name}.{key} must be a list of arguments: write [{value!r}]")
    given: dict[str, Any] = {key: tuple(value) for key, value in words.items()}
    return replace(_BUILT_IN[like], name=name, **given)


def _named(image: str, repository: str | None) -> str:
    # A bare tag has no repository and no path before it.
    return f"{repository}:{image}" if repository is not None and not set("/:") & set(image) else image


def _tag(image: str) -> str:
    name = image.rpartition("/")[2]
    return name.rpartition(":")[2]
