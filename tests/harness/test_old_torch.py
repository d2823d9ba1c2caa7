"""Python 3.8 and torch 1.13 measure every workload that they can, and compute what today's torch computes."""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch

from ssdbench.errors import ExitCode
from ssdbench.harness.process import worker_environment
from ssdbench.harness.stores.files import FileStore
from tests.cli.conftest import Ssdbench, cache, environment, ssdbench  # noqa: F401  the command, as its own tests run it
from tests.old_torch import old_python
from tests.workloads.ranks import detecting_model

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

SUITE = """
name = "old"
device = "cpu"
foreign_cpu_limit_cores = 64.0
protocol = { warmup_steps = 1, steps = 2, launches = 1, timeout_seconds = 600 }
data = { train_images = 16, val_images = 8, seed = 1 }

[[matrix]]
workload = ["train", "infer", "detect", "input"]
backbone = "resnet18"
batch_size_per_gpu = 2
precision = "fp32"
pipeline = ["dali", "torchvision"]

[[matrix]]
workload = "train"
backbone = "resnet18"
batch_size_per_gpu = 2
world_size = 2
precision = ["fp32", "bf16"]
pipeline = "resident"
compile = [false, true]
"""

RECIPE = """
name = "short"
device = "cpu"
protocol = { launches = 2, timeout_seconds = 600 }

[[matrix]]
workload = "accuracy"
backbone = "resnet18"
pipeline = "dali"
precision = "fp32"
batch_size_per_gpu = 2
threads_per_rank = 1
options = { epochs = 2, validation = "1", warmup_iterations = 1 }
"""

# The loss and gradients of a step from numbers that every torch draws alike, and the detections of its output.
STEP = """
import json, sys
import numpy as np, torch
from ssdbench.ssd.boxes import decode, match
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.training import TrainStep, optimizer, set_learning_rate

torch.set_num_threads(1)
random = np.random.RandomState(5)
model = SSD300("resnet18", weights=None)
with torch.no_grad():
    for name, tensor in model.state_dict().items():
        if name.endswith("bias"):
            tensor.zero_()
        elif tensor.dim() > 1:
            tensor.copy_(torch.from_numpy(random.normal(0, 0.05, tuple(tensor.shape)).astype("float32")))
sgd = optimizer(model)
set_learning_rate(sgd, 1e-3)
step = TrainStep(model=model.train(), optimizer=sgd)
images = torch.from_numpy(random.normal(0, 1, (2, 3, 300, 300)).astype("float32"))
truth = torch.tensor([[0.1, 0.1, 0.5, 0.6], [0.2, 0.3, 0.9, 0.9], [0.2, 0.3, 0.9, 0.9]])
boxes, labels = match(truth, torch.tensor([3, 4, 5]))
batch = (images, torch.stack([boxes] * 2), torch.stack([labels] * 2))
losses = [float(step(*batch))]
gradients = {name: float(p.grad.double().norm()) for name, p in model.named_parameters() if p.grad is not None}
losses.append(float(step(*batch)))
generator = np.random.RandomState(6)
loc = torch.from_numpy(generator.normal(0, 1, (2, 4, 8732)).astype("float32"))
logits = torch.from_numpy(generator.normal(0, 2, (2, 81, 8732)).astype("float32"))
found = [[d.boxes_ltrb.tolist(), d.labels.tolist(), d.scores.tolist()] for d in decode(loc, logits, 0.2)]
json.dump([torch.__version__, losses, gradients, labels.tolist(), found], sys.stdout)
"""


def test_every_workload_that_it_can_do_is_measured_and_the_others_say_why_not(
    ssdbench: Ssdbench,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "old.toml").write_text(SUITE, encoding="utf-8")
    python = old_python()
    done = ssdbench("run", "old.toml", "--python", python)
    run = FileStore(tmp_path / "results").load("latest")
    said = done.stdout + done.stderr
    reasons = {planned.case.title: planned.skip_reason for planned in run.header.plan.cases if planned.skip_reason}
    assert sorted(set(reasons.values())) == [
        f"bf16 on a CPU needs torch 2.1 or newer, and {python} has 1.13.1",
        f"the torchvision pipeline needs torchvision 0.16 or newer, and {python} has 0.14.1",
        f"torch.compile needs torch 2.1 or newer, and {python} has 1.13.1",
    ], said
    measured = {(record.case.workload, record.case.pipeline, record.case.world_size) for record in run.records}
    expected = {("train", "dali", 1), ("infer", "dali", 1), ("detect", "dali", 1), ("input", "dali", 1)}
    assert measured == expected | {("train", "resident", 2)}, said
    assert [record.failure for record in run.records if record.failure is not None] == [], said
    software = [record.measurement.software for record in run.records if record.measurement is not None]
    assert {(s.python[:4], s.torch, s.dali) for s in software if s is not None} == {("3.8.", "1.13.1+cu117", "1.34.0")}


