"""Tables made from records made by hand: every figure was worked out on paper."""

from dataclasses import replace

import pytest

from ssdbench.analysis.tables.against import against_published, published_gpu
from ssdbench.analysis.tables.layout import published_style
from ssdbench.analysis.tables.measured import mean_cell, measured_sheets
from ssdbench.errors import UsageError
from ssdbench.harness.readers.published import load_published
from ssdbench.report.text_table import as_text
from ssdbench.schema.case import Case, PlannedCase, Protocol
from ssdbench.schema.environment import Hardware
from ssdbench.schema.limits import SpeedLimits
from ssdbench.schema.record import Failure, Record, Run
from ssdbench.schema.table import Cell, Table
from tests.analysis.tables.test_published import FIGURES, ROOT
from tests.builders import (
    GPU_HARDWARE,
    GPU_SECONDS,
    HOST,
    a_case,
    a_failure,
    a_measurement,
    a_record,
    a_run,
    gpu_samples,
)

A100 = replace(GPU_HARDWARE, gpu_model="NVIDIA A100-SXM4-80GB", gpu_count=8, gpu_memory_bytes=80 * 2**30)


def gpu_case(precision: str, gpus: int, batch: int, workload: str = "train", **changes: object) -> Case:
    return a_case(
        workload=workload, device="cuda", world_size=gpus, batch_size_per_gpu=batch, precision=precision,
        backbone="resnet50", pipeline="dali", **changes,
    )  # fmt: skip


def tables_of(*runs: Run) -> dict[str, Table]:
    return {table.title.partition(":")[0]: table for table in published_style(measured_sheets(runs))}


def texts(table: Table, *, uncertainty: bool = False) -> list[list[str]]:
    return [[text for text, _ in row] for row in as_text(table, uncertainty=uncertainty).rows]


def test_training_throughput_speed_up_and_weak_scaling():
    run = a_run(
        (gpu_case("tf32", 1, 64), (0.100, 0.102)),  # 640 and 627.451 images/s: geometric mean 633.694
        (gpu_case("amp", 1, 64), (0.050, 0.051)),  # twice that
        (gpu_case("tf32", 8, 64), (0.125, 0.1275)),  # 8 GPUs, 0.8 of the pace: 640 % of one GPU
        (gpu_case("amp", 8, 64), (0.0625, 0.06375)),
        (gpu_case("amp", 1, 128), (0.100, 0.102)),  # tf32 has no such batch size
        hardware=A100,
    )
    table = tables_of(run)["Training performance"]
    assert [column.title for column in table.columns] == [
        "Throughput - TF32",
        "Throughput - mixed precision",
        "Throughput speed-up (TF32 - mixed precision)",
        "Weak scaling - TF32",
        "Weak scaling - mixed precision",
    ]
    # Half width: t(0.975, 1) = 12.7062 times |ln(0.100 / 0.102)| / 2 = 0.0099013, so 0.1258 in the logarithm, 80 of
    # 634; of a ratio sqrt(2) of it, 0.1779: 36 of 200, 114 of 640.
    assert texts(table) == [
        ["1", "64", "634", "1270", "200", "100", "100"],
        ["8", "64", "4056", "8110", "200", "640", "640"],
        ["1", "128", "not planned", "1270", "200", "-", "100"],
    ]
    assert texts(table, uncertainty=True)[0][2] == "634 (559..719)"
    assert table.rows[1].cells[3].value == pytest.approx(640)
    assert table.rows[2].cells[2].note == "against tf32 at batch size 64, its largest"
    cell = table.rows[0].cells[0]
    assert (cell.value, cell.low, cell.high) == pytest.approx((633.694, 558.78, 718.65), abs=0.01)


def limited(case: Case, images_per_second: float, gpu_watts: float | None = None) -> Record:
    """A launch of 5 s at 120.48 GFLOP an image, with a matrix ceiling of 24.096 TFLOP/s."""
    limits = SpeedLimits(
        arithmetic="tf32",
        measured_at="2026-01-05T12:00:00+00:00",
        flop_per_image=120.48e9,
        matmul_flop_per_second=24.096e12,
    )
    watched = (gpu_samples(power_watts=(gpu_watts,) * len(GPU_SECONDS)),) if gpu_watts else ()
    images = round(5 * images_per_second)
    measurement = a_measurement(case=case, wall_seconds=5.0, images=images, limits=limits, gpus=watched)
    return a_record(case=case, measurement=measurement, hardware=A100)


