"""Versions of all software that may affect a result, as seen inside the measured process."""

from __future__ import annotations

import os
import platform
import sys

import torch

from ssdbench.runtime.cuda_libraries import cublas_version, cuda_versions
from ssdbench.runtime.inventory import packages
from ssdbench.schema.environment import Software


def software() -> Software:
    """Collect the installed versions."""
    installed = packages()
    # With several DALI wheels installed, only the imported module knows which one is used.
    dali = getattr(sys.modules.get("nvidia.dali"), "__version__", installed.get("dali"))
    cuda, cudnn, nccl = cuda_versions()
    return Software(
        python=platform.python_version(),
        torch=str(torch.__version__),
        torchvision=installed.get("torchvision"),
        dali=dali,
        pycocotools=installed.get("pycocotools"),
        numpy=installed.get("numpy"),
        cuda=cuda,
        cudnn=cudnn,
        cublas=cublas_version(),
        nccl=nccl,
        container_release=os.environ.get("NVIDIA_PYTORCH_VERSION"),
    )
