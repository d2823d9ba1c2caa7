"""What a workload runs with: its case, and the device, precision and process group of this rank."""

from __future__ import annotations

from pathlib import Path

from ssdbench.compatibility import dataclass
from ssdbench.runtime.device import Device
from ssdbench.runtime.distributed import ProcessGroup
from ssdbench.runtime.precision import PrecisionPolicy
from ssdbench.schema.case import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class RankContext:
    """One rank of one launch, ready to measure.

    `seed` is the same on all ranks. `prepared_data` is the prepared.json of a data set, None for cases without one.
    """

    case: Case
    device: Device
    precision: PrecisionPolicy
    group: ProcessGroup
    seed: int
    prepared_data: Path | None = None
    backbone_weights: str | None = None
    allow_download: bool = False
