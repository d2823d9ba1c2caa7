"""ci/containers.toml: images by parts of their names, engines, and the messages for mistakes."""

import re
from pathlib import Path

import pytest

from ssdbench.errors import UsageError
from ssdbench.harness.containers.config import DEFAULT_FILE, Containers, between, load_containers
from ssdbench.harness.containers.engines import ENGINES
from ssdbench.harness.resources import CI, resource

FILE = """
engine = "lab"
repository = "nvcr.io/nvidia/pytorch"
images = ["24.01-py3", "24.02-py3", "registry.example.org:5000/pytorch:24.03", "24.10-py3"]
shared_memory = "8g"
ulimits = ["memlock=-1"]

[engines.lab]
like = "docker"
command = ["docker", "-H", "unix:///run/lab.sock"]
"""


def load(folder: Path, text: str = FILE, engine: str | None = None) -> Containers:
    path = folder / "containers.toml"
    path.write_text(text)
    return load_containers(path, engine)


def test_an_engine_of_ones_own_is_like_another_with_other_words(tmp_path: Path) -> None:
    engine = load(tmp_path).options.engine
    assert engine.command == ("docker", "-H", "unix:///run/lab.sock")
    assert (engine.name, engine.run) == ("lab", ENGINES["docker"].run)
    assert load(tmp_path, engine="podman").options.engine == ENGINES["podman"]


def test_images_are_named_by_tag_by_its_beginning_or_in_full(tmp_path: Path) -> None:
    containers = load(tmp_path)
    first = "nvcr.io/nvidia/pytorch:24.01-py3"
    assert containers.image("24.01") == containers.image("24.01-py3") == containers.image(first) == first
    assert containers.image("24.03") == "registry.example.org:5000/pytorch:24.03"
    assert containers.image("23.12-py3") == "nvcr.io/nvidia/pytorch:23.12-py3"
    with pytest.raises(UsageError, match=r"'24\.0' fits several images of the list"):
        containers.image("24.0")
    assert between(containers.images, first, containers.image("24.03")) == containers.images[:3]
    with pytest.raises(UsageError, match="does not come before"):
        between(containers.images, containers.images[2], first)
    with pytest.raises(UsageError, match="is not in the list"):
        between(containers.images, first, "nvcr.io/nvidia/pytorch:23.12-py3")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('engine = "lab"', 'engine = "lap"', "engine 'lap' is not known: choose from apptainer, docker, enroot, lab"),
        ("shared_memory", "shared_mem", "key 'shared_mem' is not known: did you mean 'shared_memory'?"),
        ('like = "docker"', 'like = "doker"', "engines.lab.like must be one of docker, podman, apptainer, enroot"),
        ("command =", "comand =", "key 'engines.lab.comand' is not known: did you mean 'command'?"),
        ('["memlock=-1"]', '["memlock=-1"]\nmounts = ["opt"]', "mounts: 'opt' does not exist: give the absolute path"),
        ('"24.02-py3"', '"24.02 py3"', "is not an image: write repository:tag"),
        (
            '["docker", "-H", "unix:///run/lab.sock"]',
            '"docker -H x"',
            "must be a list of arguments: write ['docker -H x']",
        ),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        load(tmp_path, FILE.replace(old, new))


def test_without_a_file_the_one_that_ships_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    containers = load_containers(DEFAULT_FILE)
    assert containers == load_containers(resource(CI, "containers.toml"))
    assert "nvcr.io/nvidia/pytorch:24.12-py3" in containers.images
    with pytest.raises(UsageError, match=r"cannot be read .No such file"):
        load_containers(Path("elsewhere.toml"))


def test_the_file_that_ships_is_sound() -> None:
    containers = load_containers(resource(CI, "containers.toml"))
    assert containers.options.engine == ENGINES["docker"]
    assert list(containers.images) == sorted(containers.images)
