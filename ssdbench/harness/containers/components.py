"""Copies components out of an image, to be mounted read-only over those of another one.

The copies are made by the image itself, which is not trusted: links and places outside of its own are refused.
"""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from ssdbench.atomic import atomic_folder
from ssdbench.harness.cache import cache_error, work_folder
from ssdbench.harness.containers.commands import SOURCE_INSIDE, engine_failure
from ssdbench.harness.containers.inside import Inside
from ssdbench.harness.launchers.left_files import read_bytes
from ssdbench.harness.process import last_line
from ssdbench.schema.record import ContainerImage, Failure, Overlay

_COPY_SECONDS = 3600.0
_MOST_BYTES = 2**20
_MOST_PLACES = 200
_COMPILED_FOR = re.compile(r"\.cpython-3(\d+)-[^/]*\.so$")
_FORBIDDEN = ("/proc", "/sys", "/dev", "/etc", "/run", "/tmp", str(SOURCE_INSIDE))


def copied_distribution(
    inside: Inside, image: ContainerImage, name: str, *, place: str, info: str | None, python: str
) -> tuple[Overlay, ...] | str:
    """A distribution of an image as overlays below `place`; its metadata goes to the folder `info`.

    A sentence says why it cannot be swapped: it does not fit, or is compiled for another interpreter than `python`.
    """
    folder = _copied(inside, image, f"python:{name}", {"distribution": name})
    if isinstance(folder, Failure):
        return folder.message
    places = _places(folder)
    if places is None:
        return "its files are too many folders, or have odd names"
    other = _compiled_for_another(folder / "files", python)
    if other is not None:
        return f"it is compiled for Python 3.{other}, the other image has {python}"
    overlays = []
    for number, found in enumerate(places):
        named = info if info is not None and found.endswith(".dist-info") else found
        overlays.append(_overlay(f"python:{name}", folder / "files" / str(number), f"{place}/{named}"))
    return _sound(overlays)


def copied_files(
    inside: Inside, image: ContainerImage, key: str, pairs: tuple[tuple[str, str], ...]
) -> tuple[Overlay, ...] | str:
    """Files of an image as overlays: pairs of a path in it, and of the one that it replaces; a sentence if it fails."""
    folder = _copied(inside, image, key, {"files": [there for there, _ in pairs]})
    if isinstance(folder, Failure):
        return folder.message
    return _sound(_overlay(key, folder / "files" / str(number), here) for number, (_, here) in enumerate(pairs))


def _overlay(component: str, path: Path, inside: str) -> Overlay:
    return Overlay(component=component, path=str(path), inside=inside)


def _sound(overlays: Any) -> tuple[Overlay, ...] | str:
    """The overlays, if what they mount is a plain file or folder of ours, and where they mount it is one's own."""
    found = tuple(overlays)
    for overlay in found:
        path, inside = Path(overlay.path), PurePosixPath(overlay.inside)
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            return f"{overlay.inside} could not be copied"
        parents = [str(parent) for parent in (inside, *inside.parents)]
        is_odd = ".." in inside.parts or not inside.is_absolute() or re.search(r"[:,\x00-\x1f]", overlay.inside)
        if is_odd or any(parent in _FORBIDDEN for parent in parents) or len(inside.parts) < 3:
            return f"{overlay.inside} is no place for a component"
    return found


def _copied(inside: Inside, image: ContainerImage, key: str, asked: dict[str, Any]) -> Path | Failure:
    """The folder with the copies, among those of launches, which are removed after some weeks."""
    name = hashlib.sha256(json.dumps([image.id, key, asked]).encode()).hexdigest()[:24]
    folder = work_folder() / f"components-{name}"
    if folder.is_dir():
        return folder
    try:
        with atomic_folder(folder) as part:
            (part / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
            module = ("ssdbench.runtime.component_files", str(part))
            answer = inside.run(image, part, module, timeout_seconds=_COPY_SECONDS)
            if answer.exit_code:
                raise _NotCopiedError(last_line(answer.error))
    except _NotCopiedError as error:
        return engine_failure(f"it cannot be copied out of {image.reference}", str(error))
    except OSError as error:
        raise cache_error(error) from None
    return folder


class _NotCopiedError(Exception):
    """The container that copies has failed."""


def _places(folder: Path) -> list[str] | None:
    """Where the copies of a distribution were, relative to the folder in which it is installed."""
    try:
        found = json.loads(read_bytes(folder / "places.json", _MOST_BYTES) or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_PLACES:
        return None
    sound = [place for place in found if isinstance(place, str) and _is_relative(place)]
    return sound if len(sound) == len(found) else None


def _is_relative(place: str) -> bool:
    parts = PurePosixPath(place).parts
    return bool(parts) and not place.startswith("/") and ".." not in parts and "\\" not in place


def _compiled_for_another(folder: Path, python: str) -> str | None:
    """The minor version of Python that extension modules are compiled for, where it is another one."""
    minor = python.split(".")[1] if python.count(".") else ""
    for path in folder.rglob("*.so"):
        found = _COMPILED_FOR.search(path.name)
        if found and minor and found[1] != minor:
            return found[1]
    return None
