"""Installed versions without importing anything: `python -m ssdbench.runtime.inventory` prints them as JSON.

Old interpreters run it as well, so that they can be refused in a sentence.
"""

from __future__ import annotations

import json
import platform
import shutil
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
    """Versions of the packages that a measurement may use, by our name for them; absent ones are left out."""
    found = {name: next(filter(None, map(_version, names)), None) for name, names in _DISTRIBUTIONS.items()}
    return {name: version for name, version in found.items() if version is not None}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    facts = {"python": platform.python_version(), "packages": packages(), "cpp_compiler": shutil.which("g++")}
    print(json.dumps({"event": "result", **facts}))  # noqa: T201  the host reads it from here
