"""ci/monthly.sh as a whole: a slower image is published in a real registry, and a real engine measures it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.resources import CI, resource
from tests.cli.running import path_with_ssdbench
from tests.containers.conftest import Bench
from tests.containers.engines import registry_of_its_own
from tests.containers.test_verbs import MARGIN, latest
from tests.paced import write_paced

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]

SCRIPT = resource(CI, "monthly.sh")


@pytest.fixture
def monthly(docker: Bench, tmp_path: Path, environment: dict[str, str]) -> Callable[[str], tuple[int, str]]:
    """Run the script in the test's folder with this version's `ssdbench`; exit code and output."""
    (tmp_path / "ci").mkdir()
    docker.write(tmp_path / "ci")
    write_paced(tmp_path, margin=MARGIN)
    settings = {"PATH": path_with_ssdbench(tmp_path), "SSDBENCH_SUITE": "paced.toml"}

    def run(old: str) -> tuple[int, str]:
        done = subprocess.run(
            [SCRIPT, old], cwd=tmp_path, env=environment | settings, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_slower_container_is_found_once_and_what_broke_off_is_made_up_for(
    docker: Bench, monthly: Callable[[str], tuple[int, str]], tmp_path: Path
) -> None:
    with registry_of_its_own() as address:
        repository = f"{address}/nvidia/pytorch"
        old, new = f"{repository}:26.01-py3", f"{repository}:26.04-py3"
        docker.push("26.01", old)
        code, said = monthly(old)
        assert (code, "for the first time" in said) == (ExitCode.OK, True), said
        assert not list(tmp_path.glob("results/records/*"))

        docker.push("26.04", new)
        configuration = tmp_path / "ci" / "containers.toml"
        sound = configuration.read_text()
        configuration.write_text(sound.replace("engine =", "engin ="))
        code, said = monthly(old)
        assert (code, "ci/containers.toml" in said) == (ExitCode.USAGE, True), said
        configuration.write_text(sound)
        code, said = monthly(old)
        assert code == ExitCode.REGRESSED, said
        header = latest(tmp_path).header
        assert header.baseline_arm is not None
        images = (header.baseline_arm.image, header.options.image)
        assert [image.reference for image in images if image is not None] == [old, new]

        code, said = monthly(old)
        assert (code, "nothing new" in said) == (ExitCode.OK, True), said
