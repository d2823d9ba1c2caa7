"""What two images do not have in common, ranked by how near it is to what a worker runs.

First what a worker mapped and what is another file now (the largest first), then packages that were imported or own
mapped files, then everything else. A rank is no verdict: it says where to look first, not what made an image slower.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from ssdbench.schema.manifest import (
    INTERPRETER,
    ContentChange,
    ContentChanges,
    ImageManifest,
    Installed,
    LoadedFile,
    Rank,
)
from ssdbench.schema.text import shorten_list

ABSENT = "-"
_RANKS: tuple[Rank, ...] = ("mapped", "loaded", "other")
_MOST_FILES = 20


def content_changes(baseline: ImageManifest, candidate: ImageManifest) -> ContentChanges:
    """What is not the same in two images.

    A file that only one of them has loaded counts where the same cases were measured in both; otherwise the other
    image may just not have been asked.
    """
    same_cases = set(baseline.cases) == set(candidate.cases)
    there, here = files_by_owner(baseline), files_by_owner(candidate)
    packages = _by_key(baseline.installed), _by_key(candidate.installed)
    changes = []
    for key in dict.fromkeys((*here, *there, *packages[1], *packages[0])):
        files = changed_files(there.get(key, {}), here.get(key, {}), same_cases=same_cases)
        found = [side.get(key) for side in packages]
        versions = _versions(key, found, (baseline, candidate), (there, here))
        if versions[0] != versions[1] or files:
            is_loaded = any(package is not None and package.loaded for package in found)
            changes.append(_change(key, versions, files, is_loaded=is_loaded))
    return ContentChanges(
        baseline_image=baseline.image_id,
        candidate_image=candidate.image_id,
        changes=tuple(sorted((*changes, *_variables(baseline, candidate)), key=_order)),
        notes=tuple(_notes(baseline, candidate, same_cases=same_cases)),
    )


def files_by_owner(manifest: ImageManifest) -> dict[str, dict[str, list[LoadedFile]]]:
    """Loaded files by the key of their owner, then by their name without versions."""
    found: dict[str, dict[str, list[LoadedFile]]] = {}
    for file in manifest.loaded:
        folder, _, name = file.path.rpartition("/")
        # A module stands for itself; the libraries of a folder are of one build.
        alone = f"file:{file.path}" if name.endswith(".py") else f"folder:{folder}"
        owner = file.owner or _without_python_version(alone)
        found.setdefault(owner, {}).setdefault(stem(name), []).append(file)
    return found


def stem(name: str) -> str:
    """The name of a file without versions: libcudnn.so.9.1.0 is libcudnn.so, _C.cpython-310-x86_64.so is _C.so."""
    name = re.sub(r"\.(cpython|abi)[^/]*\.so$", ".so", name)
    name = re.sub(r"\.so[.0-9]+$", ".so", name)
    # Libraries that a wheel brings along have a hash in their names.
    return re.sub(r"-\d[.\d]*\.so$", ".so", re.sub(r"([.-][0-9a-f]{8})+\.so$", ".so", name))


def _without_python_version(path: str) -> str:
    return re.sub(r"/python3\.\d+/", "/python3/", path)


def changed_files(
    there: Mapping[str, list[LoadedFile]], here: Mapping[str, list[LoadedFile]], *, same_cases: bool
) -> list[tuple[str, int]]:
    """Name and bytes of the files of one owner that are not the same in both images."""
    names = dict.fromkeys((*here, *there)) if same_cases else [name for name in here if name in there]
    found = []
    for name in names:
        old, new = there.get(name, []), here.get(name, [])
        if {file.identity for file in old} != {file.identity for file in new}:
            shown = (new or old)[0]
            found.append((shown.path.rpartition("/")[2], sum(file.bytes for file in new)))
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _change(key: str, versions: tuple[str, str], files: list[tuple[str, int]], *, is_loaded: bool) -> ContentChange:
    return ContentChange(
        key=key,
        rank="mapped" if files else "loaded" if is_loaded else "other",
        baseline=versions[0],
        candidate=versions[1],
        files=tuple(name for name, _ in files[:_MOST_FILES]),
        changed_bytes=sum(size for _, size in files),
    )


def _by_key(installed: Iterable[Installed]) -> dict[str, Installed]:
    return {package.key: package for package in installed}


def _versions(
    key: str,
    packages: Sequence[Installed | None],
    manifests: tuple[ImageManifest, ImageManifest],
    files: Sequence[Mapping[str, Mapping[str, list[LoadedFile]]]],
) -> tuple[str, str]:
    """What is shown of one thing in both images; equal where nothing is known to be different."""
    if key == INTERPRETER:
        return manifests[0].python, manifests[1].python
    if packages == [None, None]:
        # Files that one image alone has loaded say nothing by their absence in the other.
        shown = [_identities(side.get(key, {})) for side in files]
        return (shown[0], shown[1]) if ABSENT not in shown else (ABSENT, ABSENT)
    plain = [ABSENT if package is None else package.version for package in packages]
    if plain[0] == plain[1]:
        plain = [
            f"{package.version} ({package.content[:8]})" if package is not None and package.content else version
            for package, version in zip(packages, plain, strict=True)
        ]
    return plain[0], plain[1]


def _identities(files: Mapping[str, list[LoadedFile]]) -> str:
    found = sorted({file.identity.partition(":")[2][:12] for group in files.values() for file in group})
    return shorten_list(found, 3) if found else ABSENT


def _variables(baseline: ImageManifest, candidate: ImageManifest) -> list[ContentChange]:
    there, here = baseline.variables, candidate.variables
    return [
        ContentChange(
            key=f"variable:{name}", rank="other", baseline=there.get(name, ABSENT), candidate=here.get(name, ABSENT)
        )
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


def _order(change: ContentChange) -> tuple[int, int, str]:
    return _RANKS.index(change.rank), -change.changed_bytes, change.key


def _notes(baseline: ImageManifest, candidate: ImageManifest, *, same_cases: bool) -> Iterable[str]:
    for manifest in (baseline, candidate):
        if not manifest.cases:
            yield f"no case was measured in {manifest.reference} yet: what a worker maps in it is not known"
        if manifest.left_out:
            yield f"{manifest.left_out} entries of {manifest.reference} were left out: too many, or of an odd form"
    if baseline.cases and candidate.cases and not same_cases:
        yield "not the same cases were measured in both images: a file that only one of them has loaded is not listed"
