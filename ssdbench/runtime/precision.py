"""Numeric precision of the network: autocast, gradient scaling and TF32, as `schema.case.PRECISIONS` defines them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch

from ssdbench.errors import EnvironmentLacksError
from ssdbench.runtime.device import Device, supports_bf16
from ssdbench.schema.case import PRECISIONS

if TYPE_CHECKING:
    from torch.amp.grad_scaler import GradScaler  # torch before 2.3 has it under torch.cuda.amp


class PrecisionPolicy:
    """Applies one precision to one device.

    Raises:
        EnvironmentLacksError: the device does not support this precision; another one is never used in its place.
    """

    def __init__(self, precision: str, device: Device) -> None:
        self._rule = PRECISIONS[precision]
        self._device = device
        capability = device.capability()
        if capability is None and not self._rule.on_cpu:
            raise EnvironmentLacksError(f"{precision} is measured on GPUs only")
        if capability is not None and capability < self._rule.minimum_capability:
            raise EnvironmentLacksError(f"{precision} needs compute capability {self._rule.minimum_capability}")
        if precision == "bf16" and not supports_bf16(device):
            raise EnvironmentLacksError("this device has no bfloat16 arithmetic")
        if self._rule.autocast_dtype is not None and not hasattr(torch, "autocast") and precision != "amp":
            raise EnvironmentLacksError(f"{precision} needs torch 1.10 or newer, this is {torch.__version__}")
        device.allow_tf32(self._rule.allow_tf32)

    def autocast(self) -> AbstractContextManager[object]:
        """Context manager for the network's forward pass."""
        if self._rule.autocast_dtype is None:
            return nullcontext()
        if not hasattr(torch, "autocast"):  # torch before 1.10: float16 on GPUs alone
            return torch.cuda.amp.autocast()
        return torch.autocast(self._device.kind, dtype=getattr(torch, self._rule.autocast_dtype))

    def scaler(self) -> GradScaler | None:
        """A new gradient scaler, None if gradients need no scaling."""
        if not self._rule.scale_gradients:
            return None
        make = getattr(getattr(torch, "amp", None), "GradScaler", None)
        scaler: GradScaler = make(self._device.kind) if make else torch.cuda.amp.GradScaler()  # torch before 2.3
        return scaler
