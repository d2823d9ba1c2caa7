"""What a stored run starts on this machine when it is continued, and whether it may.

A record can come from anybody who can write to the store. Interpreters, checkouts, container engines, images and
options of Slurm that a record names are started only where this command line names them as well, where this user began
the very run on this machine, or where the user says so (`--trust-run`).
"""

import hashlib
import os
import shlex
import stat
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ssdbench.errors import UsageError
from ssdbench.harness.cache import cache_folder
from ssdbench.harness.containers.given_variables import variable_values
from ssdbench.harness.process import SOURCE
from ssdbench.harness.stores import codec
from ssdbench.schema.container import REDACTED, ContainerOptions
from ssdbench.schema.record import BaselineArm, ContainerImage, RunHeader, RunOptions
from ssdbench.schema.verdict import BaselineHeader

_NOTES_KEPT_SECONDS = 365 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Something that a run starts: `shown` names it in a sentence; equal `identity` is the same thing in every part."""

    what: str
    shown: str
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What may be started: what the command line names, or `everything` that the record names.

    `container` are the options of this machine, with the values of variables that no record has; None: the record's.
    """

    named: Collection[Started] = ()
    everything: bool = False
    container: ContainerOptions | None = None


NOTHING = Trust()


def started_by(options: RunOptions, baseline_arm: BaselineArm | None) -> tuple[Started, ...]:
    """What a run with these options starts, apart from the interpreter and the source of this process."""
    found = []
    if options.image is None:
        found += _interpreter("interpreter", options.python)
    if options.container is not None:
        container = options.container.recorded()
        found.append(Started(what="container engine", shown=_shown(container), identity=codec.dump(container)))
    if options.image is not None:
        found.append(_image("image", options.image))
    if options.slurm is not None:
        slurm = options.slurm
        shown = shlex.join(["sbatch", *slurm.arguments])
        found.append(Started(what="Slurm options", shown=shown, identity=codec.dump(slurm)))
    if baseline_arm is not None:
        if baseline_arm.image is None:
            found += _interpreter("interpreter of the baseline", baseline_arm.python)
        else:
            found.append(_image("image of the baseline", baseline_arm.image))
        found += _checkout("checkout of the baseline", baseline_arm.source)
    return tuple(found)


def environment_of(header: RunHeader | BaselineHeader) -> tuple[Started, ...]:
    """The interpreter and the source that measured a run, apart from those of this process."""
    options = header.options
    return (*_interpreter("interpreter", options.measured_by), *_checkout("checkout", options.source))


def is_trusted(header: RunHeader | BaselineHeader, started: Collection[Started], trust: Trust) -> bool:
    """Whether all that a stored run would start was named here, or this user began that run here."""
    return trust.everything or not _foreign(started, trust) or is_own(header)


def require_trusted(header: RunHeader, started: Collection[Started], trust: Trust) -> None:
    """Raises UsageError if a stored run would start something that nobody here has named."""
    if is_trusted(header, started, trust):
        return
    things = ", ".join(f"{thing.what} {thing.shown!r}" for thing in _foreign(started, trust))
    raise UsageError(
        f"run {header.run_id} was not begun here by you, and its record would start {things}: name the same on the "
        "command line, or give --trust-run if you trust whoever can write to this store"
    )


def _foreign(started: Collection[Started], trust: Trust) -> list[Started]:
    named = {(thing.what, thing.identity) for thing in trust.named}
    return [thing for thing in started if (thing.what, thing.identity) not in named]


def require_complete(options: RunOptions) -> None:
    """Raises UsageError if an argument of an older record was not kept, or a variable of a container is not set."""
    arguments = [
        *(options.container.arguments if options.container else ()),
        *(options.slurm.arguments if options.slurm else ()),
    ]
    if REDACTED in arguments:
        raise UsageError(
            "an argument of this run held a secret, which is no longer kept: begin a new run, with the variable set in "
            "the environment"
        )
    if options.container is not None:
        variable_values(options.container)


def remember(header: RunHeader) -> None:
    """Note privately that this user began this run on this machine, with these options."""
    folder = _notes()
    with suppress(OSError):  # without the note a resumed run asks
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not is_private(folder):
            return
        for note in folder.iterdir():
            if note.stat().st_mtime < time.time() - _NOTES_KEPT_SECONDS:
                note.unlink()
        descriptor = os.open(_note(header), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(_digest(header))


def is_own(header: RunHeader | BaselineHeader) -> bool:
    """Whether this user began this run on this machine, and its options are still what they were then.

    Of a baseline it is the newest run that was accepted.
    """
    note = _note(header)
    try:
        return is_private(note.parent) and is_private(note) and note.read_text(encoding="ascii") == _digest(header)
    except (OSError, ValueError):
        return False


def _notes() -> Path:
    return cache_folder() / "begun"


def _note(header: RunHeader | BaselineHeader) -> Path:
    return _notes() / hashlib.sha256(header.run_id.encode()).hexdigest()


def is_private(path: Path) -> bool:
    """Whether only this user can write to a file or folder, and it is no link."""
    found = path.lstat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not path.is_symlink()


def _digest(header: RunHeader | BaselineHeader) -> str:
    parts = [
        header.run_id,
        codec.dump(header.options),
        *([codec.dump(header.baseline_arm)] if isinstance(header, RunHeader) and header.baseline_arm else []),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _interpreter(what: str, python: str | None) -> list[Started]:
    own = python is None or python == sys.executable
    return [] if own else [Started(what=what, shown=str(python), identity=str(python))]


def _checkout(what: str, source: str | None) -> list[Started]:
    own = source is None or source == str(SOURCE)
    return [] if own else [Started(what=what, shown=str(source), identity=str(source))]


def _image(what: str, image: ContainerImage) -> Started:
    overlays = [f"{overlay.path}:{overlay.inside}" for overlay in image.overlays or ()]
    identity = " ".join((image.reference, str(image.id), *overlays))
    return Started(what=what, shown=shlex.join((image.reference, *overlays)), identity=identity)


def _shown(container: ContainerOptions) -> str:
    engine = container.engine
    mounts = [word for mount in container.mounts for word in ("--mount", mount)]
    return shlex.join([*engine.command, *engine.run[:1], *mounts, *container.arguments])
