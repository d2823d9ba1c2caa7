"""What a version is too old for is said with the version that is needed; what is not asked for does not matter."""

import pytest

from ssdbench.schema.software_needs import unmet_need, version_numbers
from tests.builders import a_case


@pytest.mark.parametrize(
    ("changes", "package", "too_old", "enough", "what"),
    [
        ({"compile": True}, "torch", "2.0.1", "2.1.0a0+git", "torch.compile"),
        ({"cuda_graph": True}, "torch", "2.0.1", "2.1", "a CUDA graph"),
        ({"precision": "bf16", "device": "cpu"}, "torch", "1.13.1", "2.1.0", "bf16 on a CPU"),
        ({"precision": "bf16", "device": "cuda"}, "torch", "1.9.1", "1.10.0", "bf16"),
        ({"pipeline": "torchvision"}, "torchvision", "0.15.2", "0.16.0", "the torchvision pipeline"),
        ({"pipeline": "dali"}, "dali", "1.25.0", "1.26.0", "the dali pipeline"),
    ],
)
def test_each_need_is_said_where_it_is_asked_for_and_not_met(
    changes: dict[str, object], package: str, too_old: str, enough: str, what: str
) -> None:
    plain = {"workload": "train", "device": "cuda", "precision": "fp32", "pipeline": "resident"}
    asked = a_case(**plain | changes)
    sentence = unmet_need(asked, {package: too_old}, "this one")
    assert sentence is not None
    assert sentence.startswith(f"{what} needs ")
    assert sentence.endswith(f" or newer, and this one has {too_old}")
    assert unmet_need(asked, {package: enough}, "this one") is None
    assert unmet_need(asked, {}, "this one") is None
    assert unmet_need(a_case(**plain), {package: too_old}, "this one") is None


def test_a_version_is_compared_by_numbers_whatever_follows() -> None:
    assert version_numbers("1.13.0a0+936e930") == (1, 13)
    assert version_numbers("2.4.0") > version_numbers("1.26.0") > version_numbers("1.9.0")
