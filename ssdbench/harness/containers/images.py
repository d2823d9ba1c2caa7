"""Container images as a run records them: pulled if missing, then inspected by the engine and from inside."""

import hashlib
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssdbench.errors import UsageError
from ssdbench.harness.containers.accounts import DOCKER_HUB, log_in_words
from ssdbench.harness.containers.commands import engine_failure, facts_in
from ssdbench.harness.containers.engines import fill_in
from ssdbench.harness.containers.inside import run_inside
from ssdbench.harness.machine.probe import gpu_states
from ssdbench.harness.machine.worker_python import WorkerPython, too_old
from ssdbench.harness.process import CommandResult, last_line, run_command
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import ContainerImage, Failure
from ssdbench.schema.software_needs import OLDEST_PYTHON

PULL_SECONDS = 4 * 3600.0
_REFUSED = re.compile(r"unauthori[sz]ed|authentication required|no basic auth credentials|access.* denied", re.I)
_HAS_HOST = re.compile(r"(?:localhost|[^/]*[.:][^/]*)/")
_SAID_BY_PYTHON_3_6 = "future feature annotations is not defined"
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    r"(?:[a-z]+://)?"  # docker:// of apptainer
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
    rf"{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)


def require_image_name(reference: str) -> None:
    """Raises UsageError if this is neither the name of an image in a registry nor a file."""
    if not _REFERENCE.fullmatch(reference) and not is_image_file(reference):
        raise UsageError(f"{reference!r} is not an image: write repository:tag, or give an image file")


def inspect_image(options: ContainerOptions, reference: str) -> ContainerImage:
    """Pull an image if it is missing, and inspect it with the engine and with its interpreter.

    An image that cannot be pulled or used gets a failure, with which its launches will fail.

    Raises:
        UsageError: `reference` is not an image.
        EnvironmentLacksError: the engine is not installed.
    """
    require_image_name(reference)
    facts = _facts(options, reference)
    if isinstance(facts, Failure):
        return ContainerImage(reference=reference, failure=facts)
    image = ContainerImage(
        reference=reference,
        id=facts.get("Id") or (file_digest(Path(reference)) if is_image_file(reference) else None),
        digest=_digest(facts, reference),
        labels=facts.get("Config", {}).get("Labels") or {},
    )
    return with_packages(options, image, _inventory(options, image))


def worker_in(image: ContainerImage, python: str) -> WorkerPython:
    """The interpreter of an image, as far as the image was inspected."""
    return WorkerPython(
        executable=f"{python} in {image.reference}",
        version=image.python or "",
        packages=image.packages,
        has_cpp_compiler=True,  # if there is none, the worker reports it
        gpu_code=image.gpu_code,
    )


def _facts(options: ContainerOptions, reference: str) -> dict[str, Any] | Failure:
    engine = options.engine
    if not engine.inspect:
        return {}
    inspect = (*engine.command, *fill_in(engine.inspect, image=reference))
    answer = run_command(inspect)
    if answer.exit_code and engine.pull:
        pulled = run_command((*engine.command, *fill_in(engine.pull, image=reference)), timeout_seconds=PULL_SECONDS)
        if pulled.exit_code:
            return engine_failure(f"{reference} cannot be pulled", _with_remedy(last_line(pulled.error), reference))
        answer = run_command(inspect)
    if answer.exit_code:
        return engine_failure(f"{reference} cannot be inspected", last_line(answer.error))
    facts = facts_in(answer.out)
    if facts is None:
        return engine_failure(f"{reference} cannot be inspected", f"{engine.command[0]} answers no JSON about it")
    return facts


def _with_remedy(complaint: str, reference: str) -> str:
    """The complaint of an engine, which uses the accounts of registries itself, and what helps if one is refused."""
    if not _REFUSED.search(complaint):
        return complaint
    host = reference.partition("/")[0] if _HAS_HOST.match(reference) else DOCKER_HUB
    return f"{complaint}; log in with an account that may pull it ({log_in_words(host)})"


def _digest(facts: dict[str, Any], reference: str) -> str | None:
    named = [name.partition("@") for name in facts.get("RepoDigests") or ()]
    own = [digest for name, _, digest in named if reference.startswith(name)]
    return next(iter([*own, *(digest for _, _, digest in named)]), None)


def with_packages(options: ContainerOptions, image: ContainerImage, answer: CommandResult) -> ContainerImage:
    """The image with the packages of its interpreter, or with the reason why that cannot measure.

    `answer` is what `inventory_module` printed inside.
    """
    lines = [line for line in answer.out.splitlines() if line.startswith("{")]
    if not lines:
        reason = last_line(answer.error)
        if _SAID_BY_PYTHON_3_6 in reason:
            reason = f"its Python is older than {'.'.join(map(str, OLDEST_PYTHON))}"
        failure = engine_failure(f"{image.reference} cannot run {options.python}", reason)
        return replace(image, failure=failure)
    try:
        facts = json.loads(lines[-1])
        code = facts["gpu_code"]
        found = replace(
            image,
            python=facts["python"],
            packages=dict(facts["packages"]),
            gpu_code=None if code is None else tuple(code),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        failure = engine_failure(f"{image.reference} cannot run {options.python}", "its answer is no inventory")
        return replace(image, failure=failure)
    if "torch" not in found.packages:
        remedy = "name the interpreter that has it as `python`, or mount an environment, in ci/containers.toml"
        reason = f"{image.reference} has no torch for {options.python}: {remedy}"
        return replace(found, failure=Failure(kind="unsupported", message=reason))
    if too_old_for_us := too_old(found.python or "", found.packages):
        return replace(found, failure=Failure(kind="unsupported", message=f"{image.reference} has {too_old_for_us}"))
    return found


def inventory_module() -> tuple[str, ...]:
    """The words after `python -m` that list the packages of an image's interpreter, inside."""
    # torch is asked for its GPU code only where there is a GPU: importing it takes seconds.
    wanted = ("--gpu-code",) if gpu_states() else ()
    return ("ssdbench.runtime.inventory", *wanted)


def _inventory(options: ContainerOptions, image: ContainerImage) -> CommandResult:
    with tempfile.TemporaryDirectory(prefix="ssdbench-") as folder:
        # An engine that pulls automatically does so now.
        return run_inside(options, image, Path(folder), inventory_module(), timeout_seconds=PULL_SECONDS)


def is_image_file(reference: str) -> bool:
    """Whether this is a file, rather than a name in a registry."""
    return "/" in reference and Path(reference).is_file()


def file_digest(path: Path) -> str:
    """The SHA-256 of an image file, written as registries write it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"
