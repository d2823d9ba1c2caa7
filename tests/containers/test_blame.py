"""`ssdbench containers blame` with real images: the planted culprit is named, alone or with the one that it needs."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from tests.cli.conftest import Ssdbench, Start
from tests.containers.conftest import REPOSITORY, Bench
from tests.containers.images import files_with_levels, files_with_libraries, import_image
from tests.paced import write_paced

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(3000)]

PACKAGES = ["python:brake", "python:clutch", "python:horn"]


@pytest.fixture(scope="session")
def bench(podman: Bench) -> Bench:
    """Three releases: in 28.02 `brake` alone is slow, and an old `horn` crashes; in 28.03 it takes `clutch` as well."""
    for month, levels in ((1, (0, 0)), (2, (2, 0)), (3, (1, 1))):
        files = files_with_levels(*levels, version="1.0" if month == 1 else "2.0")
        import_image(podman.engine, f"{REPOSITORY}:28.0{month}", files=files, NEEDS_HORN="2.0" if month == 2 else "")
    return podman


# An engine that is asked to mount components, and leaves them out.
_DEAF = """#!/usr/bin/env python3
import os, sys
command = {command}
words = [word for word in sys.argv[1:] if not ("--volume=" in word and "/components-" in word and word.endswith(":ro"))]
os.execvp(command[0], [*command, *words])
"""


def quick(tmp_path: Path) -> str:
    suite = tmp_path / write_paced(tmp_path, steps=5)
    # As few launches as can be: the planted change is far beyond the margin.
    few = '[verdict]\nrule = "fixed"\nalpha = 0.2\nplan_power = 0.8\npower = 0.8\npair_cap = 4\nconfirm_pair_cap = 4'
    suite.write_text(suite.read_text().replace("[verdict]", few))
    return suite.name


@pytest.fixture
def arguments(bench: Bench, tmp_path: Path) -> tuple[str, ...]:
    return ("--suite", quick(tmp_path), "--containers", str(bench.write(tmp_path)))


def steps_of(tmp_path: Path) -> list[dict[str, Any]]:
    (path,) = (tmp_path / "results" / "blames").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def test_the_culprit_is_named_and_what_crashes_is_not_though_the_host_is_killed_in_between(
    bench: Bench, ssdbench: Ssdbench, start: Start, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    asked = ("containers", "blame", "28.01", "28.02", *arguments)
    process = start(*asked)
    deadline = time.monotonic() + 1500
    while not list(tmp_path.glob("results/blames/*.jsonl")) or not any(
        step["kind"] == "probe" and step["finding"] for step in steps_of(tmp_path)
    ):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.5)
    process.kill()
    process.communicate()
    before = steps_of(tmp_path)
    done = ssdbench(*asked)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("it is brake (Python) ("), last
    assert "with that of bench:28.01 alone the speed comes back, and without it nothing" in last
    assert "horn (Python) could not be swapped: the image does not run so" in last
    steps = steps_of(tmp_path)
    assert steps[: len(before)] == before
    (components,) = [step for step in steps if step["kind"] == "components"]
    assert components["components"] == PACKAGES
    assert components["because"].startswith("3 components can be swapped: 1 probe if none is to blame, ")
    assert steps[-1]["groups"] == [["python:brake"]]
    assert not [step for step in steps if step["kind"] == "probe" and "python:horn" in step["swapped"]]
    judged = [step for step in steps if step["kind"] in ("images", "probe") and step["finding"]]
    assert len({step["run_id"] for step in judged}) == len(judged) == len(FileStore(tmp_path / "results").headers())
    assert bench.containers() == []
    again = ssdbench(*asked)
    assert again.stdout.splitlines()[-1] == last
    assert steps_of(tmp_path) == steps
    # What a probe measured says so wherever it is shown.
    comparison = json.loads(ssdbench("compare", "latest", "--json").stdout)
    assert "parts of another image" in {item["name"] for item in comparison["differences"]}


def test_two_that_are_slow_only_together_are_named_together(
    ssdbench: Ssdbench, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = ssdbench("containers", "blame", "28.01", "28.03", *arguments)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("slow only together: brake (Python) ("), last
    assert "clutch (Python) (" in last
    assert steps_of(tmp_path)[-1]["groups"] == [["python:brake"], ["python:clutch"]]


def test_without_a_regression_nothing_is_blamed(ssdbench: Ssdbench, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = ssdbench("containers", "blame", "28.02", "28.01", *arguments)
    assert done.returncode == ExitCode.INCONCLUSIVE, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last == "bench:28.01 is not slower than bench:28.02: it is faster (see --find improvement)"
    assert [step["kind"] for step in steps_of(tmp_path)] == ["images", "images", "end"]


def test_what_made_an_image_faster_is_named_by_losing_it(
    ssdbench: Ssdbench, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = ssdbench("containers", "blame", "28.03", "28.01", "--find", "improvement", *arguments)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("only together: brake (Python) and clutch (Python) ("), last
    assert "slower" in last
    assert "the gain is lost" in last


@pytest.fixture(scope="session", params=["podman", "docker"])
def libraries(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Two releases with other libraries: in 29.02 `clutch` is slow, and a spare is loaded instead of an old `horn`."""
    bench: Bench = request.getfixturevalue(request.param)
    for month in (1, 2):
        files = files_with_libraries(tmp_path_factory.mktemp("libraries"), month - 1)
        import_image(bench.engine, f"{REPOSITORY}:29.0{month}", files=files, HORN=str(month - 1))
    return bench


def test_libraries_are_swapped_however_they_are_found_and_one_that_is_not_loaded_is_not_cleared(
    libraries: Bench, ssdbench: Ssdbench, tmp_path: Path
) -> None:
    given = ("--suite", quick(tmp_path), "--containers", str(libraries.write(tmp_path)))
    done = ssdbench("containers", "blame", "29.01", "29.02", *given)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("it is libraries in /opt/clutch ("), last
    (components,) = [step["components"] for step in steps_of(tmp_path) if step["kind"] == "components"]
    assert sorted(components) == ["folder:/opt/brake", "folder:/opt/clutch", "folder:/opt/horn"]
    assert "libraries in /opt/horn could not be swapped: launches did not load what took the place" in last
    told = [step["not_loaded"] for step in steps_of(tmp_path) if step["not_loaded"]]
    assert told == [{"folder:/opt/horn": "nothing of it was loaded"}]


def test_an_engine_that_mounts_nothing_clears_no_component(
    bench: Bench, ssdbench: Ssdbench, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    deaf = tmp_path / "deaf"
    deaf.write_text(_DEAF.format(command=list(bench.engine.command)))
    deaf.chmod(0o755)
    toml = tmp_path / "containers.toml"
    toml.write_text(toml.read_text().replace(f"command = {list(bench.engine.command)!r}", f"command = ['{deaf}']"))
    done = ssdbench("containers", "blame", "28.01", "28.03", *arguments)
    assert done.returncode == ExitCode.INCONCLUSIVE, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("nothing could be swapped: the question stays open"), last
    assert "brake (Python), clutch (Python) and horn (Python) could not be swapped: launches did not load" in last