def test_efficiency_is_a_table_of_what_is_known():
    amp, tf32 = gpu_case("amp", 1, 64), gpu_case("tf32", 1, 64)
    run = a_run((amp, (0.64,)), (tf32, (0.64,)), hardware=A100)
    run = replace(run, records=(limited(amp, 100.0, gpu_watts=200.0), limited(tf32, 50.0)))
    table = tables_of(run)["Training efficiency"]
    assert [(column.title, column.unit) for column in table.columns] == [
        ("Arithmetic / GPU", "TFLOP/s"),
        ("MFU", "%"),
        ("Images / J", "images/J"),
        ("Power", "W"),
        ("Peak memory / GPU", "GiB"),
    ]
    # 100 images/s of 120.48 GFLOP are 12.05 TFLOP/s, half of 24.10; at 200 W they are half an image a joule.
    assert texts(table) == [
        ["tf32", "1", "64", "6.02", "25.0", "-", "-", "1.00"],
        ["amp", "1", "64", "12.05", "50.0", "0.500", "200", "1.00"],
    ]
    assert table.notes[-1].startswith("MFU: arithmetic of the model over the rate of a matrix product")


def test_runs_without_ceilings_or_counters_have_no_table_of_efficiency():
    run = a_run((gpu_case("amp", 1, 64), (0.1,)), hardware=A100)
    assert [name for name in tables_of(run) if "efficiency" in name] == []


def test_a_case_with_a_launch_that_has_no_ceiling_has_no_share_of_one():
    amp = gpu_case("amp", 1, 64)
    bare = a_record(case=amp, launch=1, measurement=a_measurement(case=amp, step_seconds=0.64), hardware=A100)
    run = replace(a_run((amp, (0.64,)), hardware=A100), records=(limited(amp, 100.0), bare))
    assert "Training efficiency" not in tables_of(run)


def test_speed_up_without_a_reference_is_against_the_largest_batch_that_has_one():
    run = a_run(
        (gpu_case("fp32", 1, 16), (0.16,)),  # 100 images/s
        (gpu_case("fp32", 1, 32), (0.16,)),  # 200 images/s
        (gpu_case("amp", 1, 64), (0.1,)),  # 640 images/s
        hardware=A100,
    )
    cell = tables_of(run)["Training performance"].rows[-1].cells[2]
    assert (cell.value, cell.note) == (pytest.approx(320), "against fp32 at batch size 32, its largest")


def inference(steps: int, step_seconds: list[float], **options: str) -> Run:
    """Two launches each at batch sizes 1 and 4."""
    protocol = Protocol(warmup_steps=2, steps=steps, launches=2)
    cases = [gpu_case("amp", 1, batch, "infer", protocol=protocol, options=options) for batch in (1, 4)]
    records = [
        a_record(case=case, launch=launch, order=launch, step_seconds=step_seconds, hardware=A100)
        for case in cases
        for launch in range(2)
    ]
    return replace(a_run(*((case, ()) for case in cases), hardware=A100), records=tuple(records))


def test_inference_throughput_scaling_by_batch_and_latency():
    steps = [0.5, 0.5, *(0.001 * n for n in range(1, 201))]  # 1 to 200 ms: mean 100.5, p50 100.5, p90 180.1
    tables = tables_of(inference(200, steps, timing="synchronised"))
    # 200 images in 20.1 s, and 4 times as many in the same time.
    assert texts(tables["Inference performance"]) == [["1", "9.950", "100.00"], ["4", "39.801", "400.00"]]
    latency = tables["Inference latency"]
    assert [column.title for column in latency.columns] == ["Average", "p50", "p90", "p95", "p99"]
    assert texts(latency)[0] == ["amp", "1", "1", "100.50", "100.50", "180.10", "-", "-"]
    assert latency.rows[0].cells[3].note == "p95 needs 400 timed steps a launch, 200 are there"
    assert any("from asking for a batch to the end of its work" in note for note in latency.notes)


