"""A stub of NVIDIA's driver library (nvml_stub.c), compiled once, and programs that run with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).with_name("nvml_stub.c")


def compile_stub(folder: Path) -> Path:
    """The folder, with the library in it; skips where there is no compiler."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc, to compile a stub of NVIDIA's driver library")
    library = ("-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1", "-o", str(folder / "libnvidia-ml.so.1"))
    subprocess.run([compiler, *library, str(STUB)], check=True)
    return folder


def beside_stub(library: Path, *arguments: str, text: str = "", exit_code: int = 0, **variables: str) -> str:
    """What this interpreter prints, run with these arguments beside the stub in this folder, and ending so."""
    own = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in own},
        "LD_LIBRARY_PATH": str(library),
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, input=text)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout
