"""`ssdbench roofline`: predictions without a GPU, a run beside them, ceilings measured here."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from tests.builders import GPU_HARDWARE, a_case, a_run
from tests.cli.running import keep, ssdbench

SCHEMA = json.loads((Path(__file__).parents[2] / "ssdbench/resources/json_schema/roofline.schema.json").read_text())
AD_HOC = ("--workload", "infer", "--backbone", "resnet18", "--precision", "amp")


def test_a_step_on_a_gpu_that_is_not_here_is_predicted_by_groups() -> None:
    found = ssdbench("roofline", *AD_HOC, "--batch-size", "64", "--gpu", "h100 80gb", columns=120)
    assert found.code == 0, found.err
    assert "infer resnet18 resident amp" in found.out
    for words in ("copy 3.02 TB/s", "results/gpu/20261126-h100-80gb.json", "BatchNorm", "convolutions", "total"):
        assert words in found.out


def test_json_is_as_its_schema_says_and_small_batches_are_limited_by_the_host() -> None:
    found = ssdbench("roofline", *AD_HOC, "--batch-size", "1,256", "--gpu", "h100 80gb", "--json")
    content = json.loads(found.out)
    jsonschema.validate(content, SCHEMA)
    small, large = content["cases"]
    assert (small["bound"], large["bound"]) == ("host", "device")
    assert small["predicted_step_seconds"] == pytest.approx(16.6e-6 * small["launches"])
    assert large["flop"] == pytest.approx(256 * small["flop"])
    assert large["share_of_roofline"] is None


@pytest.mark.long
def test_a_run_stands_beside_its_prediction(tmp_path: Path) -> None:
    amp = a_case(device="cuda", precision="amp", batch_size_per_gpu=64, workload="infer")
    v100 = replace(GPU_HARDWARE, gpu_model="Tesla V100-SXM2-32GB")
    bf16, fed = replace(amp, precision="bf16"), replace(amp, workload="input", backbone="none")
    keep(tmp_path, a_run(*((case, (0.02,)) for case in (amp, bf16, fed)), hardware=v100))
    found = ssdbench("roofline", "latest", "--results", tmp_path, "--json")
    assert found.code == 0, found.err
    content = json.loads(found.out)
    (case,) = content["cases"]
    assert case["measured_step_seconds"] == 0.02
    assert case["share_of_roofline"] == pytest.approx(case["predicted_step_seconds"] / 0.02)
    assert case["share_of_matmul_ceiling"] == pytest.approx(case["flop"] / 0.02 / 125e12)
    assert set(content["skipped"]) == {bf16.key, fed.key}
    table = ssdbench("roofline", "latest", "--results", tmp_path, columns=160)
    assert "20.0 ms" in table.out
    assert "of roofline" in table.out
    assert "the rate of matrix products in bf16 is not known" in table.words


@pytest.mark.long
def test_ceilings_of_this_cpu_are_measured_where_asked() -> None:
    found = ssdbench(
        "roofline", "--workload", "infer", "--backbone", "resnet18", "--batch-size", "2", "--device", "cpu",
        "--precision", "fp32", "--measure", "--json",
    )  # fmt: skip
    assert found.code == 0, found.err
    content = json.loads(found.out)
    jsonschema.validate(content, SCHEMA)
    ceilings = content["ceilings"]
    assert 1e9 < ceilings["matmul_flop_per_second"]["fp32"] < 1e14
    assert 1e8 < ceilings["copy_bytes_per_second"] < 1e13
    assert ceilings["host_seconds_per_operation"] is None
    assert ceilings["source"].startswith("measured on this machine with torch")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give either a run"),
        (("latest", *AD_HOC), "give either a run"),
        (AD_HOC, "this machine has no GPU: name one with --gpu"),
        ((*AD_HOC, "--gpu", "h300"), "'h300' is in no table of ceilings"),
        ((*AD_HOC, "--gpu", "h200", "--ceilings", "copy=0"), "no number above 0"),
        (("--workload", "input", "--gpu", "h200"), "workload input has no step of the model"),
        (("--workload", "infer", "--device", "cpu"), "no table has ceilings of CPUs: add --measure"),
        (("--workload", "infer", "--precision", "fp8", "--gpu", "h200"), "'fp8' is not known"),
    ],
)
def test_a_mistake_is_a_sentence_before_anything_is_traced(words: tuple[str, ...], said: str) -> None:
    found = ssdbench("roofline", *words)
    assert (found.code, said in found.err) == (2, True), found.err
    assert "tracing" not in found.err
