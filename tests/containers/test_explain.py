"""`ssdbench explain` of two images: both are profiled in containers, and what is inside of them stands beside it."""

import json
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from tests.cli.conftest import Ssdbench
from tests.containers.conftest import REPOSITORY, Bench
from tests.containers.images import files_with_levels, import_image
from tests.paced import write_paced

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]

SLEEPS = "sleep: the host, between operators, is slower"


@pytest.fixture(scope="session", params=["docker", "podman"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """An engine with two more releases: 29.01, and 29.02, whose distribution `brake` doubles every sleep."""
    found: Bench = request.getfixturevalue(request.param)
    for month, brake in ((1, 0), (2, 2)):
        files = files_with_levels(brake, 0, version=f"{month}.0")
        import_image(found.engine, f"{REPOSITORY}:29.0{month}", files=files, CUDNN_VERSION=f"9.{month}")
    return found


def test_two_images_are_profiled_and_what_was_planted_is_named(
    bench: Bench, ssdbench: Ssdbench, tmp_path: Path, environment: dict[str, str]
) -> None:
    environment["SSDBENCH_CACHE"] = str(tmp_path / "cache")
    suite = ("--suite", write_paced(tmp_path, steps=5, few=True), "--containers", str(bench.write(tmp_path)))
    measured = ssdbench("containers", "compare", "29.01", "29.02", *suite)
    assert measured.returncode == ExitCode.REGRESSED, measured.stdout + measured.stderr
    done = ssdbench("explain", "latest", "--launches", "2", "--steps", "4")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert "1 case: 4 profiled launches" in done.stdout
    assert f"1. {SLEEPS}" in done.stdout
    assert len(list((tmp_path / "cache" / "work").glob("*/*-profile-*/trace-0.json.gz"))) == 4
    assert bench.containers() == []

    (found,) = json.loads(ssdbench("explain", "latest", "--json").stdout)["explanations"]
    assert found["builds"] == [f"{REPOSITORY}:29.01", f"{REPOSITORY}:29.02"]
    change = found["causes"][0]["change"]
    assert change["candidate"] - change["baseline"] == pytest.approx(0.1, rel=0.2)
    # Of what differs, no rule links a distribution that nobody knows, or a library that runs no kernel.
    assert found["linked"] == []
    differs = {one["name"]: (one["baseline"], one["candidate"]) for one in found["unlinked"]}
    assert differs["brake (Python)"] == ("1.0", "2.0")
    assert differs["$CUDNN_VERSION"] == ("9.1", "9.2")
    assert "unused (Python)" not in differs
