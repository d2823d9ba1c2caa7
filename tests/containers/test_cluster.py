"""Images on a cluster: a real Slurm of two nodes, on which three ways lead into an image."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.process import is_rank_of
from ssdbench.harness.stores.files import FileStore
from ssdbench.harness.stores.image_manifests import ImageManifests
from ssdbench.schema.record import Failure, Record, Run
from tests.cli.conftest import Ssdbench, Start
from tests.cli.test_run import eventually, latest, measured, only
from tests.containers.engines import why_not
from tests.containers.nodes import ENGINES, WAYS, Nodes, dockers
from tests.paced import write_paced
from tests.slurm_cluster import cancel_all

pytestmark = [pytest.mark.slurm, pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]
each_way = pytest.mark.parametrize("way", WAYS)

PACE = ("--workload", "pace", "--warmup", "1", "--foreign-cpu", "64", "--launcher", "slurm")
SECRET = "a-value-that-nobody-may-see"


@pytest.fixture
def environment(environment: dict[str, str], image_nodes: Nodes, tmp_path: Path) -> Iterator[dict[str, str]]:
    image_nodes.forget()
    yield {**environment, "SLURM_CONF": str(image_nodes.configuration), "SSDBENCH_CACHE": str(tmp_path)}
    cancel_all(image_nodes.configuration)


def hosts(record: Record) -> tuple[str, ...]:
    network = measured(record).network
    assert network is not None
    return network.rank_hosts


def hosts_of(run: Run) -> set[tuple[str, ...]]:
    return {tuple(sorted(hosts(record))) for record in run.records}


def is_fetched_once(nodes: Nodes, way: str, wanted: set[str]) -> bool:
    """Whether each of these nodes, and no other, has fetched every image once."""
    if way in ENGINES:
        pulled = nodes.pulled(way)
        return len(pulled) == len({*pulled}) and {line.split()[0] for line in pulled} == wanted
    return {node for node, _ in nodes.fetched()} == wanted


def failure(tmp_path: Path) -> Failure:
    found = only(latest(tmp_path)).failure
    assert found is not None
    return found


@pytest.fixture(scope="session")
def docker_nodes(image_nodes: Nodes) -> Iterator[Nodes]:
    if (reason := why_not("docker")) is not None:
        pytest.skip(reason)
    with dockers(image_nodes):
        yield image_nodes


@pytest.mark.parametrize("way", [*WAYS, "docker"])
def test_two_images_are_compared_on_one_node_which_fetches_each_once(
    image_nodes: Nodes, request: pytest.FixtureRequest, ssdbench: Ssdbench, tmp_path: Path, way: str
) -> None:
    if way == "docker":
        request.getfixturevalue("docker_nodes")
    toml = image_nodes.write(tmp_path, way)
    # A regression takes four times the launches: it is sought by one of the ways.
    new, margin, code = ("26.05", 0.1, ExitCode.REGRESSED) if way == "podman" else ("26.02", 0.3, ExitCode.OK)
    suite = write_paced(tmp_path, margin=margin)
    asked = ("containers", "compare", "26.01", new, "--suite", suite, "--containers", str(toml))
    done = ssdbench(*asked, "--launcher", "slurm")
    assert done.returncode == code, done.stdout + done.stderr
    run = latest(tmp_path)
    assert {record.arm for record in run.records} == {"baseline", "candidate"}
    (nodes,) = hosts_of(run)
    assert nodes in (("node1",), ("node2",))
    assert is_fetched_once(image_nodes, way, {*nodes})
    assert run.header.options.slurm is not None
    assert run.header.options.slurm.nodelist == nodes[0]
    assert image_nodes.containers() == []
    assert run.header.options.image is not None
    assert run.header.baseline_arm is not None
    for image in (run.header.options.image, run.header.baseline_arm.image):
        assert image is not None
        manifest = ImageManifests(FileStore(tmp_path / "results").archive).of_image(image.id)
        assert manifest is not None
        assert any("libc.so" in file.path for file in manifest.loaded)


@each_way
def test_a_case_over_both_nodes_runs_in_the_image_on_each(
    image_nodes: Nodes, ssdbench: Ssdbench, tmp_path: Path, way: str
) -> None:
    # See tests/containers/nodes.py.
    more = {"arguments": '["--pid=host"]'} if way == "podman" else {}
    toml = image_nodes.write(tmp_path, way, variables='{ GLOO_SOCKET_IFNAME = "lo" }', **more)
    spread = ("--gpus", "2", "--nodes", "2", "--batch-size", "1", "--steps", "10", "--launches", "1")
    done = ssdbench("containers", "run", "26.01", *PACE, *spread, "--containers", str(toml))
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    run = latest(tmp_path)
    assert hosts_of(run) == {("node1", "node2")}
    assert is_fetched_once(image_nodes, way, {"node1", "node2"})


@each_way
def test_launches_on_other_nodes_fetch_the_image_by_its_digest_and_get_all_variables(
    image_nodes: Nodes, ssdbench: Ssdbench, environment: dict[str, str], tmp_path: Path, way: str
) -> None:
    environment |= {"PLANTED_SLOWDOWN": "0.3", "BENCH_TOKEN": SECRET}
    toml = image_nodes.write(tmp_path, way, pass_variables='["PLANTED_SLOWDOWN", "BENCH_TOKEN"]')
    asked = ("containers", "run", "26.01", *PACE, "--steps", "10", "--launches", "2", "--slurm", "jobs=2")
    done = ssdbench(*asked, "--containers", str(toml))
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    run = latest(tmp_path)
    assert hosts_of(run) == {("node1",), ("node2",)}
    assert is_fetched_once(image_nodes, way, {"node1", "node2"})
    # The image has a value of its own for the first variable.
    assert all(measured(record).step_seconds[-1] > 0.12 for record in run.records)
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert kept == []
    if way == "podman":
        image = run.header.options.image
        assert image is not None
        assert [line.partition("@")[2] for line in image_nodes.pulled()] == ["", image.digest]


@each_way
def test_a_killed_host_goes_on_with_its_jobs_and_a_cancelled_one_leaves_no_container(
    image_nodes: Nodes, start: Start, ssdbench: Ssdbench, tmp_path: Path, way: str
) -> None:
    toml = image_nodes.write(tmp_path, way)
    process = start("containers", "run", "26.01", *PACE, "--steps", "60", "--launches", "2", "--containers", str(toml))
    eventually(lambda: list(tmp_path.glob("work/*/*-measure-candidate-1-0/events-0.jsonl")), 240)
    process.kill()
    process.wait()
    stored = latest(tmp_path).records
    assert [record.launch for record in stored] == [0]
    before = jobs_of_launches(tmp_path)
    (job,) = tmp_path.glob("work/*/*-measure-candidate-1-0/job")
    cancel = ["scancel", job.read_text()]
    subprocess.run(cancel, env={**os.environ, "SLURM_CONF": str(image_nodes.configuration)}, check=True)
    resumed = ssdbench("run", "--resume")
    assert resumed.returncode == ExitCode.CASE_FAILED, resumed.stdout + resumed.stderr
    run = latest(tmp_path)
    assert run.records[:1] == stored
    assert run.records[1].failure is not None
    assert run.records[1].failure.kind == "interrupted"
    assert jobs_of_launches(tmp_path) == before
    eventually(lambda: not image_nodes.containers())
    assert not ranks(tmp_path)


def jobs_of_launches(tmp_path: Path) -> dict[Path, str]:
    """The number of the job of each launch; a further job lists what the image contains."""
    return {path: path.read_text() for path in tmp_path.glob("work/*/*-measure-candidate-*/job")}


def ranks(tmp_path: Path) -> list[psutil.Process]:
    """The living ranks of the test's launches."""
    files = list(tmp_path.glob("work/*/*/case.json"))
    return [process for process in psutil.process_iter() if any(is_rank_of(process, file) for file in files)]


