"""The predicted step by hand, and where its ceilings come from."""

from dataclasses import replace

import pytest

from ssdbench.analysis.roofline.ceilings import KNOWN, given_ceilings, known_ceilings
from ssdbench.analysis.roofline.prediction import beside_measured, measured_step_seconds, no_roofline_reason, predict
from ssdbench.errors import UsageError
from ssdbench.schema.roofline import Ceilings, Operation
from tests.builders import a_case, a_failure, a_record

CEILINGS = Ceilings(
    source="by hand",
    matmul_flop_per_second={"fp16": 100.0, "bf16": 80.0, "tf32": 50.0, "fp32": 10.0},
    copy_bytes_per_second=10.0,
    host_seconds_per_operation=0.25,
)
OPERATIONS = (
    Operation(group="convolutions", launches=1, flop=1000.0, bytes=50.0),  # arithmetic: 10 s in fp16, 5 s of bytes
    Operation(group="convolutions", launches=1, flop=100.0, bytes=70.0),  # 1 s, and 7 s of bytes
    Operation(group="relu", launches=3, flop=0.0, bytes=30.0),
)
AMP = a_case(device="cuda", precision="amp", batch_size_per_gpu=4)


def test_each_operation_takes_the_longer_of_its_arithmetic_and_its_bytes() -> None:
    found = predict(AMP, OPERATIONS, CEILINGS)
    assert [(group.group, group.launches, group.seconds) for group in found.groups] == [
        ("convolutions", 2, 17.0),
        ("relu", 3, 3.0),
    ]
    assert (found.flop, found.bytes, found.launches) == (1100.0, 150.0, 5)
    assert (found.device_seconds, found.host_seconds, found.predicted_step_seconds) == (20.0, 1.25, 20.0)
    assert found.bound == "device"
    assert found.predicted_images_per_second == 4 / 20
    assert found.share_of_matmul_ceiling == pytest.approx(1100 / 20 / 100)
    assert (found.measured_step_seconds, found.share_of_roofline) == (None, None)


@pytest.mark.parametrize(
    ("precision", "device", "seconds"),
    [("amp", "cuda", 17.0), ("bf16", "cuda", 12.5 + 7), ("tf32", "cuda", 20 + 7), ("fp32", "cuda", 110.0)],
)
def test_arithmetic_has_the_rate_of_the_precision_of_the_case(precision: str, device: str, seconds: float) -> None:
    case = replace(AMP, precision=precision, device=device)  # type: ignore[arg-type]
    assert predict(case, OPERATIONS[:2], CEILINGS).device_seconds == pytest.approx(seconds)


def test_the_host_sets_the_pace_where_submitting_takes_longer() -> None:
    found = predict(AMP, OPERATIONS, replace(CEILINGS, host_seconds_per_operation=5.0))
    assert (found.predicted_step_seconds, found.bound) == (25.0, "host")


def test_a_cpu_has_no_host_beside_it() -> None:
    case = replace(AMP, device="cpu", precision="fp32")
    assert predict(case, OPERATIONS, CEILINGS).host_seconds is None


def test_a_measured_step_gives_the_share_of_the_roofline() -> None:
    found = beside_measured(predict(AMP, OPERATIONS, CEILINGS), 25.0)
    assert (found.measured_step_seconds, found.share_of_roofline) == (25.0, 0.8)
    assert found.share_of_matmul_ceiling == pytest.approx(1100 / 25 / 100)


def test_the_measured_step_is_the_median_of_valid_launches_of_the_candidate() -> None:
    case = a_case()
    records = [
        *(a_record(case=case, launch=n, step_seconds=seconds) for n, seconds in enumerate((0.1, 0.3, 0.2))),
        a_record(case=case, step_seconds=9.0, invalid_reason="others were busy"),
        a_record(case=case, step_seconds=9.0, arm="baseline"),
        a_record(case=case, failure=a_failure()),
        a_record(case=replace(case, precision="bf16"), step_seconds=9.0),
    ]
    assert measured_step_seconds(records, case.key) == pytest.approx(0.2)
    assert measured_step_seconds(records, "another") is None


@pytest.mark.parametrize("workload", ["input", "pace", "accuracy", "dance"])
def test_workloads_without_a_step_of_the_model_have_none(workload: str) -> None:
    assert "has no step of the model" in str(no_roofline_reason(a_case(workload=workload), None))


def test_a_ceiling_that_is_not_known_is_asked_for() -> None:
    v100 = known_ceilings("v100-sxm2-32")
    case = replace(AMP, precision="bf16")
    assert no_roofline_reason(case, v100) == (
        "the rate of matrix products in bf16 is not known: give --ceilings bf16=..."
    )
    with pytest.raises(UsageError, match="rate of matrix products in bf16"):
        predict(case, OPERATIONS, v100)


def test_a_gpu_is_found_by_a_unique_part_of_its_name() -> None:
    assert known_ceilings("H100 80GB") is KNOWN["NVIDIA H100 80GB HBM3"]
    assert known_ceilings("nvidia l4") is KNOWN["NVIDIA L4"]  # and not the L40S
    with pytest.raises(UsageError, match="'a100' may be NVIDIA A100-SXM4-40GB or"):
        known_ceilings("a100")
    with pytest.raises(UsageError, match=r"'B300' is in no table of ceilings: name one of Tesla V100.*--measure"):
        known_ceilings("B300")


def test_no_card_is_slower_in_fewer_bits() -> None:
    for name, ceilings in KNOWN.items():
        rates = ceilings.matmul_flop_per_second
        ordered = [rates[key] for key in ("fp32", "tf32", "fp16") if key in rates]
        assert ordered == sorted(ordered), name
        assert 1e11 < ceilings.copy_bytes_per_second < 1e13, name


def test_ceilings_as_given_stand_over_those_of_the_table() -> None:
    found = given_ceilings("matmul=800e12, copy=3e12", KNOWN["NVIDIA H100 PCIe"])
    rates = found.matmul_flop_per_second
    assert (rates["fp16"], rates["bf16"], rates["tf32"]) == (8e14, 8e14, 378e12)
    assert (found.copy_bytes_per_second, found.host_seconds_per_operation) == (3e12, None)
    assert found.source == "as given with --ceilings, else NVIDIA's data sheet"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("matmul=1e12", "needs copy=BYTES_PER_SECOND"),
        ("speed=3", "--ceilings speed=3: write name=value, names are matmul, fp16"),
        ("copy=fast", "'fast' is no number above 0"),
        ("copy=-1", "'-1' is no number above 0"),
        ("copy=nan", "no number above 0"),
    ],
)
def test_wrong_ceilings_are_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        given_ceilings(text, None)