def test_the_published_layout_has_every_percentile_from_the_steps_of_nightly_on():
    steps = [0.5, 0.5, *(0.001 * n for n in range(1, 2001))]
    (row, _) = tables_of(inference(2000, steps, timing="synchronised"))["Inference latency"].rows
    assert [cell.value for cell in row.cells] == pytest.approx([1000.5, 1000.5, 1800.1, 1900.05, 1980.01])


def test_the_time_of_a_step_in_a_stream_that_is_submitted_ahead_is_called_no_latency():
    tables = tables_of(inference(200, [0.1] * 202))
    assert "Inference latency" not in tables
    assert texts(tables["Inference step time"])[0] == ["amp", "1", "1", "100.00", "100.00", "100.00", "-", "-"]
    assert any("it is not a latency" in note for note in tables["Inference step time"].notes)


@pytest.mark.parametrize(
    ("planned", "outcomes", "word", "note"),
    [
        (PlannedCase(case=a_case(), skip_reason="no such GPU"), (), "skipped", "no such GPU"),
        (a_case(), (), "not run", "planned, not measured: `ssdbench run --resume` continues"),
        (a_case(), (0.1, a_failure("out_of_memory", "no memory left")), "failed", "out of memory, no memory left"),
        (a_case(), (a_failure("unsupported", "needs Ampere"),), "skipped", "needs Ampere"),
        (a_case(), (0.0, 0.1), "impossible", "not a positive number"),
    ],
)
def test_a_cell_without_a_figure_says_why(
    planned: Case | PlannedCase, outcomes: tuple[float | Failure, ...], word: str, note: str
):
    cell = tables_of(a_run((planned, outcomes)))["Training performance"].rows[0].cells[0]
    assert (cell.value, cell.word) == (None, word)
    assert note in cell.note


def test_a_launch_that_is_invalid_counts_nowhere():
    run = a_run((a_case(), (0.1, 0.2)))
    spoilt = replace(run, records=(run.records[0], replace(run.records[1], invalid_reason="others were busy")))
    assert tables_of(spoilt)["Training performance"].rows[0].cells[0].value == pytest.approx(20)
    all_spoilt = replace(run, records=tuple(replace(r, invalid_reason="others were busy") for r in run.records))
    cell = tables_of(all_spoilt)["Training performance"].rows[0].cells[0]
    assert (cell.word, cell.note) == ("invalid", "every launch is invalid: others were busy")


def test_one_launch_has_no_interval_and_three_digits():
    table = tables_of(a_run((a_case(), (0.0987,))))["Training performance"]
    assert texts(table, uncertainty=True)[0][2] == "20.3 (no interval)"


