"""Checkpoints: the published form in all its ages, and one sentence for every file that is none."""

import collections
import errno
import pathlib
import subprocess

import pytest
import torch
from torch import nn

from ssdbench.errors import DataError
from ssdbench.ssd.checkpoint import Checkpoint, load_checkpoint, load_model_state, save_checkpoint
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.training import optimizer

NAMES = "model, state_dict, model_state_dict, module, model_ema, state_dict_ema, ema"


def small(outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, outputs), nn.BatchNorm1d(outputs))


def saved(content, path, **options):
    torch.save(content, path, **options)
    return path


def assert_same_state(model, other):
    for name, tensor in other.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


@pytest.mark.parametrize("prefix", ["", "module.", "module.module."])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_published_checkpoint_loads_with_module_in_its_names_once_or_more(prefix, zipped, tmp_path):
    model = small()
    content = {
        "epoch": 65,
        "iteration": 59_000,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1).state_dict(),
        "scheduler": {"milestones": collections.Counter([43, 54]), "gamma": 0.1},
        "label_map": {1: "person", 2: "bicycle"},
        "model": {prefix + name: entry for name, entry in model.state_dict().items()},
    }
    path = saved(content, tmp_path / "published.pt", _use_new_zipfile_serialization=zipped)
    checkpoint = load_checkpoint(path)
    assert list(checkpoint.model) == list(model.state_dict())
    assert (checkpoint.epoch, checkpoint.iteration, checkpoint.path) == (65, 59_000, path)
    assert checkpoint.label_map == {1: "person", 2: "bicycle"}
    assert checkpoint.scheduler == {"milestones": {43: 1, 54: 1}, "gamma": 0.1}
    assert checkpoint.optimizer["param_groups"][0]["lr"] == 0.1
    other = small()
    nn.init.zeros_(other[0].weight)
    load_model_state(other, checkpoint)
    assert_same_state(other, model)


def test_only_leading_module_is_removed(tmp_path):
    path = saved({"model": {"module.a.module.b": torch.zeros(1)}}, tmp_path / "c.pt")
    assert list(load_checkpoint(path).model) == ["a.module.b"]


def test_a_bare_state_dict_is_a_checkpoint_of_a_model_alone(tmp_path):
    model = small()
    checkpoint = load_checkpoint(str(saved(model.state_dict(), tmp_path / "bare.pt")))
    load_model_state(small(), checkpoint)
    assert (checkpoint.epoch, checkpoint.iteration, checkpoint.optimizer) == (None, None, None)
    assert (checkpoint.scheduler, checkpoint.label_map) == (None, None)


def test_a_saved_checkpoint_comes_back_whole(tmp_path):
    model = SSD300("resnet18")
    sgd = optimizer(model)
    path = tmp_path / "ours.pt"
    save_checkpoint(path, model, epoch=3, iteration=77, optimizer=sgd, scheduler={"a": 1}, label_map={1: "person"})
    checkpoint = load_checkpoint(path)
    assert (checkpoint.epoch, checkpoint.iteration, checkpoint.scheduler) == (3, 77, {"a": 1})
    assert checkpoint.label_map == {1: "person"}
    sgd.load_state_dict(checkpoint.optimizer)
    other = SSD300("resnet18")
    load_model_state(other, checkpoint)
    assert_same_state(other, model)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ours.pt"]


def test_a_wrapped_model_is_saved_without_its_wrapper(tmp_path):
    wrapper = nn.Module()
    wrapper.module = small()
    save_checkpoint(tmp_path / "c.pt", wrapper)
    content = torch.load(tmp_path / "c.pt", weights_only=True)
    assert list(content) == ["model"]
    assert list(content["model"]) == list(small().state_dict())


