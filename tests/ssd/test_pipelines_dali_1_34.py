"""The dali pipeline on DALI 1.34, the last with a wheel for CUDA 11, which lives in a directory of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
OVERLAY = REPOSITORY / ".environments" / "dali-1.34"

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="DALI 1.34 has no wheel for Python 3.13")


@pytest.fixture
def environment() -> dict[str, str]:
    if not (OVERLAY / "nvidia" / "dali").is_dir():
        pytest.fail(f"{OVERLAY} holds no DALI 1.34: `make environment` installs it.")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(OVERLAY), str(REPOSITORY)])}


def test_the_overlay_is_what_is_imported(environment: dict[str, str]) -> None:
    program = "from nvidia import dali; print(dali.__version__)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1.34.0"


@pytest.mark.slow
def test_the_dali_pipeline_passes_its_tests_on_1_34(environment: dict[str, str]) -> None:
    tests = [f"tests/ssd/test_pipelines_{name}.py" for name in ("contract", "dali", "agree", "resume")]
    # 1.34 itself uses what is deprecated now, and does not always notice a JPEG that was cut off.
    unfit = "torchvision or augmented or distributed or jpeg_cut_off"
    selection = ["-W", "ignore::DeprecationWarning", "-k", f"not ({unfit})"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *selection],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
