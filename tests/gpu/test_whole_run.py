"""`ssdbench run` of a tiny suite on the GPU, from planning to the stored record."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).parents[2]
SUITE = """
name = "tiny"
device = "cuda"
foreign_cpu_limit_cores = 1000.0
protocol = { warmup_steps = 3, steps = 8, launches = 1, timeout_seconds = 120 }

[[matrix]]
workload = "train"
backbone = "resnet18"
precision = "amp"
batch_size_per_gpu = 2
pipeline = "resident"
threads_per_rank = 2
cuda_graph = true
"""


def test_a_suite_is_planned_measured_watched_and_stored(tmp_path: Path) -> None:
    for package in ("pydantic", "typer", "rich", "psutil", "pynvml"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    suite, results = tmp_path / "tiny.toml", tmp_path / "results"
    suite.write_text(SUITE)
    environment = {**os.environ, "SSDBENCH_CACHE": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "ssdbench", "run", str(suite), "--results", str(results)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"the host side needs more packages: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = [line for path in results.glob("records/*.jsonl") for line in path.read_text().splitlines()]
    (record,) = [found for found in map(json.loads, lines) if "case" in found]
    assert record["failure"] is None
    assert record["invalid_reason"] is None  # this process holds the GPU too, and waits
    check(record["case"], record["measurement"])


def check(case: dict[str, Any], measurement: dict[str, Any]) -> None:
    assert (case["device"], case["cuda_graph"]) == ("cuda", True)
    assert measurement["timer"] == "cuda_event"
    assert (len(measurement["step_seconds"]), measurement["images"]) == (11, 16)
    timed = measurement["step_seconds"][measurement["warmup_steps"] :]
    # Events and the host's clock tell of the same region, in the same unit.
    assert 0.3 * measurement["wall_seconds"] < sum(timed) < 1.5 * measurement["wall_seconds"]
    assert measurement["peak_memory_bytes"][0] > 50 * 2**20
    assert len(measurement["losses"]) == 11
    assert {phase["name"] for phase in measurement["phases"]} == {"fetch", "graph", "optimizer"}
    assert measurement["gpus"][0]["uuid"].startswith("GPU-")
