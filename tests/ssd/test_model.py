"""The network, against the numbers of the published one and the names and shapes of its checkpoints."""

import csv
import math
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ssdbench.errors import DataError, EnvironmentLacksError, UsageError
from ssdbench.ssd.backbone import BACKBONES
from ssdbench.ssd.boxes import CLASS_COUNT
from ssdbench.ssd.model import SSD300

CHANNELS = {
    "resnet18": [256, 512, 512, 256, 256, 128],
    "resnet34": [256, 512, 512, 256, 256, 256],
    "resnet50": [1024, 512, 512, 256, 256, 256],
    "resnet101": [1024, 512, 512, 256, 256, 256],
    "resnet152": [1024, 512, 512, 256, 256, 256],
}


def without_storage(backbone="resnet50"):
    """Shapes only: neither memory nor time for 23 million parameters."""
    with torch.device("meta"):
        return SSD300(backbone), torch.empty(2, 3, 300, 300)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return SSD300("resnet18").eval()


def test_the_state_dict_has_the_342_names_and_shapes_of_the_published_checkpoints():
    with Path(__file__).with_name("state_dict_resnet50.csv").open() as file:
        published = [(row["name"], row["shape"]) for row in csv.DictReader(file)]
    model, _ = without_storage()
    ours = [(name, "x".join(map(str, entry.shape)) or "scalar") for name, entry in model.state_dict().items()]
    assert len(published) == 342
    assert ours == published


def test_the_model_has_22_894_902_parameters():
    assert sum(parameter.numel() for parameter in without_storage()[0].parameters()) == 22_894_902


def test_an_image_costs_40_30_gflop_forward_and_120_48_with_backward():
    model, images = without_storage()
    with FlopCounterMode(display=False) as forward:
        loc, logits = model(images)
    with FlopCounterMode(display=False) as backward:
        (loc.sum() + logits.sum()).backward()
    assert forward.get_total_flops() / len(images) / 1e9 == pytest.approx(40.30, abs=0.005)
    both = forward.get_total_flops() + backward.get_total_flops()
    assert both / len(images) / 1e9 == pytest.approx(120.48, abs=0.005)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_output_is_4_coordinates_and_81_logits_for_8732_default_boxes(backbone):
    model, images = without_storage(backbone)
    loc, logits = model(images)
    assert loc.shape == (2, 4, 8732)
    assert logits.shape == (2, 81, 8732)
    assert CLASS_COUNT == 81


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_six_maps_have_sides_38_19_10_5_3_1_and_the_channels_of_the_backbone(backbone):
    model, images = without_storage(backbone)
    shapes = []
    for layer in (model.feature_extractor, *model.additional_blocks):
        layer.register_forward_hook(lambda layer, inputs, output: shapes.append(output.shape))
    model(images)
    assert [shape[1] for shape in shapes] == CHANNELS[backbone]
    assert [shape[2:] for shape in shapes] == [(side, side) for side in (38, 19, 10, 5, 3, 1)]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_backbone_ends_with_conv4_whose_strides_are_all_1(backbone):
    model, _ = without_storage(backbone)
    *_, conv3, conv4 = model.feature_extractor.feature_extractor
    assert {module.stride for module in conv4.modules() if isinstance(module, nn.Conv2d)} == {(1, 1)}
    assert (2, 2) in {module.stride for module in conv3.modules() if isinstance(module, nn.Conv2d)}
    assert len(model.feature_extractor.feature_extractor) == 7


def test_the_additional_blocks_are_1x1_and_3x3_convolutions_without_bias_each_with_batch_norm_and_relu():
    model, _ = without_storage()
    assert len(model.additional_blocks) == 5
    for block, between, stride, padding in zip(
        model.additional_blocks, (256, 256, 128, 128, 128), (2, 2, 2, 1, 1), (1, 1, 1, 0, 0), strict=True
    ):
        assert [type(layer) for layer in block] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
        assert (block[0].kernel_size, block[0].out_channels, block[0].bias) == ((1, 1), between, None)
        assert (block[3].kernel_size, block[3].stride, block[3].padding, block[3].bias) == (
            *((3, 3), (stride, stride), (padding, padding)),
            None,
        )


def test_the_heads_are_3x3_convolutions_with_bias_for_4_6_6_6_4_4_boxes_a_place():
    model, _ = without_storage()
    for heads, values in ((model.loc, 4), (model.conf, 81)):
        assert [head.out_channels for head in heads] == [values * k for k in (4, 6, 6, 6, 4, 4)]
        assert {(head.kernel_size, head.padding, head.bias is not None) for head in heads} == {((3, 3), (1, 1), True)}


def test_heads_and_additional_blocks_start_xavier_uniform():
    model = SSD300("resnet18")
    parts = (model.additional_blocks, model.loc, model.conf)
    weights = [weight for part in parts for weight in part.parameters() if weight.dim() > 1]
    assert len(weights) == 10 + 6 + 6
    for weight in weights:
        fan_out, fan_in = weight[:, 0].numel(), weight[0].numel()
        bound = math.sqrt(6 / (fan_in + fan_out))
        assert 0.98 * bound < weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_a_heads_output_is_reshaped_with_the_value_outermost_then_shape_row_and_column(small):
    kept: dict[str, Any] = {}
    hooks = [
        head.register_forward_hook(lambda head, inputs, output: kept.__setitem__(head, output.detach()))
        for head in (*small.loc, *small.conf)
    ]
    with torch.inference_mode():
        outputs = small(torch.randn(1, 3, 300, 300))
    for hook in hooks:
        hook.remove()
    for output, heads, values in zip(outputs, (small.loc, small.conf), (4, 81), strict=True):
        start = 0
        for head in heads:
            _, channels, side, _ = kept[head].shape
            k = channels // values
            value, shape, row, column = values - 1, k - 2, side - 1, side // 2
            place = start + (shape * side + row) * side + column
            assert output[0, value, place] == kept[head][0, value * k + shape, row, column]
            start += k * side * side
        assert start == 8732


