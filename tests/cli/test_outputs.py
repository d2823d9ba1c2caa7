"""`ssdbench compare --output` and `ssdbench table` as a user meets them."""

import json
from pathlib import Path

import pytest
from junitparser import JUnitXml

from ssdbench.cli.outputs import NAMES
from ssdbench.harness.stores.files import FileStore
from tests.analysis.tables.test_measured import A100, gpu_case
from tests.builders import GPU_HARDWARE, a_case, a_run, stored_sessions
from tests.cli.running import keep, ssdbench


@pytest.fixture
def results(tmp_path: Path) -> Path:
    FileStore(tmp_path).save_baseline(stored_sessions(a_run(run_id="run-0")))
    keep(tmp_path, a_run((a_case(), (0.12, 0.1201, 0.1199))))
    return tmp_path


def test_one_comparison_goes_to_every_output_and_keeps_its_exit_code(results: Path):
    assert NAMES == (
        "github-annotations", "github-summary", "gitlab-metrics", "json", "junit", "line", "openmetrics",
    )  # fmt: skip
    outputs = [f"--output={name}={results / name}" for name in NAMES]
    outcome = ssdbench("compare", "latest", *outputs, "--results", results)
    assert outcome.code == 3
    assert outcome.words.startswith("REGRESSED: 1 of 1 case")
    assert [(results / name).stat().st_size > 0 for name in NAMES] == [True] * len(NAMES)
    assert json.loads((results / "json").read_text())["cases"][0]["verdict"]["status"] == "regressed"
    assert JUnitXml.fromfile(str(results / "junit")).failures == 1


def test_a_hyphen_prints_the_output_in_place_of_the_table(results: Path):
    outcome = ssdbench("compare", "latest", "--output", "line=-", "--results", results)
    assert outcome.out.startswith("ssdbench: Regressed: 1 of 1 case")
    assert len(outcome.out.splitlines()) == 1


def test_a_step_adds_to_the_summary_of_its_job_and_replaces_every_other_file(results: Path):
    summary, line = results / "summary.md", results / "line.txt"
    summary.write_text("# earlier step\n")
    line.write_text("earlier\n")
    ssdbench("compare", "latest", f"--output=github-summary={summary}", f"--output=line={line}", "--results", results)
    assert summary.read_text().startswith("# earlier step\n## Regressed")
    assert line.read_text().startswith("ssdbench: Regressed")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["xunit=a.xml"], "format 'xunit' is unknown: choose from github-annotations"),
        (["junit"], "write it as junit=FILE"),
        (["junit=a", "line=a"], "a is given twice"),
        (["junit=/dev/null/a.xml"], "/dev/null/a.xml: cannot be written ("),
    ],
)
def test_an_output_that_cannot_be_is_refused_in_one_sentence(results: Path, given: list[str], message: str):
    outcome = ssdbench("compare", "latest", *(f"--output={text}" for text in given), "--results", results)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_a_table_of_a_run_is_printed_or_written(results: Path):
    outcome = ssdbench("table", "latest", "--results", results)
    assert outcome.code == 0
    assert "Training performance: Example CPU" in outcome.out
    path = results / "table.md"
    ssdbench("table", "latest", "--format", "markdown", "-o", path, "--uncertainty", "--results", results)
    assert "| 1 | 2 | 16.67 (16.63..16.70) | 100 |" in path.read_text()


def test_published_tables_and_measured_beside_published(results: Path):
    outcome = ssdbench("table", "--published", "22.10", "--results", results)
    assert "Inference performance: published, DGX-1 (V100-16GB)" in outcome.out
    keep(results, a_run((gpu_case("amp", 8, 128), (0.2, 0.2)), hardware=A100, run_id="a100"))
    beside = ssdbench("table", "a100", "--against", "published", "--results", results)
    assert "different protocols: a difference is no verdict" in beside.words
    assert any(row.split()[-3:] == ["5120.0", "5733.98", "-10.7"] for row in beside.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a run"),
        (("latest", "--published", "22.10"), "takes no run"),
        (("--published", "9.9"), "nothing is published for container 9.9"),
        (("latest", "--format", "pdf"), "format 'pdf' is not known"),
        (("run-1", "--against", "published"), "nothing is published for a CPU"),
        (("h100", "--against", "published"), "nothing is published for NVIDIA H100 80GB HBM3, 80 GiB"),
        (
            ("a100", "--against", "published", "--published", "20.06"),
            "nothing is published for container 20.06; there are 2",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_one_sentence(results: Path, arguments: tuple[str, ...], message: str):
    keep(results, a_run(hardware=GPU_HARDWARE, run_id="h100", created_at="2025-01-01T00:00:00+00:00"))
    keep(results, a_run(hardware=A100, run_id="a100", created_at="2025-01-01T00:00:00+00:00"))
    outcome = ssdbench("table", *arguments, "--results", results)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
