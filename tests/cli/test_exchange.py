"""Runs in the formats of neighbours, read by the neighbours' own readers, and back as launches for the rule."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from mlperf_logging.compliance_checker.mlp_parser.ruleset_610 import parse_file
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pytest_benchmark.logger import Logger
from pytest_benchmark.storage.file import FileStorage

from ssdbench.schema.case import PlannedCase
from tests.analysis.tables.test_measured_accuracy import a_training, accuracy_run
from tests.builders import a_case, a_failure, a_run
from tests.cli.running import keep, ssdbench

TRAIN, INFER = a_case(), a_case(workload="infer")
PACES = (0.1, 0.11, 0.12)

# As published at https://bencher.dev/bmf.json, in our own order.
BMF = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".+": {
                    "type": "object",
                    "required": ["value"],
                    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
                }
            },
        }
    },
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    skipped = PlannedCase(case=a_case(precision="bf16"), skip_reason="no bf16 here")
    broken = a_case(batch_size_per_gpu=4)
    odd = a_case(batch_size_per_gpu=8)
    unsupported = a_failure("unsupported", "needs more memory")
    keep(
        tmp_path,
        a_run((TRAIN, PACES), (INFER, PACES), (skipped, ()), (broken, (0.1, a_failure())), (odd, (unsupported,))),
    )
    return tmp_path


def exported(results: Path, layout: str, suffix: str = "json") -> Path:
    path = results / f"{layout}.{suffix}"
    outcome = ssdbench("export", "latest", "--format", layout, "-o", path, "--results", results)
    assert outcome.code == 0, outcome.err
    assert "omitted: train-resnet18-resident-bf16" in outcome.err
    assert "no bf16 here" in outcome.err
    assert "needs more memory" in outcome.err
    assert "failed: the worker ended with exit code 9" in outcome.err
    return path


def test_pytest_benchmark_reads_its_own_format(results: Path):
    path = exported(results, "pytest-benchmark")
    (train, infer) = FileStorage(results / "storage", Logger(level=0)).load_benchmarks(str(path))
    assert train["name"] == TRAIN.key
    # 20 images/s at a global batch of 2 are 0.1 s a step.
    assert (train["min"], train["median"], train["max"], train["rounds"]) == pytest.approx((0.1, 0.11, 0.12, 3))
    assert infer["median"] == pytest.approx(0.11)


def test_pytest_benchmark_compares_two_exports(results: Path):
    first, second = exported(results, "pytest-benchmark"), results / "again.json"
    second.write_text(first.read_text())
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(first), str(second)]
    done = subprocess.run(command, cwd=results, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(TRAIN.key[:20]) >= 2


def test_mlperf_reads_its_log_lines(results: Path):
    lines, errors = parse_file(str(exported(results, "mllog", "log")))
    assert errors == []
    stats = [line for line in lines if line.key == "tracked_stats"]
    assert len(stats) == 6
    assert stats[0].value["value"]["throughput"] == pytest.approx(20)
    assert stats[0].value["metadata"]["case"] == TRAIN.key
    assert stats[0].timestamp == 1767614400000  # 2026-01-05T12:00:00Z


def test_accuracy_runs_are_eval_accuracies_of_mlperf(tmp_path: Path):
    keep(tmp_path, accuracy_run(a_training(7, 0.25)))
    path = tmp_path / "accuracy.log"
    assert ssdbench("export", "latest", "--format", "mllog", "-o", path, "--results", tmp_path).code == 0
    lines, errors = parse_file(str(path))
    assert errors == []
    found = {line.key: line.value for line in lines}
    assert found["eval_accuracy"]["value"] == 0.25
    assert found["eval_accuracy"]["metadata"]["epoch_num"] == 2
    assert (found["seed"]["value"], found["global_batch_size"]["value"]) == (7, 8)


def test_prometheus_reads_a_run(results: Path):
    text = exported(results, "openmetrics", "txt").read_text()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    values = [
        s.value for s in families["ssdbench_throughput_images_per_second"].samples if s.labels["case"] == TRAIN.key
    ]
    assert values == pytest.approx([2 / pace for pace in PACES])
    assert {s.labels["launch"] for s in families["ssdbench_latency_p50_seconds"].samples} == {"0", "1", "2"}


def test_benchers_schema_holds_for_an_export(results: Path):
    document = json.loads(exported(results, "bmf").read_text())
    jsonschema.validate(document, BMF)
    latency = document[INFER.key]["latency-p50"]
    assert (latency["lower_value"], latency["value"], latency["upper_value"]) == pytest.approx((0.1, 0.11, 0.12))


@pytest.mark.parametrize(
    ("layout", "metric"), [("pytest-benchmark", None), ("mllog", "latency_p50"), ("bmf", "latency-p50")]
)
def test_what_was_exported_comes_back_as_launches_that_the_rule_takes(results: Path, layout: str, metric: str | None):
    baseline, candidate = exported(results, layout), results / "candidate"
    candidate.write_text(baseline.read_text())
    table = results / "launches.csv"
    chosen = ["--metric", metric] if metric else []
    arguments: list[str | Path] = [
        "--baseline",
        baseline,
        "--candidate",
        candidate,
        "--format",
        layout,
        "-o",
        table,
        *chosen,
    ]
    outcome = ssdbench("import", *arguments)
    assert outcome.code == 0, outcome.err
    launches = 1 if layout == "bmf" else 3
    assert len(table.read_text().splitlines()) == 1 + 2 * 2 * launches
    verdict = ssdbench("verdict", "--csv", table, "--json")
    cases = json.loads(verdict.out)["cases"]
    assert {case["case"] for case in cases} == {TRAIN.key, INFER.key}
    assert all((case["mode"], case["baseline_launches"]) == ("stored", launches) or layout == "bmf" for case in cases)
    if layout != "bmf":
        assert cases[0]["baseline_value"] == pytest.approx(0.11, rel=0.01)


def test_a_file_of_pytest_benchmark_is_one_launch_as_its_rounds_share_a_process(tmp_path: Path):
    (tmp_path / "test_it.py").write_text("def test_sum(benchmark):\n    benchmark(sum, range(100))\n")
    files = []
    # Below a worker of xdist, pytest-benchmark would measure nothing.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    for number in range(2):
        files.append(tmp_path / f"{number}.json")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--benchmark-json={files[-1]}"]
        options = ["--benchmark-min-rounds=5", "--benchmark-max-time=0.01", "test_it.py"]
        subprocess.run([*command, *options], cwd=tmp_path, env=environment, check=True, capture_output=True)
    outcome = ssdbench("import", "--baseline", files[0], "--candidate", files[1], "--format", "pytest-benchmark")
    header, baseline, candidate = outcome.out.splitlines()
    assert header == "case,arm,launch,value,session,metric,direction"
    assert baseline.startswith("test_it.py::test_sum,baseline,0,")
    median = json.loads(files[1].read_text())["benchmarks"][0]["stats"]["median"]
    assert candidate == f"test_it.py::test_sum,candidate,0,{median!r},{files[1]},seconds,lower"


@pytest.mark.parametrize(
    ("layout", "content", "message"),
    [
        ("bmf", "[]", "contains no benchmark"),
        ("bmf", '{"a": {"b": {"value": "1"}}}', "'a' 'b': '1' is not a finite number"),
        ("bmf", '{"a": {"b": {"value": NaN}}}', "'a' 'b': nan is not a finite number"),
        ("bmf", '{"a": {"b": {"value": 1}, "c": {"value": 1}}}', "several metrics (b, c); choose one with --metric"),
        ("bmf", "{", "not JSON"),
        ("bmf", '{"a": {"b": {"value": 1}}, "a": {"b": {"value": 2}}}', "key 'a' is given twice"),
        ("bmf", '{"a": {"b": {"value": 1' + "0" * 400 + "}}}", "is not a finite number"),
        ("bmf", '{"a":' * 5_000, "not JSON"),
        ("mllog", ":::MLLOG " + "[" * 100_000 + "\n", "line 1 after :::MLLOG: not JSON"),
        ("pytest-benchmark", "{}", "no list of benchmarks"),
        ("pytest-benchmark", '{"benchmarks": [1]}', "benchmarks[0]: fullname or stats is missing"),
        (
            "pytest-benchmark",
            '{"benchmarks": [{"fullname": "a", "stats": {"data": [true]}}]}',
            "True is not a finite number",
        ),
        ("mllog", "hello\n", "contains no line with :::MLLOG"),
        ("mllog", "rank 0: :::MLLOG {\n", "line 1 after :::MLLOG: not JSON"),
        ("mllog", ':::MLLOG {"key": 1}\n', "line 1: key or value is missing"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path, layout: str, content: str, message: str):
    path = tmp_path / "file"
    path.write_text(content)
    other = tmp_path / "other"
    other.write_text(content)
    outcome = ssdbench("import", "--baseline", path, "--candidate", other, "--format", layout)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert str(path) in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_file_given_twice_is_refused(tmp_path: Path):
    path = tmp_path / "file"
    path.write_text('{"a": {"b": {"value": 1}}}')
    outcome = ssdbench("import", "--baseline", path, "--candidate", path, "--format", "bmf")
    assert outcome.code == 2
    assert "given twice" in outcome.err


def test_a_run_without_a_figure_is_not_exported(tmp_path: Path):
    keep(tmp_path, a_run((TRAIN, (a_failure(),))))
    outcome = ssdbench("export", "latest", "--format", "bmf", "--results", tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert "no result to export" in outcome.err
