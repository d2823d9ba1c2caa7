"""An image with Python 3.8 and torch 1.13 against one of today: the same read-only source, under docker and podman."""

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ssdbench.errors import ExitCode
from ssdbench.harness.stores.files import FileStore
from ssdbench.schema.container import Engine
from tests.cli.conftest import Ssdbench
from tests.containers.conftest import REPOSITORY
from tests.containers.engines import engine_of_its_own, why_not
from tests.containers.images import HERE, environment_of, import_image, mounts
from tests.old_torch import old_python

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(3000)]

# Both images can do these; a pair of each is compared. The verdict is not the question here.
SUITE = """
name = "both"
device = "cpu"
foreign_cpu_limit_cores = 64.0
protocol = { warmup_steps = 1, steps = 1, launches = 1, timeout_seconds = 600 }
data = { train_images = 16, val_images = 8, seed = 1 }

[verdict]
rule = "fixed"
pilot_pairs = 2
pair_cap = 2
confirm_pair_cap = 2
replans = 0
alpha = 0.4
margin = 0.9

[[matrix]]
workload = ["train", "infer", "detect", "input"]
backbone = "resnet18"
batch_size_per_gpu = 2
precision = "fp32"
pipeline = "dali"
"""


@dataclass(frozen=True)
class Images:
    """The images bench:old and bench:new of an engine, and the file that names them."""

    engine: Engine
    file: Path


@pytest.fixture(scope="module", params=["docker", "podman"])
def images(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    if (reason := why_not(request.param)) is not None:
        pytest.skip(f"{request.param}: {reason}")
    old = environment_of(old_python())
    with engine_of_its_own(request.param) as engine:
        import_image(engine, f"{REPOSITORY}:old", environment=old)
        import_image(engine, f"{REPOSITORY}:new")
        lines = ['engine = "own"', f'repository = "{REPOSITORY}"', f"mounts = {list(mounts(HERE, old))!r}"]
        lines += ["[engines.own]", f'like = "{engine.name}"', f"command = {list(engine.command)!r}"]
        file = tmp_path_factory.mktemp("images") / "containers.toml"
        file.write_text("\n".join(lines), encoding="utf-8")
        yield Images(engine=engine, file=file)


def test_what_can_be_measured_in_an_old_image_is_said_and_why_not_the_rest(images: Images, ssdbench: Ssdbench) -> None:
    done = ssdbench("containers", "check", "old", "--containers", str(images.file), "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    found = json.loads(done.stdout)
    owner = f"python in {REPOSITORY}:old has"
    assert (found["image"]["python"], found["image"]["packages"]["torch"]) == ("3.8.18", "1.13.1")
    cpu = found["why_not"]["cpu"]
    assert cpu["workloads"] == dict.fromkeys(("train", "infer", "detect", "input", "accuracy"))
    assert cpu["pipelines"] == {
        "dali": None, "resident": None,
        "torchvision": f"the torchvision pipeline needs torchvision 0.16 or newer, and {owner} 0.14.1",
    }  # fmt: skip
    assert cpu["precisions"]["bf16"] == f"bf16 on a CPU needs torch 2.1 or newer, and {owner} 1.13.1"
    assert cpu["options"] == {"compile": f"torch.compile needs torch 2.1 or newer, and {owner} 1.13.1"}
    gpu = found["why_not"]["cuda"]
    assert set(gpu["precisions"].values()) == {None}
    assert gpu["options"]["cuda_graph"] == f"a CUDA graph needs torch 2.1 or newer, and {owner} 1.13.1"

    shown = ssdbench("containers", "check", "old", "--containers", str(images.file)).stdout
    assert "On the CPU can be measured:\n  workloads   train, infer, detect, input, accuracy\n" in shown


def test_old_and_new_are_compared_in_turns_by_every_workload_that_both_can_do(
    images: Images, ssdbench: Ssdbench, tmp_path: Path
) -> None:
    (tmp_path / "both.toml").write_text(SUITE, encoding="utf-8")
    asked = ("--suite", "both.toml", "--containers", str(images.file))
    done = ssdbench("containers", "compare", "old", "new", *asked)
    said = done.stdout + done.stderr
    assert done.returncode in (ExitCode.OK, ExitCode.REGRESSED, ExitCode.INCONCLUSIVE), said
    run = FileStore(tmp_path / "results").load("latest")
    assert [record.failure for record in run.records if record.failure is not None] == [], said
    torch: dict[str, list[str]] = {}
    for record in run.records:
        assert record.measurement is not None
        assert record.measurement.software is not None
        torch.setdefault(record.case.workload, []).append(record.measurement.software.torch.partition(".")[0])
    assert set(torch) == {"train", "infer", "detect", "input"}, said
    # Within a pair both are measured, one after the other.
    assert all(set(found[:2]) == set(found[2:4]) == {"1", "2"} for found in torch.values()), torch
    comparison = json.loads(ssdbench("compare", "latest", "--json").stdout)
    differences = {item["name"]: (item["baseline"], item["candidate"]) for item in comparison["differences"]}
    assert differences["python"] == ("3.8.18", platform.python_version())
    assert differences["torch"][0].startswith("1.13.1")
