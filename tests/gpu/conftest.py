"""One GPU for all tests of this folder, which need torch, numpy and the device side of this tree alone."""

from collections.abc import Iterator

import pytest
import torch

from ssdbench.runtime.device import CudaGpu


@pytest.fixture
def gpu() -> Iterator[CudaGpu]:
    """The first GPU, with the same kernels in every run: without cuDNN's search, which also takes long."""
    device = CudaGpu(0)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    yield device
    torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    torch.backends.cudnn.deterministic = False
    torch.cuda.empty_cache()
