"""How a worker is started inside a container image: the engine's own words, and what every container is given."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Tuple

from ssdbench.compatibility import dataclass
from ssdbench.schema.variables import holds_secret, recordable

Arguments = Tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The command line of a container engine.

    Each entry is a list of arguments, in which `{...}` is filled in. An empty list means that this engine cannot do
    it, or does it by default. No argument ever passes through a shell.

    command: the program, with the arguments that it needs in every case (`-H unix://...`).
    run: begins a container; `{container}` is its name, `{folder}` the working directory.
    read_only, writable: a mount of `{path}` outside at `{inside}`.
    variable: sets `{name}` to `{value}` in the container; only for ssdbench's own variables, since `ps` shows them.
    variable_file: has the user's variables read from `{file}`, a line NAME=VALUE each; empty where the engine takes
        them from its own environment: `variable_inherited` hands on `{name}`, which is called `inherited_name` there.
    user: makes what the container writes belong to the user `{uid}`, `{gid}`.
    no_network, network: without a network (but with a loopback), and with that of the machine.
    shared_memory, ulimit: a `{size}` of /dev/shm, one `{limit}` as name=value.
    gpus: the GPUs that the container sees, `{uuids}` joined by commas; `gpu`: the same, repeated for each `{uuid}`.
    inspect, pull: print facts about `{image}` as JSON, fetch it.
    names, state, remove: the names of all containers, facts about `{container}` as JSON, its end by force; empty where
        the container is a child of the command and ends with it.
    job_step: what enters the image, where that is a part of Slurm: `pyxis` or `oci`; None for an engine.
    """

    name: str
    command: Arguments
    run: Arguments
    read_only: Arguments
    writable: Arguments
    variable: Arguments
    user: Arguments = ()
    no_network: Arguments = ()
    network: Arguments = ()
    shared_memory: Arguments = ()
    ulimit: Arguments = ()
    gpus: Arguments = ()
    gpu: Arguments = ()
    inspect: Arguments = ()
    pull: Arguments = ()
    names: Arguments = ()
    state: Arguments = ()
    remove: Arguments = ()
    variable_file: Arguments = ()
    variable_inherited: Arguments = ("--env={name}",)
    inherited_name: Arguments = ("{name}",)
    job_step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """Options that every container of a run is given.

    `python` is the interpreter in the image, `mounts` are folders mounted read-only at their own path, in addition
    to ssdbench and the data set. `arguments` are added to the engine's `run`, `variables` to those of the image, and
    so are `pass_variables`, by name, with their values here. `node_images` is the folder in which a node of a cluster
    keeps what it has fetched, for ways into an image that keep none themselves.
    """

    engine: Engine
    python: str = "python"
    shared_memory: str | None = None
    ulimits: tuple[str, ...] = ()
    network: bool = False
    mounts: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    pass_variables: tuple[str, ...] = ()
    node_images: str | None = None

    def recorded(self) -> ContainerOptions:
        """These options as a record holds them: variables that it may not hold by name alone, no secret arguments."""
        kept = recordable(self.variables)
        names = {*self.pass_variables, *self.variables} - set(kept)
        return replace(
            self, variables=kept, pass_variables=tuple(sorted(names)), arguments=redacted_arguments(self.arguments)
        )


REDACTED = "[not recorded: it held a secret]"
"""Stands for an argument of an older record."""


def redacted_arguments(arguments: Arguments) -> Arguments:
    """The arguments with those replaced that hold a secret."""
    return tuple(REDACTED if holds_secret(argument) else argument for argument in arguments)
