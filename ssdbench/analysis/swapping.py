"""Which components of an image can be swapped into another one, in the order of the ranked difference, and which not.

A Python distribution is swapped as a whole, a library by the very files that a worker had mapped.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ssdbench.analysis.contents import content_changes, files_by_owner
from ssdbench.schema.manifest import INTERPRETER, ContentChange, ImageManifest, Installed, LoadedFile, component_name

_C_LIBRARY = re.compile(r"(ld-linux[\w-]*|ld-musl[\w-]*|lib(c|m|dl|rt|pthread|util|resolv|anl|nsl|thread_db))\.so")
HOSTS_OWN = "the driver and the kernel are the host's, the same for both images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """A component of the old image that can stand in for that of the new one.

    Either a `distribution` by its name, which goes to `place` in the new image (its metadata to the folder `info`
    there, None: under its own name), or pairs of `files`: a path in the old image, and the one that it replaces.
    """

    key: str
    distribution: str | None = None
    place: str | None = None
    info: str | None = None
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What can be swapped, in the order in which it is tried, and why the rest cannot, by key.

    `not_loaded` counts the changes of which no worker was seen to load anything: they are not tried.
    """

    swaps: tuple[Swap, ...]
    left_out: Mapping[str, str]
    not_loaded: int


def candidates(old: ImageManifest, new: ImageManifest) -> Candidates:
    """The components to swap from the old image into the new one."""
    changes = content_changes(old, new).changes
    swaps: list[Swap] = []
    left_out: dict[str, str] = {}
    for change in changes:
        if change.rank == "other":
            continue
        found = _swap(change, old, new)
        if isinstance(found, Swap):
            swaps.append(found)
        else:
            left_out[change.key] = found
    not_loaded = sum(change.rank == "other" for change in changes)
    return Candidates(swaps=tuple(swaps), left_out=left_out, not_loaded=not_loaded)


def _swap(change: ContentChange, old: ImageManifest, new: ImageManifest) -> Swap | str:
    """How a component is swapped, or why it cannot be."""
    key = change.key
    if key == INTERPRETER:
        return "everything else was compiled for the interpreter of its own image"
    if key.startswith("python:"):
        return _distribution(key, _package(old, key), _package(new, key), new)
    pairs = tuple(_pairs(files_by_owner(old).get(key, {}), files_by_owner(new).get(key, {})))
    swapped = tuple((there, here) for there, here in pairs if not _C_LIBRARY.match(there.rpartition("/")[2]))
    if pairs and not swapped:
        return "the C library and its loader have to fit each other and everything that is loaded"
    if not swapped:
        return "no file of it that was loaded is in both images and another one"
    return Swap(key=key, files=swapped)


def _distribution(key: str, there: Installed | None, here: Installed | None, new: ImageManifest) -> Swap | str:
    if there is None:
        return "the old image does not have it"
    if there.content is None:
        return "it has no list of its files (RECORD)"
    place = here.place if here is not None and here.place is not None else new.site
    return Swap(key=key, distribution=there.name, place=place, info=here.info if here is not None else None)


def _package(manifest: ImageManifest, key: str) -> Installed | None:
    return next((package for package in manifest.installed if package.key == key), None)


def _pairs(old: Mapping[str, list[LoadedFile]], new: Mapping[str, list[LoadedFile]]) -> Iterator[tuple[str, str]]:
    """A path in the old image for each in the new one whose file is another; names without versions say which."""
    for name in new:
        there, here = old.get(name, []), new[name]
        if len(there) == len(here) and {file.identity for file in there} != {file.identity for file in here}:
            yield from ((a.path, b.path) for a, b in zip(there, here, strict=True))


def words_of(left_out: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each component that cannot be swapped."""
    for key, reason in left_out.items():
        yield f"{component_name(key)} cannot be swapped: {reason}"
