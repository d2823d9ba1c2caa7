"""`ssdbench nightly` against a baseline that was measured in an image: pairs start that very image again."""

from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from tests.containers.conftest import REPOSITORY, Bench
from tests.nights import Nights

pytestmark = pytest.mark.containers

SUITE = """
name = "paced"
device = "cpu"
foreign_cpu_limit_cores = 64.0

[protocol]
warmup_steps = 1
steps = 10
launches = 1

[verdict]
margin = 0.1

[[matrix]]
workload = "pace"
batch_size_per_gpu = 2
options = { step_seconds = 0.1 }
"""
SLOW = f"{REPOSITORY}:26.04"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_baseline_of_an_image_is_measured_again_in_that_image(docker: Bench, tmp_path: Path) -> None:
    nights = Nights(tmp_path, SUITE, cache=tmp_path / "cache")
    file = docker.write(tmp_path)
    options = ("--containers", str(file))
    done = nights.ssdbench("containers", "run", SLOW, "--suite", "paced.toml", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert nights.ssdbench("baseline", "accept", "latest", "--reason", "the image").returncode == 0

    listed = file.read_text()
    file.write_text(listed.replace(f'"{REPOSITORY}"', '"elsewhere"').replace("'26.04', ", ""))
    code, verdicts, said = nights.night(*options)
    assert f"main cannot be measured again here: it was measured in the image {SLOW}; add that to `images`" in said
    assert verdicts == ["inconclusive"]

    code, verdicts, said = nights.night(*options, "--baseline-image", SLOW)
    assert f"main can be measured again: {nights.checkout} is still at its commit" in said
    assert f"in the image {SLOW}" in said
    assert (code, verdicts) == (ExitCode.OK, ["improved"]), said  # the image is slower by 30 %, this machine is not
    store = FileStore(tmp_path / "results")
    header = store.headers()[-1]
    accepted = store.load_baseline(header.hardware.key, "main").header.options.image
    assert accepted is not None
    assert header.baseline_arm is not None
    assert header.baseline_arm.image is not None
    assert (header.baseline_arm.image.reference, header.baseline_arm.image.id) == (SLOW, accepted.id)
    assert header.options.image is None

    file.write_text(listed)
    code, verdicts, said = nights.night(*options, "--a-a")
    assert code == ExitCode.OK, said
    assert nights.results()[-1]["cases"][0]["status"] == "unchanged"
