"""A slice (MIG), a share (MPS), a capped, a lost and a mixed machine, through `env`, `plan`, `run` and `compare`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.stubbed_nvml import beside_stub, compile_stub

pytestmark = pytest.mark.xdist_group("nvml")

A100, SLICE, T4 = (
    f"1x-{name}--"
    for name in ("nvidia-a100-sxm4-80gb-80gib", "nvidia-a100-sxm4-80gb-mig-3g-40gb-39gib", "tesla-t4-15gib")
)
CODES = {"ok": 0, "failed": 4, "inconclusive": 5, "not covered": 6, "cannot": 8}
LOST = "GPU 0 (GPU-zero) no longer responds (NVML: GPU is lost)"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `gpu_machines.py` printed: the outcome of each command on each machine."""
    folder = compile_stub(tmp_path_factory.mktemp("nvml"))
    script = str(Path(__file__).with_name("gpu_machines.py"))
    found: dict[str, Any] = json.loads(beside_stub(folder, script, str(folder)))
    return found


def compared(said: dict[str, Any], name: str) -> str:
    """What the only `compare with RUN` of a machine printed; it judged nothing."""
    (outcome,) = (outcome for command, outcome in said.items() if command.startswith(f"{name}: compare with"))
    assert outcome["code"] == CODES["not covered"]
    assert "regressed" not in outcome["out"]
    assert "incomparable" in outcome["out"]
    return str(outcome["out"])


def test_the_same_machine_is_compared(said: dict[str, Any]) -> None:
    assert said["plain again: compare"]["code"] == CODES["inconclusive"]  # one stored session clears nothing
    assert "incomparable" not in said["plain again: compare"]["out"]


def test_no_command_on_any_machine_ends_with_a_traceback(said: dict[str, Any]) -> None:
    for command, outcome in said.items():
        assert outcome["code"] in CODES.values(), command
        assert "Traceback" not in outcome["err"] + outcome["out"], command


@pytest.mark.parametrize(("name", "key"), [("mig", SLICE), ("mps", A100), ("capped", A100), ("mixed", T4)])
def test_each_command_names_the_hardware_of_the_machine(said: dict[str, Any], name: str, key: str) -> None:
    for command in ("env", "plan", "run", "compare"):
        assert key in said[f"{name}: {command}"]["out"], command
    assert said[f"{name}: run"]["code"] == CODES["ok"]


def test_a_slice_is_named_and_never_compared_with_the_whole_card(said: dict[str, Any]) -> None:
    for command in ("env", "plan", "run"):
        assert "MIG is on: CUDA shows a process a single slice" in said[f"mig: {command}"]["out"]
    assert "GPU 0: MIG is on: other slices share" in said["mig: env"]["out"]
    assert "On GPU 0 (MIG-02-slice)" in said["mig: plan"]["out"]
    assert "no baseline" in said["mig: compare"]["out"]
    assert f"hardware {A100}" in compared(said, "mig")


def test_a_share_of_mps_is_named_and_not_compared_with_the_whole_gpu(said: dict[str, Any]) -> None:
    assert "MPS serves processes on it" in said["mps: env"]["out"]
    assert "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE asks MPS for 50 %" in said["mps: env"]["out"]
    assert said["mps: compare"]["code"] == CODES["not covered"]
    sentence = "not comparable: MPS off in main and on here, MPS share all in main and 50 % here: start or end MPS"
    assert sentence in said["mps: compare"]["out"]
    compared(said, "mps")


def test_a_power_cap_is_named_and_not_compared_with_a_gpu_without(said: dict[str, Any]) -> None:
    assert "GPU 0: the power limit is 400 W and 700 W by default" in said["capped: env"]["out"]
    assert "GPU power limit 700 W in main and 400 W here" in said["capped: compare"]["out"]
    assert said["capped: compare"]["code"] == CODES["not covered"]
    compared(said, "capped")


def test_mixed_gpus_are_told_apart_and_never_in_one_launch(said: dict[str, Any]) -> None:
    for command in ("env", "plan", "run"):
        assert "GPU 0 (NVIDIA A100-SXM4-80GB) is not measured with GPU 1 (Tesla T4)" in said[f"mixed: {command}"]["out"]
    assert "On GPU 1 (GPU-one)" in said["mixed: plan"]["out"]
    assert "needs 2 GPUs, this machine has 1: GPU 1 (Tesla T4) is not measured with" in said["mixed: both"]["out"]
    assert f"hardware {A100}" in compared(said, "mixed")


def test_a_lost_gpu_is_left_out_and_named(said: dict[str, Any]) -> None:
    assert "GPU 1 does not respond (NVML: GPU is lost)" in said["lost: env"]["out"]
    needs = "needs 2 GPUs, this machine has 1: GPU 1 does not respond (NVML: GPU is lost)"
    assert needs in said["lost: plan"]["out"]
    assert said["lost: run of two"]["code"] == CODES["cannot"]
    assert needs in said["lost: run of two"]["err"]


def test_a_gpu_that_is_lost_in_a_run_fails_its_launches_with_the_reason(said: dict[str, Any]) -> None:
    run, judged = said["lost in a run: run"], said["lost in a run: compare"]
    assert (run["code"], judged["code"]) == (CODES["failed"], CODES["failed"])
    assert f"{LOST}: CUDA error: unspecified launch failure" in run["out"]
    assert f"{LOST}: no launch was started" in run["out"]
    assert f"2 of 3 launches failed, the first one (launch 1) with lost: {LOST}" in judged["out"]
