"""Profiled launches: where the time of a step goes, by part and by operator, in each of some launches of two builds.

A profiled launch is none that is measured: the profiler makes its steps longer. Its figures go into no record, and so
into no verdict and no baseline.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from ssdbench.compatibility import dataclass
from ssdbench.schema.environment import Software
from ssdbench.schema.record import Arm

PartKind = Literal["input", "kernels", "host", "communication", "unexplained"]
"""What the device does, or waits for, in a part of a step; together the parts are the step.

`input`: nothing runs, the host fetches the batch. `kernels`: an operator runs (on a GPU: a kernel or a copy). `host`:
nothing runs, the host is in a phase and has submitted nothing. `communication`: ranks exchange data, and nothing else
runs. `unexplained`: nothing runs, and the host is between two phases.
"""

FETCH = "fetch"
"""The phase in which the host asks for the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPart:
    """Seconds a step of one part; `phase` is that of the step ("forward"), empty where the kind has none."""

    kind: PartKind
    phase: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTime:
    """An operator in one phase, with inputs of these shapes: calls and seconds a step.

    `operator` is the outermost one, as the model calls it: the kernels it chooses can change, and it stays the same.
    `seconds` is all that runs within it, on a GPU the kernels that it launches; copies and conversions of layout within
    it count in a row of their own (`copies`). `layout` is that of its first four-dimensional input (channels_last,
    contiguous, other), empty without one or where torch does not tell it. `kernels` are the longest ones, in seconds a
    step, by name; none on a CPU.
    """

    phase: str
    operator: str
    copies: bool
    shapes: str
    layout: str
    calls: float
    seconds: float
    kernels: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankProfile:
    """A step of one rank: means over the middle half of the profiled steps, by their length.

    The parts add up to `step_seconds`. Neither has `waited_seconds`: the time in which the rank's thread could have run
    and had no CPU, because other processes had it (0 on a GPU, and where the kernel does not say). `operators` is empty
    except for the rank that the others wait for.
    """

    rank: int
    step_seconds: float
    waited_seconds: float
    parts: tuple[StepPart, ...]
    operators: tuple[OperatorTime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFile:
    """A raw trace in Chrome's format, compressed, in the folder of its launch; not `kept` where it was too large."""

    name: str
    bytes: int
    kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchProfile:
    """What a worker hands over of a profiled launch: steps without the profiler, then the profiled ones, by rank.

    Each of `plain_step_seconds` is that of the slowest rank, of the same process and without the profiler, and without
    the time in which it waited for a CPU. `software` are the versions as this worker saw them.
    """

    schema_version: int
    started_at: str
    workload_version: int
    profiled_steps: int
    plain_step_seconds: tuple[float, ...]
    ranks: tuple[RankProfile, ...]
    traces: tuple[TraceFile, ...] = ()
    software: Software | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledRank:
    """One rank of a stored launch; seconds as in `RankProfile`."""

    rank: int
    step_seconds: float
    waited_seconds: float
    parts: tuple[StepPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledLaunch:
    """One launch of a stored profile, in the order of measurement.

    `plain_seconds` is a step without the profiler: the mean over the middle half of the steps. `critical_rank` is the
    rank that the others wait for, whose operators are kept. `folder` is that of its raw traces, below the cache's
    folder of launches.
    """

    arm: Arm
    plain_seconds: float
    critical_rank: int
    ranks: tuple[ProfiledRank, ...]
    folder: str
    traces: tuple[TraceFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow:
    """An operator in all launches of a stored profile: calls and seconds a step, in their order; 0 where it is absent.

    The first fields are those of `OperatorTime`. `kernels` are the longest of each arm. A row without an operator is
    the sum of all that are too short to be kept.
    """

    phase: str
    operator: str
    copies: bool
    shapes: str
    layout: str
    calls: tuple[float, ...]
    seconds: tuple[float, ...]
    kernels: dict[Arm, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseProfile:
    """The profiled launches of a case: a line of a stored profile.

    `software` are the versions that were profiled, of each arm whose launches told them.
    """

    schema_version: int
    run_id: str
    case_key: str
    title: str
    profiled_at: str
    device: str
    steps: int
    builds: dict[Arm, str]
    launches: tuple[ProfiledLaunch, ...]
    operators: tuple[OperatorRow, ...]
    software: dict[Arm, Software] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileHeader:
    """First line of a stored profile; a line for each of `cases` follows. `profiled_at` is of the newest."""

    schema_version: int
    run_id: str
    hardware_key: str
    profiled_at: str
    cases: tuple[str, ...]
