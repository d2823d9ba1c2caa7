"""What of a stored baseline can be run here again: its own environment or image, or its commit with an interpreter like
its own.

A record may come from anybody who can write to the store: of what it names, an interpreter and a source tree are looked
into and started only where they are trusted (`harness.trust`), and an image only where this machine's own list of
images has it as well (`ImageChoice`). A commit is safe: it is taken from a repository that is here anyway.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ssdbench.errors import EnvironmentLacksError
from ssdbench.harness.containers.config import Containers
from ssdbench.harness.containers.images import inspect_image
from ssdbench.harness.environments import find_environment, make_environment, what_it_takes
from ssdbench.harness.machine.worker_python import WorkerPython, inspect_python
from ssdbench.harness.process import SOURCE
from ssdbench.harness.source_copies import copy_of_commit, is_commit
from ssdbench.harness.trust import Trust, environment_of, is_trusted
from ssdbench.harness.version import source_commit
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.environment import Software
from ssdbench.schema.record import BaselineArm, ContainerImage, Run
from ssdbench.schema.software_needs import version_numbers
from ssdbench.schema.verdict import Baseline

_COMPARED = ("torch", "torchvision", "dali", "numpy", "pycocotools")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBuild:
    """The build of a baseline, None if it cannot be run here; `said` is a sentence that says what it has, or lacks.

    `container` is how an image is started; None where the build is none.
    """

    arm: BaselineArm | None
    said: str
    container: ContainerOptions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChoice:
    """How images are started here, and which of them: those of this machine's file, and the one `named` by the user.

    `file` is what that file is called in messages.
    """

    containers: Containers
    file: str
    named: str | None = None

    def has(self, reference: str) -> bool:
        """Whether an image that a record names may be started."""
        own = (*self.containers.images, *([self.named] if self.named else []))
        repository = self.containers.repository
        return reference in own or (repository is not None and _repository_of(reference) == repository)


class _LacksError(Exception):
    """Why the build cannot be run, and what helps: a part of a sentence."""


def find_build(
    stored: Baseline | Run,
    name: str,
    trust: Trust,
    *,
    python: str | None = None,
    install: bool = False,
    images: ImageChoice | None = None,
) -> FoundBuild:
    """The build that measured a baseline or a run called `name`, as it can be run here.

    `python` is the interpreter that measures the candidate; None: the one of this process. With `install` the recorded
    versions are installed into the cache where no interpreter here has them, which takes minutes and gigabytes. An
    image is fetched by its digest if it is one of `images`, or everything is trusted.

    Raises:
        EnvironmentLacksError: the cache cannot be written, the versions cannot be installed, or there is no engine.
    """
    measured_in = stored.header.options.image
    try:
        if measured_in is not None:
            _require_choice(measured_in, images, trust)
        commit = _commit_of(stored)
        source, where = _source(stored, commit, trust)
        if measured_in is not None and images is not None:
            image = _fetched(measured_in, images.containers.options)
            container = images.containers.options
            arm = BaselineArm(python=container.python, source=str(source), image=image, commit=commit)
            said = f"{name} can be measured again: {where}, in the image {image.reference}"
            return FoundBuild(arm=arm, said=said, container=container)
        interpreter, with_what = _interpreter(stored, trust, python, install=install)
    except _LacksError as lack:
        return FoundBuild(arm=None, said=f"{name} cannot be measured again here: {lack}")
    arm = BaselineArm(python=interpreter, source=str(source), commit=commit)
    return FoundBuild(arm=arm, said=f"{name} can be measured again: {where}, {with_what}")


def _require_choice(image: ContainerImage, images: ImageChoice | None, trust: Trust) -> None:
    if images is None or not (images.has(image.reference) or trust.everything):
        where = images.file if images is not None else "ci/containers.toml"
        raise _LacksError(
            f"it was measured in the image {image.reference}; add that to `images` in {where}, or name it with "
            "--baseline-image"
        )


def _fetched(image: ContainerImage, options: ContainerOptions) -> ContainerImage:
    """The very image, from the registry where it is not here."""
    asked = image.reference
    if image.digest is not None and "@" not in asked:
        asked = f"{_repository_of(asked)}@{image.digest}"
    found = inspect_image(options, asked)
    if found.failure is not None and asked != image.reference:
        found = inspect_image(options, image.reference)  # made here, or removed from the registry since
    if found.failure is not None:
        raise _LacksError(f"it was measured in the image {image.reference}: {found.failure.message}")
    if found.id != image.id:
        raise _LacksError(
            f"it was measured in the image {image.reference} as it was then, {image.id}; now that is {found.id}"
        )
    return replace(found, reference=image.reference)


def _repository_of(reference: str) -> str:
    """A reference without its tag and digest."""
    name = reference.partition("@")[0]
    path, _, tag = name.rpartition(":")
    return path if path and "/" not in tag else name


def _commit_of(stored: Baseline | Run) -> str:
    commit = stored.header.host.ssdbench_commit
    remedy = "accept a run of a clean git checkout, or name the build with --baseline-checkout (and --baseline-python)"
    if commit is None:
        raise _LacksError(f"its record has no commit; {remedy}")
    if not is_commit(commit):
        raise _LacksError(f"it was measured at {commit}, with changes that were not committed; {remedy}")
    return commit


def _source(stored: Baseline | Run, commit: str, trust: Trust) -> tuple[Path, str]:
    short, recorded = commit[:12], stored.header.options.source
    is_known = recorded is not None and is_trusted(stored.header, environment_of(stored.header), trust)
    for source in (*([Path(recorded)] if recorded and is_known else []), SOURCE):
        if (source / "ssdbench" / "worker").is_dir() and source_commit(source) == commit:
            return source, f"{source} is still at its commit {short}"
    copy = copy_of_commit(commit)
    if copy is None:
        raise _LacksError(
            f"no repository here has its commit {short}; fetch it (a shallow clone needs `git fetch --unshallow`), or "
            "name a checkout of it with --baseline-checkout"
        )
    return copy, f"a copy of its commit {short} in {copy}"


def _interpreter(stored: Baseline | Run, trust: Trust, python: str | None, *, install: bool) -> tuple[str, str]:
    software = _software_of(stored.records)
    if software is None:
        raise _LacksError("none of its launches was measured; name the build with --baseline-checkout")
    lacks = []
    for candidate in _interpreters(stored, trust, python):
        try:
            found = inspect_python(candidate)
        except EnvironmentLacksError as error:
            lacks.append(str(error))
            continue
        if not (unlike := _unlike(found, software)):
            return found.executable, f"with {found.executable}"
        lacks.append(f"{found.executable} has {unlike}")
    made = find_environment(software)
    if made is None and install:
        made = make_environment(software)
    if made is None:
        raise _LacksError(
            f"{'; '.join(lacks)}; name an interpreter with these versions as --baseline-python, or give "
            f"--install-baseline ({what_it_takes(software)})"
        )
    if unlike := _unlike(inspect_python(made), software):
        raise _LacksError(f"{made}, made from its versions, has {unlike}; remove that folder and try again")
    return made, f"with its versions in {made}"


def _interpreters(stored: Baseline | Run, trust: Trust, python: str | None) -> Iterator[str]:
    """Those that may be asked, each once: its own, that of the candidate."""
    recorded = stored.header.options.measured_by
    is_known = recorded is not None and is_trusted(stored.header, environment_of(stored.header), trust)
    own = [recorded] if recorded and is_known and Path(recorded).exists() else []
    yield from dict.fromkeys([*own, python or sys.executable])


def _unlike(found: WorkerPython, software: Software) -> str:
    """The first package that is not what was recorded, as "torch 2.1, it was measured with 2.2"; empty if none."""
    if version_numbers(found.version) != version_numbers(software.python):
        return f"Python {found.version}, it was measured with {software.python}"
    for name in _COMPARED:
        then, now = getattr(software, name), found.packages.get(name)
        # Some wheels omit the local part of their version ("+cpu") in their metadata.
        if then is not None and (now is None or then.partition("+")[0] != now.partition("+")[0]):
            return f"{f'{name} {now}' if now else f'no {name}'}, it was measured with {then}"
    return ""


def _software_of(records: Iterable[object]) -> Software | None:
    measured = [record.measurement.software for record in records if record.measurement]  # type: ignore[attr-defined]
    # A launch without images has no DALI: the one that knows most says what was installed.
    return max(
        measured, key=lambda software: sum(getattr(software, name) is not None for name in _COMPARED), default=None
    )
