"""The model as a case asks for it."""

import torch

from ssdbench.runtime.session import Session
from ssdbench.ssd.model import SSD300


def build_model(session: Session) -> SSD300:
    """SSD300 with the case's backbone, on the rank's device, in the case's memory layout, compiled if asked."""
    case = session.case
    model = SSD300(case.backbone, weights=session.backbone_weights, download=session.allow_download)
    layout = torch.channels_last if case.layout == "channels_last" else torch.contiguous_format
    model.to(session.device.torch_device)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    if case.compile:
        model.compile()
    return model