# What a training of one torch saved, read by the other: all that an exact resume needs.
CHECKPOINT = """
import json, sys
import torch
from ssdbench.ssd.checkpoint import load_checkpoint, save_checkpoint
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.training import optimizer

model = SSD300("resnet18", weights=None)
sgd = optimizer(model)
sum(parameter.sum() for parameter in model.parameters()).backward()
sgd.step()
if sys.argv[1] == "save":
    ranks = [{"random": torch.get_rng_state()}]
    save_checkpoint("c.pt", model, epoch=3, optimizer=sgd, scaler={"scale": 0.1}, ranks=ranks, identity="i")
found = load_checkpoint("c.pt")
sgd.load_state_dict(found.optimizer)
momenta = [entry["momentum_buffer"].double().sum().item() for entry in sgd.state_dict()["state"].values()]
tensors = {name: [str(t.dtype), t.double().sum().item()] for name, t in found.model.items()}
rest = [found.epoch, found.scaler, found.identity, found.ranks[0]["random"].tolist(), found.optimizer["param_groups"]]
json.dump([tensors, momenta, rest], sys.stdout)
"""


@pytest.mark.parametrize("saves", ["old", "new"])
def test_a_checkpoint_of_either_torch_is_read_by_both_alike(tmp_path: Path, saves: str) -> None:
    pythons = {"old": old_python(), "new": sys.executable}

    def said(python: str, task: str) -> object:
        command = [python, "-W", "ignore", "-c", CHECKPOINT, task]
        done = subprocess.run(
            command, env=worker_environment({}), capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    saved = said(pythons.pop(saves), "save")
    (other,) = pythons.values()
    assert said(other, "read") == saved


def test_a_checkpoint_is_judged_and_seeds_are_trained(ssdbench: Ssdbench, tmp_path: Path) -> None:  # noqa: F811
    python = old_python()
    assert ssdbench("data", "synth", "coco", "--train-images", "4", "--val-images", "8").returncode == 0
    torch.save(detecting_model().state_dict(), tmp_path / "weights.pt")
    given = ("--data", "coco", "--device", "cpu", "--backbone", "resnet18", "--batch-size", "4", "--pipeline", "dali")
    old, new = (ssdbench("evaluate", "weights.pt", *given, *more, "--json") for more in (("--python", python), ()))
    assert (old.returncode, new.returncode) == (0, 0), old.stderr + new.stderr
    figures = [json.loads(done.stdout)["evaluation"] for done in (old, new)]
    assert figures[0]["images"] == figures[1]["images"] == 8
    # Two releases of DALI decode: alike, not the same.
    assert figures[0]["detections"] == pytest.approx(figures[1]["detections"], rel=0.02)

    (tmp_path / "short.toml").write_text(RECIPE, encoding="utf-8")
    done = ssdbench("converge", "--suite", "short.toml", "--data", "coco", "--python", python, "--parallel", "2")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    run = FileStore(tmp_path / "results").load("latest")
    assert len(run.records) == 2
    for record in run.records:
        assert record.training is not None
        assert record.training.complete
        assert (record.training.software.torch, record.training.side_by_side) == ("1.13.1+cu117", 2)


def test_a_step_and_detections_are_those_of_todays_torch() -> None:
    def computed(python: str) -> list[object]:
        done = subprocess.run([python, "-W", "ignore", "-c", STEP], env=worker_environment({}), capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: list[object] = json.loads(done.stdout)
        return found

    old_version, *old = computed(old_python())
    new_version, *new = computed(sys.executable)
    assert (old_version, str(new_version)[:2]) == ("1.13.1+cu117", "2.")
    assert old[0] == pytest.approx(new[0], rel=1e-5)
    assert old[1] == pytest.approx(new[1], rel=2e-3)
    assert old[2] == new[2]
    for one, other in zip(old[3], new[3], strict=True):  # type: ignore[call-overload]
        assert len(one[0]) > 100
        assert one[1] == other[1]
        assert one[2] == pytest.approx(other[2], rel=1e-5)
        assert [*chain(*one[0])] == pytest.approx([*chain(*other[0])], rel=1e-4, abs=1e-5)
