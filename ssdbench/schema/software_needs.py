"""From which version on the software that measures can do what a case asks; workers also check what they have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Callable, NamedTuple, Tuple

from ssdbench.schema.case import Case

Version = Tuple[int, int]

OLDEST_PYTHON: Version = (3, 8)
OLDEST_TORCH: Version = (1, 9)
OLDEST_DALI: Version = (1, 26)
"""Required by `ssd.pipelines.dali_graph`."""


class _Need(NamedTuple):
    applies: Callable[[Case], bool]
    what: str
    package: str
    oldest: Version


_NEEDS = (
    _Need(lambda case: case.compile, "torch.compile", "torch", (2, 1)),
    _Need(lambda case: case.cuda_graph, "a CUDA graph", "torch", (2, 1)),  # other threads must not abort its recording
    _Need(lambda case: case.precision == "bf16" and case.device == "cpu", "bf16 on a CPU", "torch", (2, 1)),
    _Need(lambda case: case.precision == "bf16", "bf16", "torch", (1, 10)),
    _Need(lambda case: case.pipeline == "torchvision", "the torchvision pipeline", "torchvision", (0, 16)),
    _Need(lambda case: case.pipeline == "dali", "the dali pipeline", "dali", OLDEST_DALI),
)
_SPELLINGS = {"dali": "DALI"}


def unmet_need(case: Case, versions: Mapping[str, str], owner: str) -> str | None:
    """What the case needs and the packages of `owner`, an interpreter, are too old for: a sentence, or None.

    A package without a version is not judged.
    """
    for need in _NEEDS:
        version = versions.get(need.package)
        if version is not None and need.applies(case) and version_numbers(version) < need.oldest:
            name = _SPELLINGS.get(need.package, need.package)
            return f"{need.what} needs {name} {'.'.join(map(str, need.oldest))} or newer, and {owner} has {version}"
    return None


def version_numbers(text: str) -> tuple[int, ...]:
    """Major and minor version: (2, 1) of "2.1.0a0+git"."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
