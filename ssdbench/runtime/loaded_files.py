"""Which files this process has loaded: shared objects that are mapped, and modules that are imported."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Iterable, Sequence

_MAPS = Path("/proc/self/maps")
_MOST = 20_000
_BLOCK_BYTES = 1 << 20


def loaded_files(maps: Path = _MAPS) -> dict[str, list[str]]:
    """Paths of the mapped `objects` and of the imported `modules`; takes milliseconds, and no file is opened.

    Of modules, top-level packages and what is directly in them suffice to tell whose they are. No objects are listed
    where the system has no `maps`.
    """
    return {"objects": sorted(_mapped(maps))[:_MOST], "modules": sorted(_imported())[:_MOST]}


def hashes_below(loaded: dict[str, list[str]], places: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each of these files and folders the SHA-256 of what was loaded of it, by path below it ("." for itself)."""
    real = sorted({os.path.realpath(path) for paths in loaded.values() for path in paths})
    hashes = {path: sha256(Path(path)) for path in real if Path(path).is_file() and _is_below(path, places)}
    found: dict[str, dict[str, str]] = {}
    for place in places:
        below = [path for path in hashes if _is_below(path, [place])]
        found[place] = {os.path.relpath(path, os.path.realpath(place)): hashes[path] for path in below}
    return found


def _is_below(path: str, places: Iterable[str]) -> bool:
    return any(f"{path}/".startswith(f"{os.path.realpath(place)}/") for place in places)


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK_BYTES), b""):
            digest.update(block)
    return digest.hexdigest()


def _mapped(maps: Path) -> set[str]:
    found = set()
    try:
        with maps.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                fields = line.rstrip("\n").split(None, 5)
                # Data files are mapped as well, but never to be executed.
                if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/"):
                    found.add(fields[5])
    except OSError:
        pass
    return {path for path in found if not path.endswith(" (deleted)")}


def _imported() -> set[str]:
    found = set()
    for name, module in list(sys.modules.items()):
        # Not by getattr: some modules import others when they are asked for a name.
        path = getattr(module, "__dict__", {}).get("__file__") if name.count(".") <= 1 else None
        if isinstance(path, str) and path.startswith("/"):
            found.add(path)
    return found