def test_channels_last_gives_the_same_output(small):
    torch.manual_seed(1)
    images = torch.randn(2, 3, 300, 300)
    with torch.inference_mode():
        expected = small(images)
        found = small.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    small.to(memory_format=torch.contiguous_format)
    for output, same in zip(found, expected, strict=True):
        torch.testing.assert_close(output, same, rtol=1e-4, atol=1e-4 * same.abs().max().item())


def test_images_of_another_size_are_refused(small):
    with pytest.raises(ValueError, match=r"\(N, 3, 300, 300\), not \(1, 3, 299, 300\)"):
        small(torch.empty(1, 3, 299, 300))


def test_training_with_one_image_is_impossible_because_of_the_batch_norm_on_the_1x1_map():
    model, images = without_storage("resnet18")
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        model.train()(images[:1])


# --- backbone weights -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def resnet18():
    return torchvision.models.resnet18(weights=None).state_dict()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty torch hub cache, and nothing to download from."""

    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    return tmp_path / "checkpoints"


def saved(state_dict, path):
    path.parent.mkdir(exist_ok=True)
    torch.save(state_dict, path)
    return path


def assert_has_backbone(model, state_dict):
    backbone = model.feature_extractor.feature_extractor
    assert torch.equal(backbone[0].weight, state_dict["conv1.weight"])
    assert torch.equal(backbone[6][1].bn2.running_var, state_dict["layer3.1.bn2.running_var"])


def test_the_backbone_takes_a_local_file_whole_or_without_what_is_dropped(resnet18, tmp_path):
    marked = {name: torch.full_like(entry, 3) for name, entry in resnet18.items()}
    assert_has_backbone(SSD300("resnet18", saved(marked, tmp_path / "whole.pth")), marked)
    cut = {name: entry for name, entry in marked.items() if not name.startswith(("layer4", "fc"))}
    assert_has_backbone(SSD300("resnet18", str(saved(cut, tmp_path / "cut.pth"))), marked)


def test_weights_of_another_backbone_get_a_sentence_with_file_and_names(resnet18, tmp_path):
    with pytest.raises(DataError, match=r"r18\.pth: not the weights of torchvision's resnet34 \(\d+ missing: layer"):
        SSD300("resnet34", saved(resnet18, tmp_path / "r18.pth"))
    resnet18 = {**resnet18, "extra.weight": torch.zeros(1), "conv1.weight": torch.zeros(64, 1, 7, 7)}
    with pytest.raises(
        DataError, match=r"1 unexpected: extra\.weight; 1 with another shape: conv1\.weight is 64x1x7x7, not 64x3x7x7"
    ):
        SSD300("resnet18", saved(resnet18, tmp_path / "odd.pth"))


def test_a_file_that_is_no_state_dict_or_not_there_gets_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"list\.pth: not a checkpoint but a list"):
        SSD300("resnet18", saved([1, 2], tmp_path / "list.pth"))
    with pytest.raises(DataError, match=r"absent\.pth: no such file .*ResNet18_Weights\.IMAGENET1K_V1"):
        SSD300("resnet18", tmp_path / "absent.pth")


@pytest.mark.parametrize("name", ["IMAGENET1K_V1", "DEFAULT", "ResNet18_Weights.IMAGENET1K_V1"])
def test_named_weights_come_from_the_cache_without_a_network(name, resnet18, cache):
    saved(resnet18, cache / "resnet18-f37072fd.pth")
    assert_has_backbone(SSD300("resnet18", name), resnet18)


def test_a_member_of_torchvisions_enum_is_a_name_too(resnet18, cache):
    saved(resnet18, cache / "resnet18-f37072fd.pth")
    assert_has_backbone(SSD300("resnet18", str(torchvision.models.ResNet18_Weights.DEFAULT)), resnet18)


def test_named_weights_that_are_not_in_the_cache_are_not_downloaded_unasked(cache):
    with pytest.raises(EnvironmentLacksError, match=r"are not on this machine; allow the download of https://.*\.pth"):
        SSD300("resnet50", "ResNet50_Weights.IMAGENET1K_V2")
    assert not cache.exists()


def test_a_download_without_a_network_gets_a_sentence_with_a_remedy(cache):
    with pytest.raises(
        EnvironmentLacksError, match=r"could not be downloaded .*no route to host.*or name a local file"
    ):
        SSD300("resnet50", "IMAGENET1K_V1", download=True)


def test_a_download_that_was_asked_for_is_checked_by_its_digest_and_used(resnet18, cache, monkeypatch):
    def fetch(url, path, digest, progress):
        assert url.endswith("resnet18-f37072fd.pth")
        assert digest == "f37072fd"
        torch.save(resnet18, path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert_has_backbone(SSD300("resnet18", "IMAGENET1K_V1", download=True), resnet18)


@pytest.mark.parametrize("name", ["IMAGENET1K_V7", "ResNet50_Weights.IMAGENET1K_V7", "ResNet34_Weights.IMAGENET1K_V1"])
def test_a_name_that_torchvision_does_not_have_for_the_backbone_gets_the_choices(name):
    with pytest.raises(UsageError, match=r"choose one of ResNet50_Weights\.IMAGENET1K_V1, ResNet50_Weights"):
        SSD300("resnet50", name)


def test_a_backbone_that_does_not_exist_gets_the_choices():
    with pytest.raises(
        UsageError, match="'vgg16' does not exist; choose one of resnet18, resnet34, resnet50, resnet101"
    ):
        SSD300("vgg16")