def test_a_save_that_fails_leaves_the_older_checkpoint_and_no_part(tmp_path):
    path = tmp_path / "c.pt"
    save_checkpoint(path, small(), epoch=1)
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(path, small(), epoch=2, scheduler={"unpicklable": lambda: None})
    assert load_checkpoint(path).epoch == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_with_the_file_and_leaves_the_older_checkpoint(tmp_path):
    save_checkpoint(tmp_path / "first.pt", small(), epoch=1)
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={int(1.5 * (tmp_path / 'first.pt').stat().st_size) // 4096 * 4096}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        path = disk / "c.pt"
        save_checkpoint(path, small(), epoch=1)
        with pytest.raises(OSError, match="No space left") as caught:
            save_checkpoint(path, small(), epoch=2)
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename.startswith(f"{path}.")
        assert load_checkpoint(path).epoch == 1
        assert list(disk.iterdir()) == [path]
    finally:
        subprocess.run(["umount", disk], check=True)


def refusal(path):
    with pytest.raises(DataError) as caught:
        load_checkpoint(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence
    assert "weights_only" not in sentence
    return sentence.removeprefix(f"{path}: ")


def test_a_path_without_a_file_gets_a_sentence(tmp_path):
    assert refusal(tmp_path / "absent.pt") == "no such file"
    assert refusal(tmp_path) == "not a file but a directory or a device"


@pytest.mark.parametrize(
    "content", [b"", b"hello\nworld\n", b"\xff\xd8\xff\xe0" * 100, b"PK\x03\x04 not really", b"\x80\x04\x95\x00"]
)
def test_a_file_of_another_kind_gets_a_sentence(content, tmp_path):
    (tmp_path / "c.pt").write_bytes(content)
    assert refusal(tmp_path / "c.pt") == "not a torch file, or a damaged one"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_cut_off_gets_a_sentence(zipped, tmp_path):
    path = saved({"model": {"a": torch.zeros(5000)}}, tmp_path / "c.pt", _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:-4000])
    assert refusal(path) == "not a torch file, or a damaged one"


def test_a_checkpoint_that_holds_code_is_refused_by_name(tmp_path):
    path = saved({"model": small().state_dict(), "where": pathlib.PurePosixPath("x")}, tmp_path / "c.pt")
    assert refusal(path).startswith("contains pathlib.PurePosixPath, and only tensors and plain data are loaded")
    path = saved({"model": small()}, tmp_path / "whole.pt")
    assert refusal(path).startswith("contains torch.nn.modules.container.Sequential")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1, 2], "not a checkpoint but a list"),
        ({}, f"not a checkpoint, has none of {NAMES} (it is empty)"),
        ({"state": 1, "step": 2}, f"not a checkpoint, has none of {NAMES} (it has 2: state, step)"),
        ({"model": 1}, "not a checkpoint, its entry `model` is not a state dict of tensors"),
        ({"model": {}}, "not a checkpoint, its entry `model` is not a state dict of tensors"),
        ({"model": {"a": torch.zeros(1)}, "epoch": "last"}, "entry `epoch` is a str, not a int"),
        (
            {"model": {"a": torch.zeros(1), "module.a": torch.zeros(1)}},
            "not a checkpoint, some names occur with and without `module.` or `_orig_mod.`",
        ),
    ],
)
def test_a_torch_file_that_is_no_checkpoint_gets_a_sentence(content, expected, tmp_path):
    assert refusal(saved(content, tmp_path / "c.pt")) == expected


def test_a_checkpoint_of_another_model_names_missing_unexpected_and_reshaped_entries(tmp_path):
    state = small(outputs=5).state_dict()
    state.update({f"extra.{i}": torch.zeros(1) for i in range(5)})
    del state["1.running_mean"]
    model = small()
    before = {name: entry.clone() for name, entry in model.state_dict().items()}
    with pytest.raises(DataError) as caught:
        load_model_state(model, load_checkpoint(saved(state, tmp_path / "c.pt")))
    assert str(caught.value) == (
        f"{tmp_path}/c.pt: not a checkpoint of this model (1 missing: 1.running_mean; "
        "5 unexpected: extra.0, extra.1, extra.2 and 2 more; "
        "5 with another shape: 0.weight is 5x3, not 2x3, 0.bias is 5, not 2, 1.weight is 5, not 2 and 2 more)"
    )
    for name, entry in model.state_dict().items():
        assert torch.equal(entry, before[name])


def test_a_checkpoint_of_another_backbone_is_refused():
    with torch.device("meta"):
        model, other = SSD300("resnet50"), SSD300("resnet34")
    checkpoint = Checkpoint(path=pathlib.Path("r34.pt"), model=other.state_dict())
    with pytest.raises(DataError, match=r"^r34\.pt: not a checkpoint of this model \(\d+ missing: feature_extractor\."):
        load_model_state(model, checkpoint)