def test_several_runs_of_a_case_are_units_of_their_own():
    runs = [a_run((a_case(), (pace, pace)), run_id=name) for name, pace in (("a", 0.1), ("b", 0.11))]
    cell = tables_of(*runs)["Training performance"].rows[0].cells[0]
    expected = mean_cell([20.0, 20 / 1.1])
    assert (cell.value, cell.low, cell.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_a_workload_without_a_model_has_no_precision():
    table = tables_of(a_run((a_case(workload="input", backbone="none"), (0.1,))))["Input performance"]
    assert [column.title for column in table.columns] == ["Throughput", "Weak scaling"]


def test_tables_carry_hardware_container_date_and_runs():
    host = replace(HOST, container_image="nvcr.io/nvidia/pytorch:25.01-py3")
    run = a_run(hardware=A100, host=host, run_id="night-1")
    context = dict(next(iter(tables_of(run).values())).context)
    assert context["hardware"].startswith("8 × NVIDIA A100-SXM4-80GB, 80 GiB (8x-nvidia-a100")
    assert context["container"] == "nvcr.io/nvidia/pytorch:25.01-py3"
    assert (context["measured"], context["runs"]) == ("2026-01-05", "night-1")
    assert "torch 2.11.0" in context["software"]
    assert context["conditions"] == "resnet18, resident, channels_last"


def test_decoding_on_either_side_is_a_table_of_its_own():
    cases = [a_case(device="cuda", pipeline="dali", decode=decode) for decode in ("cpu", "mixed")]
    tables = published_style(measured_sheets([a_run(*((case, (0.1,)) for case in cases), hardware=A100)]))
    conditions = [dict(table.context)["conditions"] for table in tables]
    assert conditions == ["resnet18, dali, channels_last", "resnet18, dali, channels_last, decode=cpu"]


def test_other_hardware_is_another_table():
    found = published_style(measured_sheets([a_run(run_id="a"), a_run(run_id="b", hardware=A100)]))
    assert len(found) == 2


def test_figures_that_cannot_stand_in_one_cell_are_refused():
    with pytest.raises(UsageError, match="would share a cell"):
        tables_of(a_run((a_case(threads_per_rank=1), (0.1,)), (a_case(threads_per_rank=2), (0.1,))))
    longer = a_run((a_case(protocol=Protocol(warmup_steps=2, steps=20, launches=1)), (0.1,)), run_id="b")
    with pytest.raises(UsageError, match="cannot be summed up, they differ in timed steps 10"):
        tables_of(a_run(run_id="a"), longer)


def test_measured_beside_published_has_the_difference_and_says_how_the_protocols_differ():
    case = gpu_case("amp", 1, 128)
    run = a_run((case, (128 / 724.41 / 1.1,) * 2), hardware=A100)  # a tenth faster than NVIDIA's 724.41 images/s
    (sheet,) = measured_sheets([run])
    (table,) = against_published(sheet, FIGURES, None)
    assert texts(table) == [["train (resnet50, dali, channels_last)", "1", "128", "amp", "796.85", "724.41", "10.0"]]
    assert dict(table.context)["published"] == "NVIDIA, container 22.10, A100-80GB"
    assert any("the clock starts after the batch was taken" in note for note in table.notes)
    older = against_published(sheet, FIGURES, "21.05")[0].rows[0].cells
    assert older[1].value == 440.74


def test_measured_cases_that_are_not_published_are_named_beside_those_that_are():
    kept, omitted = gpu_case("amp", 1, 128), gpu_case("amp", 1, 48)
    run = a_run((kept, (0.1, 0.1)), (omitted, (0.1, 0.1)), hardware=A100)
    (sheet,) = measured_sheets([run])
    (table,) = against_published(sheet, FIGURES, None)
    assert [row.labels[2] for row in table.rows] == ["128"]
    (note,) = [note for note in table.notes if "not published" in note]
    assert "train 1 × batch 48 amp resnet50, dali, channels_last" in note


@pytest.mark.parametrize(
    ("model", "gibibytes", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", 79.25, "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "A100-40GB"),
        ("Tesla V100-SXM2-16GB", 15.8, "V100-16GB"),
        ("Tesla V100-SXM2-32GB", 31.7, None),
        ("NVIDIA A1000", 80, None),
        ("NVIDIA A100 80GB PCIe", 79.3, None),
        ("Tesla V100-PCIE-16GB", 15.8, None),
        ("NVIDIA H100 80GB HBM3", 79.6, None),
    ],
)
def test_only_the_same_gpu_model_with_the_same_memory_is_compared(model: str, gibibytes: float, name: str | None):
    hardware = Hardware(
        cpu_model="x", cpu_count=1, gpu_model=model, gpu_count=1, gpu_memory_bytes=round(gibibytes * 2**30)
    )
    known = {figure.gpu for figure in load_published(ROOT / "results")}
    if name is not None:
        assert published_gpu(hardware, known) == name
        return
    with pytest.raises(UsageError, match=r"nothing is published for .*; there are figures for A100-40GB, A100-80GB"):
        published_gpu(hardware, known)


def test_a_value_that_is_no_number_never_becomes_a_mean():
    assert mean_cell([1.0, float("nan")]).word == "impossible"
    assert mean_cell([]).word == "impossible"
    assert mean_cell([2.0, 8.0]).value == pytest.approx(4)
    assert mean_cell([5.0]) == Cell(value=pytest.approx(5.0))  # type: ignore[arg-type]
