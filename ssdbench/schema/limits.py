"""What the speed of a launch is held against: the work of its step, and what its device can do at most."""

from __future__ import annotations

from ssdbench.compatibility import dataclass
from ssdbench.schema.roofline import Arithmetic, Ceilings


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork:
    """The work of one image of a step: floating-point operations, and bytes read plus written."""

    flop_per_image: float
    bytes_per_image: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedLimits:
    """The work of an image of a case, and the ceilings of its GPU (or CPU process); None is not known.

    `matmul_flop_per_second` is the rate of a matrix product in `arithmetic`, that of the case;
    `copy_bytes_per_second` that of a copy, read plus written. Both were measured at `measured_at`, before the first
    launch of the run, on one idle device of those that it uses.
    """

    arithmetic: Arithmetic
    measured_at: str
    flop_per_image: float | None = None
    bytes_per_image: float | None = None
    matmul_flop_per_second: float | None = None
    copy_bytes_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsAnswer:
    """What a worker found, an item for each case that it was asked about; `notes` say why something is missing."""

    schema_version: int
    measured_at: str
    work: tuple[StepWork | None, ...]
    ceilings: tuple[Ceilings, ...]
    notes: tuple[str, ...] = ()