@each_way
def test_a_killed_rank_and_a_launch_that_takes_too_long_are_told_as_outside_of_images(
    image_nodes: Nodes, start: Start, ssdbench: Ssdbench, tmp_path: Path, way: str
) -> None:
    given = ("--containers", str(image_nodes.write(tmp_path, way)))
    asked = ("containers", "run", "26.01", *PACE, "--steps", "4000", "--launches", "1", *given)
    process = start(*asked)
    eventually(
        lambda: [file for file in tmp_path.glob("work/*/*/events-0.jsonl") if '"step":' in file.read_text()], 240
    )
    (rank,) = ranks(tmp_path)
    rank.send_signal(signal.SIGKILL)
    assert process.wait(120) == ExitCode.CASE_FAILED
    found = failure(tmp_path)
    assert (found.kind, found.rank) == ("crash", 0)
    assert found.message.startswith("rank 0 ended by SIGKILL")
    late = ssdbench(*asked, "--timeout", "90")
    assert late.returncode == ExitCode.CASE_FAILED, late.stdout + late.stderr
    found = failure(tmp_path)
    assert found.kind == "timeout"
    assert "rank 0 was after step" in found.message
    assert "most recent call first" in (found.log or "")
    assert image_nodes.containers() == []


def test_an_image_that_one_node_cannot_pull_fails_there_and_is_measured_on_the_other(
    image_nodes: Nodes, ssdbench: Ssdbench, tmp_path: Path
) -> None:
    given = ("--containers", str(image_nodes.write(tmp_path, "podman")))
    asked = ("containers", "run", "26.01", *PACE, "--steps", "4", "--launches", "2", "--slurm", "jobs=2", *given)
    with image_nodes.closed_to("node2"):
        done = ssdbench(*asked)
    assert done.returncode == ExitCode.CASE_FAILED, done.stdout + done.stderr
    outcomes = [record.failure.message if record.failure else hosts(record)[0] for record in latest(tmp_path).records]
    outcomes.sort(key=len)
    assert outcomes[0] == "node1"
    assert outcomes[1].startswith(f"{image_nodes.registry}/bench:26.01 cannot be pulled on node2: ")
    assert "HTTPS" in outcomes[1]


