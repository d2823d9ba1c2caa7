"""The roofline of a step: its operations, what a device can do at most, and the time that follows from both.

An operation takes at least as long as its arithmetic at the fastest rate of a matrix product, and at least as long as
its bytes at the fastest rate of a copy. The prediction of a step is the sum over its operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.case import PRECISIONS, Case

GroupName = Literal["convolutions", "batch_norm", "relu", "additions", "loss", "optimizer", "decoding", "rest"]
GROUPS: tuple[GroupName, ...] = (
    "convolutions", "batch_norm", "relu", "additions", "loss", "optimizer", "decoding", "rest",
)  # fmt: skip
Arithmetic = Literal["fp16", "bf16", "tf32", "fp32"]
ARITHMETICS: tuple[Arithmetic, ...] = ("fp16", "bf16", "tf32", "fp32")
_LOWERED: Mapping[str, Arithmetic] = {"float16": "fp16", "bfloat16": "bf16"}


def arithmetic_of(case: Case) -> Arithmetic:
    """The arithmetic of the case's convolutions; autocast leaves none in float32."""
    rule = PRECISIONS[case.precision]
    if rule.autocast_dtype is not None:
        return _LOWERED[rule.autocast_dtype]
    return "tf32" if rule.allow_tf32 and case.device == "cuda" else "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The work of one or several operations: floating-point operations, and bytes read plus written.

    Operations that only move memory are summed by group.
    """

    group: GroupName
    launches: int
    flop: float
    bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The highest rates of one GPU or CPU, measured or from a data sheet; `source` says which.

    `matmul_flop_per_second` has a rate for each arithmetic that is known. `copy_bytes_per_second` counts bytes read
    plus written. `host_seconds_per_operation` is what the host needs to submit one operation of a step, None where
    that is not known: it is the host's, not the GPU's.
    """

    source: str
    matmul_flop_per_second: dict[Arithmetic, float]
    copy_bytes_per_second: float
    host_seconds_per_operation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPrediction:
    """The share of one group of operations in a predicted step."""

    group: GroupName
    launches: int
    flop: float
    bytes: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePrediction:
    """The predicted step of a case on one GPU, and the measured one where there is a record; times in seconds.

    `device_seconds` is the sum of `groups`; `host_seconds` is what submitting `launches` operations takes, None where
    its cost is not known; `predicted_step_seconds` is the longer of the two, and `bound` says which.
    `predicted_images_per_second` is of one GPU. `measured_step_seconds` is the median step of the record's launches.
    `share_of_roofline` is predicted over measured; `share_of_matmul_ceiling` is the rate of the step's arithmetic,
    predicted where nothing was measured, over that of a matrix product.
    """

    case: Case
    flop: float
    bytes: float
    launches: int
    groups: tuple[GroupPrediction, ...]
    device_seconds: float
    host_seconds: float | None
    predicted_step_seconds: float
    predicted_images_per_second: float
    bound: Literal["device", "host"]
    share_of_matmul_ceiling: float
    measured_step_seconds: float | None = None
    share_of_roofline: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """Predictions of cases under one set of ceilings; `skipped` has a sentence for each case that has none."""

    schema_version: int
    ceilings: Ceilings
    cases: tuple[CasePrediction, ...]
    skipped: dict[str, str]
