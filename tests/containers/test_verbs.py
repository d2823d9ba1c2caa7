"""`ssdbench containers` with real images: compared, bisected, found new."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.bisections import BisectionLog
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.record import Run
from tests.cli.conftest import Ssdbench, Start
from tests.cli.running import records_so_far
from tests.containers.conftest import REPOSITORY, Bench
from tests.containers.engines import registry_of_its_own
from tests.paced import write_paced

pytestmark = pytest.mark.containers

# No noise of a sleep reaches it, and the planted 30 % passes it by far.
MARGIN = 0.1


@pytest.fixture
def arguments(docker: Bench, tmp_path: Path) -> tuple[str, ...]:
    write_paced(tmp_path, margin=MARGIN)
    return ("--suite", "paced.toml", "--containers", str(docker.write(tmp_path)))


def latest(tmp_path: Path) -> Run:
    return FileStore(tmp_path / "results").load("latest")


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_two_images_that_differ_are_distinguished_and_the_difference_is_reported(
    ssdbench: Ssdbench, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = ssdbench("containers", "compare", "26.01", "26.05", *arguments)
    assert done.returncode == ExitCode.REGRESSED, done.stdout + done.stderr
    run = latest(tmp_path)
    assert run.header.baseline_arm is not None
    assert run.header.baseline_arm.image is not None
    assert run.header.options.image is not None
    images = (run.header.baseline_arm.image, run.header.options.image)
    assert [image.reference for image in images] == [f"{REPOSITORY}:26.01", f"{REPOSITORY}:26.05"]
    comparison = json.loads(ssdbench("compare", "latest", "--json").stdout)
    (case,) = comparison["cases"]
    assert -0.30 < case["verdict"]["change"] < -0.15
    found = {item["name"]: (item["baseline"], item["candidate"]) for item in comparison["differences"]}
    assert found["image id"] == (images[0].id, images[1].id)
    assert found["label org.example.made-for"] == (f"{REPOSITORY}:26.01", f"{REPOSITORY}:26.05")
    assert "torch" not in found


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_bisection_finds_the_first_bad_image_and_can_be_continued_after_its_budget(
    ssdbench: Ssdbench, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    asked = ("containers", "bisect", "--good", "26.02", "--bad", "26.04", *arguments)
    out_of_time = ssdbench(*asked, "--budget", "0s")
    assert out_of_time.returncode == ExitCode.INCONCLUSIVE, out_of_time.stdout + out_of_time.stderr
    assert "the budget is used up: bench:26.04 is not judged" in out_of_time.stdout
    done = ssdbench(*asked)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    answer = "bench:26.04 is the first bad release: bench:26.03, before it, is not worse than bench:26.02"
    assert done.stdout.splitlines()[-1] == answer
    (path,) = (tmp_path / "results" / "bisections").glob("*.jsonl")
    images = tuple(f"{REPOSITORY}:26.0{month}" for month in (2, 3, 4))
    log = BisectionLog(path, suite="paced", case_key=latest(tmp_path).records[0].case.key, images=images)
    assert [
        (step.image, step.finding, step.because.partition(":")[0]) for step in log.steps if step.run_id and step.finding
    ] == [
        (images[2], "bad", "regressed"),
        (images[1], "good", "unchanged"),
    ]
    runs = len(FileStore(tmp_path / "results").headers())
    again = ssdbench(*asked)
    assert again.stdout.splitlines()[-1] == answer
    assert len(FileStore(tmp_path / "results").headers()) == runs == 2


def in_its_second_launch(
    docker: Bench, start: Start, tmp_path: Path, arguments: tuple[str, ...]
) -> "subprocess.Popen[str]":
    """A host that has a record of the first launch and a container of the second."""
    process = start("containers", "run", "26.01", *arguments, "--launches", "2")
    deadline = time.monotonic() + 1000
    while not records_so_far(tmp_path / "results") or not docker.containers():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return process


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_whose_host_was_killed_loses_its_container_and_measures_what_is_missing(
    docker: Bench, ssdbench: Ssdbench, start: Start, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    process = in_its_second_launch(docker, start, tmp_path, arguments)
    process.kill()
    process.communicate()
    before = latest(tmp_path)
    (left,) = docker.containers()
    resumed = ssdbench("run", "--resume")
    assert resumed.returncode == ExitCode.OK, resumed.stdout + resumed.stderr
    assert left not in docker.containers()
    run = latest(tmp_path)
    assert run.header == before.header
    assert run.records[:1] == before.records
    assert [(record.launch, bool(record.measurement)) for record in run.records] == [(0, True), (1, True)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ctrl_c_ends_the_container_and_what_is_done_is_kept(
    docker: Bench, ssdbench: Ssdbench, start: Start, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    process = in_its_second_launch(docker, start, tmp_path, arguments)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == ExitCode.INTERRUPTED
    assert docker.containers() == []
    assert len(latest(tmp_path).records) == 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_each_image_of_a_list_is_a_run_and_one_that_fails_does_not_stop_the_rest(
    ssdbench: Ssdbench, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    names = ("127.0.0.1:1/none:1", "bare", "26.01")
    done = ssdbench("containers", "run", *names, *arguments)
    assert done.returncode == ExitCode.CASE_FAILED, done.stdout + done.stderr
    store = FileStore(tmp_path / "results")
    runs = [store.load(header.run_id) for header in store.headers()]
    outcomes = {
        run.header.options.image.reference: record.failure.message if record.failure else "measured"
        for run in runs
        if run.header.options.image
        for record in run.records
    }
    assert outcomes.pop("127.0.0.1:1/none:1").startswith("127.0.0.1:1/none:1 cannot be pulled: ")
    assert outcomes == {
        f"{REPOSITORY}:bare": (
            f"{REPOSITORY}:bare has no torch for python: name the interpreter that has it as `python`, or mount an "
            "environment, in ci/containers.toml"
        ),
        f"{REPOSITORY}:26.01": "measured",
    }
    again = ssdbench("containers", "run", "26.01", *arguments, "--resume")
    assert again.returncode == ExitCode.OK, again.stdout + again.stderr
    assert "already measured, in run" in again.stdout
    assert len(store.headers()) == 3


def test_a_mistake_is_one_sentence(docker: Bench, ssdbench: Ssdbench, tmp_path: Path) -> None:
    write_paced(tmp_path, margin=MARGIN)
    given = ("--suite", "paced.toml", "--containers", str(docker.write(tmp_path)))
    for verb, more, sentence in (
        ("compare", ("26.01", "26.05; reboot"), "is not an image: write repository:tag"),
        ("bisect", ("--good", "26.05", "--bad", "26.01"), "does not come before"),
        ("bisect", ("--good", "26.01", "--bad", "26.05", "--case", "train"), "--case 'train' fits no case of paced"),
        ("bisect", ("--good", "26.01", "--bad", "27.01"), "bench:27.01 is not in the list of images"),
    ):
        refused = ssdbench("containers", verb, *more, *given)
        assert refused.returncode == ExitCode.USAGE, refused.stdout + refused.stderr
        assert sentence in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_a_real_registry_tells_which_tags_are_new(docker: Bench, ssdbench: Ssdbench, tmp_path: Path) -> None:
    def push(source: str, tag: str) -> None:
        docker.push(source, f"{address}/nvidia/pytorch:{tag}")

    def news() -> tuple[int, dict[str, str | None]]:
        asked = ("containers", "new", f"{address}/nvidia/pytorch", "--match", r"\d\d\.\d\d-py3", "--json")
        done = ssdbench(*asked)
        tags = json.loads(done.stdout)["tags"]
        return done.returncode, {tag["name"]: tag["earlier"] for tag in tags}

    with registry_of_its_own() as address:
        push("26.01", "26.01-py3")
        push("26.01", "26.01-py3-igpu")
        assert news() == (ExitCode.OK, {"26.01-py3": None})
        assert news() == (ExitCode.NOTHING_NEW, {})
        seen = json.loads((tmp_path / "results" / "containers-seen.json").read_text())
        first = seen[f"{address}/nvidia/pytorch"]["26.01-py3"]
        push("26.02", "26.02-py3")
        push("26.03", "26.01-py3")
        assert news() == (ExitCode.OK, {"26.01-py3": first, "26.02-py3": None})
    gone = ssdbench("containers", "new", f"{address}/nvidia/pytorch")
    assert gone.returncode == ExitCode.ENVIRONMENT
    assert gone.stderr.count("\n") == 1


def test_an_image_of_today_can_measure_everything_and_one_without_torch_nothing(
    ssdbench: Ssdbench, arguments: tuple[str, ...]
) -> None:
    containers = arguments[2:]
    done = ssdbench("containers", "check", "26.01", *containers, "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    why_not = json.loads(done.stdout)["why_not"]
    assert {reason for kinds in why_not["cuda"].values() for reason in kinds.values()} == {None}
    reasons = {name: reason for kinds in why_not["cpu"].values() for name, reason in kinds.items() if reason}
    assert reasons == {"tf32": "tf32 needs a GPU", "amp": "amp needs a GPU"}

    bare = ssdbench("containers", "check", "bare", *containers)
    assert bare.returncode == ExitCode.ENVIRONMENT, bare.stderr
    assert "bench:bare has no torch for python" in " ".join(bare.stdout.split())
