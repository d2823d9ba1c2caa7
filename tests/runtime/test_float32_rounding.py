"""TF32 is allowed or forbidden by every switch that torch has: the flags can be read on a machine without a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OTHER_PYTHONS = os.environ.get("SSDBENCH_OTHER_PYTHONS", "")  # interpreters with other torches, separated by colons
PYTHONS = [sys.executable, *filter(None, OTHER_PYTHONS.split(os.pathsep))]

# Every switch of torch 2.1 and of 2.11; of the others what they have.
READ = """
import json, sys, warnings
import torch
from ssdbench.runtime.device import Cpu, CudaGpu
SWITCHES = [
    "get_float32_matmul_precision", "backends.cuda.matmul.allow_tf32", "backends.cudnn.allow_tf32",
    "backends.fp32_precision", "backends.cuda.matmul.fp32_precision", "backends.cudnn.fp32_precision",
    "backends.cudnn.conv.fp32_precision", "backends.cudnn.rnn.fp32_precision",
]
def switches():
    found = {}
    for name in SWITCHES:
        value = torch
        for part in name.split("."):
            value = getattr(value, part, None)  # a switch that disagrees with another raises here
        found[name] = value() if callable(value) else value
    return {name: value for name, value in found.items() if value is not None}
warnings.simplefilter("error")
gpu, cpu = CudaGpu.__new__(CudaGpu), Cpu.__new__(Cpu)
said = []
for device, allowed in ((gpu, True), (gpu, False), (gpu, True), (cpu, True), (gpu, True), (cpu, False), (gpu, False)):
    device.allow_tf32(allowed)
    said.append([device.kind, allowed, switches()])
json.dump([torch.__version__, said], sys.stdout)
"""


def read(python: str, override: str | None) -> list[tuple[str, bool, dict[str, Any]]]:
    environment = {name: value for name, value in os.environ.items() if name != "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"}
    if override is not None:
        environment["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"] = override
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run([python, "-c", READ], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version, said = json.loads(done.stdout)
    if tuple(map(int, version.split("+")[0].split(".")[:2])) >= (2, 9):
        assert len(said[0][2]) == 8  # none of the switches was renamed unseen
    return said


@pytest.mark.parametrize("override", [None, "0", "1"])
@pytest.mark.parametrize("python", PYTHONS)
def test_every_switch_says_the_same_whatever_the_environment_preset(python: str, override: str | None) -> None:
    for kind, allowed, switches in read(python, override):
        expected = ("tf32", True, "high") if allowed and kind == "cuda" else ("ieee", False, "highest")
        assert {value for value in switches.values() if value not in expected} == set(), (kind, allowed, switches)


@pytest.mark.skipif(bool(OTHER_PYTHONS), reason="they are read above")
def test_other_torches_are_read_where_they_are_named() -> None:
    pytest.skip("SSDBENCH_OTHER_PYTHONS names no interpreter with another torch: only the installed one was read")