@each_way
def test_an_image_that_does_not_exist_is_a_failure_with_its_sentence(
    image_nodes: Nodes, ssdbench: Ssdbench, tmp_path: Path, way: str
) -> None:
    given = ("--containers", str(image_nodes.write(tmp_path, way)))
    done = ssdbench("containers", "run", "26.11", *PACE, "--steps", "4", "--launches", "1", *given)
    assert done.returncode == ExitCode.CASE_FAILED, done.stdout + done.stderr
    found = failure(tmp_path)
    assert found.kind == "unsupported"
    assert found.message.startswith(f"{image_nodes.registry}/bench:26.11 cannot be pulled: ")


def test_a_node_without_the_way_is_named_in_one_sentence(
    image_nodes: Nodes, slurm: Path, ssdbench: Ssdbench, environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"SLURM_CONF": str(slurm)}
    for way, sentence in (
        ("pyxis", "has no --container-image: Pyxis is not installed there (plugstack.conf)"),
        ("oci", "it has no oci.conf there that names a runtime"),
        ("apptainer", "apptainer is not on the PATH: install it, or use a machine that has it"),
    ):
        given = ("--containers", str(image_nodes.write(tmp_path, way)))
        done = ssdbench("containers", "run", "26.01", *PACE, "--steps", "4", "--launches", "1", *given)
        assert done.returncode == ExitCode.ENVIRONMENT, done.stdout + done.stderr
        assert sentence in " ".join(done.stderr.split())
        assert done.stderr.count("\n") == 1


def quick(tmp_path: Path, margin: float = 0.3) -> tuple[str, ...]:
    """A suite whose verdicts take as few launches as can be: what is planted is far beyond the margin."""
    suite = tmp_path / write_paced(tmp_path, steps=5, margin=margin)
    few = '[verdict]\nrule = "fixed"\nalpha = 0.2\nplan_power = 0.8\npower = 0.8\npair_cap = 4\nconfirm_pair_cap = 4'
    suite.write_text(suite.read_text().replace("[verdict]", few))
    return ("--suite", suite.name, "--launcher", "slurm")


def test_the_component_that_slows_an_image_down_is_named_by_probes_on_one_node(
    image_nodes: Nodes, ssdbench: Ssdbench, tmp_path: Path
) -> None:
    given = ("--containers", str(image_nodes.write(tmp_path, "pyxis")))
    done = ssdbench("containers", "blame", "28.01", "28.02", *quick(tmp_path), *given)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("it is brake (Python) ("), done.stdout
    store = FileStore(tmp_path / "results")
    runs = [store.load(header.run_id) for header in store.headers()]
    assert len({nodes for run in runs for nodes in hosts_of(run)}) == 1
    assert any(run.header.options.image and run.header.options.image.overlays for run in runs)
    assert image_nodes.containers() == []


def test_the_first_slow_image_of_a_list_is_found_by_probes_on_one_node(
    image_nodes: Nodes, ssdbench: Ssdbench, tmp_path: Path
) -> None:
    toml = image_nodes.write(tmp_path, "oci", images='["26.01", "26.02", "26.05"]')
    given = (*quick(tmp_path, margin=0.15), "--containers", str(toml))
    told = ssdbench("bisect", "images", "26.01", "26.05", *given, "--dry-run")
    assert told.returncode == ExitCode.OK, told.stderr
    done = ssdbench("bisect", "images", "26.01", "26.05", *given)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert f"{image_nodes.registry}/bench:26.05 is the first bad release" in " ".join(done.stdout.split())
    store = FileStore(tmp_path / "results")
    assert len({nodes for header in store.headers() for nodes in hosts_of(store.load(header.run_id))}) == 1
