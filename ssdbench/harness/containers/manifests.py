"""Collects what an image contains, from a container of its own; never while a launch is measured.

An image is not trusted: what it says of itself is bounded in size and number, and entries of an odd form are left out.
"""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from ssdbench.harness.cache import cache_error, work_folder
from ssdbench.harness.containers.commands import SOURCE_INSIDE, engine_failure
from ssdbench.harness.containers.inside import Inside
from ssdbench.harness.launchers.left_files import read_bytes
from ssdbench.harness.process import last_line
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.manifest import ImageManifest, Installed, LoadedFile, Origin, is_version_variable
from ssdbench.schema.record import ContainerImage, Failure
from ssdbench.schema.times import utc_now

LOADED_FILES = "loaded-0.json"
"""What rank 0 of a launch leaves in its folder."""

_COLLECT_SECONDS = 900.0
_MOST_BYTES = 32 * 2**20
_MOST_ENTRIES = 20_000
_NAME = re.compile(r"[\w.+-]{1,200}", re.ASCII)
_VERSION = re.compile(r"[\w.+:~!-]{1,200}", re.ASCII)
_PYTHON = re.compile(r"\d[\w.+]{0,40}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{1,64}")
_IDENTITY = re.compile(r"(build-id|sha256):[0-9a-f]{1,128}")
_PATH = re.compile("/[^\x00-\x1f\x7f\ud800-\udfff]{0,1000}")
_OWNER = re.compile(r"(python|debian|interpreter):[\w.+-]{1,200}", re.ASCII)
_LARGEST = 2**62


def collect_manifest(
    inside: Inside, image: ContainerImage, loaded: Mapping[str, Iterable[str]], cases: Iterable[str]
) -> ImageManifest | Failure:
    """The manifest of an inspected image that has an id; `loaded` are paths of `objects` and `modules` in it.

    Raises:
        EnvironmentLacksError: the engine is not installed.
    """
    assert image.id is not None
    options = inside.options
    with _folder_that_nodes_share() as folder:
        asked = {"objects": sorted(loaded["objects"]), "modules": sorted(loaded["modules"])}
        asked["outside"] = [*options.mounts, str(SOURCE_INSIDE)]
        (folder / "loaded.json").write_text(json.dumps(asked), encoding="utf-8")
        answer = inside.run(image, folder, ("ssdbench.runtime.contents", str(folder)), timeout_seconds=_COLLECT_SECONDS)
        if answer.exit_code:
            return engine_failure(f"the contents of {image.reference} cannot be listed", last_line(answer.error))
        found = _parsed(read_bytes(folder / "contents.json", _MOST_BYTES))
    if found is None:
        return Failure(kind="unsupported", message=f"what {image.reference} says of its contents cannot be read")
    own = {*options.variables, *options.pass_variables}
    return manifest_of(image, found, cases, ignored_variables=own)


@contextmanager
def _folder_that_nodes_share() -> Iterator[Path]:
    try:
        work_folder().mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="contents-", dir=work_folder())
    except OSError as error:
        raise cache_error(error) from None
    with made as name:
        yield Path(name)


def _parsed(content: bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def manifest_of(
    image: ContainerImage, found: Mapping[str, Any], cases: Iterable[str], *, ignored_variables: Iterable[str] = ()
) -> ImageManifest:
    """The manifest in what an image says of itself; entries of an odd form are counted and left out."""
    installed, odd = _entries(found.get("installed"), _installed)
    loaded, odd_files = _entries(found.get("loaded"), _loaded_file)
    variables = found.get("variables")
    kept = {
        name: value
        for name, value in (variables.items() if isinstance(variables, dict) else ())
        if isinstance(value, str) and _VERSION.fullmatch(value) and is_version_variable(name, value)
        if name not in ignored_variables
    }
    assert image.id is not None
    return ImageManifest(
        schema_version=SCHEMA_VERSION,
        image_id=image.id,
        reference=image.reference,
        digest=image.digest,
        collected_at=utc_now(),
        python=_text(found.get("python"), _PYTHON) or "unknown",
        site=_text(found.get("site"), _PATH) or "/",
        variables=dict(sorted(kept.items())),
        installed=tuple(sorted(installed, key=lambda package: (package.key, package.version))),
        loaded=tuple(sorted(loaded, key=lambda file: file.path)),
        cases=tuple(sorted(set(cases))),
        left_out=odd + odd_files,
    )


def _entries(found: object, read: Any) -> tuple[list[Any], int]:
    entries = found if isinstance(found, list) else []
    kept = [entry for item in entries[:_MOST_ENTRIES] if isinstance(item, dict) if (entry := read(item)) is not None]
    return kept, len(entries) - len(kept)


def _installed(item: Mapping[str, Any]) -> Installed | None:
    name, version = _text(item.get("name"), _NAME), _text(item.get("version"), _VERSION)
    origin: Origin | None = next((known for known in get_args(Origin) if known == item.get("origin")), None)
    if name is None or version is None or origin is None:
        return None
    return Installed(
        origin=origin,
        name=name,
        version=version,
        content=_text(item.get("content"), _HASH),
        place=_text(item.get("place"), _PATH),
        info=_text(item.get("info"), _NAME),
        loaded=item.get("loaded") is True,
    )


def _loaded_file(item: Mapping[str, Any]) -> LoadedFile | None:
    path, identity, size = _text(item.get("path"), _PATH), _text(item.get("identity"), _IDENTITY), item.get("bytes")
    if path is None or identity is None or type(size) is not int or not 0 <= size < _LARGEST:
        return None
    return LoadedFile(path=path, bytes=size, identity=identity, owner=_text(item.get("owner"), _OWNER))


def _text(value: object, form: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and form.fullmatch(value) else None


def read_loaded(folder: Path) -> dict[str, set[str]]:
    """The paths of `objects` and `modules` that a launch left in its folder; empty where there are none."""
    found = _parsed(read_bytes(folder / LOADED_FILES, _MOST_BYTES)) or {}
    return {
        kind: {path for path in _list(found.get(kind))[:_MOST_ENTRIES] if _text(path, _PATH)}
        for kind in ("objects", "modules")
    }


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
