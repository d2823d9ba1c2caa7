"""Weights and checkpoints in the forms in which torch users store them are taken; all others get a sentence."""

from __future__ import annotations

import argparse
import collections
import copy
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ssdbench.errors import DataError
from ssdbench.ssd import state
from ssdbench.ssd.checkpoint import load_checkpoint, load_model_state
from ssdbench.ssd.model import SSD300

State = Mapping[str, Tensor]


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(collections.OrderedDict(conv=nn.Conv2d(3, 4, 1), bn=nn.BatchNorm2d(4)))


def named(wrap: Callable[[str], str]) -> Callable[[nn.Module], State]:
    return lambda model: {wrap(name): tensor for name, tensor in model.state_dict().items()}


def without_counters(model: nn.Module) -> State:
    return {name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name}


FORMS: dict[str, Callable[[nn.Module], object]] = {
    "no batch counters": without_counters,
    "state_dict inside": lambda model: {"state_dict": model.state_dict(), "epoch": 3},
    "model_state_dict inside": lambda model: {"model_state_dict": model.state_dict(), "loss": 0.5},
    "DataParallel": lambda model: nn.DataParallel(model).state_dict(),
    "DistributedDataParallel, inside": lambda model: {"state_dict": named("module.{}".format)(model)},
    "compiled": lambda model: torch.compile(model).state_dict(),  # type: ignore[attr-defined]
    "compiled in DDP": named("module._orig_mod.{}".format),
    "DDP, compiled": named("_orig_mod.module.{}".format),
    "a part compiled": named(lambda name: name.replace("bn.", "bn._orig_mod.")),
    "moving average": lambda model: AveragedModel(model).state_dict(),
    "moving average beside the model": lambda model: {"model": model.state_dict(), "model_ema": {"a": torch.ones(1)}},
    "moving average alone": lambda model: {"ema": model.state_dict(), "updates": 7},
    "parameters": lambda model: dict([*model.named_parameters(), *model.named_buffers()]),
    "half precision": lambda model: copy.deepcopy(model).half().state_dict(),
}


@pytest.fixture(autouse=True, params=["torch reads it", "as before torch 2.1"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each file read by torch, and as ssdbench reads it where torch is older."""
    if request.param != "torch reads it":
        monkeypatch.setattr(state, "READS_PLAIN_DATA", False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile itself, by torch 2.11
@pytest.mark.fault("R18", "a checkpoint as other training loops, wrappers and old versions of torch write it")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_checkpoint_in_a_common_form_is_taken(tmp_path: Path, form: str, zipped: bool) -> None:
    model, other = small(), small()
    torch.save(FORMS[form](model), tmp_path / "c.pt", _use_new_zipfile_serialization=zipped)
    nn.init.zeros_(other.get_parameter("conv.weight"))
    load_model_state(other, load_checkpoint(tmp_path / "c.pt"))
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, rtol=1e-3, atol=1e-3)


@pytest.mark.fault("R18", "a file of the layout of torchvision's first weights and of resnet50-0676ba61.pth")
@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_weights_of_the_layout_of_torchvision_are_taken(tmp_path: Path, backbone: str) -> None:
    # Parameters rather than tensors, statistics before weights, no counters, and the format before torch 1.6.
    resnet = torchvision.models.get_model(backbone)
    order = ("running_mean", "running_var", "weight", "bias")
    tensors = dict([*resnet.named_parameters(), *resnet.named_buffers()])
    names = [name for name in tensors if not name.endswith("num_batches_tracked")]
    names.sort(key=lambda name: (name.rpartition(".")[0], order.index(name.rpartition(".")[2])))
    content = collections.OrderedDict((name, tensors[name]) for name in names)
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    resnet.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))  # torch itself takes it
    with torch.random.fork_rng():
        features: Any = SSD300(backbone, tmp_path / "w.pth").feature_extractor.feature_extractor
    assert torch.equal(features[0].weight, tensors["conv1.weight"])
    assert torch.equal(features[6][1].bn2.running_var, tensors["layer3.1.bn2.running_var"])


class Malicious:
    """Runs a command when it is read by pickle."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


REFUSED: dict[str, tuple[Callable[[nn.Module], object], str]] = {
    "nothing of a model": (lambda model: {"weights": model.state_dict()}, "has none of model, state_dict, "),
    "a statistic is missing": (
        lambda model: {n: t for n, t in model.state_dict().items() if n != "bn.running_var"},
        "not a checkpoint of this model (1 missing: bn.running_var)",
    ),
    "wrapped in another model": (named("encoder.{}".format), "conv.weight"),
    "a whole model": (lambda model: model, "save the model's state_dict() alone"),
    "arguments of a training script": (
        lambda model: {"model": model.state_dict(), "args": argparse.Namespace(lr=1)},
        "contains argparse.Namespace, and only tensors and plain data are loaded",
    ),
}


@pytest.mark.fault("R18", "a checkpoint that lacks something, or holds more than tensors")
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_taken_is_refused_in_a_sentence_that_says_why(tmp_path: Path, what: str) -> None:
    content, says = REFUSED[what]
    torch.save(content(small()), tmp_path / "c.pt")
    with pytest.raises(DataError) as caught:
        load_model_state(small(), load_checkpoint(tmp_path / "c.pt"))
    assert str(caught.value).startswith(f"{tmp_path}/c.pt: ")
    assert says in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TorchScript itself, by torch 2.11
@pytest.mark.fault("R18", "a TorchScript archive in place of weights")
def test_an_archive_of_torchscript_is_named_as_one(tmp_path: Path) -> None:
    torch.jit.trace(small().eval(), torch.zeros(1, 3, 2, 2)).save(tmp_path / "c.pt")
    with pytest.raises(DataError, match="is a TorchScript archive"):
        load_checkpoint(tmp_path / "c.pt")


@pytest.mark.fault("E57", "a checkpoint, and weights of a backbone, that run a command when pickle reads them")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_malicious_file_runs_nothing(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "c.pt"
    content = {"model": small().state_dict(), "extra": Malicious(f"touch {tmp_path}/executed")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"contains posix\.system"):
        load_checkpoint(path)
    with pytest.raises(DataError, match=r"contains posix\.system"):
        SSD300("resnet18", path)
    assert not (tmp_path / "executed").exists()
    torch.load(path, weights_only=False)  # the fault is one: without the safeguard the command runs
    assert (tmp_path / "executed").exists()
