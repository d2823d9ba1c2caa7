"""What people and other tools write: a wrong or hostile file is one sentence, and never a wrong answer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ssdbench.harness.launch_loop import LaunchLoop
from ssdbench.schema.case import Case, LaunchRequest
from ssdbench.schema.record import Measurement, Record
from tests.builders import a_case, a_measurement, a_run
from tests.cli.running import keep, ssdbench

FAST, SLOW = (0.100, 0.101, 0.1, 0.1005), (0.1430, 0.1435, 0.1431, 0.1436)


def exported(folder: Path, case: Case, layout: str) -> list[Path]:
    """Two runs of a case, the second with 30 % less throughput, in the format of another tool."""
    files = []
    for name, pace in (("before", FAST), ("after", SLOW)):
        keep(folder / name, a_run((case, pace)))
        files.append(folder / f"{name}.txt")
        done = ssdbench("export", "latest", "--format", layout, "-o", files[-1], "--results", folder / name)
        assert done.code == 0, done.err
    return files


def imported(folder: Path, files: list[Path], layout: str, *more: str) -> Path:
    table = folder / "launches.csv"
    arguments = ("--baseline", files[0], "--candidate", files[1], "--format", layout, "-o", table)
    outcome = ssdbench("import", *arguments, *more)
    assert outcome.code == 0, outcome.err
    return table


@pytest.mark.fault("CSV1", "a drop of throughput by 30 %, exported, imported and judged without a direction")
def test_a_drop_of_throughput_is_a_regression_after_export_and_import(tmp_path: Path) -> None:
    table = imported(tmp_path, exported(tmp_path, a_case(), "mllog"), "mllog", "--metric", "throughput")
    outcome = ssdbench("verdict", "--csv", table, "--mode", "single-shot", "--json")
    (case,) = json.loads(outcome.out)["cases"]
    assert (outcome.code, case["verdict"]) == (3, "regressed")
    assert (case["metric"], case["direction"]) == ("throughput", "higher")
    assert case["change"] == pytest.approx(-0.3, abs=0.01)
    assert outcome.err == ""


@pytest.mark.fault("CSV2", "a table of throughputs judged with --direction lower, and a column that says so")
@pytest.mark.parametrize("place", ["option", "column"])
def test_a_throughput_of_which_lower_is_better_is_refused(tmp_path: Path, place: str) -> None:
    table = imported(tmp_path, exported(tmp_path, a_case(), "mllog"), "mllog", "--metric", "throughput")
    if place == "column":
        table.write_text(table.read_text().replace("throughput,higher", "throughput,lower"))
    asked = ["--direction", "lower"] if place == "option" else []
    outcome = ssdbench("verdict", "--csv", table, "--mode", "single-shot", *asked)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "launches.csv line 2 column" in outcome.err
    assert "throughput" in outcome.err
    assert "higher values" in outcome.err


@pytest.mark.fault("CSV3", "seconds judged with --direction higher")
def test_a_duration_of_which_higher_is_better_is_refused(tmp_path: Path) -> None:
    files = exported(tmp_path, a_case(workload="infer"), "pytest-benchmark")
    table = imported(tmp_path, files, "pytest-benchmark")
    assert ssdbench("verdict", "--csv", table, "--mode", "single-shot").code == 3
    outcome = ssdbench("verdict", "--csv", table, "--direction", "higher")
    assert (outcome.code, outcome.out) == (2, "")
    assert "lower values of 'seconds' are better, and higher was asked for" in outcome.err


@pytest.mark.fault("CSV4", "files of other tools whose metric's name does not say which values are better")
def test_a_metric_of_unknown_direction_is_not_guessed(tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in files:
        path.write_text('{"case": {"score": {"value": 1}}}')
    arguments = ("import", "--baseline", files[0], "--candidate", files[1], "--format", "bmf")
    refused = ssdbench(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert "'score'" in refused.err
    assert "give --direction higher or lower" in refused.err
    told = ssdbench(*arguments, "--direction", "higher")
    assert told.out.splitlines()[1].endswith(",score,higher")


@pytest.mark.fault("CSV5", "a baseline file of latencies imported with a candidate file of throughputs")
def test_files_of_two_metrics_are_not_compared(tmp_path: Path) -> None:
    for name, measure in (("a", "latency"), ("b", "throughput")):
        (tmp_path / name).write_text(json.dumps({"case": {measure: {"value": 1}}}))
    outcome = ssdbench("import", "--baseline", tmp_path / "a", "--candidate", tmp_path / "b", "--format", "bmf")
    assert (outcome.code, outcome.out) == (2, "")
    assert "has metric 'latency'" in outcome.err
    assert "has 'throughput'" in outcome.err


@pytest.mark.fault("CSV6", "a table by hand that says neither metric nor direction")
def test_a_direction_that_is_taken_for_granted_is_said(tmp_path: Path) -> None:
    table = tmp_path / "x.csv"
    launches = [f"a,{arm},{n},{1 + n / 1000}" for arm in ("baseline", "candidate") for n in range(3)]
    table.write_text("\n".join(["case,arm,launch,value", *launches]))
    outcome = ssdbench("verdict", "--csv", table)
    assert "lower values are taken as better" in outcome.err
    assert "lower is better" in outcome.words
    told = ssdbench("verdict", "--csv", table, "--direction", "higher")
    assert told.err == ""
    assert "higher is better" in told.words


MATRIX = '[[matrix]]\nworkload = "pace"\n'
ENDLESS = {
    "E09": ("launches of 10^9", "protocol = { launches = 1_000_000_000 }\n" + MATRIX, "protocol.launches"),
    "E10": (
        "a matrix of 10^9 cases",
        MATRIX + f"world_size = {list(range(1, 1001))}\nbatch_size_per_gpu = {list(range(1, 1001))}\n"
        f"nodes = {list(range(1, 1001))}",
        "its axes have 1,000,000,000 combinations, and a suite may have 10,000",
    ),
    "E12": ("TOML nested 100,000 deep", "a = " + "[" * 100_000 + "]" * 100_000, "line 2 is nested more than 20 deep"),
    "E13": ("TOML with dotted keys 100,000 deep", ".".join("a" * 100_000) + " = 1", "line 2 is nested more than 20"),
    "fuzz": ("an integer of 5,000 digits", "protocol = { steps = " + "9" * 5_000 + " }", "a word of more than 1,000"),
}


def a_suite(folder: Path, content: str, name: str = "q") -> Path:
    path = folder / "q.toml"
    path.write_text(f'name = "{name}"\n{content}')
    return path


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(content, says, id=identifier, marks=pytest.mark.fault(identifier, what))
        for identifier, (what, content, says) in ENDLESS.items()
    ],
)
@pytest.mark.timeout(60)
def test_what_nobody_can_measure_is_answered_at_once(tmp_path: Path, content: str, says: str) -> None:
    refused(tmp_path, a_suite(tmp_path, content), says)


@pytest.mark.fault("E12", "E13", "a list of container images nested 100,000 deep")
@pytest.mark.parametrize("content", [ENDLESS["E12"][1], ENDLESS["E13"][1]], ids=["lists", "keys"])
@pytest.mark.timeout(60)
def test_a_list_of_images_is_read_with_the_same_limits(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.toml").write_text(content)
    outcome = ssdbench("containers", "new", "--containers", tmp_path / "c.toml")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "c.toml: line 1 is nested more than 20 deep" in outcome.err


HOSTILE = {
    "E01": (
        "a suite's option name leads out of the cache by ../",
        '{ "x/../../../../tmp/y" = 1 }',
        "has no option 'x/..",
    ),
    "E02": ("a suite's option value leads out of the cache", '{ step_seconds = "/../../../tmp/y" }', "is no number"),
    "E03": ("an option name of 300 letters", "{ " + "n" * 300 + " = 1 }", "workload pace has no option 'nnn"),
    "E04": ("an option with a NUL in its value", r'{ bind = "a\u0000b" }', "a letter that cannot be printed"),
}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param(options, says, id=identifier, marks=pytest.mark.fault(identifier, what))
        for identifier, (what, options, says) in HOSTILE.items()
    ],
)
def test_an_option_leads_nowhere(tmp_path: Path, options: str, says: str) -> None:
    refused(tmp_path, a_suite(tmp_path, f"{MATRIX}options = {options}"), says)


@pytest.mark.fault("E01", "E02", "E04", "a stored plan whose case has such options, planned by something else")
def test_a_stored_plan_writes_nowhere_but_below_the_work_folder(tmp_path: Path) -> None:
    work = tmp_path / "cache" / "work"
    for options in ({"x/../../../../../y": 1}, {"x": "/../../../../../y"}, {"x": "a\0b"}, {"n" * 300: 1}):
        case, asked = a_case(options=options), Asked()
        LaunchLoop(a_run((case, ())), None, {"candidate": asked}, asked, work, asked).measure(
            case, "candidate", "measure", 0, "launch 1"
        )
        (folder,) = asked.folders
        assert folder.parent == work / "run-1"
        folder.mkdir(parents=True)  # a name that the file system takes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]


class Asked:
    """A launcher, sink and observer that notes where a launch would write."""

    def __init__(self) -> None:
        self.folders: list[Path] = []

    def launch(self, request: LaunchRequest, on_event: object) -> Measurement:
        self.folders.append(Path(request.output))
        return a_measurement(case=request.case)

    def append(self, record: Record) -> bool:
        return True

    def remaining_changed(self, case_keys: object) -> None: ...
    def launch_started(self, case: Case, name: str) -> None: ...
    def event(self, name: str, event: object) -> None: ...
    def launch_finished(self, record: Record, name: str) -> None: ...
    def round_finished(self, records: object) -> None: ...


@pytest.mark.fault("E16", "a suite's name with rich markup, and one that leads out of the records")
@pytest.mark.parametrize("name", ["a[/b]c", "../../x", "n" * 300])
def test_a_suites_name_is_part_of_file_names_and_checked(tmp_path: Path, name: str) -> None:
    refused(tmp_path, a_suite(tmp_path, MATRIX, name), "key 'name': ")


@pytest.mark.fault("E05", "an option value with rich markup")
def test_markup_in_an_option_value_is_printed_as_it_is(tmp_path: Path) -> None:
    content = '[[matrix]]\nworkload = "accuracy"\noptions = { validation = "[/b]" }'
    refused(tmp_path, a_suite(tmp_path, content), "option validation = '[/b]' is no list of epochs")


@pytest.mark.fault("G01", "names of 300 and more letters")
def test_a_name_longer_than_a_files_is_no_suite(tmp_path: Path) -> None:
    refused(tmp_path, "n" * 300, "there is no suite 'nnn")
    refused(tmp_path, "d/" * 3000, "there is no suite 'd/")
    outcome = ssdbench("containers", "new", "--containers", "n" * 300)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)


@pytest.mark.fault("C2", "a FIFO, a folder and /dev/zero in place of a suite or a list of images")
@pytest.mark.timeout(60)
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.toml")
    for path in (tmp_path / "fifo.toml", tmp_path, Path("/dev/zero")):
        outcome = ssdbench("containers", "new", "--containers", path)
        assert (outcome.code, outcome.err.count("\n")) == (2, 1)
        refused(tmp_path, path, "there is no suite")


@pytest.mark.fault("E59", "--slurm jobs=²")
def test_a_number_of_jobs_is_one_in_digits(tmp_path: Path) -> None:
    for jobs in ("²", "-1", "1e3", "9" * 5_000):
        outcome = ssdbench("plan", "smoke", "--launcher", "slurm", "--slurm", f"jobs={jobs}")
        assert (outcome.code, outcome.out) == (2, "")
        assert "give how many launches may be submitted at once" in outcome.err


@pytest.mark.fault("typos", "an option of the command line that is no number, or no value of its list")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--workload", "train", "--gpus", "two"), "--gpus: 'two' is no whole number"),
        (("--workload", "train", "--gpus", "0"), "--gpus: Input should be greater than or equal to 1 (found 0)"),
        (("--workload", "train", "--batch-size", ","), "--batch-size ',': names nothing"),
        (("--workload", "train", "--precision", "fp23"), "--precision: 'fp23' is not known: did you mean 'fp32'?"),
        (("--workload", "infer", "--option", "timming=synchronised"), "option 'timming': did you mean 'timing'?"),
        (("smoke", "--launches", "0"), "--launches: Input should be greater than or equal to 1 (found 0)"),
        (("smoke", "--gpus", "1"), "--gpus is for an ad hoc grid"),
    ],
)
def test_a_typing_error_names_the_option(arguments: tuple[str, ...], says: str) -> None:
    outcome = ssdbench("plan", *arguments)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert says in outcome.err


@pytest.mark.fault("R14", "a recipe whose options make a case's key longer than a file's name may be")
@pytest.mark.slow
def test_a_recipe_with_long_options_is_trained(tmp_path: Path) -> None:
    validation = ",".join(map(str, range(65)))
    suite = a_suite(
        tmp_path,
        'device = "cpu"\ndata = { train_images = 5, val_images = 3, easy = true }\n'
        '[[matrix]]\nworkload = "accuracy"\nbackbone = "resnet18"\npipeline = "torchvision"\nbatch_size_per_gpu = 2\n'
        f'options = {{ epochs = 1, warmup_iterations = 2, validation = "{validation}" }}',
    )
    outcome = ssdbench("converge", "--suite", suite, "--seeds", "1", "--results", tmp_path)
    assert outcome.code == 0, outcome.err
    (log,) = tmp_path.glob("training/*/*/training.json")
    assert len(log.parent.name) < 150


def refused(folder: Path, suite: str | Path, says: str) -> None:
    """`plan` and `run` both answer with one sentence, and write nothing."""
    before = sorted(folder.rglob("*"))
    for verb in ("plan", "run"):
        outcome = ssdbench(verb, suite, "--results", folder / "results")
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1), outcome
        assert says in outcome.err
        assert len(outcome.err) < 1_000
    assert sorted(folder.rglob("*")) == before
