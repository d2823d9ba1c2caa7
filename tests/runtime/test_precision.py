"""A precision is a row of a table: autocast, gradient scaler and TF32, applied to a device that records."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch

from ssdbench.errors import EnvironmentLacksError
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.schema.case import PRECISIONS

# precision -> dtype of autocast, whether gradients are scaled, whether float32 operands may be rounded to TF32
TABLE: dict[str, tuple[torch.dtype | None, bool, bool]] = {
    "fp32": (None, False, False),
    "tf32": (None, False, True),
    "amp": (torch.float16, True, True),
    "bf16": (torch.bfloat16, False, True),
}


class Recording:
    """A device that does nothing and records the calls."""

    def __init__(self, kind: str, capability: tuple[int, int] | None) -> None:
        self.kind, self._capability = kind, capability
        self.tf32: list[bool] = []

    def capability(self) -> tuple[int, int] | None:
        return self._capability

    def allow_tf32(self, allowed: bool) -> None:
        self.tf32.append(allowed)


def applied(precision: str, device: Any) -> PrecisionPolicy:
    return PrecisionPolicy(precision, device)


def test_the_table_has_every_precision() -> None:
    assert TABLE.keys() == PRECISIONS.keys()


@pytest.mark.parametrize("precision", TABLE)
def test_a_precision_is_autocast_scaler_and_tf32(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype: (kind, dtype))
    monkeypatch.setattr(torch.amp, "GradScaler", lambda kind: ("scaler", kind))
    device = Recording("cuda", (9, 0))
    policy = applied(precision, device)
    dtype, scales, tf32 = TABLE[precision]
    assert device.tf32 == [tf32]
    if dtype is None:
        assert isinstance(policy.autocast(), nullcontext)
    else:
        assert policy.autocast() == ("cuda", dtype)
    assert policy.scaler() == (("scaler", "cuda") if scales else None)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_cpu_tf32_is_switched_as_well_and_nothing_is_scaled(precision: str) -> None:
    device = Recording("cpu", None)
    assert applied(precision, device).scaler() is None
    assert device.tf32 == [TABLE[precision][2]]


@pytest.mark.parametrize(
    ("precision", "capability", "words"),
    [
        ("tf32", None, "on GPUs only"),
        ("amp", None, "on GPUs only"),
        ("tf32", (7, 5), r"needs compute capability \(8, 0\)"),
        ("bf16", (7, 5), r"needs compute capability \(8, 0\)"),
        ("amp", (6, 1), r"needs compute capability \(7, 0\)"),
    ],
)
def test_what_a_device_cannot_compute_is_refused_before_a_switch_is_touched(
    precision: str, capability: tuple[int, int] | None, words: str
) -> None:
    device = Recording("cpu" if capability is None else "cuda", capability)
    with pytest.raises(EnvironmentLacksError, match=words):
        applied(precision, device)
    assert device.tf32 == []


def test_older_torch_spells_autocast_and_the_scaler_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "autocast")
    monkeypatch.delattr(torch, "amp")
    monkeypatch.setattr(torch.cuda.amp, "autocast", lambda: "float16 on the GPU")
    monkeypatch.setattr(torch.cuda.amp, "GradScaler", lambda: "scaler")
    policy = applied("amp", Recording("cuda", (7, 0)))
    assert (policy.autocast(), policy.scaler()) == ("float16 on the GPU", "scaler")


def test_bf16_is_refused_where_torch_has_float16_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "autocast")
    device = Recording("cuda", (9, 0))
    with pytest.raises(EnvironmentLacksError, match=r"bf16 needs torch 1\.10 or newer"):
        applied("bf16", device)
    assert device.tf32 == []
