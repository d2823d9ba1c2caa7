"""Whether launches loaded what is mounted over an image: only then a probe says anything of a component."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ssdbench.harness.containers.overlays import ask_for_hashes, not_loaded
from ssdbench.schema.record import ContainerImage, Overlay

BRAKE, CLUTCH = "folder:/opt/brake", "python:clutch"
LIBRARY, PACKAGE = "/opt/brake/libbrake.so", "/opt/site/clutch"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def overlays(tmp_path: Path) -> tuple[Overlay, ...]:
    (tmp_path / "0").write_text("old library")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "__init__.py").write_text("old package")
    places = ((BRAKE, "0", LIBRARY), (CLUTCH, "1", PACKAGE))
    return tuple(Overlay(component=key, path=str(tmp_path / name), inside=place) for key, name, place in places)


LOADED = {LIBRARY: {".": sha256("old library")}, PACKAGE: {"__init__.py": sha256("old package")}}


def launch(tmp_path: Path, hashes: Any, name: str = "launch") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "loaded-0.json").write_text(json.dumps({"objects": [], "modules": [], "hashes": hashes}))
    return folder


def test_what_was_loaded_as_it_was_swapped_counts(overlays: tuple[Overlay, ...], tmp_path: Path):
    assert not_loaded(overlays, [launch(tmp_path, LOADED)], [LIBRARY, "/lib/libc.so.6"]) == {}


@pytest.mark.parametrize(
    ("hashes", "expected"),
    [
        (LOADED | {LIBRARY: {}}, {BRAKE: f"{LIBRARY} was not loaded any more"}),
        (LOADED | {LIBRARY: {".": sha256("new library")}},
         {BRAKE: f"what was loaded as {LIBRARY} is not what was mounted there"}),
        (LOADED | {PACKAGE: {}}, {CLUTCH: "nothing of it was loaded"}),
        (LOADED | {PACKAGE: {"__init__.py": sha256("old package"), "other.py": sha256("")}},
         {CLUTCH: f"what was loaded as {PACKAGE} is not what was mounted there"}),
        (LOADED | {PACKAGE: {"../0": sha256("old library")}}, {CLUTCH: "nothing of it was loaded"}),
        ({}, {BRAKE: f"{LIBRARY} was not loaded any more", CLUTCH: "nothing of it was loaded"}),
    ],
)  # fmt: skip
def test_a_component_that_was_not_loaded_as_it_was_swapped_is_told_with_the_reason(
    overlays: tuple[Overlay, ...], tmp_path: Path, hashes: Any, expected: dict[str, str]
):
    # One launch that did as it should does not speak for another.
    launches = [launch(tmp_path, LOADED, "good"), launch(tmp_path, hashes)]
    assert not_loaded(overlays, launches, [LIBRARY]) == expected


@pytest.mark.parametrize("hashes", [None, 3, "x", []])
def test_launches_that_tell_nothing_clear_nothing(overlays: tuple[Overlay, ...], tmp_path: Path, hashes: Any):
    reason = "no launch tells what it had loaded"
    assert not_loaded(overlays, [launch(tmp_path, hashes)]) == {BRAKE: reason, CLUTCH: reason}
    assert not_loaded(overlays, [tmp_path / "none"]) == {BRAKE: reason, CLUTCH: reason}


def test_a_link_out_of_a_copy_stands_for_no_file(overlays: tuple[Overlay, ...], tmp_path: Path):
    (tmp_path / "secret").write_text("s")
    (tmp_path / "1" / "link.py").symlink_to(tmp_path / "secret")
    hashes = LOADED | {PACKAGE: {"link.py": sha256("s")}}
    assert list(not_loaded(overlays, [launch(tmp_path, hashes)])) == [CLUTCH]


def test_only_launches_with_overlays_are_asked_for_hashes(overlays: tuple[Overlay, ...], tmp_path: Path):
    ask_for_hashes(tmp_path, ContainerImage(reference="bench:1"))
    assert not (tmp_path / "mounted.json").exists()
    ask_for_hashes(tmp_path, ContainerImage(reference="bench:1", overlays=overlays))
    assert json.loads((tmp_path / "mounted.json").read_text()) == [LIBRARY, PACKAGE]
