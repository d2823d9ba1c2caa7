"""Whether launches loaded what is mounted over an image: a component that none did says nothing of the change.

A loader may find another file than the one that was replaced, and an engine may mount nothing where it was asked to.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ssdbench.harness.containers.manifests import LOADED_FILES
from ssdbench.harness.launchers.left_files import read_bytes
from ssdbench.harness.stores.lines import write_bytes
from ssdbench.schema.record import ContainerImage, Overlay

_FILE = "mounted.json"
_MOST_BYTES = 32 * 2**20
_BLOCK_BYTES = 2**20
Hashes = dict[str, dict[str, str]]


def ask_for_hashes(folder: Path, image: ContainerImage) -> None:
    """Have the worker of a launch tell what it has loaded of the image's overlays; nothing where it has none."""
    if image.overlays:
        write_bytes(folder / _FILE, json.dumps([overlay.inside for overlay in image.overlays]).encode())


def not_loaded(
    overlays: Sequence[Overlay], launches: Iterable[Path], without: Iterable[str] = ()
) -> dict[str, str]:  # fmt: skip
    """Why the overlays of a component are not what these launches ran with, by component; empty where they are.

    `launches` are folders, `without` the paths that launches without the overlays have mapped.
    """
    told = [found for folder in launches if (found := _told(folder)) is not None]
    mapped, reasons = {*without}, {}
    for component in dict.fromkeys(overlay.component for overlay in overlays):
        own = [overlay for overlay in overlays if overlay.component == component]
        wrong = [reason for hashes in told if (reason := _wrong(own, hashes, mapped)) is not None]
        if not told or wrong:
            reasons[component] = wrong[0] if wrong else "no launch tells what it had loaded"
    return reasons


def _wrong(overlays: Sequence[Overlay], hashes: Hashes, mapped: set[str]) -> str | None:
    for overlay in overlays:
        loaded = hashes.get(overlay.inside, {})
        if overlay.inside in mapped and not loaded:
            return f"{overlay.inside} was not loaded any more"
        for below, found in loaded.items():
            if found != _hash(Path(overlay.path), below):
                return f"what was loaded as {overlay.inside} is not what was mounted there"
    return None if any(hashes.get(overlay.inside) for overlay in overlays) else "nothing of it was loaded"


@lru_cache(maxsize=4096)
def _hash(copy: Path, below: str) -> str | None:
    """The SHA-256 of a copied file; None where there is none, or a link leads out of the copy."""
    path, digest = copy / below, hashlib.sha256()
    try:
        if not path.is_file() or not path.resolve().is_relative_to(copy.resolve()):
            return None
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _told(folder: Path) -> Hashes | None:
    """What a launch tells of the overlays; None where it tells nothing. Its image is not trusted."""
    try:
        found: Any = json.loads(read_bytes(folder / LOADED_FILES, _MOST_BYTES) or b"").get("hashes")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {
        place: {below: value for below, value in hashes.items() if isinstance(value, str) and _is_plain(below)}
        for place, hashes in found.items()
        if isinstance(hashes, dict)
    }


def _is_plain(below: str) -> bool:
    return not below.startswith("/") and ".." not in Path(below).parts and "\0" not in below
