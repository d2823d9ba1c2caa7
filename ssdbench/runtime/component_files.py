"""Copies parts of an image out of it: `python -m ssdbench.runtime.component_files FOLDER`, run inside of it.

FOLDER/asked.json names either a `distribution` or `files`. The copies are FOLDER/files/0, 1, ...; FOLDER/places.json
says for each where it was: relative to the folder in which the distribution is installed, or the path of the file.
Runs on every Python from 3.8 on.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Iterable

from ssdbench.runtime.contents import normalised, recorded_paths


def roots_of(name: str) -> tuple[Path, list[str]]:
    """Where a distribution is installed, and the largest folders and files there that are its alone.

    Raises:
        LookupError: it is not installed, or has no list of its files.
    """
    own: set[str] = set()
    others: set[str] = set()
    place = None
    for distribution in metadata.distributions():
        record = distribution.read_text("RECORD")
        folder = Path(str(distribution.locate_file(""))).resolve()
        is_it = normalised(distribution.metadata["Name"] or "") == name
        if is_it and place is None:
            if record is None:
                raise LookupError("it has no list of its files")
            place = folder
            own = _inside(recorded_paths(record))
        elif not is_it:
            for path in _inside(recorded_paths(record)):
                others.update(str(parent) for parent in PurePosixPath(path).parents)
    if place is None:
        raise LookupError("it is not installed")
    return place, sorted({_root(path, others) for path in own if (place / path).exists()})


def _inside(paths: Iterable[str]) -> set[str]:
    normal = (os.path.normpath(path) for path in paths)
    # Python compiles again what is newer than its cache, which single modules share.
    return {path for path in normal if not path.startswith(("..", "/")) and "__pycache__" not in path.split("/")}


def _root(path: str, shared: set[str]) -> str:
    """The topmost folder of a path in which no other distribution has a file; the path itself if there is none."""
    parents = [str(parent) for parent in reversed(PurePosixPath(path).parents)][1:]
    return next((parent for parent in parents if parent not in shared), path)


def copy_out(sources: Iterable[Path], folder: Path) -> None:
    """Copy files and folders to FOLDER/files/0, 1, ...; links within folders stay links."""
    (folder / "files").mkdir()
    for number, source in enumerate(sources):
        target = folder / "files" / str(number)
        if source.is_dir():
            shutil.copytree(str(source), str(target), symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(str(source.resolve()), str(target))


def main() -> None:
    """Copy what is asked for, and write where it was."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    if "distribution" in asked:
        place, roots = roots_of(asked["distribution"])
        copy_out([place / root for root in roots], folder)
    else:
        roots = asked["files"]
        copy_out(map(Path, roots), folder)
    (folder / "places.json").write_text(json.dumps(roots), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except LookupError as error:
        sys.exit(str(error))
