"""Lists installed versions without importing the packages: `python -m ssdbench.runtime.inventory` prints JSON.

With `--gpu-code` it imports torch to report the GPUs that torch has code for. It also runs on Pythons that are too old
for ssdbench, so that these can be rejected with a clear message.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from importlib import metadata

# Newest first: where several are installed, Python imports one package whatever its wheel was called.
_DALI_DISTRIBUTIONS = ("nvidia-dali-cuda130", "nvidia-dali-cuda120", "nvidia-dali-cuda110")
_DISTRIBUTIONS = {
    "torch": ("torch",),
    "torchvision": ("torchvision",),
    "dali": _DALI_DISTRIBUTIONS,
    "pycocotools": ("pycocotools",),
    "numpy": ("numpy",),
    "faster-coco-eval": ("faster-coco-eval",),
}


def packages() -> dict[str, str]:
    """Versions of the packages that a measurement may use, by our name for them; packages not installed are omitted."""
    found = {name: next(filter(None, map(_version, names)), None) for name, names in _DISTRIBUTIONS.items()}
    return {name: version for name, version in found.items() if version is not None}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def gpu_code() -> list[str] | None:
    """Architectures that torch was compiled for, such as "sm_80" (binary code) or "compute_90" (PTX for later GPUs).

    Needs no GPU. Empty for a torch without CUDA, None if unknown.
    """
    try:
        import torch
    except (ImportError, OSError):
        return None  # not installed, or broken: a launch reports the details
    if torch.version.cuda is None:
        return []
    flags = getattr(torch._C, "_cuda_getArchFlags", None)
    return None if flags is None else (flags() or "").split() or None


if __name__ == "__main__":
    facts = {
        "python": platform.python_version(),
        "packages": packages(),
        "cpp_compiler": shutil.which("g++"),
        "gpu_code": gpu_code() if "--gpu-code" in sys.argv[1:] else None,
    }
    print(json.dumps({"event": "result", **facts}))  # noqa: T201  the host reads standard output
