"""The check of a GPU machine, its cheap stages run for real on a CPU; and the bundle that it takes along."""

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gpu import bundle, bundle_check
from benchmarks.gpu.__main__ import SETS, STAGES, main, table
from benchmarks.gpu.thin_fatbin import thin

TREE = Path(__file__).parents[2]
PACKAGES = frozenset(bundle.missing("3.12")) | bundle.ON_THE_MACHINE


@pytest.mark.long
def test_the_cheap_stages_run_on_a_cpu_and_say_what_they_settle(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--cpu", "--only", "cheap,nvml", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu-check.json").read_text())
    assert {name: stage["outcome"] for name, stage in found["stages"].items()} == dict.fromkeys(
        SETS["cheap"], "done"
    ) | {"nvml": "left out"}
    assert all(stage["settles"] for stage in found["stages"].values())
    assert found["stages"]["nvml"]["reason"] == "needs a GPU"
    rows = {row["name"]: row for row in found["rows"]}
    # The detect workload shifts its scores until about 300 candidates an image are left.
    assert 150 < rows["decoding alone b2"]["candidates_per_image"] < 450
    assert rows["error of a convolution in fp32"]["as_expected"] is True


def test_a_stage_that_does_not_fit_the_deadline_is_left_out_and_one_that_breaks_down_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_check: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr("benchmarks.gpu.__main__.STAGES", STAGES | {"facts": replace(STAGES["facts"], run=broken)})
    code = main(["--cpu", "--only", "facts,train", "--deadline", "30", "--out", str(tmp_path)])
    stages = json.loads((tmp_path / "gpu-check.json").read_text())["stages"]
    assert code == 1
    assert (stages["facts"]["outcome"], stages["facts"]["reason"]) == ("failed", "RuntimeError: no such thing")
    assert stages["train"]["outcome"] == "left out"
    assert "facts: RuntimeError: no such thing" in capsys.readouterr().out


def test_every_stage_is_in_the_whole_set_and_the_guide_has_the_table() -> None:
    assert set(SETS["all"]) == set(STAGES)
    assert all(set(names) <= set(STAGES) for names in SETS.values())
    assert table() in (TREE / "benchmarks/gpu/README.md").read_text()


def test_a_wrong_stage_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such stage: speeed; there are facts"):
        main(["--cpu", "--only", "speeed", "--out", str(tmp_path)])


def test_the_bundle_brings_what_packages_need_in_turn() -> None:
    """The first check on a GPU failed for want of typing_inspection, which pydantic needs from 2.11 on."""
    found = bundle.missing("3.12")
    assert {"pydantic", "pydantic-core", "annotated-types", "typing-inspection", "ruptures", "optree"} <= set(found)
    assert "typing-extensions" in found  # the machine has one, of unknown age
    assert not [name for name in found if name.startswith("nvidia-")]
    assert not set(found) & bundle.ON_THE_MACHINE


def test_the_host_side_runs_with_the_bundle_and_the_machine_alone() -> None:
    assert "ssdbench --help runs" in bundle_check.prove(PACKAGES)


@pytest.mark.parametrize("name", ["typing-inspection", "ruptures"])
def test_a_package_that_the_bundle_lacks_is_found_before_the_journey(name: str) -> None:
    with pytest.raises(RuntimeError, match=f"No module named '{name.replace('-', '_')}'"):
        bundle_check.prove(PACKAGES - {name})


def entry(sm: int, payload: bytes, kind: int = 2) -> bytes:
    head = struct.pack("<HHIQ", kind, 0, 64, len(payload)).ljust(28, b"\1") + struct.pack("<I", sm)
    return head.ljust(64, b"\1") + payload


def library(*entries: bytes) -> bytearray:
    body = b"".join(entries)
    return bytearray(b"code" + struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body + b"more code")


def test_only_the_code_of_one_architecture_is_left_in_a_library() -> None:
    old, new, ptx = entry(80, b"a" * 64), entry(90, b"b" * 64), entry(90, b"c" * 64, kind=1)
    content = library(old, new, ptx)
    found = thin(content, 90)
    assert content == library(entry(80, bytes(64)), new, entry(90, bytes(64), kind=1))
    assert (found.fat_binaries, found.kept_bytes, found.blanked_bytes) == (1, 64, 128)


def test_a_library_of_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown entry at 0x14: kind 3"):
        thin(library(entry(90, b"a" * 64, kind=3)), 90)


def test_a_number_that_is_no_header_is_passed_over() -> None:
    content = bytearray(struct.pack("<IHHQ", 0xBA55ED50, 7, 16, 1) + bytes(64))
    assert thin(bytearray(content), 90).fat_binaries == 0
