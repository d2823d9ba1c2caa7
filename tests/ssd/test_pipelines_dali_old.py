"""The dali pipeline on DALI 1.26 to 1.34, the wheels for CUDA 11, each of which lives in a directory of its own.

1.26 is the oldest that is supported (NVIDIA's image 23.06, the first with torch 2.1), 1.34 the newest of them: `make
environment` installs these two, `make old-dali-tests` the others.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssdbench.schema.software_needs import OLDEST_DALI
from ssdbench.ssd.pipelines.dali_graph import OLDEST_VERSION

REPOSITORY = Path(__file__).parents[2]
OF_THE_ENVIRONMENT = ("1.26", "1.34")
OTHERS = ("1.28", "1.30", "1.31", "1.32", "1.33")

# 1.34 and older themselves use what is deprecated now, and do not always notice a JPEG that was cut off.
UNFIT = "torchvision or augmented or distributed or jpeg_cut_off"


def _too_new_a_python(version: str) -> bool:
    return sys.version_info >= ((3, 13) if version == "1.34" else (3, 12))


@pytest.fixture(
    params=[*OF_THE_ENVIRONMENT, *(pytest.param(version, marks=pytest.mark.more_dali) for version in OTHERS)]
)
def version(request: pytest.FixtureRequest) -> str:
    if _too_new_a_python(request.param):
        pytest.skip(f"DALI {request.param} has no wheel for this Python")
    return str(request.param)


@pytest.fixture
def environment(version: str) -> dict[str, str]:
    overlay = REPOSITORY / ".environments" / f"dali-{version}"
    if not (overlay / "nvidia" / "dali").is_dir():
        if version in OTHERS:
            pytest.skip(f"{overlay} holds no DALI {version}: `make old-dali-tests` installs it")
        pytest.fail(f"{overlay} holds no DALI {version}: `make environment` installs it.")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(overlay), str(REPOSITORY)])}


def test_the_oldest_is_the_oldest_that_planning_and_the_pipeline_take() -> None:
    oldest = tuple(map(int, min(OF_THE_ENVIRONMENT + OTHERS).split(".")))
    assert oldest == OLDEST_DALI == OLDEST_VERSION


def test_the_overlay_is_what_is_imported(version: str, environment: dict[str, str]) -> None:
    program = "from nvidia import dali; print(dali.__version__)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{version}.0"


@pytest.fixture
def files(request: pytest.FixtureRequest, version: str) -> list[str]:
    """What a version has to pass; in `make test`, which chooses by markers, what its API could break."""
    names = ["contract"]
    if version == OF_THE_ENVIRONMENT[0] or not request.config.option.markexpr:
        names += ["dali", "dali_decode"]
    if not request.config.option.markexpr:
        names += ["agree", "resume", "truth"]
    return [f"tests/ssd/test_pipelines_{name}.py" for name in names]


@pytest.fixture
def wanted(request: pytest.FixtureRequest, version: str) -> str:
    """Of those, `make test` runs all with the oldest version, and of another what its batches hold."""
    is_brief = request.config.option.markexpr and version != OF_THE_ENVIRONMENT[0]
    return " and what_the_contract_says" if is_brief else ""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_dali_pipeline_passes_its_tests(environment: dict[str, str], files: list[str], wanted: str) -> None:
    selection = ["-W", "ignore::DeprecationWarning", "-k", f"not ({UNFIT}){wanted}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, *selection],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
