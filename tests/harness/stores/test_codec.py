import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.errors import StoreError
from ssdbench.harness.stores import codec, migrations
from ssdbench.schema import SCHEMA_VERSION
from ssdbench.schema.acceptance import Acceptance
from ssdbench.schema.case import LaunchRequest, Protocol, StepCounts
from ssdbench.schema.convergence import ConvergenceVerdict, DistributionHeader
from ssdbench.schema.environment import GpuState
from ssdbench.schema.record import EpochCount, Measurement, NodeCpus, PhaseTimes, Record, RunHeader
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import BaselineHeader
from tests.builders import (
    GPU_HARDWARE,
    HOST,
    a_baseline,
    a_case,
    a_failure,
    a_header,
    a_measurement,
    a_record,
    an_evaluated_checkpoint,
    gpu_samples,
)

CONVERGENCE = (Training, DistributionHeader, ConvergenceVerdict)
REPOSITORY = Path(__file__).parents[3]

GPU = GpuState(index=0, uuid="GPU-1", model="NVIDIA H100", memory_bytes=80 * 2**30, power_limit_watts=700.0, ecc=True)


@pytest.mark.parametrize(
    "value",
    [
        a_measurement(),
        a_measurement(losses=None, epochs=(EpochCount(expected_images=64, seen_images=63),), foreign_cpu_cores=0.1),
        a_measurement(
            phases=(PhaseTimes(name="fetch", seconds=(0.1, 0.2)),),
            node_cpus=(NodeCpus(host="a", cpu_count=64, foreign_cores=0.5), NodeCpus(host="b", cpu_count=64)),
            rank_cpus=("0-31,64-95", "32-63"),
            gpus=(gpu_samples(foreign_pids=(7,), power_watts=(312.345,) * 15), gpu_samples()),
        ),
        a_record(),
        a_record(failure=a_failure(), hardware=GPU_HARDWARE, dataset=None),
        a_record(case=a_case(options={"seconds": 0.1, "label": "x", "count": 3, "stall": True})),
        a_header(host=replace(HOST, gpus=(GPU,), variables={"NCCL_ALGO": "Ring"})),
        a_baseline().header,
        LaunchRequest(schema_version=1, case=a_case(), launch=0, seed=1, output="/tmp/out"),
        LaunchRequest(
            schema_version=1,
            case=a_case(protocol=Protocol(warmup_seconds=3.0, timed_seconds=5.0)),
            launch=1,
            seed=1,
            output="/tmp/out",
            step_counts=StepCounts(warmup_steps=300, timed_steps=500),
        ),
        an_evaluated_checkpoint(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_written_reads_back_equal_and_is_written_the_same_again(value: object):
    text = codec.dump(value)
    again = codec.read(type(value), text, "test")
    assert again == value
    assert codec.dump(again) == text
    assert "\n" not in text


def test_a_gpu_of_an_older_header_has_no_application_clocks():
    document = json.loads(codec.dump(a_header(host=replace(HOST, gpus=(GPU,)))))
    (gpu,) = document["host"]["gpus"]
    clocks = [name for name in gpu if name.endswith("_clock_mhz")]
    assert len(clocks) == 6
    for name in clocks:
        del gpu[name]
    assert codec.read(RunHeader, json.dumps(document), "test").host.gpus == (GPU,)


def test_options_keep_their_types():
    options = {"yes": True, "one": 1, "one_point": 1.0, "text": "1"}
    again = codec.read(Record, codec.dump(a_record(case=a_case(options=options))), "test").case.options
    assert {name: type(value) for name, value in again.items()} == {n: type(v) for n, v in options.items()}


def test_the_order_in_which_options_were_given_leaves_no_trace():
    there = a_case(options={"a": 1, "b": 2})
    back = a_case(options={"b": 2, "a": 1})
    assert codec.dump(a_record(case=there)) == codec.dump(a_record(case=back))


@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_floats_are_kept_to_the_last_bit(values: list[float]):
    measurement = a_measurement(losses=tuple(values))
    again = codec.read_measurement(codec.dump(measurement)).losses
    assert again is not None
    assert [value.hex() for value in again] == [value.hex() for value in values]


def test_a_measurement_from_before_phases_and_gpus_were_kept_has_none():
    old = {name: value for name, value in asdict(a_measurement()).items() if name not in ("phases", "gpus")}
    assert codec.read_measurement(json.dumps(old)) == a_measurement()


def test_a_record_from_before_a_case_said_where_dali_decodes_is_of_decoding_on_the_gpu():
    mixed = a_record(case=a_case(device="cuda", pipeline="dali", decode="mixed"))
    old = json.loads(codec.dump(mixed))
    del old["case"]["decode"]
    assert codec.read(Record, json.dumps(old), "x") == mixed
    assert "decode" not in mixed.case.key


def test_a_header_keeps_the_absolute_limit_that_it_was_begun_with():
    old = json.loads(codec.dump(a_header()))
    old["options"]["foreign_cpu_limit_cores"] = 0.15
    assert codec.read(RunHeader, json.dumps(old), "x").options.foreign_cpu_limit_cores == 0.15
    assert codec.read(RunHeader, codec.dump(a_header()), "x").options.foreign_cpu_limit_cores is None


def test_a_measurement_from_before_cpus_were_kept_has_none():
    old = {name: value for name, value in asdict(a_measurement()).items() if name not in ("node_cpus", "rank_cpus")}
    assert codec.read_measurement(json.dumps(old)) == a_measurement()


def test_a_protocol_from_before_it_had_seconds_is_one_of_steps_alone():
    old = asdict(a_record())
    del old["case"]["protocol"]["warmup_seconds"], old["case"]["protocol"]["timed_seconds"]
    assert codec.read(Record, json.dumps(old), "test") == a_record()


def test_a_figure_that_is_no_number_stays_one():
    again = codec.read_measurement(codec.dump(a_measurement(wall_seconds=math.nan)))
    assert math.isnan(again.wall_seconds)


def test_what_a_worker_writes_with_plain_json_is_read():
    measurement = a_measurement(wall_seconds=1)
    assert codec.read_measurement(json.dumps(asdict(measurement), indent=1)) == measurement


def changed(**changes: object) -> str:
    return json.dumps(asdict(a_record()) | changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a line of JSON"),
        ('{"schema_version": 1,', "not a line of JSON"),
        ("null", "no schema_version, so this is not a Record"),
        ("[1]", "no schema_version"),
        ("{}", "no schema_version"),
        (changed(schema_version="1"), "no schema_version"),
        (changed(schema_version=True), "no schema_version"),
        (changed(launch="0"), "launch: input should be a valid integer, not '0'"),
        (changed(launch=0.5), "launch: input should be a valid integer"),
        (changed(lunch=1), "unknown key lunch"),
        (changed(case={}), "missing key case.workload (and 6 more)"),
        (changed(failure=asdict(a_failure()) | {"kind": 7}), "failure.kind: input should be 'crash'"),
    ],
)
def test_a_line_that_is_no_record_is_one_sentence_with_place_fault_and_remedy(text: str, words: str):
    with pytest.raises(StoreError) as caught:
        codec.read(Record, text, "runs.jsonl line 7")
    sentence = str(caught.value)
    assert sentence.startswith("runs.jsonl line 7: ")
    assert words in sentence
    assert "\n" not in sentence


def test_a_fault_inside_a_list_is_placed():
    measurement = asdict(a_measurement()) | {"step_seconds": [0.1, "fast"]}
    with pytest.raises(StoreError, match=r"measurement\.step_seconds\[1\]: input should be a valid number, not 'fast'"):
        codec.read(Record, changed(measurement=measurement), "x")


def test_a_newer_version_is_refused_with_the_remedy():
    with pytest.raises(StoreError, match=r"written in schema version 99 by a newer ssdbench.*update ssdbench"):
        codec.read(Record, changed(schema_version=99), "x")


def test_a_newer_measurement_inside_a_record_is_refused_as_well():
    with pytest.raises(StoreError, match="x: measurement: written in schema version 99"):
        codec.read(Record, changed(measurement=asdict(a_measurement()) | {"schema_version": 99}), "x")


def test_an_older_document_is_migrated_step_by_step_and_inside_out(monkeypatch: pytest.MonkeyPatch):
    steps: list[str] = []

    def name_the_timer(document: migrations.Document) -> migrations.Document:
        steps.append("measurement 1")
        clock = document["clock"]
        return {key: value for key, value in document.items() if key != "clock"} | {"timer": clock}

    def spell_the_timer_out(document: migrations.Document) -> migrations.Document:
        steps.append("measurement 2")
        return document | {"timer": {"perf": "perf_counter"}[document["timer"]]}

    def count_launches_from_zero(document: migrations.Document) -> migrations.Document:
        steps.append("record 2")
        assert document["measurement"]["timer"] == "perf_counter"
        return document | {"launch": document["launch"] - 1}

    monkeypatch.setattr(migrations, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(migrations, "VERSIONS", {})
    table = {
        (Measurement, 1): name_the_timer,
        (Measurement, 2): spell_the_timer_out,
        (Record, 2): count_launches_from_zero,
    }
    monkeypatch.setattr(migrations, "MIGRATIONS", table)
    old = asdict(a_record(launch=1)) | {"schema_version": 1}
    old["measurement"]["clock"] = "perf"
    del old["measurement"]["timer"]
    record = codec.read(Record, json.dumps(old), "x")
    assert steps == ["measurement 1", "measurement 2", "record 2"]
    assert record.measurement is not None
    assert (record.launch, record.measurement.timer) == (0, "perf_counter")
    assert (record.schema_version, record.measurement.schema_version) == (3, 3)


def test_a_current_document_is_not_touched():
    document = json.loads(codec.dump(a_record()))
    assert migrations.migrated(Record, document, "x") is document


def test_the_committed_schemas_are_those_of_the_code():
    folder = REPOSITORY / "ssdbench" / "resources" / "json_schema"
    committed = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    assert committed == codec.json_schemas(), "run: python -m ssdbench.harness.stores.codec"


@pytest.mark.parametrize(
    "kind", [RunHeader, Record, Measurement, LaunchRequest, BaselineHeader, Acceptance, *CONVERGENCE]
)
def test_every_stored_field_is_described_in_the_readme(kind: type):
    readme = (REPOSITORY / "results" / "README.md").read_text(encoding="utf-8")
    schemas = [json.loads(text) for text in codec.json_schemas().values()]
    schema = next(schema for schema in schemas if schema["$ref"].endswith(f"/{kind.__name__}"))
    fields = {name for definition in schema["$defs"].values() for name in definition.get("properties", {})}
    missing = sorted(name for name in fields if f"`{name}`" not in readme)
    assert not missing


def test_a_schema_says_its_version_is_a_number_and_allows_no_other_keys():
    schema = json.loads(codec.json_schemas()["record.schema.json"])
    record = schema["$defs"]["Record"]
    assert record["additionalProperties"] is False
    assert record["properties"]["schema_version"]["type"] == "integer"
    assert a_record().schema_version == SCHEMA_VERSION
