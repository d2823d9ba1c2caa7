"""Lists what an image contains: `python -m ssdbench.runtime.contents FOLDER`, run inside of it.

FOLDER/loaded.json has the files that workers have loaded in this image (`loaded_files`), and `outside`, folders that
are mounted and so no part of the image. The answer is FOLDER/contents.json. Runs on every Python from 3.8 on.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from ssdbench.runtime.elf import build_id
from ssdbench.runtime.loaded_files import sha256

DPKG = Path("/var/lib/dpkg")
INTERPRETER = "interpreter:python"


def contents(loaded: dict[str, list[str]], outside: Iterable[Path], dpkg: Path = DPKG) -> dict[str, Any]:
    """The distributions, Debian packages and `*_VERSION` variables, and the loaded files with their owners."""
    mounted = [path.resolve() for path in outside]
    python, debian = _distributions(mounted), _debian_packages(dpkg)
    objects = [path for path in map(Path, loaded["objects"]) if _is_inside(path, mounted)]
    modules = [path for path in map(Path, loaded["modules"]) if _is_inside(path, mounted)]
    owners = _owners({*objects, *modules}, python.values(), dpkg, debian)
    for owner in owners.values():
        owner["loaded"] = True
    listed = {*objects, *(path for path in modules if path not in owners and _is_single_module(path))}
    packages = [*python.values(), *debian.values()]
    return {
        "python": platform.python_version(),
        "site": str(Path(sysconfig.get_path("purelib")).resolve()),
        "variables": {name: value for name, value in os.environ.items() if name.endswith("_VERSION")},
        "installed": [{key: package[key] for key in package if key != "files"} for package in packages],
        "loaded": [_described(path, owners.get(path)) for path in sorted(listed)],
    }


def _is_inside(path: Path, outside: Iterable[Path]) -> bool:
    real = path.resolve()
    return real.is_file() and not any(folder in (real, *real.parents) for folder in outside)


def _is_single_module(path: Path) -> bool:
    """Whether a module without a package is a file directly on the import path, outside of the standard library."""
    folder, standard = path.resolve().parent, Path(sysconfig.get_path("stdlib")).resolve()
    on_path = {Path(entry).resolve() for entry in sys.path if entry}
    return path.suffix == ".py" and path.stem != "__init__" and folder in on_path and folder != standard


def _distributions(outside: Iterable[Path]) -> dict[str, Any]:
    """By normalised name; of several of one name the first, which Python imports."""
    found: dict[str, Any] = {}
    for distribution in metadata.distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
            record = distribution.read_text("RECORD")
            folder = Path(str(distribution.locate_file(""))).resolve()
        except (OSError, KeyError, ValueError):
            continue
        if not name or not version or any(mount in (folder, *folder.parents) for mount in outside):
            continue
        key, paths = normalised(name), recorded_paths(record)
        found.setdefault(
            key,
            {
                **{"origin": "python", "name": key, "version": version, "loaded": False, "place": str(folder)},
                "content": hashlib.sha256(record.encode("utf-8", "replace")).hexdigest()[:16] if record else None,
                "info": next((path.split("/")[0] for path in paths if path.endswith(".dist-info/RECORD")), None),
                "files": [os.path.normpath(f"{folder}/{path}") for path in paths],
            },
        )
    return found


def normalised(name: str) -> str:
    """The name of a distribution as indexes compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def recorded_paths(record: str | None) -> list[str]:
    """The paths that a RECORD lists, relative to the folder in which its distribution is installed."""
    try:
        return [row[0] for row in csv.reader((record or "").splitlines()) if row]
    except csv.Error:
        return []


def _debian_packages(dpkg: Path) -> dict[str, Any]:
    """By name and architecture, as files below `info` may be named."""
    try:
        stanzas = (dpkg / "status").read_text(encoding="utf-8", errors="replace").split("\n\n")
    except OSError:
        return {}
    found = {}
    for stanza in stanzas:
        lines = [line.partition(": ") for line in stanza.splitlines() if not line.startswith(" ")]
        fields = {name: value for name, _, value in lines}
        if fields.get("Status", "").endswith(" installed") and fields.get("Package") and fields.get("Version"):
            found[f"{fields['Package']}:{fields.get('Architecture', '')}"] = {
                **{"origin": "debian", "name": fields["Package"], "version": fields["Version"], "loaded": False},
                **{"place": None, "info": None, "content": None},
            }
    return found


def _owners(paths: set[Path], python: Iterable[Any], dpkg: Path, debian: dict[str, Any]) -> dict[Path, Any]:
    """The package that each of these files is part of."""
    by_real: dict[str, list[Path]] = {}
    for path in paths:
        by_real.setdefault(str(path.resolve()), []).append(path)
    found: dict[Path, Any] = {}
    for package in python:
        for file in package["files"]:
            for path in by_real.get(file, ()):
                found.setdefault(path, package)
    # Lists of dpkg may have /lib where that is a link to /usr/lib today.
    aliases = {real[len("/usr") :]: known for real, known in by_real.items() if real.startswith("/usr/")}
    aliases.update(by_real)
    for key, package in debian.items():
        for file in _files_of(dpkg / "info", key):
            for path in aliases.get(file, ()):
                found.setdefault(path, package)
    return found


def _files_of(info: Path, key: str) -> list[str]:
    for name in (key, key.partition(":")[0]):
        try:
            return (info / f"{name}.list").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
    return []


def _described(path: Path, owner: Any) -> dict[str, Any]:
    identity = build_id(path)
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "identity": f"sha256:{sha256(path)}" if identity is None else f"build-id:{identity}",
        "owner": _owner_name(path.resolve(), owner),
    }


def _owner_name(path: Path, owner: Any) -> str | None:
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    if standard in path.parents and "-packages" not in str(path.relative_to(standard)):
        return INTERPRETER
    if path == Path(sys.executable).resolve() or path.name.startswith("libpython"):
        return INTERPRETER
    return None if owner is None else f"{owner['origin']}:{owner['name']}"


def main() -> None:
    """Read what was loaded, and write what there is."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "loaded.json").read_text(encoding="utf-8"))
    found = contents(asked, map(Path, asked["outside"]))
    (folder / "contents.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
