"""Images that cannot measure, and questions that cannot be answered: said before anything is pulled or measured."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from tests.cli.running import ssdbench
from tests.paced import write_paced

# An engine that notes what it is asked. It has the images `bench:sound` and `bench:bare`, which lacks torch.
_ENGINE = """#!{python}
import json, sys
words = sys.argv[1:]
image = next((word for word in words if word.startswith("bench:")), "")
print(words[0], image, file=open({log!r}, "a"))
if words[0] == "ps":
    sys.exit(0)
if words[0] in ("image", "pull") and image not in ("bench:sound", "bench:bare"):
    sys.exit(f"Error response from daemon: manifest for {{image}} not found")
if words[0] == "image":
    print(json.dumps([{{"Id": None, "RepoDigests": []}}]))
if words[0] == "run" and "ssdbench.runtime.inventory" in words:
    packages = {{}} if image == "bench:bare" else {{"torch": "2.11.0", "torchvision": "0.26.0"}}
    answer = {{"event": "result", "python": "3.11.7", "packages": packages, "cpp_compiler": None, "gpu_code": None}}
    print(json.dumps(answer))
elif words[0] == "run":
    sys.exit("the worker was started")
"""

Asked = Callable[[], list[str]]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the engine was asked so far, in a folder with a suite and ci/containers.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSDBENCH_CACHE", str(tmp_path / "cache"))
    log, engine = tmp_path / "asked", tmp_path / "engine"
    engine.write_text(_ENGINE.format(python=sys.executable, log=str(log)))
    engine.chmod(0o755)
    images = json.dumps(["sound", "bare", "later"])
    (tmp_path / "containers.toml").write_text(
        f'engine = "own"\nrepository = "bench"\nimages = {images}\n'
        f"[engines.own]\nlike = 'docker'\ncommand = {json.dumps([str(engine)])}\n"
    )
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.mark.fault("U4", "`containers bisect` of a suite with several cases")
def test_a_bisection_says_what_it_needs_before_it_pulls_an_image(asked: Asked) -> None:
    done = ssdbench(
        *("containers", "bisect", "--good", "sound", "--bad", "later", "--suite", "smoke"),
        *("--containers", "containers.toml"),
    )
    assert done.code == ExitCode.USAGE
    assert "a bisection is about one case" in done.err
    assert "choose one with --case" in done.err
    assert {line.split()[0] for line in asked()} <= {"ps"}


@pytest.mark.fault("U4", "`containers blame` of a suite with several cases, and of images that cannot measure")
def test_a_search_for_a_component_says_what_it_needs_before_anything_is_measured(asked: Asked, tmp_path: Path) -> None:
    options = ("--containers", "containers.toml")
    several = ssdbench("containers", "blame", "sound", "later", "--suite", "smoke", *options)
    assert several.code == ExitCode.USAGE
    assert "a search is about one case" in several.err
    assert {line.split()[0] for line in asked()} <= {"ps"}
    write_paced(tmp_path, steps=1)
    for old, new, reason in (
        ("sound", "later", "nothing can be swapped in bench:sound: the engine gives it no id: use an image file"),
        ("bare", "sound", "nothing can be swapped in bench:bare: bench:bare has no torch for python"),
    ):
        done = ssdbench("containers", "blame", old, new, "--suite", "paced.toml", *options, columns=300)
        assert done.code == ExitCode.ENVIRONMENT, done.out + done.err
        assert reason in done.err
    assert not list(tmp_path.glob("results/*"))


@pytest.mark.fault("U4", "a list with a sound image, one without torch, and one that does not exist")
def test_images_that_cannot_measure_are_named_once_before_the_first_is_measured(asked: Asked, tmp_path: Path) -> None:
    write_paced(tmp_path, steps=1)
    done = ssdbench(
        *("containers", "run", "sound", "bare", "misspelt", "--suite", "paced.toml"),
        *("--containers", "containers.toml"),
        columns=300,
    )
    assert done.code == ExitCode.CASE_FAILED, done.out + done.err
    before, _, _ = done.out.partition("launch 1 of 1")
    assert "bench:bare has no torch for python: name the interpreter that has it as `python`" in before
    assert (
        "bench:misspelt cannot be pulled: Error response from daemon: manifest for bench:misspelt not found" in before
    )
    words = [line for line in asked() if line.startswith(("image", "pull"))]
    assert words.count("image bench:misspelt") == words.count("pull bench:misspelt") == 1
    assert {run.options.image.reference for run in FileStore(tmp_path / "results").headers() if run.options.image} == {
        "bench:sound",
        "bench:bare",
        "bench:misspelt",
    }
