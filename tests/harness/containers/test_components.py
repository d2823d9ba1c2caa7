"""Components copied out of an image that is not trusted: what would mount anything else is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ssdbench.harness.containers.components import copied_distribution, copied_files
from ssdbench.harness.containers.engines import ENGINES
from ssdbench.harness.containers.inside import InsideHere
from ssdbench.harness.process import SOURCE, CommandResult
from ssdbench.schema.container import ContainerOptions
from ssdbench.schema.record import ContainerImage, Overlay
from tests.runtime.test_contents import a_distribution

INSIDE = InsideHere(options=ContainerOptions(engine=ENGINES["docker"]))
OLD = ContainerImage(reference="bench:1", id="sha256:abc")
Answer = Callable[[Callable[[Path], None]], None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def image_says(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Have an image write this into its folder instead of what it is asked for."""

    def set_answer(write: Callable[[Path], None]) -> None:
        def run(_inside: object, _image: object, folder: Path, *_: object, **__: object) -> CommandResult:
            (folder / "files").mkdir()
            write(folder)
            return CommandResult(exit_code=0, out="", error="")

        monkeypatch.setattr(InsideHere, "run", run)

    return set_answer


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of distributions of an image whose interpreter is this one."""
    folder = tmp_path / "site"

    def run(_inside: object, _image: object, _folder: Path, module: Sequence[str], **_: object) -> CommandResult:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(SOURCE)])}
        done = subprocess.run(
            [sys.executable, "-m", *module], env=environment, capture_output=True, text=True, check=False
        )
        return CommandResult(exit_code=done.returncode, out=done.stdout, error=done.stderr)

    monkeypatch.setattr(InsideHere, "run", run)
    return folder


def distribution(name: str = "brakes", place: str = "/opt/site", info: str | None = None) -> Any:
    return copied_distribution(INSIDE, OLD, name, place=place, info=info, python="3.11.7")


def test_a_distribution_replaces_its_folders_and_the_metadata_of_the_other_version(site: Path):
    a_distribution(site, "brakes", "1.0", {"brakes/__init__.py": "LEVEL = 0\n"})
    found = distribution(info="brakes-2.0.dist-info")
    assert [overlay.inside for overlay in found] == ["/opt/site/brakes", "/opt/site/brakes-2.0.dist-info"]
    assert {overlay.component for overlay in found} == {"python:brakes"}
    assert (Path(found[0].path) / "__init__.py").read_text() == "LEVEL = 0\n"
    assert distribution(info="brakes-2.0.dist-info") == found  # from the cache


def test_files_are_copied_in_pairs_with_those_that_they_replace(site: Path, tmp_path: Path):
    (tmp_path / "libfast.so.1.0").write_text("old")
    pair = (str(tmp_path / "libfast.so.1.0"), "/usr/lib/libfast.so.1.1")
    copied = copied_files(INSIDE, OLD, "debian:libfast1", (pair,))
    assert not isinstance(copied, str)
    (found,) = copied
    assert found == Overlay(component="debian:libfast1", path=found.path, inside="/usr/lib/libfast.so.1.1")
    assert Path(found.path).read_text() == "old"


def test_what_cannot_be_copied_is_a_sentence_and_leaves_nothing(site: Path, tmp_path: Path):
    site.mkdir()
    assert distribution("nothing") == "it cannot be copied out of bench:1: it is not installed"
    assert not list((tmp_path / "cache" / "work").iterdir())


def test_a_distribution_that_is_compiled_for_another_python_cannot_be_swapped(site: Path):
    a_distribution(site, "fast", "1.0", {"fast/_c.cpython-310-x86_64-linux-gnu.so": "x", "fast/__init__.py": ""})
    assert distribution("fast") == "it is compiled for Python 3.10, the other image has 3.11.7"


@pytest.mark.parametrize("place", ["/etc", "../../etc/passwd", "a/../../b", "a:b", "a,b", "a\nb", "", 3, None, "a\\b"])
def test_a_place_outside_of_the_folder_of_distributions_is_refused(image_says: Answer, place: object):
    def write(folder: Path) -> None:
        (folder / "files" / "0").write_text("x")
        (folder / "places.json").write_text(json.dumps([place]))

    image_says(write)
    assert isinstance(distribution(), str)


@pytest.mark.parametrize(
    "inside", ["/ssdbench-source/ssdbench", "/proc/self/x", "/etc/ld.so.preload", "/x", "usr/lib/x", "/usr/../etc/x"]
)
def test_a_file_is_not_mounted_over_what_is_not_the_images_own(image_says: Answer, inside: str):
    def write(folder: Path) -> None:
        (folder / "files" / "0").write_text("x")

    image_says(write)
    assert isinstance(copied_files(INSIDE, OLD, "file:x", (("/usr/lib/x", inside),)), str)


@pytest.mark.parametrize("target", ["/etc/passwd", "/"])
def test_a_link_is_not_mounted(image_says: Answer, target: str):
    image_says(lambda folder: (folder / "files" / "0").symlink_to(target))
    found = copied_files(INSIDE, OLD, "debian:x", (("/usr/lib/x.so", "/usr/lib/y.so"),))
    assert found == "/usr/lib/y.so could not be copied"


@pytest.mark.parametrize("answer", ["", "{}", "[", "[]", json.dumps(["a"] * 500), "[" * 100_000])
def test_an_answer_of_an_odd_form_is_refused(image_says: Answer, answer: str):
    def write(folder: Path) -> None:
        (folder / "places.json").write_text(answer)

    image_says(write)
    assert distribution() == "its files are too many folders, or have odd names"
